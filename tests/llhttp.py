"""llhttp (through httptools) as a second reader: what it makes of the first message of some bytes."""

from __future__ import annotations

from typing import Any

import httptools

from agwtwisted.core.http.framing import request_head, response_head
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.messages import BadRequest, Framing, Mark, RequestHead, ResponseHead, UnfitRequest, has_body

NAMES = HeaderNames()

_BODY_OF = {
    Framing.LENGTH: b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
    Framing.CHUNKED: b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: %d\r\n\r\n",
}
"""The head of a request with nothing but a body."""


class Message:
    """One message, as llhttp reads it: fed byte by byte, so that it is known where the message ends."""

    def __init__(self, data: bytes, make: Any) -> None:
        self.start = b""  # the target, or the reason phrase
        self.lines: list[Header] = []
        self.has_head = False
        self.body = b""
        self.whole = False
        self.size = 0  # bytes of the message, and of empty lines before it, once it is whole
        self.head_size = 0  # bytes of the head, and of empty lines before it
        self.problem = ""
        self.is_upgrade = False
        self.parser = make(self)
        for at in range(len(data)):
            try:
                self.parser.feed_data(data[at : at + 1])
            except httptools.HttpParserUpgrade:
                self.whole = self.is_upgrade = True
            except httptools.HttpParserError as error:
                self.problem = str(error)
                return
            if self.has_head and not self.head_size:
                self.head_size = at + 1
            if self.whole:
                self.size = at + 1
                return

    # httptools calls these

    def on_url(self, url: bytes) -> None:
        """A piece of a request's target."""
        self.start += url

    def on_status(self, reason: bytes) -> None:
        """A piece of a response's reason phrase."""
        self.start += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer."""
        if not self.has_head:
            coding = name.lower() == b"transfer-encoding"  # whose end llhttp itself looks at
            self.lines.append((name, value if coding else value.rstrip(b"\t ")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self.has_head = True
        self.version = self.parser.get_http_version().encode()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self.body += data

    def on_message_complete(self) -> None:
        """The message is whole."""
        self.whole = True


class Request(Message):
    """A request."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, httptools.HttpRequestParser)

    def head(self, size: int) -> RequestHead | BadRequest | None:
        """What the gateway makes of a head that llhttp has cut."""
        if not self.has_head:
            return None
        return request_head(self.parser.get_method(), self.start, self.version, self.lines, NAMES, size)


class Response(Message):
    """A response."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, httptools.HttpResponseParser)

    def head(self, *, to_head_request: bool) -> ResponseHead | str | None:
        """What the gateway makes of a head that llhttp has cut."""
        if not self.has_head:
            return None
        status = self.parser.get_status_code()
        return response_head(status, self.start, self.version, self.lines, to_head_request=to_head_request)


def assert_requests_agree(data: bytes, events: list[Any]) -> None:
    """What the gateway took of some bytes llhttp takes, too, and reads in the same way.

    Args:
        data: what came, from the beginning of a request.
        events: what the gateway's reader made of it, each request having its turn at once.
    """
    for head, body, is_whole in _messages(events):
        told = Request(data)
        assert told.head(head.size) == head, (head, told.problem)
        if told.is_upgrade and head.framing is not Framing.NONE:
            # An upgrade that is passed over, where llhttp reads no body: it reads the same of another request.
            data = _BODY_OF[head.framing] % head.content_length + data[told.size :]
            told = Request(data)
        if is_whole or head.framing is Framing.NONE:
            assert (told.body, told.whole) == (body, True), (head, body, told.body, told.problem)
        elif not told.problem and not isinstance(events[-1], UnfitRequest):
            assert told.body == body, (head, body, told.body)
        data = data[told.size :]


def assert_responses_agree(data: bytes, events: list[Any], *, to_head_request: bool) -> None:
    """The same of a response, and the interim ones before it.

    llhttp does not know that HEAD was asked, takes no blanks around the size of a chunk, which some servers send, and
    reads a body behind an interim response that it does not know, which has none (RFC 9110 section 15.2).
    """
    for head, body, is_whole in _messages(events):
        told = Response(data)
        assert told.head(to_head_request=to_head_request) == head, (head, told.problem)
        if head.status < 200:
            assert not body, head
            data = data[told.head_size :]
            continue
        if not has_body(head, to_head_request=to_head_request):
            assert (body, told.whole) == (b"", True) or to_head_request, (head, body, told.problem)
        elif "chunk size" not in told.problem and (is_whole or not told.problem):
            is_delimited = head.framing is not Framing.CLOSE
            assert told.body == body or not is_whole, (head, body, told.body, told.problem)
            assert told.whole == (is_whole and is_delimited) or not is_whole, (head, told.problem)
        data = data[told.size :]


def _messages(events: list[Any]) -> list[tuple[Any, bytes, bool]]:
    """Heads, with the bodies that follow them, and whether each is whole."""
    found: list[tuple[Any, bytes, bool]] = []
    for event in events:
        if isinstance(event, RequestHead | ResponseHead):
            found.append((event, b"", False))
        elif isinstance(event, bytes) or event is Mark.END:
            head, body, _ = found.pop()
            found.append((head, body + (event if isinstance(event, bytes) else b""), event is Mark.END))
    return found
