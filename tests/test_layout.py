"""The shape of the project: what stands where, and what must not."""

from __future__ import annotations

import ast
import re
import subprocess
import unittest
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.demo import certificates
from tests.programs import needs

ROOT = Path(__file__).parent.parent
WITHOUT_TESTS = {"__init__", "_version", "interfaces"}
BESIDE_MODULES = {
    "test_admitted",
    "test_benchmarks",
    "test_conf",
    "test_container",
    "test_fleet",
    "test_fuzz",
    "test_glossary",
    "test_hostile_inputs",
    "test_kept",
    "test_layout",
    "test_operate",
    "test_page",
    "test_plugin",
    "test_prometheus_files",
    "test_public_surface",
    "test_round_trips",
    "test_scripts",
    "test_systemd_unit",
}
"""Tests of what is no module of the package: the benchmarks, the simulated fleet, the examples in conf/, the pages'
words, hostile inputs, who is forwarded by type, the tree, the plugin, the public names, the unit, the page about
operation, the console in a browser, and configurations that are written as ARM and read again."""


def modules() -> set[str]:
    """Every module that needs a test module, as a path below its root without suffix."""
    found = (path.relative_to(ROOT / "agwtwisted") for path in (ROOT / "agwtwisted").rglob("*.py"))
    return {str(path.with_suffix("")) for path in found if path.stem not in WITHOUT_TESTS}


def support() -> set[str]:
    """What tests are made with: the modules of tests/ that may have tests themselves."""
    return {path.stem for path in (ROOT / "tests").glob("*.py") if not path.stem.startswith(("test_", "__"))}


