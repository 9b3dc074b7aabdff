"""Responses as header lists and field blocks of HTTP/2 (RFC 9113 section 8.3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agwtwisted.core.base.remembering import remembering_within
from agwtwisted.core.http.framing import OF_CONNECTION
from agwtwisted.core.http.header_lines import Header, HeaderBlock
from agwtwisted.core.http.messages import Framing, ResponseHead
from agwtwisted.core.http2.header_codec import SENSITIVE, Fields, encoded

REMEMBERED_BLOCKS: Final = 1 << 20
"""Bytes that the remembered blocks of responses may take."""

_LENGTH: Final = Framing.LENGTH  # before Python 3.12 each look at a member of an Enum costs a call
_NOT_SENT: Final = OF_CONNECTION | {b"host"}


def response_fields(head: ResponseHead) -> Fields:
    """The header list of a response: names in lower case, nothing that concerns a connection of HTTP/1.1.

    The length is there where it is known, in an answer to HEAD and in a 304, too. What ends the stream is said by
    `core.http.messages.has_body`.
    """
    begin: list[Header] = [(b":status", b"%d" % head.status), *_end_to_end(head.headers)]
    if head.framing is _LENGTH:
        begin.append((b"content-length", b"%d" % head.content_length))
    return tuple(begin)


def informational_fields(status: int, headers: Sequence[Header]) -> Fields:
    """The header list of an interim response; a 101 has none in HTTP/2 (RFC 9113 section 8.6)."""
    return ((b":status", b"%d" % status), *_end_to_end(headers))


def _end_to_end(headers: Sequence[Header]) -> list[Header]:
    """Fields as RFC 9113 section 8.2.1 wants them: rules of the configuration may have put white space at ends."""
    lower = [(name.lower(), value.strip(b" \t")) for name, value in headers]
    return [line for line in lower if line[0] not in _NOT_SENT]


class ResponseBlocks:
    """Responses as field blocks that mean the same on every connection; those of equal heads are made once.

    A server's responses mostly differ in their Date, if that: it says the same for a second. What has a secret of one
    client is not remembered.
    """

    def __init__(self) -> None:
        self._remembered = remembering_within(_block, REMEMBERED_BLOCKS, _weight)

    def block(self, head: ResponseHead) -> bytes:
        """The block of `response_fields`."""
        headers = head.headers
        if not isinstance(headers, HeaderBlock):
            return encoded(response_fields(head))
        length = head.content_length if head.framing is _LENGTH else -1
        return self._remembered((head.status, length, headers.octets))


def _block(said: tuple[int, int, bytes]) -> bytes:
    status, length, octets = said
    head = ResponseHead(
        status=status,
        reason=b"",
        headers=HeaderBlock(octets),
        framing=Framing.NONE if length < 0 else _LENGTH,
        content_length=length,
    )
    return encoded(response_fields(head))


def _weight(said: tuple[int, int, bytes], block: bytes) -> int:
    """Bytes that a head and its block take; more than there is room for where it has a secret."""
    octets = said[2]
    lower = octets.lower()
    is_secret = any(b"%b:" % name in lower for name in SENSITIVE)
    return 2 * REMEMBERED_BLOCKS if is_secret else 500 + len(octets) + len(block)
