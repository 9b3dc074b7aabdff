"""Responses from bytes: a reader that is fed and asked, for one response and the interim ones before it."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TypeAlias

from agwtwisted.core.http.chunks import ChunkedBody
from agwtwisted.core.http.framing import NO_STATUS_LINE
from agwtwisted.core.http.heads import (
    LONGEST_STATUS_LINES,
    MAX_HEADER_LINES,
    RESPONSE,
    STATUS_LINE,
    response_of,
)
from agwtwisted.core.http.messages import END, NEED_DATA, PAUSED, Framing, Mark, ResponseHead, UnfitResponse, has_body
from agwtwisted.core.http.open_heads import OF_RESPONSES, OpenHead, behind_empty_lines
from agwtwisted.core.http.request_reader import FRAMING_OF_A_BYTE

ResponseEvent: TypeAlias = ResponseHead | UnfitResponse | bytes | Mark


class _ResponseState(Enum):
    HEAD = auto()
    COUNTED = auto()  # in a body with a length
    CHUNKED = auto()  # in a chunked one
    ENDLESS = auto()  # in one that ends with the connection
    END = auto()  # the end of the response, which must be reported
    WHOLE = auto()
    UNFIT = auto()


# As with `messages.NEED_DATA`: to look up a member of an Enum takes as long as a call.
_HEAD, _COUNTED, _CHUNKED, _ENDLESS, _END, _WHOLE, _UNFIT = _ResponseState
_BY_LENGTH, _BY_CHUNKS, _BY_CLOSE = Framing.LENGTH, Framing.CHUNKED, Framing.CLOSE


class ResponseReader:
    """Reads the response to one request: `feed` it, and ask for the `next_event`.

    There are the heads of interim responses, the head of the response, its data in pieces, and `Mark.END`; behind that
    there is `Mark.PAUSED`. `Mark.NEED_DATA` asks for more. An `UnfitResponse` says why there is no further event.

    `clean` says, once the response is whole, whether the connection may be used again: the response was delimited,
    nothing followed it, and neither side said close.

    Args:
        to_head_request: whether HEAD was asked.
        max_header_bytes, max_header_lines: of all heads together, and of the trailers.
    """

    # What most responses do not change is the class's: there is a reader for each.
    clean = False
    _state = _HEAD
    _data = b""  # what was fed, unread from `_at` on
    _at = 0
    _ended = False  # the backend has closed
    _open: OpenHead | None = None
    _header_bytes = 0  # of all heads
    _header_lines = 0
    _other_bytes = 0  # of all heads, beside their header lines
    _reusable = True  # by what the heads say
    _left = 0  # of a body with a length
    _chunks: ChunkedBody | None = None
    _body_size = 0  # of a chunked body

    def __init__(
        self, *, to_head_request: bool, max_header_bytes: int, max_header_lines: int = MAX_HEADER_LINES
    ) -> None:
        self._to_head_request = to_head_request
        self._max_header_bytes = max_header_bytes
        self._max_header_lines = max_header_lines

    @property
    def whole(self) -> bool:
        """Whether `Mark.END` was given."""
        return self._state is _WHOLE

    def feed(self, data: bytes) -> None:
        """Takes what came."""
        if self._state is _WHOLE:
            self.clean = False
        elif self._state is not _UNFIT:
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0

    def end(self) -> None:
        """The backend has closed: the end of a body without other framing, else the response is unfit."""
        self._ended = True

    def take_unread(self) -> bytes:
        """What followed a 101."""
        data = self._data[self._at :]
        self._data, self._at = b"", 0
        return data

    def next_event(self) -> ResponseEvent:
        """What comes next of what was fed."""
        state = self._state
        if state is _HEAD:
            if self._open is None:
                head = RESPONSE.match(self._data, self._at)
                if head is not None:
                    self._at = head.end()
                    return self._judge(head)
            return self._next_of_head()
        if state is _COUNTED:
            return self._next_of_counted()
        if state is _END:
            return self._finish()
        if state is _CHUNKED and self._chunks is not None:
            return self._next_of_chunks(self._chunks)
        if state is _ENDLESS:
            return self.take_unread() or self._need_data()
        return PAUSED

    # -- heads

    def _next_of_head(self) -> ResponseEvent:
        data, at = self._data, self._at
        open_head = self._open
        if open_head is None:
            self._at = behind_empty_lines(data, at)
            self._other_bytes += self._at - at
            if self._other_bytes > self._max_other_bytes():
                return self._unfit(self._too_large())
            if self._at == len(data):
                return self._need_data()
            open_head = self._open = OpenHead(
                OF_RESPONSES,
                longest_start_line=self._max_other_bytes() - self._other_bytes,
                max_bytes=self._max_header_bytes - self._header_bytes,
                max_lines=self._max_header_lines - self._header_lines,
            )
        self._at = open_head.take(data, self._at)
        if not (open_head.whole or open_head.faulty):
            return self._need_data()
        self._open = None
        octets = bytes(open_head.octets)
        head = RESPONSE.fullmatch(octets)
        return self._unfit(self._fault_of(octets)) if head is None else self._judge(head)

    def _max_other_bytes(self) -> int:
        """Bytes of all heads beside their header lines: they may take what those leave."""
        return LONGEST_STATUS_LINES + self._max_header_bytes - self._header_bytes

    def _judge(self, head: re.Match[bytes]) -> ResponseEvent:
        """A head whose grammar is right."""
        begin, end = head.span(4)
        header_bytes = self._header_bytes + end - begin
        header_lines = self._header_lines + head.string.count(b"\n", begin, end)
        other_bytes = self._other_bytes + begin - head.start() + 2
        left = self._max_header_bytes - header_bytes
        if left < 0 or other_bytes > LONGEST_STATUS_LINES + left:
            return self._unfit(self._too_large())
        if header_lines > self._max_header_lines:
            return self._unfit(self._too_many())
        found = response_of(head, self._to_head_request)
        if isinstance(found, str):
            return self._unfit(found)
        if found.status < 200 and found.status != 101:
            self._reusable = self._reusable and found.keep_alive
            self._header_bytes, self._header_lines, self._other_bytes = header_bytes, header_lines, other_bytes
            return found
        return self._take_head(found)

    def _fault_of(self, octets: bytes) -> str:
        """What is wrong with a head, or with the beginning of one."""
        line = STATUS_LINE.match(octets)
        if line is None:
            is_long = self._other_bytes + len(octets) > self._max_other_bytes()
            return self._too_large() if is_long else NO_STATUS_LINE
        lines = octets[line.end() :]
        if self._header_bytes + len(lines) - 1 > self._max_header_bytes:
            return self._too_large()
        if self._header_lines + lines.count(b"\n") > self._max_header_lines:
            return self._too_many()
        return "the head of the response has an invalid line"

    def _too_large(self) -> str:
        return f"the head of the response is larger than max_header_bytes = {self._max_header_bytes}"

    def _too_many(self) -> str:
        return f"the head of the response has more lines than max_header_lines = {self._max_header_lines}"

    def _take_head(self, head: ResponseHead) -> ResponseHead:
        """The head of the response, which can be passed on: what is read next."""
        framing = head.framing
        if not head.keep_alive or framing is _BY_CLOSE or head.status == 101:
            self._reusable = False
        if not has_body(head, to_head_request=self._to_head_request):
            self._state = _END
        elif framing is _BY_CHUNKS:
            self._state = _CHUNKED
            self._chunks = ChunkedBody(
                max_trailer_bytes=self._max_header_bytes, max_trailer_lines=self._max_header_lines, blanks=True
            )
        elif framing is _BY_LENGTH:
            self._left = head.content_length
            self._state = _COUNTED if self._left else _END
        else:
            self._state = _ENDLESS
        return head

    # -- bodies

    def _next_of_counted(self) -> ResponseEvent:
        """The rest of a body whose length is known, or a part of it."""
        at = self._at
        piece = self._data[at : at + self._left]
        if not piece:
            return self._need_data()
        self._at = at + len(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = _END
        return piece

    def _next_of_chunks(self, chunks: ChunkedBody) -> ResponseEvent:
        while True:
            if chunks.problem:
                return self._unfit(chunks.problem)
            if chunks.framing > self._max_header_bytes + FRAMING_OF_A_BYTE * self._body_size:
                return self._unfit("the chunks of the response have too much overhead")
            if chunks.done:
                return self._end_of_chunks(chunks.trailer_names)
            if self._at == len(self._data):
                return self._need_data()
            body = chunks.feed(self._data, self._at)
            self._at = len(self._data) - chunks.unread
            self._body_size += len(body)
            if body:
                return body

    def _end_of_chunks(self, trailer_names: tuple[bytes, ...]) -> ResponseEvent:
        """Trailers are not passed on; one that frames was meant to be taken for a header."""
        if any(name.lower() in (b"content-length", b"transfer-encoding") for name in trailer_names):
            return self._unfit("a trailer that changes the framing")
        return self._finish()

    # -- ends

    def _finish(self) -> Mark:
        """The response is whole; what follows it is of no use, but behind a 101."""
        self._state = _WHOLE
        self.clean = self._reusable and self._at == len(self._data)
        return END

    def _unfit(self, problem: str) -> UnfitResponse:
        self._state = _UNFIT
        self._open = self._chunks = None
        self._data, self._at = b"", 0
        return UnfitResponse(problem)

    def _need_data(self) -> ResponseEvent:
        """All that was fed is read."""
        self._data, self._at = b"", 0
        if not self._ended:
            return NEED_DATA
        return self._finish() if self._state is _ENDLESS else self._unfit("the backend closed the connection")


def events_of(reader: ResponseReader) -> list[ResponseEvent]:
    """What there is to read; what shows with the head of a response to be wrong spoils it as a whole."""
    events: list[ResponseEvent] = []
    while (event := reader.next_event()) is not NEED_DATA and event is not PAUSED:
        events.append(event)
        if event is END:
            return events
    is_spoilt = bool(events) and isinstance(events[-1], UnfitResponse)
    if is_spoilt and any(isinstance(each, ResponseHead) and each.status >= 200 for each in events):
        return events[-1:]
    return events