def mirrored() -> set[str]:
    """The modules that the test modules are named after."""
    found = (path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py"))
    names = (path for path in found if path.parts[0] != "end_to_end" and path.stem not in BESIDE_MODULES)
    return {str(path.with_name(_module_of(path.stem))) for path in names}


def _module_of(test: str) -> str:
    name = test.removeprefix("test_")
    return "__main__" if name == "main" else name


class MirrorTests(SynchronousTestCase):
    """tests/ mirrors agwtwisted/."""

    def test_every_module_has_its_test_module(self) -> None:
        """A module without a test module of its name is found here, before it is found wanting."""
        self.assertEqual(modules() - mirrored(), set())

    def test_every_test_module_has_its_module(self) -> None:
        """A test module that is named after nothing has been left behind by a renaming."""
        self.assertEqual(mirrored() - modules() - support(), set())

    def test_every_directory_of_tests_is_a_package(self) -> None:
        """trial finds only tests in packages; without `__init__.py` a directory would go unnoticed."""
        lacking = {path.parent for path in (ROOT / "tests").rglob("*.py") if not (path.parent / "__init__.py").exists()}
        self.assertEqual(lacking, set())


class TreeTests(SynchronousTestCase):
    """What stands in the tree."""

    def test_plugin_directories_are_no_packages(self) -> None:
        """Twisted skips a plugin directory with `__init__.py`, and in a wheel the file would overwrite its own."""
        self.assertEqual(list((ROOT / "twisted").rglob("__init__.py")), [])

    def test_packages_are_all_declared(self) -> None:
        """A package that `setup.cfg` does not name would be missing from the wheel, and only there."""
        declared = re.search(r"^packages =\n((?:    .*\n)+)", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
        assert declared
        packages = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "agwtwisted").rglob("__init__.py")}
        self.assertLessEqual({name.replace("/", ".") for name in packages}, set(declared[1].split()))

    def test_tables_read_as_the_tree(self) -> None:
        """The tables of ARCHITECTURE.md name every package, and no other: they read as the tree of folders."""
        page = (ROOT / "ARCHITECTURE.md").read_text()
        named: set[str] = set()
        for row in re.findall(r"(?m)^\| (.*) \|$", page[: page.index("\n## ")]):
            cells = row.split(" | ")
            stage = len(cells) == 4
            named |= set(re.findall(r"`((?:core/)?\w+)/`", cells[1 if stage else 0]))
            named |= {f"core/{room}" for room in re.findall(r"`(\w+)/`", cells[2])} if stage else set()
        packages = (path.parent.relative_to(ROOT / "agwtwisted") for path in (ROOT / "agwtwisted").rglob("__init__.py"))
        self.assertEqual(named, {str(package) for package in packages} - {".", "core"})

    def test_modules_are_short(self) -> None:
        """No module has more than 400 lines: a longer one answers two questions."""
        lengths = {str(path): len(path.read_text().splitlines()) for path in (ROOT / "agwtwisted").rglob("*.py")}
        self.assertEqual({path: length for path, length in lengths.items() if length > 400}, {})

    def test_modules_have_a_docstring(self) -> None:
        """Every module and every package says what it answers."""
        paths = (ROOT / "agwtwisted").rglob("*.py")
        self.assertEqual([str(path) for path in paths if ast.get_docstring(ast.parse(path.read_text())) is None], [])

    def test_a_class_name_means_one_class(self) -> None:
        """No two modules have a public class or type alias of one name: a search finds the one that is meant."""
        found = [
            (node.name if isinstance(node, ast.ClassDef) else ast.unparse(node.target), path.name)
            for path in (ROOT / "agwtwisted").rglob("*.py")
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ClassDef)
            or (isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias")
        ]
        names = Counter(name for name, _ in found if not name.startswith("_"))
        self.assertEqual([each for each in sorted(found) if names[each[0]] > 1], [])

    def test_papers_are_there(self) -> None:
        """The pages that newcomers, reporters of defects and packagers look for exist."""
        papers = "ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md LICENSE README.md SECURITY.md Makefile .ci/run"
        self.assertEqual([name for name in papers.split() if not (ROOT / name).is_file()], [])

    def test_links_lead_somewhere(self) -> None:
        """Every relative link of a page names a file that exists."""
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
            for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
                self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")

    @needs("git")
    @unittest.skipUnless((ROOT / ".git").exists(), "not a clone")
    def test_files_speak_of_the_project_alone(self) -> None:
        """No file of the repository names the place it was written at, or a numbered conversation about it."""
        words = "|".join(("/wor" + "k/", "issu" + "e #", "TO" + "DO", "FIX" + "ME"))
        search = ["git", "-c", "safe.directory=*", "grep", "--extended-regexp", "--ignore-case", "-n", "-I", words]
        found = subprocess.run(search, cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual((found.stdout, found.stderr), ("", ""))


class LimitsPageTests(SynchronousTestCase):
    """docs/timeouts-and-limits.md."""

    def test_says_what_is_so(self) -> None:
        """The page names every number of the section [gateway], those of its tables with their defaults."""
        page = (ROOT / "docs" / "timeouts-and-limits.md").read_text()
        numbers = {each.name: each.default for each in attrs.fields(Gateway) if type(each.default) in (int, float)}
        self.assertEqual([name for name in numbers if f"`{name}`" not in page], [])
        rows = re.findall(r"(?m)^\| `(\w+)` \| (\d+) \|", page)
        self.assertTrue(rows)
        for name, default in rows:
            self.assertEqual(float(default), numbers[name], name)


class ReadmeTests(SynchronousTestCase):
    """The first page."""

    def setUp(self) -> None:
        self.text = (ROOT / "README.md").read_text()

    def test_is_short(self) -> None:
        """The first page stays one page: ninety lines."""
        self.assertLessEqual(len(self.text.splitlines()), 90)

    def test_configuration_is_valid(self) -> None:
        """The configuration on the first page is taken as it stands, without a warning."""
        block = re.search(r"```ini\n(.*?)```", self.text, re.DOTALL)
        assert block
        made = certificates.make(datetime.now(UTC))
        allowed = block[1].replace("[gateway]\n", "[gateway]\nallow_demo = true\n")  # it is the demo's that are at hand

        def read(path: str) -> SourceFile:
            return SourceFile(data=made[Path(path).name], mode=0o600)

        config = parse(allowed.encode(), "gw.ini", read, now=datetime.now(UTC)).config
        self.assertEqual(config.warnings, ())
        self.assertEqual([listener.name for listener in config.http_listeners], ["public"])

    def test_begins_with_the_two_commands(self) -> None:
        """The first code block runs the gateway and the suite, and the Makefile knows both."""
        block = re.search(r"```\w*\n(.*?)```", self.text, re.DOTALL)
        assert block
        commands = [line.split("#")[0].strip() for line in block[1].splitlines()]
        self.assertEqual(commands, ["make run", "make test"])
        makefile = (ROOT / "Makefile").read_text()
        self.assertRegex(makefile, r"(?m)^run:")
        self.assertRegex(makefile, r"(?m)^test:")
