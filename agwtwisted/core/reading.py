"""Bytes to messages: llhttp (through httptools) for the framing, `core.messages` for what may be forwarded. Heads that
come whole and plain are cut by `core.heads`.

A reader is fed what came and collects events in order. llhttp cannot be paused within one read, so events of more than
one message may lie there; how much that is, the size of one read bounds. The rest of a body with a Content-Length, what
does not come with its head, passes by llhttp, which would only copy it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from itertools import chain
from typing import Any, TypeAlias

import httptools

from agwtwisted.core.header_lines import Header, value_of
from agwtwisted.core.heads import PlainRequests, plain_response
from agwtwisted.core.messages import (
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
from agwtwisted.core.pages import ErrorInfo


class Mark(Enum):
    """Events without content."""

    END = auto()  # the message is whole; not told for a request without a body


_PATIENCE = 16
"""How many bytes may frame one byte of a body: chunks of a single byte need six, and their extensions the rest."""

_RTSP = b" RTSP/"
"""What follows the target of a request of RTSP, which llhttp reads as one of HTTP, and does not tell."""

_START_LINE = MAX_TARGET + 64
"""Bytes of a request's first line at most, about."""

RequestEvent: TypeAlias = RequestHead | UnfitRequest | bytes | Mark
ResponseEvent: TypeAlias = ResponseHead | bytes | Mark


