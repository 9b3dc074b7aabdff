"""Regular expressions that run in linear time, whatever the text: RE2's, the dialect of the product's conditions.

This is the one module that knows google-re2. It has no back-references and no look-around, and so no pattern that a
client could make slow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import attrs
import re2

from agwtwisted.core.errors import UnacceptableError, shown

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
            UnacceptableError: what RE2 says against it, with the place where that can be told.
        """
        strange = next((index for index, letter in enumerate(text) if not letter.isascii()), None)
        if strange is not None:
            octets = "".join(f"\\x{octet:02X}" for octet in text[strange].encode())
            raise UnacceptableError(
                f"has {shown(text[strange])} at character {offset + strange + 1}: write it as {octets}"
            )
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
