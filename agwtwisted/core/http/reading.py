"""Bytes to messages: heads, and bodies without their framing.

Heads that come whole and plain are cut by `core.http.heads`, all others by llhttp (through httptools);
`core.http.messages` says what may be forwarded. llhttp gets heads only, each up to its end: bodies are counted here,
and chunks taken apart by `core.http.chunks`. So a reader stops behind every request, and what follows it waits as the
bytes that came.

A head that is not whole is kept as the bytes of its lines in one buffer, and its bounds hold while it arrives.
"""

from __future__ import annotations

import re
from collections import deque
from enum import Enum, auto
from typing import Any, Final, TypeAlias

import httptools

from agwtwisted.core.http.chunks import ChunkedBody
from agwtwisted.core.http.header_lines import Header, rendered, value_of
from agwtwisted.core.http.heads import MAX_HEADER_LINES, PlainRequests, plain_response
from agwtwisted.core.http.messages import (
    MAX_TARGET,
    BadRequest,
    Framing,
    RequestHead,
    ResponseHead,
    UnfitRequest,
    has_body,
    request_head,
    response_head,
)
from agwtwisted.core.http.pages import ErrorInfo


class Mark(Enum):
    """Events without content."""

    END = auto()  # the message is whole; not told for a request without a body


_PATIENCE: Final = 16
"""How many bytes may frame one byte of a body: chunks of a single byte need six, and their extensions the rest."""

_RTSP: Final = b" RTSP/"
"""What follows the target of a request of RTSP, which llhttp reads as one of HTTP, and does not tell."""

_START_LINE: Final = MAX_TARGET + 64
"""Bytes of a request's first line at most, about."""

_STATUS_LINES: Final = 1024
"""Bytes of a response's first lines, and of white space before values, that do not count."""

_HEAD_END: Final = b"\r\n\r\n"
_NOT_EMPTY: Final = re.compile(rb"[^\r\n]")

RequestEvent: TypeAlias = RequestHead | UnfitRequest | bytes | Mark
ResponseEvent: TypeAlias = ResponseHead | bytes | Mark


class _Lines:
    """The header lines of a head that arrives, as llhttp gives them.

    A line as objects takes twenty times its octets: those of a head that is not whole after a read are put into one
    buffer.
    """

    __slots__ = ("_buffer", "_latest", "count", "size")

    def __init__(self) -> None:
        self.count = 0
        self.size = 0  # bytes, as they came but for optional white space
        self._latest: list[Header] = []
        self._buffer: bytearray | None = None

    def add(self, name: bytes, value: bytes) -> None:
        """A line: its name has no colon, its value no end of line."""
        self.count += 1
        self.size += len(name) + len(value) + 4
        self._latest.append((name, value))

    def put_away(self) -> None:
        """The read is over, and the head is not whole."""
        if self._latest:
            if self._buffer is None:
                self._buffer = bytearray()
            self._buffer += rendered(self._latest)
            self._latest = []

    def cut(self) -> list[Header]:
        """Names and values."""
        if self._buffer is None:
            return self._latest
        cut = [line.partition(b": ") for line in bytes(self._buffer).split(b"\r\n")[:-1]]
        return [(name, value) for name, _, value in cut] + self._latest


def _end_of_head(data: bytes, at: int, before: bytes) -> int:
    """Where the empty line ends that ends a head; the end of the data where there is none.

    Args:
        data: what came.
        at: where reading goes on.
        before: the last bytes, three at most, that were read before these.
    """
    if before:
        found = (before + data[at : at + 3]).find(_HEAD_END)
        if found >= 0:
            return at + found + 4 - len(before)
    found = data.find(_HEAD_END, at)
    return len(data) if found < 0 else found + 4


def _behind_empty_lines(data: bytes, at: int) -> int:
    """Where something begins: empty lines ahead of a request mean nothing (RFC 9112 section 2.2)."""
    found = _NOT_EMPTY.search(data, at)
    return len(data) if found is None else found.start()


