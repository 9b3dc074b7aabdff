"""Regular expressions that run in linear time, whatever the text: RE2's, the dialect of the product's conditions.

This is the one module that knows google-re2. It has no back-references and no look-around, and so no pattern that a
client could make slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

import attrs

from agwtwisted.core.base.errors import UnacceptableError, shown

Groups: TypeAlias = tuple[bytes, ...]
"""What a pattern found: the whole value first, then each of its groups; empty for one that took no part."""

_MEMORY: Final = 1 << 20
"""Bytes that one compiled pattern may take; beyond, it is refused at load, or at run time falls back to less."""

_REMEMBERED: Final = 128
"""How many values a pattern remembers what it found in."""

_LONGEST_REMEMBERED: Final = 256


@attrs.frozen(eq=False)
class Pattern:
    """A compiled pattern, looked for anywhere in a value; ``^`` and ``$`` tie it to the ends."""

    text: str
    groups: int  # how many it has
    _search: Callable[[bytes], Groups | None] = attrs.field(repr=False)
    _remembered: Callable[[bytes], Groups | None] = attrs.field(repr=False)

    @classmethod
    def of(cls, text: str, *, ignore_case: bool = False, offset: int = 0) -> Pattern:
        """Compiles it; `offset` characters stand before it in the value that messages count in.

        Values are octets and patterns ASCII: a letter beyond is as many octets as it has in UTF-8, which the pattern
        has to spell out (``\\xC3\\xA9``), or a class that holds it would match half of it.

        Raises:
            UnacceptableError: what RE2 says against it, with the place if RE2 gives one.
        """
        strange = next((index for index, letter in enumerate(text) if not letter.isascii()), None)
        if strange is not None:
            octets = "".join(f"\\x{octet:02X}" for octet in text[strange].encode())
            raise UnacceptableError(
                f"has {shown(text[strange])} at character {offset + strange + 1}: write it as {octets}"
            )
        import re2  # with a library of 2 MB, for configurations that have patterns

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.case_sensitive = not ignore_case
        options.max_mem = _MEMORY
        options.log_errors = False
        try:
            compiled = re2.compile(text.encode(), options)
        except re2.error as error:
            raise UnacceptableError(_complaint(text, error, offset)) from error
        search = _searching(compiled)
        return cls(text, compiled.groups, search, lru_cache(_REMEMBERED)(search))

    def found(self, value: bytes) -> Groups | None:
        """The value and what the groups took of it; None where the pattern is nowhere in it.

        A group that is repeated has its last match. The values of rewrite conditions are few and the same (subjects,
        user agents, paths), so what was found in the last ones is remembered.
        """
        return self._remembered(value) if len(value) <= _LONGEST_REMEMBERED else self._search(value)


def _searching(compiled: Any) -> Callable[[bytes], Groups | None]:
    search = compiled.search

    def found(value: bytes) -> Groups | None:
        match = search(value)
        return None if match is None else (value, *match.groups(default=b""))

    return found


def _complaint(text: str, error: Exception, offset: int) -> str:
    """RE2's words, and the place of what they cite where it is a part that stands there once."""
    said = error.args[0] if error.args else b""
    words = said.decode("ascii", "replace") if isinstance(said, bytes) else str(said)
    _, _, cited = words.partition(": ")
    place = f" at character {offset + text.index(cited) + 1}" if cited != text and text.count(cited) == 1 else ""
    return f"has a pattern that RE2 refuses{place}: {words}"


# What a pattern does not say: that it holds for the whole value.

_TOKEN: Final = re.compile(
    r"\\Q.*?(?:\\E|\Z)"  # text as it stands
    r"|\\[pP](?:\{[^}]*\}|.)|\\."
    r"|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"  # a class
    r"|(?P<mark>[()|])|.",
    re.DOTALL,
)
_CLASS: Final = re.compile(r"\[.|\\[dDsSwWpPC]", re.DOTALL)
_GROUP: Final = re.compile(r"\((?:\?(?:P?<\w+>|[isU-]*:))?")
_FLAGS: Final = re.compile(r"(?:\(\?[isU-]+\))+")


def tied_to_start(text: str) -> bool:
    """Whether a pattern is found at the start of a value only; one that RE2 takes, or the answer means nothing.

    No is also said of some patterns that say so in an unusual way.
    """
    text = text[found.end() :] if (found := _FLAGS.match(text)) else text
    return all(each.startswith(("^", r"\A")) or _in_first_group(each) for each in _alternatives(text))


def tied_to_end(text: str) -> bool:
    """The same of the end."""
    return all(_ends_in_anchor(each) or _in_last_group(each) for each in _alternatives(text))


def has_class_with(text: str, octets: bytes) -> bool:
    """Whether a pattern has a dot, or a class, that fits one of some octets."""
    classes = [each[0] for each in _TOKEN.finditer(text) if each[0] == "." or _CLASS.match(each[0])]
    return any(_fits_any(each, octets) for each in classes)


def _fits_any(text: str, octets: bytes) -> bool:
    try:
        pattern = Pattern.of(text)
    except UnacceptableError:
        return True  # a part that does not stand alone
    return any(pattern.found(bytes((octet,))) for octet in octets)


def _in_first_group(text: str) -> bool:
    if not text.startswith("("):
        return False
    end = next((end for start, end in _groups(text) if start == 0), 0)
    beginning = _GROUP.match(text)
    optional = text[end + 1 : end + 2] in ("?", "*", "{")
    return bool(end and beginning) and not optional and tied_to_start(text[beginning.end() if beginning else 0 : end])


def _in_last_group(text: str) -> bool:
    start = next((start for start, end in _groups(text) if end == len(text) - 1), -1)
    beginning = _GROUP.match(text, max(start, 0))
    return start >= 0 and beginning is not None and tied_to_end(text[beginning.end() : -1])


def _ends_in_anchor(text: str) -> bool:
    *_, last = ["", *(match[0] for match in _TOKEN.finditer(text))]
    return last in ("$", r"\z")


def _alternatives(text: str) -> list[str]:
    """The parts between the bars that stand in no group."""
    depth, start, parts = 0, 0, []
    for index, mark in _marks(text):
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if mark == "|" and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _groups(text: str) -> Iterator[tuple[int, int]]:
    """The places of the brackets of each group that stands in no other."""
    depth, start = 0, 0
    for index, mark in _marks(text):
        if mark == "(":
            start = start if depth else index
            depth += 1
        elif mark == ")":
            depth -= 1
            if depth == 0:
                yield start, index


def _marks(text: str) -> Iterator[tuple[int, str]]:
    """Brackets and bars that mean what they mean outside of classes and escapes."""
    for match in _TOKEN.finditer(text):
        if match["mark"]:
            yield match.start(), match["mark"]