class RequestReader:
    """Reads one client's requests.

    After an `UnfitRequest`, a request that says it is the last one, or one that asks for an upgrade, nothing more is
    read: `done` is true. `upgrading` tells the last of these; what followed that request lies in `held`.
    """

    def __init__(self, plain: PlainRequests, *, max_header_bytes: int, max_body_bytes: int) -> None:
        self.events: deque[RequestEvent] = deque()
        self.head_open = False  # a head has begun and is not whole
        self.done = False
        self.upgrading = False
        self.held = b""
        self._plain = plain
        self._max_header_bytes = max_header_bytes
        self._max_body_bytes = max_body_bytes
        self._parser: Any = None  # made when it is needed: each has pointers back to here, which is garbage to collect
        self._method = b""
        self._target = b""
        self._lines: list[Header] = []
        self._first: bytes | bytearray = b""  # what came of the head that is open, until it has a header line
        self._rtsp = False  # whether RTSP is spoken of there
        self._skips_body = False  # llhttp will, because of an upgrade
        self._size = 0
        self._body_size = 0
        self._open = False  # a message has begun and is not whole
        self._went_on = False  # and had begun before this read
        self._continued = 0  # bytes of the reads that began and ended within it
        self._last = False  # no message follows the one that was read last
        self._has_body = False
        self._length = 0  # of the body, where its Content-Length tells it
        self._counted = False  # the rest of the body is counted here

    def feed(self, data: bytes) -> None:
        """Reads on; what comes when it is `done` is dropped."""
        if self.done:
            return
        if self._counted:
            self._count(data)
        elif self._open or not self._take_plain(data):
            self._parse(data)

    def _take_plain(self, data: bytes) -> bool:
        """Reads a request whose head comes whole and plain; returns whether it is one."""
        head = self._plain.head(data)
        if head is None or head.size > self._max_header_bytes:
            return False
        if head.framing is Framing.NONE:
            if len(data) > head.size:
                return False
            self.done = not head.keep_alive
            self.events.append(head)
            return True
        if not 0 < head.content_length <= self._max_body_bytes:
            return False
        self._open = self._has_body = self._counted = True
        self._last = not head.keep_alive
        self._length, self._body_size = head.content_length, 0
        self.events.append(head)
        if len(data) > head.size:
            self._count(data[head.size :])
        return True

    def _parse(self, data: bytes) -> None:
        """Has llhttp look at all that came, however many requests that are."""
        while data:
            data = self._parse_some(data)

    def _parse_some(self, data: bytes) -> bytes:
        """Has it look, and returns what it stopped before."""
        rest = b""
        self._went_on = self._open
        self._look(data)
        if self._parser is None:
            self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._skips_body and not self.done:
                rest = self._take_up(data[upgrade.args[0] :])
            elif not self.done:
                self.done = self.upgrading = True
                self.held = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(complaint(error))
        if self._lines or not self.head_open:
            self._first = b""
        if self._went_on and self._open:
            # llhttp tells a header or trailer once it is whole, a chunk's extension never: endless ones show here.
            self._continued += len(data)
            if self._continued > _START_LINE + self._max_header_bytes + _PATIENCE * self._body_size:
                self._refuse(_TOO_LARGE)
        self._counted = self._open and not self.done and self._length > self._body_size
        return rest

    def _take_up(self, data: bytes) -> bytes:
        """Reads the body of a request for an upgrade that is passed over: llhttp takes that for another protocol.

        Returns what follows it, or what the next parser has to read of it.
        """
        self._skips_body = False
        if not self._length:
            self._parser = _ChunkedBody(self).parser
            return data
        left = self._length - self._body_size
        if data:
            self.on_body(data[:left])
        if len(data) < left:
            return b""
        self._parser = None
        self.on_message_complete()
        return data[left:]

    def _look(self, data: bytes) -> None:
        """Keeps the beginning of a head, and looks for the name of RTSP in it."""
        if self.head_open and not self._lines:
            first, size = self._first, len(self._first)
            if not isinstance(first, bytearray):
                first = self._first = bytearray(first)
            first += data
            self._rtsp = self._rtsp or first.find(_RTSP, max(size - len(_RTSP), 0)) >= 0
        else:
            self._first, self._rtsp = data, _RTSP in data

    def _speaks_rtsp(self) -> bool:
        """Whether the head that is open is one of RTSP, where it has no header line yet."""
        if not self._rtsp or self._lines:
            return False
        self._method = self._parser.get_method()
        return b"%b %b%b" % (self._method, self._target, _RTSP) in self._first

    def _count(self, data: bytes) -> None:
        """The rest of a body, or of what is left of it."""
        left = self._length - self._body_size
        self.on_body(data if len(data) <= left else data[:left])
        if len(data) >= left:
            self._counted = False
            self._parser = None  # it still waits for this body
            self.on_message_complete()
            if len(data) > left and not self.done:
                self._parse(data[left:])  # all that follows in this read, however many requests that are

    def late(self) -> None:
        """The head that is open did not come in time."""
        self._refuse(BadRequest(408, ErrorInfo.INVALID_REQUEST))

    def give_up(self) -> None:
        """Reads no further after an error of the reader's own."""
        self._refuse(BadRequest(500, ErrorInfo.INTERNAL_ERROR))

    def _refuse(self, bad: BadRequest) -> None:
        if self.done:
            return
        self.done = self._last = True
        self.head_open = False
        self.events.append(
            UnfitRequest(
                status=bad.status,
                error_info=bad.error_info,
                method=self._method,
                target=self._target,
                authority=value_of(self._lines, b"host"),
                user_agent=value_of(self._lines, b"user-agent"),
                size=self._size or _size_of(self._lines),
            )
        )

    # httptools calls these

    def on_message_begin(self) -> None:
        """A request begins."""
        self.head_open = self._open = not self.done
        self._went_on = False
        self._method = self._target = b""
        self._lines = []
        self._size = self._body_size = self._continued = self._length = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._target = self._target + url if self._target else url
        if len(self._target) > MAX_TARGET:
            self._refuse(BadRequest(414, ErrorInfo.REQUEST_URI_INVALID))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer once the head is whole; trailers are not forwarded."""
        if self.head_open:
            if self._rtsp and self._speaks_rtsp():
                self._refuse(_OTHER_PROTOCOL)
            self._lines.append((name, value))
        elif self._plain.names.is_managed(name):
            self._refuse(BadRequest(400, ErrorInfo.INVALID_REQUEST))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._rtsp and self._speaks_rtsp():
            self._refuse(_OTHER_PROTOCOL)
        if self.done:
            return
        self.head_open = False
        parser = self._parser
        method = self._method = parser.get_method()
        version = parser.get_http_version()
        size = _size_of(self._lines)
        self._size = size + len(method) + len(self._target) + 14  # the request line and the empty one
        if size > self._max_header_bytes:
            self._refuse(_TOO_LARGE)
            return
        head = request_head(method, self._target, version, self._lines, self._plain.names, self._size)
        if isinstance(head, BadRequest):
            self._refuse(head)
        elif head.content_length > self._max_body_bytes:
            self._refuse(_TOO_MUCH)
        else:
            self._last = not head.keep_alive
            self._has_body = head.framing is not Framing.NONE
            self._length = head.content_length
            self._skips_body = self._parser.should_upgrade() and (self._length > 0 or head.framing is Framing.CHUNKED)
            self.events.append(head)

    def on_body(self, data: bytes) -> None:
        """A piece of the body, without its framing."""
        if self.done:
            return
        self._body_size += len(data)
        if self._body_size > self._max_body_bytes:
            self._refuse(_TOO_MUCH)
        else:
            self.events.append(data)

    def on_message_complete(self) -> None:
        """The request is whole; one without a body was so with its head."""
        if self._skips_body:
            return
        self._open = False
        self._lines = []  # an idle connection need not keep them
        if not self.done:
            if self._has_body:
                self.events.append(Mark.END)
            self.done = self._last


class _ChunkedBody:
    """What llhttp tells a reader from a chunked body on whose head it has not seen: it gets one that it can take."""

    HEAD = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

    def __init__(self, reader: RequestReader) -> None:
        self._reader = reader
        self._begun = False
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(self.HEAD)
        self._begun = True

    def on_message_begin(self) -> None:
        """The next request begins."""
        if self._begun:
            self._reader.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of its target."""
        if self._begun:
            self._reader.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A trailer, or a header of the next request."""
        if self._begun:
            self._reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of the next request is whole."""
        if self._begun:
            self._reader.on_headers_complete()