class RequestReader:
    """Reads one client's requests, one at a time.

    `events` are those of one request: its head, the data of its body, the `Mark.END` of a body. Once a request is
    `whole`, what follows it waits until `go_on`; `waiting` says whether there is something.

    After an `UnfitRequest`, a request that says it is the last one, or one that asks for an upgrade, nothing more is
    read: `done` is true. `upgrading` tells the last of these; what followed that request lies in `held`.

    Args:
        plain: reads most heads.
        max_header_bytes, max_header_lines: of a head, and of the trailers of a body.
        max_body_bytes: of a body.
    """

    def __init__(
        self,
        plain: PlainRequests,
        *,
        max_header_bytes: int,
        max_body_bytes: int,
        max_header_lines: int = MAX_HEADER_LINES,
    ) -> None:
        self.events: deque[RequestEvent] = deque()
        self.head_open = False  # a head has begun and is not whole
        self.whole = False  # a request is whole, and the next one's turn has not come
        self.done = False
        self.upgrading = False
        self.held = b""
        self._plain = plain
        self._max_header_bytes = max_header_bytes
        self._max_header_lines = max_header_lines
        self._max_body_bytes = max_body_bytes
        self._data = b""  # what came, as far as it waits, from `_at` on
        self._at = 0
        self._parser: Any = None  # made when it is needed: each has pointers back to here, which is garbage to collect
        self._method = b""
        self._target = b""
        self._lines: _Lines | None = None  # of the head that is open
        self._head_read = False  # what llhttp is fed ends with its head
        self._before = b""  # the last bytes of the open head
        self._first: bytes | None = b""  # the last bytes of its first line; None once that is whole
        self._rtsp = False  # whether RTSP is spoken there
        self._raw = 0  # bytes of it
        self._last = False  # no message follows the one that was read last
        self._left = 0  # of a body with a Content-Length
        self._chunks: ChunkedBody | None = None
        self._body_size = 0  # of a chunked body

    @property
    def waiting(self) -> bool:
        """Whether bytes wait for their request's turn."""
        return bool(self._data)

    def feed(self, data: bytes) -> None:
        """Reads on; what comes when it is `done` is dropped."""
        if self.done:
            return
        if self.whole:
            # Empty lines between requests are nothing that waits (RFC 9112 section 2.2).
            self._data = self._data[self._at :] + data if self._data else data.lstrip(b"\r\n")
            self._at = 0
        else:
            self._read(data, 0)

    def go_on(self) -> None:
        """The next request's turn has come."""
        self.whole = False
        if self._data:
            data, at = self._data, self._at
            self._data = b""
            self._read(data, at)

    def late(self) -> None:
        """The head that is open did not come in time."""
        self._refuse(BadRequest(408, ErrorInfo.INVALID_REQUEST))

    def give_up(self) -> None:
        """Reads no further after an error of the reader's own."""
        self._refuse(BadRequest(500, ErrorInfo.INTERNAL_ERROR))

    def _read(self, data: bytes, at: int) -> None:
        """Reads up to the end of one request."""
        end = len(data)
        while at < end and not (self.whole or self.done):
            if self._left:
                at = self._count(data, at)
            elif self._chunks is not None:
                at = self._take_chunks(data, at, self._chunks)
            elif self.head_open:
                at = self._parse(data, at)
            else:
                at = self._take_plain(data, at) or self._parse(data, at)
        if at < end and not self.done:
            self._wait(data, at)
        elif self.upgrading:
            self.held = data[at:]

    def _wait(self, data: bytes, at: int) -> None:
        at = _behind_empty_lines(data, at)
        if at < len(data):
            self._data, self._at = data, at

    # -- heads

    def _take_plain(self, data: bytes, at: int) -> int:
        """Reads a head that comes whole and plain; returns where it ends, 0 where it is another one, or none."""
        head = self._plain.head(data, at)
        if head is None or head.size > self._max_header_bytes or head.content_length > self._max_body_bytes:
            return 0
        self._last = not head.keep_alive
        self.events.append(head)
        if head.framing is Framing.NONE:
            self.whole = True
            self.done = self._last
        else:
            self._begin_body(head)
        return at + head.size

    def _parse(self, data: bytes, at: int) -> int:
        """Has llhttp look at a head, or a part of one; returns where that ends."""
        if not self.head_open:
            at = _behind_empty_lines(data, at)
            if at == len(data):
                return at
        most = _START_LINE + self._max_header_bytes
        end = min(_end_of_head(data, at, self._before), at + most - self._raw + 1)
        piece = data[at:end]
        self._before = (self._before + piece[-3:])[-3:]
        self._raw += len(piece)
        self._head_read = False
        if self._first is not None:
            self._look(self._first, piece)
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._parser = None  # it takes nothing that follows for a request
        except httptools.HttpParserError as error:
            self._refuse(complaint(error))
        if not self.head_open:
            self._forget_head()
        elif self._raw > most:
            self._refuse(_TOO_LARGE)
        elif self._lines is not None:
            self._lines.put_away()
        return end

    def _look(self, before: bytes, piece: bytes) -> None:
        """Looks for the name of RTSP at the end of the first line."""
        line, end, _ = (before + piece).partition(b"\r\n")
        self._first = None if end else line[-16:]
        self._rtsp = bool(end) and _RTSP in line[-16:]

    def _forget_head(self) -> None:
        """An idle connection keeps nothing of a head."""
        self._method = self._target = self._before = b""
        self._first, self._lines = b"", None
        self._raw = 0

    # httptools calls these

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._head_read:  # llhttp saw the end of a head where there was none
            self._refuse(_TOO_LARGE)
        if self.done:
            return
        self.head_open = True
        self._lines = _Lines()

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        if self.done:
            return
        self._target = self._target + url if self._target else url
        if len(self._target) > MAX_TARGET:
            self._refuse(BadRequest(414, ErrorInfo.REQUEST_URI_INVALID))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line."""
        lines = self._lines
        if self._rtsp:
            self._refuse(_OTHER_PROTOCOL)
        if self.done or lines is None:
            return
        lines.add(name, value)
        if lines.size > self._max_header_bytes or lines.count > self._max_header_lines:
            self._refuse(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        lines = self._lines
        if self._rtsp:
            self._refuse(_OTHER_PROTOCOL)
        if self.done or lines is None:
            return
        self.head_open = False
        self._head_read = True
        parser = self._parser
        method = self._method = parser.get_method()
        version = parser.get_http_version()
        head = request_head(method, self._target, version, lines.cut(), self._plain.names, self._raw)
        if isinstance(head, BadRequest):
            self._refuse(head)
        elif head.content_length > self._max_body_bytes:
            self._refuse(_TOO_MUCH)
        else:
            self._take(head)

    def on_body(self, data: bytes) -> None:
        """Bodies are none of llhttp's business: it saw the end of a head where there was none."""
        self._refuse(_TOO_LARGE)

    def _take(self, head: RequestHead) -> None:
        self._last = not head.keep_alive
        self.events.append(head)
        if head.upgrade:
            if head.framing is not Framing.NONE:  # an empty body
                self.events.append(Mark.END)
            self.done = self.upgrading = True
        elif head.framing is Framing.NONE:
            if not self._parser.should_keep_alive():
                self._parser = None  # it heeds Proxy-Connection, which says nothing (RFC 9112 appendix C.2.2)
            self._finish()
        else:
            self._parser = None  # it would wait for this body
            self._begin_body(head)

    # -- bodies

    def _begin_body(self, head: RequestHead) -> None:
        if head.framing is Framing.CHUNKED:
            self._body_size = 0
            self._chunks = ChunkedBody(
                max_trailer_bytes=self._max_header_bytes, max_trailer_lines=self._max_header_lines
            )
        elif head.content_length:
            self._left = head.content_length
        else:
            self._end_body()

    def _count(self, data: bytes, at: int) -> int:
        """The rest of a body whose length is known, or a part of it."""
        end = min(at + self._left, len(data))
        piece = data[at:end]
        self._left -= len(piece)
        self.events.append(piece)
        if not self._left:
            self._end_body()
        return end

    def _take_chunks(self, data: bytes, at: int, chunks: ChunkedBody) -> int:
        body = chunks.feed(data, at)
        if body:
            self._body_size += len(body)
            if self._body_size > self._max_body_bytes:
                self._refuse(_TOO_MUCH)
                return len(data)
            self.events.append(body)
        if chunks.problem or chunks.framing > _START_LINE + self._max_header_bytes + _PATIENCE * self._body_size:
            self._refuse(_TOO_LARGE)
        elif chunks.done:
            self._check_trailers(chunks)
        return len(data) - chunks.unread

    def _check_trailers(self, chunks: ChunkedBody) -> None:
        """Trailers are not forwarded; one that frames, or has a managed name, was meant to be taken for a header."""
        for name in chunks.trailer_names:
            if name.lower() == b"content-length":
                self._refuse(BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH))
            elif name.lower() == b"transfer-encoding" or self._plain.names.is_managed(name):
                self._refuse(BadRequest(400, ErrorInfo.INVALID_REQUEST))
        self._chunks = None
        if not self.done:
            self._end_body()

    def _end_body(self) -> None:
        self.events.append(Mark.END)
        self._finish()

    def _finish(self) -> None:
        """The request is whole."""
        self.whole = True
        self.done = self._last

    def _refuse(self, bad: BadRequest) -> None:
        if self.done:
            return
        self.done = self._last = True
        self.head_open = False
        self._data = b""
        self._left, self._chunks = 0, None
        lines = [] if self._lines is None else self._lines.cut()
        self.events.append(
            UnfitRequest(
                status=bad.status,
                error_info=bad.error_info,
                method=self._method,
                target=self._target,
                authority=value_of(lines, b"host"),
                user_agent=value_of(lines, b"user-agent"),
                size=self._raw,
            )
        )


