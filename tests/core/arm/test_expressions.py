"""The expression language: what is parsed, and what is said about the rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.expressions import (
    CallExpression,
    ExpressionError,
    LiteralExpression,
    SelectionExpression,
    is_expression,
    normalized,
    parse_expression,
    unescaped,
)


def problem(text: str) -> str:
    """What is said about a text that is no expression."""
    try:
        parse_expression(text)
    except ExpressionError as error:
        return str(error)
    raise AssertionError("it was parsed")


class RecognitionTests(SynchronousTestCase):
    """Which texts are expressions."""

    def test_brackets(self) -> None:
        """A text in brackets is one, unless the first bracket is doubled; then it loses one of the two."""
        found = {text: is_expression(text) for text in ("[a()]", "[a()", "a()]", "[[a]", "", "[]")}
        self.assertEqual(found, {"[a()]": True, "[a()": False, "a()]": False, "[[a]": False, "": False, "[]": True})
        self.assertEqual([unescaped(text) for text in ("[[a]", "[[a", "a")], ["[a]", "[[a", "a"])


class ParsingTests(SynchronousTestCase):
    """What is parsed."""

    def test_literals(self) -> None:
        """A text in single quotes, which it holds doubled, and an integer."""
        for text, expected in (("'it''s'", "it's"), ("''", ""), ("-12", -12), (" 7 ", 7)):
            found = parse_expression(text)
            assert isinstance(found, LiteralExpression)
            self.assertEqual(found.value, expected)

    def test_calls(self) -> None:
        """A call has a name without case, and arguments; that of an own function has a name space."""
        found = parse_expression("Concat ('a',\n toLower( 'B' ) )")
        assert isinstance(found, CallExpression)
        self.assertEqual((found.name, len(found.arguments)), ("concat", 2))
        self.assertEqual(found.arguments[1].source, "toLower( 'B' )")
        own = parse_expression("contoso.uniqueName()")
        assert isinstance(own, CallExpression)
        self.assertEqual((own.name, own.arguments), ("contoso.uniquename", ()))

    def test_selections(self) -> None:
        """Members and items are selected from what stands before; each part knows its text."""
        found = parse_expression("f(1).a[0].?b")
        assert isinstance(found, SelectionExpression)
        self.assertTrue(found.is_safe)
        self.assertEqual((found.source, found.of.source), ("f(1).a[0].?b", "f(1).a[0]"))

    @given(st.text(alphabet="abf('),.[]? 019-\n\"\\", max_size=40))
    def test_any_text(self, text: str) -> None:
        """Any text is an expression whose source is the text, or none, with a reason."""
        try:
            self.assertEqual(parse_expression(text).source, text.strip())
        except ExpressionError as error:
            self.assertTrue(str(error))

    def test_refusals(self) -> None:
        """What is no expression has a reason."""
        for text, message in {
            "": "expected a function, a text or a number, found the end",
            "f": "expected '(' behind the name of the function 'f', found the end",
            "f(": "expected a function, a text or a number, found the end",
            "f('a' 'b')": "expected ',', found \"'b'\"",
            "f(a)": "expected '(' behind the name of the function 'a', found ')'",
            "f().": "expected the name of a member, found the end",
            "f()[0": "expected ']', found the end",
            "f() g()": "expected the end of the expression, found 'g'",
            "1.5": "has '1.5', which begins nothing of an expression",
            "f('a)": 'has "\'a)", which begins nothing of an expression',
            "f(" * 60: "is nested more than 50 deep",
            "f(" + "1," * 20_000 + "1)": "is longer than 24576 characters",
        }.items():
            self.assertEqual(problem(text), message)


class NormalizationTests(SynchronousTestCase):
    """Two spellings of one expression."""

    def test_blanks_and_case(self) -> None:
        """They differ in white space and case alone."""
        self.assertEqual(normalized("Reference( 'A b' ) .x\n"), normalized("reference('a b').X"))
        self.assertNotEqual(normalized("f('a b')"), normalized("f('ab')"))
        self.assertRaises(ExpressionError, normalized, "f(#)")
