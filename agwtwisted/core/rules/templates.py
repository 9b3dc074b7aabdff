"""Values of rewrite rules: ``text {http_req_NAME} {http_resp_NAME} {var_name} {var_name_1}``, compiled at load.

A name in braces stands for its value; with ``_1``, for what the first group of a condition's pattern took of it. Braces
that are meant as such are doubled: ``{{`` and ``}}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.base.texts import did_you_mean
from agwtwisted.core.rules.patterns import Groups
from agwtwisted.core.rules.variable_references import Lookup, VariableReference

Captures: TypeAlias = Mapping[str, Groups]
"""What the patterns of conditions took, by the variable as its condition writes it."""

MATCHER: Final = "capt_header_value_matcher"
"""The product's name for the value that a header value matcher has found; with ``_1``, for a group in it."""

_Piece: TypeAlias = Callable[[Lookup, Captures], bytes]

_BRACE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_CAPTURE: Final = re.compile(r"(.+)_([0-9]{1,9})", re.DOTALL)


@attrs.frozen(kw_only=True)
class Scope:
    """What a template may name, by where it stands."""

    captures: Mapping[str, int] | None = attrs.Factory(dict)  # variables to their number of groups; None: not known
    of_response: bool = False  # whether there is a response to name
    matcher: int | None = None  # the groups of the header value matcher beside it


@attrs.frozen(kw_only=True, eq=False)
class Template:
    """A compiled value."""

    text: str
    render: _Piece = attrs.field(repr=False)
    constant: bytes | None = None  # the value, where it is always the same
    beginning: bytes = b""  # that every value has
    literal: bytes = b""  # the text between the variables, which is in every value too
    references: tuple[VariableReference, ...] = ()  # captures among them: what they are captured from

    @classmethod
    def of(cls, text: str, scope: Scope) -> Template:
        """Compiles the text of a value.

        Raises:
            UnacceptableError: with the character at which it goes wrong, counted from 1.
        """
        reading = _Reading(scope)
        end = 0
        for match in _BRACE.finditer(text):
            reading.literal(text[end : match.start()])
            end = match.end()
            try:
                reading.braces(match[0], match[1])
            except UnacceptableError as error:
                raise UnacceptableError(f"at character {match.start() + 1}: {error.message}") from error
        reading.literal(text[end:])
        return reading.template(text)


@attrs.define
class _Reading:
    """A template as it is read: literal text and what stands between."""

    scope: Scope
    pieces: list[bytes | _Piece] = attrs.Factory(list)
    references: list[VariableReference] = attrs.Factory(list)

    def literal(self, text: str) -> None:
        if not text:
            return
        octets = text.encode()
        if self.pieces and isinstance(earlier := self.pieces[-1], bytes):
            self.pieces[-1] = earlier + octets
        else:
            self.pieces.append(octets)

    def braces(self, whole: str, name: str | None) -> None:
        if whole in ("{{", "}}"):
            self.literal(whole[0])
        elif name is None:
            raise UnacceptableError(f"{whole!r} is unbalanced (double a literal brace)")
        else:
            self.pieces.append(self.named(name))

    def named(self, name: str) -> _Piece:
        """What a name in braces stands for: a capture, where the name is that of a variable that a condition has."""
        found = _CAPTURE.fullmatch(name)
        if found is not None and (piece := self.capture(name, found[1], int(found[2]))) is not None:
            return piece
        if name == MATCHER:
            return self.matched(0)
        reference = VariableReference.of(name)
        self.take(reference)
        read = reference.read
        return lambda lookup, captures: read(lookup)

    def capture(self, name: str, variable: str, group: int) -> _Piece | None:
        """A group of a pattern; None where the name is no variable and a number, but perhaps a cookie's."""
        if variable == MATCHER:
            return self.matched(group)
        known = self.scope.captures
        if known is not None and variable not in known:
            self.refuse_capture(name, variable, known)
            return None
        reference = VariableReference.of(variable)
        self.take(reference)
        if known is not None:
            _check_group(group, known[variable])
        return lambda lookup, captures: captures[variable][group]

    def refuse_capture(self, name: str, variable: str, known: Mapping[str, int]) -> None:
        """Says that no condition captures this, unless the whole may be a name after all."""
        if variable.startswith("var_cookie_"):
            return
        try:
            VariableReference.of(variable)
        except UnacceptableError:
            return
        near = did_you_mean(variable, known)
        raise UnacceptableError(f"no condition has a pattern with groups on {variable}, for {name}{near}")

    def take(self, reference: VariableReference) -> None:
        """Notes what the template depends on."""
        if reference.of_response and not self.scope.of_response:
            raise UnacceptableError(f"{reference.written} is not available before the response")
        self.references.append(reference)

    def matched(self, group: int) -> _Piece:
        if self.scope.matcher is None:
            raise UnacceptableError(f"{MATCHER} is available only with a header value matcher")
        if group:
            _check_group(group, self.scope.matcher)
        return lambda lookup, captures: captures[MATCHER][group]

    def template(self, text: str) -> Template:
        references = tuple(self.references)
        if not self.pieces:
            self.pieces.append(b"")
        texts = [each for each in self.pieces if isinstance(each, bytes)]
        first = self.pieces[0]
        return Template(
            text=text,
            render=_piece(first) if len(self.pieces) == 1 else _joining(tuple(map(_piece, self.pieces))),
            constant=texts[0] if len(texts) == len(self.pieces) == 1 else None,
            beginning=first if isinstance(first, bytes) else b"",
            literal=b"".join(texts),
            references=references,
        )


def _check_group(group: int, most: int) -> None:
    if not 1 <= group <= most:
        raise UnacceptableError(f"the pattern has no group {group}: it has {most}, counted from 1")


def _piece(piece: bytes | _Piece) -> _Piece:
    return (lambda lookup, captures: piece) if isinstance(piece, bytes) else piece


def _joining(pieces: tuple[_Piece, ...]) -> _Piece:
    return lambda lookup, captures: b"".join([piece(lookup, captures) for piece in pieces])
