"""The expression language of templates: text to a syntax tree.

An expression is a call, a text in single quotes or an integer, behind which members (``.name``) and items (``[…]``) may
be selected. White space, line ends among it, stands anywhere between these. Names are compared without case. The
product's page "Syntax and expressions in ARM templates" describes the language.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

from agwtwisted.core.base.errors import AgwError, shown

LONGEST = 24_576
"""Characters of an expression: the product's own limit."""
DEEPEST = 50
"""How deep calls and selections stand within each other."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[^\W\d][\w-]*)
        | (?P<number>-?[0-9]{1,18}(?![\w.]))
        | (?P<text>'[^']*(?:''[^']*)*')
        | (?P<mark>\.\?|\[\?|[()\[\],.])
    )""",
    re.VERBOSE,
)
_END = re.compile(r"\s*")


class ExpressionError(AgwError):
    """A text in brackets that is no expression."""


@attrs.frozen(kw_only=True)
class _Span:
    """A part of an expression: where it stands in the whole text."""

    whole: str = attrs.field(repr=False)
    start: int
    end: int

    @property
    def source(self) -> str:
        """The part as it is written."""
        return self.whole[self.start : self.end]


@attrs.frozen(kw_only=True)
class LiteralExpression(_Span):
    """A text or an integer."""

    value: str | int


@attrs.frozen(kw_only=True)
class CallExpression(_Span):
    """A call; `name` is in lower case, that of a user's own function has its name space before a dot."""

    name: str
    arguments: tuple[ArmExpression, ...]


@attrs.frozen(kw_only=True)
class SelectionExpression(_Span):
    """A member or an item of a value; a safe one is null where there is none."""

    of: ArmExpression
    key: ArmExpression
    is_safe: bool = False


ArmExpression: TypeAlias = LiteralExpression | CallExpression | SelectionExpression
"""A parsed expression."""


def is_expression(text: str) -> bool:
    """Whether a text of a template is an expression: in brackets, the first of which is not doubled."""
    return text.startswith("[") and text.endswith("]") and not text.startswith("[[")


def unescaped(text: str) -> str:
    """A text that is no expression, without the bracket that says so."""
    return text[1:] if text.startswith("[[") and text.endswith("]") else text


def parse_expression(text: str) -> ArmExpression:
    """Parse the text within the brackets.

    Raises:
        ExpressionError: what is wrong with it.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"is longer than {LONGEST} characters")
    parsing = _Parsing(text)
    found = parsing.expression(1)
    if parsing.kind:
        raise parsing.error("the end of the expression")
    return found


def normalized(text: str) -> str:
    """An expression without white space and in lower case: by it, two spellings of one expression are equal.

    Raises:
        ExpressionError: it has what no expression has.
    """
    parsing = _Parsing(text)
    tokens = []
    while parsing.kind:
        tokens.append(parsing.part.lower())
        parsing.advance()
    return "".join(tokens)


@attrs.define
class _Parsing:
    """Where a pass over the tokens stands: the next token, its kind (empty at the end), and its bounds."""

    text: str
    kind: str = ""
    part: str = ""
    start: int = 0
    end: int = 0
    previous_end: int = 0

    def __attrs_post_init__(self) -> None:
        self.advance()

    def advance(self) -> None:
        self.previous_end = self.end
        match = _TOKEN.match(self.text, self.end)
        if match is not None:
            assert match.lastgroup
            self.kind, self.part = match.lastgroup, match[match.lastgroup]
            self.start, self.end = match.span(match.lastgroup)
            return
        blanks = _END.match(self.text, self.end)
        assert blanks
        self.kind, self.part, self.start, self.end = "", "", blanks.end(), blanks.end()
        if self.end < len(self.text):
            raise ExpressionError(f"has {shown(self.text[self.end :][:20])}, which begins nothing of an expression")

    def expression(self, depth: int) -> ArmExpression:
        if depth > DEEPEST:
            raise ExpressionError(f"is nested more than {DEEPEST} deep")
        start = self.start
        found = self.primary(depth)
        while self.part in (".", ".?", "[", "[?"):
            is_safe = self.part.endswith("?")
            key = self.member() if self.part.startswith(".") else self.item(depth)
            found = SelectionExpression(
                whole=self.text, start=start, end=self.previous_end, of=found, key=key, is_safe=is_safe
            )
        return found

    def primary(self, depth: int) -> ArmExpression:
        if self.kind in ("text", "number"):
            return self.literal(int(self.part) if self.kind == "number" else self.part[1:-1].replace("''", "'"))
        if self.kind != "name":
            raise self.error("a function, a text or a number")
        start, name = self.start, self.part
        self.advance()
        if self.part == ".":
            self.advance()
            name = f"{name}.{self.taken('name')}"
        arguments = self.arguments(name, depth)
        return CallExpression(
            whole=self.text, start=start, end=self.previous_end, name=name.lower(), arguments=arguments
        )

    def literal(self, value: str | int) -> LiteralExpression:
        start = self.start
        self.advance()
        return LiteralExpression(whole=self.text, start=start, end=self.previous_end, value=value)

    def arguments(self, name: str, depth: int) -> tuple[ArmExpression, ...]:
        if self.part != "(":
            raise self.error(f"'(' behind the name of the function {shown(name)}")
        self.advance()
        found: list[ArmExpression] = []
        while self.part != ")":
            if found:
                self.mark(",")
            found.append(self.expression(depth + 1))
        self.advance()
        return tuple(found)

    def member(self) -> LiteralExpression:
        self.advance()
        if self.kind != "name":
            raise self.error("the name of a member")
        return self.literal(self.part)

    def item(self, depth: int) -> ArmExpression:
        self.advance()
        key = self.expression(depth + 1)
        self.mark("]")
        return key

    def taken(self, kind: str) -> str:
        if self.kind != kind:
            raise self.error(f"a {kind}")
        part = self.part
        self.advance()
        return part

    def mark(self, mark: str) -> None:
        if self.kind != "mark" or self.part != mark:
            raise self.error(f"'{mark}'")
        self.advance()

    def error(self, expected: str) -> ExpressionError:
        found = shown(self.part) if self.kind else "the end"
        return ExpressionError(f"expected {expected}, found {found}")
