"""The windows for DATA of clients."""

from __future__ import annotations

from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
)

from agwtwisted.core.http2.codes import (
    FLOW_CONTROL_ERROR,
    PROTOCOL_ERROR,
)
from agwtwisted.core.http2.windows import CONNECTION_WINDOW, STREAM_WINDOW
from agwtwisted.transport.connection import LINGER
from tests.http2.connections import ACCEPT, Http2Case
from tests.http2_clients import get


class CreditTests(Http2Case):
    """The room for DATA, and how it is given back."""

    def test_padding(self) -> None:
        """Padding is no data, and its room is given back."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        for _ in range(CONNECTION_WINDOW // 256 + 10):
            client.send(DataFrame(1, b"", pad_length=255, flags=["PADDED"]))
        client.send(DataFrame(1, b"end", flags=["END_STREAM"]))
        self.assertEqual((self.last.data, self.last.whole), (b"end", True))

    def test_windows_are_opened_for_what_is_taken(self) -> None:
        """A long body passes, since both windows are opened again."""
        client = self.browser()
        client.request(method="POST", body=bytes(1_000_000))
        client.until(lambda: self.last.whole, "the end of the body")
        self.assertEqual(len(self.last.data), 1_000_000)

    def test_paused_bodies_are_bounded(self) -> None:
        """Of all bodies of a connection that are not wanted no more than its window is kept."""
        self.begun = lambda asked: asked.reply.pause_body()
        client = self.browser()
        client.more()
        for _ in range(4):
            client.request(method="POST", body=bytes(300_000))
        held = sum(each.body_of_request.held for each in self.protocol._streams.open.values())
        self.assertEqual(held, CONNECTION_WINDOW)

    def test_what_is_on_its_way_is_dropped(self) -> None:
        """DATA and trailers of a stream that was reset are dropped, and the connection's window is opened for them."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        self.last.answer()
        self.network.advance(LINGER)
        client.next(RstStreamFrame, 1)
        for _ in range(CONNECTION_WINDOW // 16384 + 4):
            client.send(DataFrame(1, bytes(16384)))
        client.send(client.headers(1, [("x-trailer", "1")]))
        self.answers_at_once()
        client.send(client.headers(3, get("/next")))
        self.assertEqual(client.next(HeadersFrame, 3).stream_id, 3)
        self.assertEqual(len(self.asked), 2)

    def test_last_pieces(self) -> None:
        """The piece that ends a body is counted as the others are: many short bodies pass."""
        self.answers_at_once()
        client = self.browser()
        for _ in range(CONNECTION_WINDOW // 16000 + 4):
            self.assertEqual(client.finished(client.request(method="POST", body=bytes(16000))).status, 200)

    def test_what_was_kept_is_given_back(self) -> None:
        """The room of a body that nothing has taken is free again once its stream was answered, or reset."""
        self.begun = lambda asked: asked.reply.pause_body()
        client = self.browser()
        client.more()
        for number in range(6):
            response = client.request(method="POST", body=bytes(250_000), end=False)
            if number % 2:
                self.last.answer()
                client.finished(response)
            else:
                client.reset(response)
        self.begun = lambda asked: None
        client.request(method="POST", body=bytes(600_000))
        client.until(lambda: self.last.whole, "the end of the body")

    def test_kept_of_answered_requests(self) -> None:
        """The same, to the octet: bodies that were not wanted until their requests were answered."""
        self.begun = lambda asked: asked.reply.pause_body()
        client = self.frames()
        for stream in (1, 3, 5):
            client.send(client.headers(stream, get(method="POST"), "END_HEADERS"))
            client.send(*[DataFrame(stream, bytes(16384)) for _ in range(STREAM_WINDOW // 16384)])
            self.last.answer()
            self.assertEqual(client.next(HeadersFrame, stream).stream_id, stream)

    def test_faulty_bodies(self) -> None:
        """The room of DATA that is more than Content-Length says is free again: further streams have it."""
        client = self.frames()
        for stream in range(1, 4 * CONNECTION_WINDOW // 16384, 2):
            client.send(client.headers(stream, get("/", ("content-length", "5"), method="POST"), "END_HEADERS"))
            client.send(DataFrame(stream, bytes(16384)))
            self.assertEqual(client.next(RstStreamFrame, stream).error_code, PROTOCOL_ERROR)


class OverdrawnTests(Http2Case):
    """More DATA than there is room for."""

    def test_windows_are_overdrawn(self) -> None:
        """DATA beyond the window of a stream resets it; beyond that of the connection it ends it."""
        self.begun = lambda asked: asked.reply.pause_body()
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        for _ in range(STREAM_WINDOW // 16384):
            client.send(DataFrame(1, bytes(16384)))
        client.send(DataFrame(1, b"x"))
        self.assertEqual(client.next(RstStreamFrame, 1).error_code, FLOW_CONTROL_ERROR)
        for stream in (3, 5, 7):
            client.send(client.headers(stream, get(method="POST"), "END_HEADERS"))
            for _ in range(STREAM_WINDOW // 16384):
                client.send(DataFrame(stream, bytes(16384)))
        self.assertEqual(client.next(GoAwayFrame).error_code, FLOW_CONTROL_ERROR)

    def test_tunnel(self) -> None:
        """A tunnel that is overdrawn ends as one that the client has left: there is no request to be refused."""
        client = self.frames()
        fields = [(":protocol", "websocket"), *get("/", method="CONNECT")]
        client.send(client.headers(1, fields, "END_HEADERS"))
        self.last.reply.switch(b"websocket", [ACCEPT])
        self.last.reply.pause_body()
        for _ in range(STREAM_WINDOW // 16384 + 1):
            client.send(DataFrame(1, bytes(16384)))
        self.assertEqual(client.next(RstStreamFrame, 1).error_code, FLOW_CONTROL_ERROR)
        self.assertEqual((self.last.lost, self.last.refused), (True, None))
