"""Regular expressions in linear time."""

from __future__ import annotations

import re
import warnings

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.rules.patterns import Pattern, has_class_with, tied_to_end, tied_to_start


class PatternTests(SynchronousTestCase):
    """What a pattern finds."""

    def test_anywhere(self) -> None:
        """It is looked for in the whole value, and tied to its ends where it says so."""
        self.assertEqual(Pattern.of("b").found(b"abc"), (b"abc",))
        self.assertIsNone(Pattern.of("^b").found(b"abc"))
        self.assertIsNone(Pattern.of("b$").found(b"abc"))
        self.assertEqual(Pattern.of("").found(b""), (b"",))

    def test_end_is_the_end(self) -> None:
        """A `$` does not pass over a line end, as it would in Python."""
        self.assertIsNone(Pattern.of("b$").found(b"ab\n"))

    def test_groups(self) -> None:
        """What they took stands behind the value; one that took no part is empty."""
        pattern = Pattern.of("(a)|(b)(c)")
        self.assertEqual(pattern.groups, 3)
        self.assertEqual(pattern.found(b"xbc"), (b"xbc", b"", b"b", b"c"))

    def test_last_match_counts(self) -> None:
        r"""`(\d)+` keeps the last digit, as the product's page says."""
        self.assertEqual(Pattern.of(r"(\d)+").found(b"x123"), (b"x123", b"3"))

    def test_subject(self) -> None:
        """The pattern that people use to take the common name out of a subject."""
        pattern = Pattern.of("CN=(.*?)[,|$]")
        subject = b"CN=FOO_987654321087654321,OU=IoT,O=Contoso,L=Take,ST=NY,C=US"
        self.assertEqual(pattern.found(subject), (subject, b"FOO_987654321087654321"))

    def test_case(self) -> None:
        """It counts unless it is to be ignored."""
        self.assertIsNone(Pattern.of("abc").found(b"ABC"))
        self.assertEqual(Pattern.of("abc", ignore_case=True).found(b"xABC"), (b"xABC",))

    def test_octets(self) -> None:
        """Any octet may stand in a value, and a pattern may spell it."""
        self.assertEqual(Pattern.of(r"(\xC3\xA9).").found(b"\xc3\xa9\xff"), (b"\xc3\xa9\xff", b"\xc3\xa9"))
        self.assertIsNone(Pattern.of(r"\xE9", ignore_case=True).found("é".encode()))

    def test_same_whether_remembered_or_not(self) -> None:
        """Short values are remembered and long ones are not; both are found, again and again."""
        pattern = Pattern.of("a+(b)")
        for length in (1, 200, 300, 20000):
            value = b"a" * length + b"b"
            for _ in range(2):
                self.assertEqual(pattern.found(value), (value, b"b"))
                self.assertIsNone(pattern.found(b"a" * length))
        for number in range(1000):
            value = b"ab%d" % number
            self.assertEqual(pattern.found(value), (value, b"b"))

    @given(st.text(st.sampled_from("ab|()*+?.^$[]"), max_size=8), st.binary(max_size=20))
    def test_like_python(self, text: str, value: bytes) -> None:
        """Where both take a pattern of plain syntax, RE2 and Python find it in the same values."""
        try:
            pattern = Pattern.of(text)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of brackets that will mean something one day
                expected = re.compile(text.encode(), re.DOTALL)
        except (UnacceptableError, re.error):
            return
        value = value.replace(b"\n", b"a")  # whether a dot or `$` meets it is another question
        self.assertEqual(pattern.found(value) is None, expected.search(value) is None)


class LinearTests(SynchronousTestCase):
    """Patterns that stop other engines."""

    def test_catastrophic_patterns(self) -> None:
        """A backtracking engine would need 2 to the 30,000 steps for these: that they end at all is the proof."""
        for text, letter in (("^(a+)+$", b"a"), ("(a*)*b", b"a"), ("(x+x+)+y", b"x"), ("^(([a-z])+.)+[A-Z]$", b"a")):
            self.assertIsNone(Pattern.of(text).found(letter * 30000 + b"!"))

    def test_no_memory_of_its_own(self) -> None:
        """A pattern whose automaton does not fit its memory is run in another way, with the same result."""
        pattern = Pattern.of("(a|b)*a" + "(a|b)" * 18 + "(c)")
        value = b"ab" * 5000
        self.assertIsNone(pattern.found(value))
        found = pattern.found(value + b"a" * 19 + b"c")
        assert found is not None
        self.assertEqual(found[-1], b"c")


