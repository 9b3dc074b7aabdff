"""Patterns of path rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.rules.path_patterns import is_prefix, path_pattern, text_of, url_path


class PatternTests(SynchronousTestCase):
    """What may be written, and what it means."""

    def test_supported(self) -> None:
        """The product's table of patterns of its second version, as far as it says yes, and what a URL may hold."""
        for text in ("/images/*", "/images*", "/CurrentUser/Comments/*", "/*", "/", "/a;b=c/@:!$&'()+,~_-.", "/%C3%a9"):
            self.assertEqual(path_pattern(text), text)

    def test_unsupported(self) -> None:
        """What the table says no to, and whatever is no path, each with its reason."""
        for text, reason in {
            "/images/*.jpg": "only at the end of a path",
            "/*.jpg": "only at the end of a path",
            "/Repos/*/Comments/*": "only at the end of a path",
            "/a**": "only at the end of a path",
            "images/*": "begins with /",
            "*": "begins with /",
            "": "begins with /",
            "/a?b=c": "a query is not part of a path",
            "/a#b": "a fragment is not part of a path",
            "/a b": "%XX",
            "/é": "%XX",
            "/a%": "%XX",
            "/a%2": "%XX",
            "/a%2*": "%XX",
            "/a\\b": "%XX",
            '/a"': "%XX",
        }.items():
            with self.assertRaises(UnacceptableError) as caught:
                path_pattern(text)
            self.assertIn(reason, caught.exception.message, text)

    def test_meaning(self) -> None:
        """A star makes a prefix of what stands before it; case does not matter."""
        self.assertEqual(
            [(is_prefix(each), text_of(each)) for each in ("/A/*", "/A*", "/*")],
            [(True, b"/a/"), (True, b"/a"), (True, b"/")],
        )
        self.assertEqual((is_prefix("/A/b"), text_of("/A/b")), (False, b"/a/b"))

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Whatever is written is refused, or begins with a slash and is printable ASCII without space, ? and #."""
        try:
            pattern = path_pattern(text)
        except UnacceptableError as error:
            self.assertTrue(error.message)
        else:
            self.assertRegex(pattern, r"\A/[!-~]*\Z")
            self.assertNotRegex(pattern, r"[?#\\]|\*.")


class PathTests(SynchronousTestCase):
    """Paths that are no patterns."""

    def test_star(self) -> None:
        """In a path a star is a character like others, wherever it stands."""
        self.assertEqual(url_path("/a*b*"), "/a*b*")

    def test_lines(self) -> None:
        """A newline is refused with its likely reason: an indented key."""
        with self.assertRaises(UnacceptableError) as caught:
            url_path("/a\nb = c")
        self.assertIn("more than one line", caught.exception.message)
