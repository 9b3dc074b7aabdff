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

    @given(st.text(), st.text(), st.text())
    def test_one_printable_line(self, file: str, section: str, message: str) -> None:
        """Whatever comes from outside, the text is one line that a terminal shows as it stands."""
        problem = Problem(place=Place(file=file), section=section, message=message)
        self.assertTrue(str(problem).isprintable())


class ConfigErrorTests(SynchronousTestCase):
    """A configuration that is not taken."""

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
