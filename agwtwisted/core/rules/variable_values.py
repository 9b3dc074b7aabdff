"""How several values become the one text that a variable has: header lines, names and attributes of a certificate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.managed import canonical

_LISTABLE: Final = re.compile(rb"[!-+\--~]+")


def listed(names: Sequence[bytes]) -> bytes:
    """Names with ``, `` between them; one that could pass for several, or is no printable ASCII, is left out."""
    return b", ".join(name for name in names if _LISTABLE.fullmatch(name))


def joined(headers: Sequence[Header], name: bytes) -> bytes:
    """The value of a header by its canonical name: several lines make one list, as RFC 9110 section 5.3 has it."""
    size = len(name)
    values = [value for each, value in headers if len(each) == size and canonical(each) == name]
    if not values:
        return b""
    return values[0] if len(values) == 1 else (b"; " if name == b"cookie" else b", ").join(values)


def joined_values(values: Iterable[bytes]) -> bytes:
    """Values with ``;`` between them, each as `speakable` writes it."""
    return b";".join(map(speakable, values))


def speakable(value: bytes) -> bytes:
    """A value as a header or a URL can have it, and as one that no other value is written as.

    ``%``, ``;``, a blank at either end and what is no printable ASCII are percent-encoded (RFC 3986 section 2.1): what
    splits at ``;`` and then decodes has the values again.
    """
    return _TO_ENCODE.sub(lambda match: b"%%%02X" % match[0][0], value)


_TO_ENCODE: Final = re.compile(rb"[^ -~]|[%;]|\A | \Z")
