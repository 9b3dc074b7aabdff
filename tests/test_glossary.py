"""The words of the project: docs/glossary.md, and what pages and modules say by them."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "agwtwisted"
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / name / "README.md" for name in ("fuzz", "benchmarks")),
]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables, heads and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [
        each
        for index, each in enumerate(cells)
        if "---" not in each and "---" not in cells[min(index + 1, len(cells) - 1)]
    ]


def terms() -> tuple[list[list[str]], list[str]]:
    """The rows that define a term, and the words to avoid."""
    defined, _, avoided = GLOSSARY.read_text().partition("## Words to avoid")
    return rows(defined), [word for row in rows(avoided) for word in re.findall(r"`([a-z ]+)`", row[0])]


def anchors(page: Path) -> set[str]:
    """The names by which links can lead to the headings of a page, as GitHub makes them."""
    heads = re.findall(r"(?m)^#+ (.+)$", page.read_text())
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


AVOIDED = re.compile(rf"(?i)\b(?:{'|'.join(terms()[1])})\b")


def avoided_in(text: str) -> list[str]:
    """The words to avoid that a text has."""
    return AVOIDED.findall(text)


class GlossaryTests(SynchronousTestCase):
    """The page itself."""

    def test_each_term_once(self) -> None:
        """A term has one row, with one definition and a place."""
        defined, avoided = terms()
        names = [name for row in defined for name in row[0].split(", ")]
        self.assertEqual(sorted(set(names)), sorted(names))
        self.assertEqual({len(row) for row in defined}, {3})
        self.assertTrue(avoided)

    def test_is_linked(self) -> None:
        """The first page and ARCHITECTURE.md lead to it."""
        for name in ("README.md", "ARCHITECTURE.md"):
            self.assertIn("(docs/glossary.md)", (ROOT / name).read_text())


class PagesTests(SynchronousTestCase):
    """All pages."""

    def test_modules_exist(self) -> None:
        """A module that a page names is a file of the package, of the repository, or beside the page."""
        for page in PAGES:
            if page.name == "CHANGELOG.md":
                continue
            for name in re.findall(r"`((?:\w+/)*\w+\.py)`", page.read_text()):
                places = (PACKAGE, ROOT, ROOT / "tests", page.parent)
                self.assertTrue(any((place / name).is_file() for place in places), f"{page.name}: {name}")

    def test_headings_exist(self) -> None:
        """A link to a part of a page names a heading of that page."""
        for page in PAGES:
            for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
                self.assertIn(anchor, anchors(page.parent / target if target else page), page.name)

    def test_words_to_avoid(self) -> None:
        """No page has a word that the glossary says to avoid."""
        for page in PAGES:
            text = page.read_text()
            if page == GLOSSARY:
                text = text.partition("## Words to avoid")[0]
            self.assertEqual(avoided_in(text), [], page.name)

    def test_words_to_avoid_in_examples(self) -> None:
        """Nor has an example configuration."""
        for page in (ROOT / "conf").glob("*.ini"):
            self.assertEqual(avoided_in(page.read_text()), [], page.name)


class PackageTests(SynchronousTestCase):
    """The modules."""

    def test_words_to_avoid(self) -> None:
        """No message, docstring, comment or name of a module has a word that the glossary says to avoid."""
        found = {
            f"{module.relative_to(PACKAGE)}:{number}": line.strip()
            for module in PACKAGE.rglob("*.py")
            for number, line in enumerate(module.read_text().splitlines(), 1)
            if avoided_in(line)
        }
        self.assertEqual(found, {}, "docs/glossary.md has other words for these")