class RefusalTests(SynchronousTestCase):
    """Patterns that are none."""

    def refused(self, text: str, **options: int) -> str:
        """Why a pattern is refused."""
        return str(self.assertRaises(UnacceptableError, Pattern.of, text, **options))

    def test_place(self) -> None:
        """RE2's words, and the place of what they cite."""
        message = self.refused(r"ab\q(c)")
        self.assertEqual(message, r"has a pattern that RE2 refuses at character 3: invalid escape sequence: \q")
        self.assertIn("at character 13: invalid character class range: z-a", self.refused("x[z-a]", offset=10))

    def test_no_place(self) -> None:
        """Where RE2 cites the whole pattern, or what stands there twice, no place is reported."""
        for text in ("a(b", "a(b(c", "[", "\\", "(", "*"):
            self.assertNotIn("at character", self.refused(text))

    def test_not_of_this_dialect(self) -> None:
        """Look-around and back-references, which cannot be had in linear time."""
        for text in ("(?=a)", "(?!a)", "(?<=a)b", r"(a)\1"):
            self.refused(text)

    def test_too_large(self) -> None:
        """A pattern whose program would not fit its memory."""
        self.refused("a{2000}")
        self.refused("(((a{9}){9}){9}){9}b" + "(c{1000}|d{1000})" * 9)

    def test_letters_beyond_ascii(self) -> None:
        """They are to be spelt in octets; the message does."""
        self.assertEqual(self.refused("ab[é]", offset=4), r"has 'é' at character 8: write it as \xC3\xA9")

    @given(st.text(max_size=30))
    def test_any_text(self, text: str) -> None:
        """A pattern, or a message: nothing else comes of any text."""
        try:
            Pattern.of(text, ignore_case=True).found(b"some value")
        except UnacceptableError as error:
            self.assertTrue(error.message)


class TiedTests(SynchronousTestCase):
    """Whether a pattern is found at the ends of a value only."""

    def test_start(self) -> None:
        """Each of its alternatives begins with ^, or stands in a group that does."""
        for text in ("^a", r"\Aa", "^a|^b", "^(a|b)", "(^a|^b)c", "(?i)^a", "(?:^(a)|^b)", "^", "(?P<n>^a)", "^[|]a"):
            self.assertTrue(tied_to_start(text), text)
        for text in (
            "a",
            "^a|b",
            "(^|,)a",
            "(^a)?b",
            "(^a)*b",
            "[^a]",
            r"\^a",
            "a^",
            "",
            "(?m)^a",
            "(^a){0,1}b",
            "|^a",
        ):
            self.assertFalse(tied_to_start(text), text)

    def test_end(self) -> None:
        """Each of its alternatives ends in $, or in a group that does."""
        for text in ("a$", r"a\z", "a$|b$", "(a|b)$", "c(a$|b$)", "(?:a$)", "$", r"\\$"):
            self.assertTrue(tied_to_end(text), text)
        for text in ("a", "a|b$", "a(,|$)", "b(a$)?", "[a$]", r"a\$", "", r"\Qa$", "a$|"):
            self.assertFalse(tied_to_end(text), text)

    def test_classes(self) -> None:
        """A dot, or a class that an octet fits, is found; the octet itself, and what is escaped, is not."""
        for text in (".", "^a.*$", "[^,]", "[a,]", r"\W", r"\D", "[[:punct:]]", r"a\\.", r"[\\]", "[+-9]"):
            self.assertTrue(has_class_with(text, b",\\"), text)
        for text in (
            ",",
            r"\.",
            r"[^,\\]",
            "[a-z]",
            r"\w+",
            r"\pL",
            r"\p{Greek}",
            r"\Q.\E",
            "[[:alpha:]]",
            "",
            "(a|b)",
        ):
            self.assertFalse(has_class_with(text, b",\\"), text)

    @given(st.text("ab^$|()?*[]\\", max_size=8), st.text("ab^|", max_size=4))
    def test_is_true(self, text: str, value: str) -> None:
        """What is said to be tied to an end matches nowhere else."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compiled = re.compile(text)
            Pattern.of(text)
        except (re.error, UnacceptableError):
            return
        if tied_to_start(text):
            self.assertTrue(all(each.start() == 0 for each in compiled.finditer(value)), text)
        if tied_to_end(text):
            self.assertTrue(all(each.end() == len(value) for each in compiled.finditer(value)), text)
