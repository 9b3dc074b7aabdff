"""Responses that come whole in one read, as most do: found by the octets of their heads, and passed on in one piece.

What a head says, and whether it may be passed on, `core.http.response_reader` decides; what it looks like for a client
is `core.exchange.forwarding`'s business. This remembers what both have said.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from agwtwisted.core.base.remembering import remembering_within
from agwtwisted.core.exchange.forwarding import response_bytes
from agwtwisted.core.http.heads import MAX_HEADER_LINES
from agwtwisted.core.http.messages import Framing, ResponseHead, WholeResponse, has_body
from agwtwisted.core.http.response_reader import ResponseReader

REMEMBERED_HEADS: Final = 1 << 18
"""Bytes that the remembered heads of responses may take: those of one second mostly differ in their length, if that."""

_BY_LENGTH: Final = Framing.LENGTH  # before Python 3.12 each look at a member of an Enum costs a call


class ResponseParser:
    """How responses are read: one for all backends of a configuration.

    What heads say is remembered by their octets, with whatever is secret there, in memory only and no longer than this
    lives.

    Args:
        max_header_bytes, max_header_lines: of all heads of a response together.
    """

    def __init__(self, *, max_header_bytes: int, max_header_lines: int = MAX_HEADER_LINES) -> None:
        self._max_header_bytes = max_header_bytes
        self._max_header_lines = max_header_lines
        judged = partial(_judged, max_header_bytes, max_header_lines)
        self._said_by = remembering_within(judged, REMEMBERED_HEADS, _weight)

    def reader(self, *, to_head_request: bool) -> ResponseReader:
        """The reader of one response."""
        return ResponseReader(
            to_head_request=to_head_request,
            max_header_bytes=self._max_header_bytes,
            max_header_lines=self._max_header_lines,
        )

    def whole(self, octets: bytes) -> WholeResponse | None:
        """The response to another request than HEAD that `octets` are, with nothing behind it.

        None: they are none, or not all of it, or one whose connection cannot be used again, or whose end is not known
        by a length. A reader finds out.
        """
        begin = octets.find(b"\r\n\r\n") + 4
        said = self._said_by(octets[:begin])
        if said is None or len(octets) - begin != said[0].content_length:
            return None
        return WholeResponse(said[0], octets, begin, said[1])


def _judged(max_header_bytes: int, max_header_lines: int, octets: bytes) -> tuple[ResponseHead, bytes] | None:
    """A head that may be that of a whole response, and as a client gets it, where it is changed for that."""
    reader = ResponseReader(to_head_request=False, max_header_bytes=max_header_bytes, max_header_lines=max_header_lines)
    reader.feed(octets)
    head = reader.next_event()
    if not isinstance(head, ResponseHead) or not (head.keep_alive and head.framing is _BY_LENGTH):
        return None
    if not has_body(head, to_head_request=False):
        return None
    rendered = response_bytes(head, _BY_LENGTH, keep_alive=True, version=b"1.1")
    return head, b"" if rendered == octets else rendered


def _weight(octets: bytes, said: tuple[ResponseHead, bytes] | None) -> int:
    """Bytes that a head and what it says take: its lines three times, and their pairs, where they are looked at."""
    return 700 + 4 * len(octets) + (0 if said is None else len(said[1]))
