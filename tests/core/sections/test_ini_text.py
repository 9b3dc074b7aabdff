"""`agwtwisted.core.sections.ini_text`: sections written as INI text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Place
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.ini_text import written
from tests.configurations import GOOD
from tests.sections import without_places

PLACE = Place(file="gw.json", line=3, path="properties")

LINES = st.sampled_from(
    [
        *GOOD.splitlines(),
        "",
        "# c",
        " ; c",
        "a = ; b",
        "a = b ; c",
        "a = \\; b ;c",
        "b = x",
        "  y ; z ; z",
        "\t\\;",
        "[kind a] ; c",
        "[path_rule m/r]",
    ]
)


def section(*entries: tuple[str, str], kind: str = "probe", name: str = "p") -> Section:
    """A section with these keys."""
    return Section(
        kind=kind,
        name=name,
        place=PLACE,
        entries=tuple(Entry(key=key, value=value, uncut=value, place=PLACE) for key, value in entries),
    )


def text(*sections: Section) -> str:
    """Sections as text."""
    return written(Document(sections=sections, problems=()))


def refused(*sections: Section) -> list[str]:
    """Why they cannot be written."""
    try:
        raise AssertionError(text(*sections))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


class WrittenTests(SynchronousTestCase):
    """What is written is what is read."""

    def test_form(self) -> None:
        """Sections are paragraphs; further lines of a value are indented."""
        found = text(section(("path", "/a"), ("host", "")), section(("b", "1\n2"), kind="gateway", name=""))
        self.assertEqual(found, "[probe p]\npath = /a\nhost =\n\n[gateway]\nb = 1\n    2\n")
        self.assertEqual(text(), "")

    def test_semicolons(self) -> None:
        """A semicolon is text, wherever it stands, and is no comment to any key."""
        value = "a ; b\n;c\n#d\n\\;"
        found = text(section(("condition.1", value)))
        self.assertEqual(found, "[probe p]\ncondition.1 = a \\; b\n    \\;c\n    #d\n    \\\\;\n")
        [entry] = ini.parse(found.encode(), "").sections[0].entries
        self.assertEqual((entry.value, entry.uncut), (value, value))

    def test_comments(self) -> None:
        """Comments stand at the beginning and before the sections that they are about, one line each."""
        document = Document(sections=(section(("a", "b")), section(name="q")), problems=())
        found = written(document, head=["made of\ngw.json", ""], comments={"probe q": ["NOTE is idle"], "x": ["no"]})
        self.assertEqual(found, "# made of\\ngw.json\n#\n\n[probe p]\na = b\n\n# NOTE is idle\n[probe q]\n")
        self.assertEqual(without_places(ini.parse(found.encode(), "")), without_places(document))

    @given(st.lists(LINES | st.text(max_size=15), max_size=25))
    def test_every_file(self, lines: list[str]) -> None:
        """Whatever a file without faults in its grammar says can be written, both readings of its values included."""
        document = ini.parse("\n".join(lines).encode("utf-8", "replace"), "")
        if not document.problems:
            again = ini.parse(written(document).encode(), "")
            self.assertEqual(without_places(again), without_places(document))

    @given(
        st.lists(
            st.builds(
                lambda kind, name, entries: section(*entries, kind=kind, name=name),
                st.sampled_from(["gateway", "probe", "path_rule", "a b", "", "rewrite_rule"]),
                st.sampled_from(["", "p", "m/r", "a.b-c_D"]) | st.text(max_size=4),
                st.lists(
                    st.tuples(
                        st.sampled_from(["a", "b.1", "request_header.X", "request_header.x", "=", "[x", "c ;"])
                        | st.text(max_size=3),
                        st.text(max_size=10) | st.text("a;\\# \n\t=[", max_size=10),
                    ),
                    max_size=3,
                ),
            ),
            max_size=3,
        )
    )
    def test_every_document(self, sections: list[Section]) -> None:
        """A Document is written so that it is read as it was, or refused with a place."""
        document = Document(sections=tuple(sections), problems=())
        try:
            found = written(document)
        except ConfigError as error:
            self.assertTrue(error.problems)
            self.assertTrue(all(each.place == PLACE for each in error.problems))
        else:
            self.assertEqual(without_places(ini.parse(found.encode(), "")), without_places(document))


class FreeNameTests(SynchronousTestCase):
    """Names of rewrite rules."""

    def test_written_and_read(self) -> None:
        """Text that a name of a rule may have comes back as it was."""
        for name in ("s/Set X-Forwarded-For", "s/a ; b]", "s/[1]; (ä) #x", "s/a/b"):
            document = ini.parse(text(section(kind="rewrite_rule", name=name)).encode(), "")
            self.assertEqual([each.name for each in document.sections], [name])
        for name in ("s/ a", "s/a ", "s/", "a b/c"):
            [line] = refused(section(kind="rewrite_rule", name=name))
            self.assertIn("its name cannot stand in an INI file", line)


class RefusedTests(SynchronousTestCase):
    """What the grammar cannot say."""

    def test_values(self) -> None:
        """Empty lines, white space at the ends of lines and control characters are lost or refused when read."""
        for value, reason in (
            ("a\n\nb", "has an empty line"),
            ("a\n", "has an empty line"),
            (" a", "has white space at the beginning or end of a line"),
            ("a \nb", "has white space at the beginning or end of a line"),
            ("a\0", "has a control character"),
            ("a\r\nb", "has a control character"),
        ):
            [line] = refused(section(("path", value)))
            expected = "ERROR gw.json:3 properties [probe p] 'path' cannot stand in an INI file: its value "
            self.assertEqual(line, expected + reason)

    def test_keys(self) -> None:
        """A key that would be read as another, or that is there twice, also in another case where that is the same."""
        for key in ("a=b", "", "[a", "#a", "a ;b", "\ud800", " a"):
            [line] = refused(section((key, "v")))
            self.assertIn("cannot stand in an INI file: it would be read as something else", line)
        lines = refused(section(("request_header.X", "1"), ("request_header.x", "2")))
        self.assertEqual(len(lines), 2)
        self.assertIn("'request_header.X' is there more than once", lines[0])

    def test_sections(self) -> None:
        """A name that no header can have, and one that two sections have."""
        for kind, name in (("probe", "ä"), ("probe", "a/b"), ("path_rule", "a"), ("", "a"), ("probe", "a b")):
            [line] = refused(section(kind=kind, name=name))
            self.assertIn("its name cannot stand in an INI file", line)
        lines = refused(section(), section(("a", "b")))
        self.assertEqual(len(lines), 2)
        self.assertIn("there is more than one section of this name", lines[0])
