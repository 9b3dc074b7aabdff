"""Revocation lists from the bytes of a file: DER, or PEM with one list or several (RFC 7468 section 6).

In steps, because a list may be large: decoding it at once would keep the interpreter for a quarter of a second.
Caller: what reads `crl_files`, and downloads.
"""

from __future__ import annotations

import binascii
from collections.abc import Generator, Iterator
from typing import Final

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.certificates.der import SEQUENCE

MAX_LISTS: Final = 1_000
"""Lists of one file."""

_BEGIN: Final = b"-----BEGIN X509 CRL-----"
_END: Final = b"-----END X509 CRL-----"
_PORTION: Final = 65536
_SPACE: Final = b" \t\r\n\v\f"


class CrlFileError(AgwError):
    """Bytes that are no revocation list, nor several in PEM; the text says why."""


def encoded_lists(data: bytes) -> tuple[bytes, ...]:
    """The DER of every list in a file, in its order; whether each can be read is another question.

    Text between the blocks and blocks of other kinds are passed over: a file may have the certificate of its CA, too.

    Raises:
        CrlFileError: there is no list, or a block that has no end or is not base64.
    """
    steps = encoded_lists_in_steps(data)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: tuple[bytes, ...] = end.value
            return found


def encoded_lists_in_steps(data: bytes) -> Generator[None, None, tuple[bytes, ...]]:
    """The same in steps of some hundred microseconds, for a thread that leaves room for others between them."""
    if data[:1] == bytes((SEQUENCE,)) and data[1:2] >= b"\x80":  # of more than 127 bytes, as every list
        return (data,)
    found: list[bytes] = []
    for start, end in _blocks(data):
        if len(found) == MAX_LISTS:
            raise CrlFileError(f"the file has more than {MAX_LISTS} CRLs")
        found.append((yield from _decoded(data, start, end)))
    if not found:
        raise CrlFileError("the file has no CRL, neither as DER nor as a PEM block X509 CRL")
    return tuple(found)


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the text of each block with a list begins and ends."""
    position = 0
    while (begin := data.find(_BEGIN, position)) >= 0:
        start = begin + len(_BEGIN)
        end = data.find(b"-----", start)
        if end < 0 or not data.startswith(_END, end):
            raise CrlFileError("a block X509 CRL has no END line")
        yield start, end
        position = end + len(_END)


def _decoded(data: bytes, start: int, end: int) -> Generator[None, None, bytes]:
    parts: list[bytes] = []
    waiting = b""  # less than the four characters that make three octets
    for at in range(start, end, _PORTION):
        text = waiting + data[at : min(at + _PORTION, end)].translate(None, _SPACE)
        whole = len(text) - len(text) % 4
        waiting = text[whole:]
        if (parts and len(parts[-1]) % 3) or (waiting and b"=" in text):
            raise CrlFileError("a block X509 CRL is not base64")
        parts.append(_octets(text[:whole]))
        yield
    if waiting or not any(parts):
        raise CrlFileError("a block X509 CRL is not base64")
    return b"".join(parts)


def _octets(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise CrlFileError("a block X509 CRL is not base64") from None