_OTHER_PROTOCOL = BadRequest(400, ErrorInfo.INVALID_VERSION)
_TOO_LARGE = BadRequest(400, ErrorInfo.INVALID_REQUEST)
_TOO_MUCH = BadRequest(413, ErrorInfo.INVALID_REQUEST)

_COMPLAINTS = (
    ("Content-Length", BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH)),
    ("HTTP version", BadRequest(400, ErrorInfo.INVALID_VERSION)),
    ("method", BadRequest(400, ErrorInfo.INVALID_METHOD)),
    ("PRI/Upgrade", BadRequest(400, ErrorInfo.INVALID_VERSION)),
    ("url", BadRequest(400, ErrorInfo.REQUEST_URI_INVALID)),
)


def complaint(error: httptools.HttpParserError) -> BadRequest:
    """The product's code for what llhttp complains of."""
    text = str(error)
    for words, bad in _COMPLAINTS:
        if words in text:
            return bad
    return BadRequest(400, ErrorInfo.INVALID_REQUEST)


class ResponseReader:
    """Reads the response to one request, and the interim ones before it.

    `problem` says, once it is not empty, what makes it unfit to pass on; `clean` whether the connection may be used
    again: the response was delimited, nothing followed it, and neither side said close.

    Args:
        to_head_request: whether HEAD was asked.
        max_header_bytes, max_header_lines: of all heads together, and of the trailers.
    """

    # What a plain response does not change is the class's: there is a reader for each.
    problem = ""
    whole = False
    clean = False
    held = b""  # what followed a 101
    _parser: Any = None  # as a request's
    _head_open = True
    _head_read = False  # what llhttp is fed ends with its head
    _before = b""
    _raw = 0  # bytes of all heads
    _begun = False  # whether something was read
    _reason = b""
    _lines: _Lines | None = None  # of the head that is open
    _size = 0  # bytes of all heads' lines
    _line_count = 0
    _final: ResponseHead | None = None
    _last = False  # an interim response has said that the connection ends
    _left = 0  # of a body whose length is known
    _chunks: ChunkedBody | None = None
    _body_size = 0  # of a chunked body

    def __init__(
        self, *, to_head_request: bool, max_header_bytes: int, max_header_lines: int = MAX_HEADER_LINES
    ) -> None:
        self.events: deque[ResponseEvent] = deque()
        self._to_head_request = to_head_request
        self._max_header_bytes = max_header_bytes
        self._max_header_lines = max_header_lines

    def feed(self, data: bytes) -> None:
        """Reads on."""
        if self.problem:
            return
        if self.whole:
            self.clean = False
            return
        at, end = 0, len(data)
        if not self._begun:
            self._begun = True
            at = self._take_plain(data)
        while at < end and not (self.whole or self.problem):
            if self._left:
                at = self._count(data, at)
            elif self._chunks is not None:
                at = self._take_chunks(data, at, self._chunks)
            elif self._final is not None:
                self.events.append(data[at:])
                at = end
            else:
                at = self._parse(data, at)
        if at < end:
            self.clean = False
            if self._final is not None and self._final.status == 101:
                self.held = data[at:]

    def end(self) -> None:
        """The backend has closed: the end of a body that is told in no other way, else a problem."""
        if self.whole or self.problem:
            return
        if self._final is not None and self._final.framing is Framing.CLOSE:
            self._finish(self._final)
        else:
            self.problem = "the backend closed the connection"

    # -- heads

    def _take_plain(self, data: bytes) -> int:
        """Reads a head that comes whole and plain and tells its length; returns where it ends, 0 where it is none."""
        plain = plain_response(data, to_head_request=self._to_head_request, max_lines=self._max_header_lines)
        if plain is None or plain[1] > self._max_header_bytes:
            return 0
        head, size = plain
        if 0 < len(data) - size == head.content_length and has_body(head, to_head_request=self._to_head_request):
            self.whole, self.clean = True, head.keep_alive  # all of it, as most small ones come
            self._final = head
            self.events.extend((head, data[size:], Mark.END))
            return len(data)
        self._take(head)
        return size

    def _parse(self, data: bytes, at: int) -> int:
        """Has llhttp look at a head, or a part of one; returns where that ends."""
        most = _STATUS_LINES + self._max_header_bytes
        end = min(_end_of_head(data, at, self._before), at + most - self._raw + 1)
        piece = data[at:end]
        self._before = (self._before + piece[-3:])[-3:]
        self._raw += len(piece)
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            pass  # what follows is held
        except httptools.HttpParserError as error:
            self.problem = self.problem or str(error)
        if self._head_open:
            if self._raw > most:
                self.problem = self.problem or self._too_large()
            if self._lines is not None:
                self._lines.put_away()
        else:
            # The next head has a parser that knows nothing of this one.
            self._head_open, self._head_read = True, False
            self._parser, self._lines, self._reason, self._before = None, None, b"", b""
        return end

    # httptools calls these

    def on_message_begin(self) -> None:
        """A response begins."""
        if self._head_read:  # llhttp saw the end of a head where there was none
            self.problem = self.problem or "the head of the response is invalid"
        self._lines = _Lines()

    def on_status(self, reason: bytes) -> None:
        """A piece of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line."""
        lines = self._lines
        if self.problem or lines is None:
            return
        lines.add(name, value)
        if self._size + lines.size > self._max_header_bytes:
            self.problem = self._too_large()
        elif self._line_count + lines.count > self._max_header_lines:
            self.problem = f"the head of the response has more lines than max_header_lines = {self._max_header_lines}"

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._head_open = False
        self._head_read = True
        lines = self._lines
        if self.problem or lines is None:
            return
        parser = self._parser
        status = parser.get_status_code()
        version = parser.get_http_version()
        head = response_head(status, self._reason, version, lines.cut(), to_head_request=self._to_head_request)
        self._size += lines.size  # of all heads: interim ones count with the response's own
        self._line_count += lines.count
        if isinstance(head, str):
            self.problem = head
        else:
            self._take(head)

    def on_body(self, data: bytes) -> None:
        """Bodies are none of llhttp's business: it saw the end of a head where there was none."""
        self.problem = self.problem or "the head of the response is invalid"

    def _too_large(self) -> str:
        return f"the head of the response is larger than max_header_bytes = {self._max_header_bytes}"

    def _take(self, head: ResponseHead) -> None:
        self.events.append(head)
        if head.status < 200 and head.status != 101:
            self._last = self._last or not head.keep_alive
            return
        self._final = head
        if not has_body(head, to_head_request=self._to_head_request):
            self._finish(head)
        elif head.framing is Framing.CHUNKED:
            self._chunks = ChunkedBody(
                max_trailer_bytes=self._max_header_bytes, max_trailer_lines=self._max_header_lines, blanks=True
            )
        elif head.framing is Framing.LENGTH:
            self._left = head.content_length
            if not self._left:
                self._finish(head)

    # -- bodies

    def _count(self, data: bytes, at: int) -> int:
        """The rest of a body whose length is known, or a part of it."""
        end = min(at + self._left, len(data))
        piece = data[at:end]
        self._left -= len(piece)
        self.events.append(piece)
        if not self._left and self._final is not None:
            self._finish(self._final)
        return end

    def _take_chunks(self, data: bytes, at: int, chunks: ChunkedBody) -> int:
        body = chunks.feed(data, at)
        if body:
            self._body_size += len(body)
            self.events.append(body)
        if chunks.problem:
            self.problem = chunks.problem
        elif chunks.framing > self._max_header_bytes + _PATIENCE * self._body_size:
            self.problem = "the chunks of the response have too much overhead"
        elif chunks.done:
            self._check_trailers(chunks)
        return len(data) - chunks.unread

    def _check_trailers(self, chunks: ChunkedBody) -> None:
        """Trailers are not passed on; one that frames was meant to be taken for a header."""
        if any(name.lower() in (b"content-length", b"transfer-encoding") for name in chunks.trailer_names):
            self.problem = "a trailer that changes the framing"
        elif self._final is not None:
            self._finish(self._final)

    def _finish(self, head: ResponseHead) -> None:
        self.whole = True
        self.clean = head.keep_alive and head.framing is not Framing.CLOSE and not self._last
        self.events.append(Mark.END)