def _size_of(lines: Sequence[Header]) -> int:
    """Bytes of header lines, as they came but for optional white space."""
    return sum(map(len, chain.from_iterable(lines))) + 4 * len(lines)


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
    """

    # What a plain response does not change is the class's: there is a reader for each.
    problem = ""
    whole = False
    clean = False
    held = b""  # what followed a 101
    _parser: Any = None  # as a request's
    _head_open = True
    _fed = 0  # bytes of all reads but the last
    _body_size = 0
    _reason = b""
    _lines: list[Header]  # of the head that is open
    _size = 0
    _final: ResponseHead | None = None
    _counted = False  # the rest of the body is counted here

    def __init__(self, *, to_head_request: bool, max_header_bytes: int) -> None:
        self.events: deque[ResponseEvent] = deque()
        self._to_head_request = to_head_request
        self._max_header_bytes = max_header_bytes

    def feed(self, data: bytes) -> None:
        """Reads on."""
        if self.problem:
            return
        if self.whole:
            self.clean = False
            return
        if self._counted and self._final is not None:
            self._count(data, self._final)
        elif self._fed or not self._take_plain(data):
            self._parse(data)

    def _take_plain(self, data: bytes) -> bool:
        """Reads a response whose head comes whole and plain and tells its length; returns whether it is one."""
        plain = plain_response(data, to_head_request=self._to_head_request)
        if plain is None or plain[1] > self._max_header_bytes:
            return False
        head, size = plain
        rest = len(data) - size
        if 0 < rest == head.content_length and has_body(head, to_head_request=self._to_head_request):
            self.whole, self.clean = True, head.keep_alive  # all of it, as most small ones come
            self.events.extend((head, data[size:], Mark.END))
            return True
        self._take(head)
        if not self.whole and not head.content_length:
            self._finish(head)
        if self.whole:
            self.clean = self.clean and not rest
            return True
        self._counted = True
        if rest:
            self._count(data[size:], head)
        return True

    def _parse(self, data: bytes) -> None:
        """Has llhttp look."""
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.held = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self.clean = False
            if not self.whole:
                self.problem = self.problem or str(error)
        if not self.whole and self._fed > self._max_header_bytes + _PATIENCE * self._body_size:
            self.problem = self.problem or self._too_large()
        self._fed += len(data)
        final = self._final
        self._counted = final is not None and final.framing is Framing.LENGTH and not self.whole and not self.problem

    def _count(self, data: bytes, head: ResponseHead) -> None:
        """The rest of a body, or of what is left of it; more than that is none of ours."""
        left = head.content_length - self._body_size
        self.on_body(data if len(data) <= left else data[:left])
        if len(data) >= left:
            self._finish(head)
            self.clean = self.clean and len(data) == left

    def end(self) -> None:
        """The backend has closed: the end of a body that is told in no other way, else a problem."""
        if self.whole or self.problem:
            return
        if self._final is not None and self._final.framing is Framing.CLOSE:
            self._finish(self._final)
        else:
            self.problem = "the backend closed the connection"

    # httptools calls these

    def on_message_begin(self) -> None:
        """A response begins; after the final one it is none of ours."""
        self._lines = []
        self._reason = b""
        self._head_open = True
        self.clean = False

    def on_status(self, reason: bytes) -> None:
        """A piece of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer once the head is whole; trailers are not passed on."""
        if self._head_open:
            self._lines.append((name, value))

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._head_open = False
        if self.whole or self.problem:
            return
        parser = self._parser
        status = parser.get_status_code()
        version = parser.get_http_version()
        head = response_head(status, self._reason, version, self._lines, to_head_request=self._to_head_request)
        self._size += _size_of(self._lines)  # of all heads: interim ones count with the response's own
        if self._size > self._max_header_bytes:
            self.problem = self._too_large()
        elif isinstance(head, str):
            self.problem = head
        else:
            self._take(head)

    def _too_large(self) -> str:
        return f"the head of the response is larger than max_header_bytes = {self._max_header_bytes}"

    def _take(self, head: ResponseHead) -> None:
        self.events.append(head)
        if head.status >= 200 or head.status == 101:
            self._final = head
            # llhttp does not know when this answers a HEAD, and would wait for the body.
            if not has_body(head, to_head_request=self._to_head_request):
                self._finish(head)

    def on_body(self, data: bytes) -> None:
        """A piece of the body, without its framing."""
        if self.whole:
            self.clean = False
        elif not self.problem:
            self._body_size += len(data)
            self.events.append(data)

    def on_message_complete(self) -> None:
        """A response is whole."""
        if self._final is not None and not self.whole and not self.problem:
            self._finish(self._final)

    def _finish(self, head: ResponseHead) -> None:
        self.whole = True
        self.clean = head.keep_alive and head.framing is not Framing.CLOSE
        self.events.append(Mark.END)
