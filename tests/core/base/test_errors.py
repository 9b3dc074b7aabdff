"""What is said about a configuration file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import (
    AgwError,
    ConfigError,
    Place,
    Problem,
    SectionError,
    Severity,
    UnacceptableError,
    has_error,
    in_order,
    printable,
    shown,
)

PLACE = Place(file="gw.ini", line=12)


class PlaceTests(SynchronousTestCase):
    """Where something stands."""

    def test_text(self) -> None:
        """A place is file and line, as editors and terminals take it; line 0 is the file as a whole."""
        self.assertEqual(str(PLACE), "gw.ini:12")
        self.assertEqual(str(Place(file="gw.ini")), "gw.ini")

    def test_path(self) -> None:
        """In a JSON document a place has the path of the value, too."""
        self.assertEqual(str(Place(file="gw.json", line=12, path="properties.a[0]")), "gw.json:12 properties.a[0]")
        self.assertEqual(str(Place(file="gw.json", path="a")), "gw.json a")

    def test_order(self) -> None:
        """Places sort by file and line."""
        self.assertLess(Place(file="a", line=9), Place(file="a", line=10))
        self.assertLess(Place(file="a", line=9), Place(file="b", line=1))


class ProblemTests(SynchronousTestCase):
    """One finding."""

    def test_error(self) -> None:
        """An error names place, section, what is wrong and the product's code."""
        problem = Problem(place=PLACE, section="ssl_profile a", message="is wrong", code="Code")
        self.assertEqual(str(problem), "ERROR gw.ini:12 [ssl_profile a] is wrong (Code)")

    def test_warning(self) -> None:
        """A warning says so; section and code are left out where there is none."""
        problem = Problem(place=PLACE, message="is unwise", severity=Severity.WARNING)
        self.assertEqual(str(problem), "WARNING gw.ini:12 is unwise")

    def test_path(self) -> None:
        """A path stands behind the line in the text, and is a member of its own for programs; null without one."""
        problem = Problem(place=Place(file="gw.json", line=3, path="tags"), message="is idle", severity=Severity.NOTE)
        self.assertEqual(str(problem), "NOTE gw.json:3 tags is idle")
        self.assertEqual((problem.members()["path"], problem.members()["severity"]), ("tags", "note"))
        self.assertIsNone(Problem(place=PLACE, message="is wrong").members()["path"])

    def test_order(self) -> None:
        """Problems stand in the order of the main file, then of each other file; those of a line as they were found."""
        places = [("b.pem", 1), ("gw.ini", 9), ("a.pem", 7), ("b.pem", 2), ("gw.ini", 0), ("a.pem", 1)]
        problems = [Problem(place=Place(file=file, line=line), message="") for file, line in places]
        same = [Problem(place=PLACE, message=each) for each in "ba"]
        found = [(each.place.file, each.place.line) for each in in_order(problems, "gw.ini")]
        self.assertEqual(found, [("gw.ini", 0), ("gw.ini", 9), ("a.pem", 1), ("a.pem", 7), ("b.pem", 1), ("b.pem", 2)])
        self.assertEqual(list(in_order(same, "gw.ini")), same)

    def test_only_errors_stop(self) -> None:
        """Warnings and notes stop nothing."""
        for severity in Severity:
            problem = Problem(place=PLACE, message="", severity=severity)
            self.assertEqual(has_error([problem]), severity is Severity.ERROR)

    @given(st.text(), st.text(), st.text())
    def test_one_printable_line(self, file: str, section: str, message: str) -> None:
        """Whatever comes from outside, the text is one line that a terminal shows as it stands."""
        problem = Problem(place=Place(file=file), section=section, message=message)
        self.assertTrue(str(problem).isprintable())


class ConfigErrorTests(SynchronousTestCase):
    """A configuration that is not taken."""

    def test_notes_are_left_out(self) -> None:
        """Its text has its errors and warnings; notes are among its problems alone."""
        problems = [Problem(place=PLACE, message="x", severity=each) for each in Severity]
        error = ConfigError(problems)
        self.assertEqual(str(error), "ERROR gw.ini:12 x\nWARNING gw.ini:12 x")
        self.assertEqual(error.lines, tuple(str(error).split("\n")))
        self.assertEqual(error.problems, tuple(problems))

    def test_says_everything(self) -> None:
        """Its message has a line for each problem, in order."""
        problems = [Problem(place=PLACE, message="one"), Problem(place=PLACE, message="two")]
        error = ConfigError(iter(problems))
        self.assertEqual(error.problems, tuple(problems))
        self.assertEqual(str(error), "ERROR gw.ini:12 one\nERROR gw.ini:12 two")
        self.assertIsInstance(error, AgwError)


class UnacceptableTests(SynchronousTestCase):
    """A value that is not taken."""

    def test_facts(self) -> None:
        """It carries what is wrong and the product's code, if any."""
        error = UnacceptableError("is too big", "TooBig")
        self.assertEqual((error.message, error.code, str(error)), ("is too big", "TooBig", "is too big"))
        self.assertEqual(UnacceptableError("no").code, "")


class TextTests(SynchronousTestCase):
    """Text from outside."""

    def test_printable(self) -> None:
        """Letters of any script stay; controls, line separators and reversals are escaped."""
        self.assertEqual(printable("Müller\n\x1b[2J\u202e\u2028"), "Müller\\n\\x1b[2J\\u202e\\u2028")

    def test_shown(self) -> None:
        """A value is quoted, escaped and cut."""
        self.assertEqual(shown("a\nb"), r"'a\nb'")
        self.assertEqual(shown("x" * 80), f"'{'x' * 80}'")
        self.assertEqual(shown("x" * 81), f"'{'x' * 79}…'")


class SectionErrorTests(SynchronousTestCase):
    """What turns out about a section once it is put to use."""

    def test_parts(self) -> None:
        """The title and the reason are there one by one, and together as text."""
        error = SectionError("ssl_certificate site", "cannot be used")
        self.assertEqual((error.section, error.reason), ("ssl_certificate site", "cannot be used"))
        self.assertEqual(str(error), "[ssl_certificate site] cannot be used")
