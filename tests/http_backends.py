"""Who asks a backend, and what a backend says: for tests of the way to it."""

from __future__ import annotations

from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.http.messages import ResponseHead, WholeResponse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
TIMEOUT = 20.0
"""The request timeout of these tests, in seconds."""


PARSER = ResponseParser(max_header_bytes=8192)
"""Of the responses in these tests."""


class User:
    """Notes its events; as interfaces.UpstreamUser says."""

    def __init__(self) -> None:
        self.heads: list[ResponseHead] = []
        self.data = b""
        self.ended = 0
        self.lost: list[bool] = []  # whether it was the time that was over
        self.flushes = 0
        self.drained = 0
        self.broken_count = 0

    def response_whole(self, response: WholeResponse) -> None:
        """All of it."""
        self.heads.append(response.head)
        self.data += response.body
        self.ended += 1

    def response_head(self, head: ResponseHead) -> None:
        """A head."""
        self.heads.append(head)

    def response_body(self, data: bytes) -> None:
        """A piece."""
        self.data += data

    def response_end(self) -> None:
        """The end."""
        self.ended += 1

    def response_flush(self) -> None:
        """The end of a read."""
        self.flushes += 1

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """No end."""
        assert reason
        self.lost.append(timed_out)

    def upstream_drained(self) -> None:
        """Room again."""
        self.drained += 1

    def broken(self) -> None:
        """An error of the gateway's own."""
        self.broken_count += 1
