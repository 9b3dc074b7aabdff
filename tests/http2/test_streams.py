"""Requests and answers of single streams."""

from __future__ import annotations

from unittest import mock

from hyperframe.frame import (
    DataFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http2.codes import (
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
)
from agwtwisted.core.http2.windows import CONNECTION_WINDOW, STREAM_WINDOW
from agwtwisted.transport.connection import LINGER
from tests.http2.connections import ACCEPT, Http2Case
from tests.http2_clients import get


class AnswerTests(Http2Case):
    """What the client reads."""

    def test_a_get(self) -> None:
        """A request is answered, and the connection goes on."""
        self.answers_at_once(b"hello")
        client = self.browser()
        for _ in range(3):
            response = client.fetch("/a")
            self.assertEqual((response.status, response.text, response.ended), (200, "hello", True))
        self.assertEqual(self.targets(), [b"/a"] * 3)
        self.assertTrue(self.line.connected)
        self.assertEqual(list(self.protocol.under_way), [])

    def test_greeting(self) -> None:
        """The gateway begins with its limits, WebSocket among them, and the room of the connection."""
        client = self.frames()
        settings = client.frames[0]
        assert isinstance(settings, SettingsFrame)
        self.assertEqual(settings.settings, {3: 100, 4: STREAM_WINDOW, 6: 16384, 8: 1, 9: 1})
        self.assertEqual(client.next(WindowUpdateFrame).window_increment, CONNECTION_WINDOW - 65535)

    def test_many_at_once(self) -> None:
        """Requests are under way at once, and answered in any order."""
        client = self.browser()
        responses = [client.request(f"/{number}") for number in range(5)]
        self.assertEqual(len(self.protocol.under_way), 5)
        for number in (3, 0, 4, 1, 2):
            self.asked[number].answer(b"%d" % number)
            self.assertEqual(client.finished(responses[number]).text, str(number))

    def test_in_pieces(self) -> None:
        """A response that comes in pieces is sent in pieces."""
        client = self.browser()
        response = client.request()
        self.last.head(framing=Framing.CHUNKED)
        self.last.reply.flush()
        client.until(lambda: response.status, "the head")
        for piece in (b"one", b"two"):
            self.last.reply.body(piece)
            self.last.reply.flush()
            client.until(lambda piece=piece: response.body.endswith(piece), "a piece")
        self.last.finish()
        self.assertEqual(client.finished(response).text, "onetwo")

    def test_without_body(self) -> None:
        """HEAD, 204 and 304 end with their heads; a length in the answer to HEAD stays."""
        client = self.browser()
        self.begun = lambda asked: asked.answer(b"" if asked.request.target != b"/h" else b"hello", status=304)
        self.assertEqual(client.fetch("/304").status, 304)
        self.begun = lambda asked: asked.answer(b"hello")
        response = client.fetch("/h", method="HEAD")
        self.assertEqual((response.get("content-length"), response.text), ("5", ""))
        self.begun = lambda asked: asked.answer(b"", status=204, framing=Framing.NONE)
        response = client.fetch("/204")
        self.assertEqual((response.status, response.get("content-length"), response.ended), (204, "", True))

    def test_informational(self) -> None:
        """An interim response goes out at once, ahead of the answer."""
        client = self.browser()
        response = client.request()
        self.last.reply.informational(103, b"Early Hints", [(b"Link", b"</a>")])
        client.until(lambda: response.interim, "a 103")
        self.assertEqual(response.interim, [(103, [("link", "</a>")])])
        self.last.answer()
        self.assertEqual(client.finished(response).status, 200)

    def test_long_answers_wait_for_the_windows(self) -> None:
        """What the client's windows do not admit waits, and the exchange stops until they do."""
        client = self.browser()
        client.reading = False
        response = client.request()
        self.last.head(length=400_000)
        given = 0
        while not self.last.reply.full:
            self.last.reply.body(bytes(50_000))
            self.last.reply.flush()
            given += 50_000
        client.until(lambda: len(response.body) == 65535, "a window of data")
        self.assertEqual(self.last.drained, 0)
        client.read_on()
        client.until(lambda: self.last.drained, "room again")
        self.last.reply.body(bytes(400_000 - given))
        self.last.finish()
        self.assertEqual(len(client.finished(response).body), 400_000)

    def test_bytes_sent(self) -> None:
        """The block of the head and the body are counted."""
        self.answers_at_once(b"x" * 100)
        client = self.frames()
        client.send(client.headers(1, get()))
        head, data = client.next(HeadersFrame), client.next(DataFrame)
        self.assertEqual(self.last.reply.bytes_sent, len(head.data) + len(data.data))

    def test_one_write_a_turn(self) -> None:
        """All that is answered in one read leaves in one write."""
        self.answers_at_once()
        client = self.frames()
        with mock.patch.object(self.connection, "write", wraps=self.connection.write) as write:
            client.send(*[client.headers(stream, get()) for stream in range(1, 21, 2)])
            client.next(DataFrame, 19)
        self.assertEqual(write.call_count, 1)

    def test_priority(self) -> None:
        """What the client says of the priority decides which of two answers is sent first."""
        client = self.frames(INITIAL_WINDOW_SIZE=0)
        for stream, urgency in ((1, "u=5"), (3, "u=1")):
            client.send(client.headers(stream, get("/", ("priority", urgency))))
            self.last.answer(bytes(30_000))
        self.turn()
        client.send(SettingsFrame(0, settings={4: 1 << 20}))
        client.next(DataFrame, 1)
        streams = [frame.stream_id for frame in client.frames if isinstance(frame, DataFrame)]
        self.assertEqual(streams[0], 3)

    def test_cut(self) -> None:
        """A response that cannot be completed is reset behind what came of it; the connection goes on."""
        client = self.browser()
        response = client.request()
        self.last.head(length=10)
        self.last.reply.body(b"half")
        self.last.reply.abort()
        self.assertEqual((client.finished(response).reset, response.text), (INTERNAL_ERROR, "half"))
        self.answers_at_once()
        self.assertEqual(client.fetch().status, 200)

    def test_last_answers_end_no_connection(self) -> None:
        """A 421 is of its stream, and so is a 500: clients coalesce names on one connection."""
        client = self.browser()
        response = client.request()
        self.last.reply.head(self._head(421), last=True)
        self.last.finish()
        self.assertEqual(client.finished(response).status, 421)
        self.answers_at_once()
        self.assertEqual(client.fetch().status, 200)

    def _head(self, status: int) -> ResponseHead:
        return ResponseHead(status=status, reason=b"R", headers=(), framing=Framing.LENGTH, content_length=0)


class BodyTests(Http2Case):
    """Request bodies."""

    def test_length(self) -> None:
        """A body with a length is handed on, and its end."""
        client = self.browser()
        response = client.request("/", ("content-length", "5"), method="POST", body=b"hello")
        self.assertEqual((self.last.data, self.last.whole), (b"hello", True))
        self.assertEqual((self.last.request.framing, self.last.request.content_length), (Framing.LENGTH, 5))
        self.last.answer()
        self.assertEqual(client.finished(response).status, 200)

    def test_no_length(self) -> None:
        """A body without a length is one of chunks; trailers end it, and are not handed on."""
        client = self.browser()
        response = client.request(method="POST", body=b"hello", end=False)
        self.assertEqual((self.last.data, self.last.whole), (b"hello", False))
        client.trailers(response, [("x-checksum", "1")])
        self.assertTrue(self.last.whole)
        self.assertEqual(self.last.request.framing, Framing.CHUNKED)

    def test_nothing(self) -> None:
        """A GET has no body, and an empty POST has an empty one: neither waits for a flush."""
        client = self.browser()
        client.request()
        self.assertEqual((self.last.whole, self.last.data, self.last.flushes), (False, b"", 0))
        client.request(method="POST")
        self.assertEqual((self.last.whole, self.last.data), (True, b""))
        client.request("/", ("content-length", "0"), method="POST", body=b"")
        self.assertEqual((self.last.whole, self.last.data), (True, b""))

    def test_byte_by_byte(self) -> None:
        """However the bytes come, they mean the same."""
        self.answers_at_once()
        client = self.frames()
        octets = client.headers(1, get(method="POST"), "PRIORITY", pieces=3) + b"".join(
            DataFrame(1, data, flags=flags).serialize() for data, flags in ((b"a", ()), (b"b", ("END_STREAM",)))
        )
        for octet in octets:
            self.line.send(bytes((octet,)))
        self.assertEqual(client.next(HeadersFrame).stream_id, 1)

    def test_paused(self) -> None:
        """A body that is not wanted stops at its window, and what has come is kept; then it goes on."""
        client = self.browser()
        client.request(method="POST", body=bytes(600_000))
        first = self.last
        first.reply.pause_body()
        taken = len(first.data)
        while client.wire.receive:  # all that the windows admit
            try:
                client.more()
            except AssertionError:
                break
        self.assertEqual(len(first.data), taken)
        first.reply.resume_body()
        self.turn()
        client.until(lambda: first.whole, "the end of the body")
        self.assertEqual(len(first.data), 600_000)

    def test_other_streams_go_on(self) -> None:
        """A body that is not wanted stops no other stream."""
        client = self.browser()
        client.request("/paused", method="POST", body=bytes(300_000))
        self.last.reply.pause_body()
        self.answers_at_once()
        self.assertEqual(client.fetch("/other").status, 200)

    def test_resumed_within_a_turn(self) -> None:
        """Where a body is wanted again within the turn, it goes on at its end, and nothing re-enters."""
        client = self.frames()

        def begun(asked: object) -> None:
            self.last.reply.pause_body()

        self.begun = begun
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"), DataFrame(1, b"abc", flags=["END_STREAM"]))
        self.assertEqual((self.last.data, self.last.whole), (b"", False))
        self.last.reply.resume_body()
        self.assertEqual(self.last.data, b"")
        self.turn()
        self.assertEqual((self.last.data, self.last.whole), (b"abc", True))

    def test_full_of_the_last_piece(self) -> None:
        """A server that is full of the last piece, and takes more again, gets the end of the body once."""
        client = self.frames()
        ends: list[bytes] = []
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        self.patch(self.last, "body", lambda data: self.last.reply.pause_body())
        self.patch(self.last, "body_complete", lambda: ends.append(self.last.request.method))
        client.send(DataFrame(1, b"last", flags=["END_STREAM"]))
        self.assertEqual(ends, [b"POST"])
        self.last.reply.resume_body()
        self.turn()
        self.assertEqual(ends, [b"POST"])

    def test_order(self) -> None:
        """What comes before that which was kept has gone on waits behind it."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        self.last.reply.pause_body()
        client.send(DataFrame(1, b"a"))
        self.last.reply.resume_body()
        client.send(DataFrame(1, b"b"))
        self.turn()
        self.assertEqual(self.last.data, b"ab")

    def test_not_as_long_as_said(self) -> None:
        """DATA that does not make Content-Length resets the stream, and the request is taken back."""
        client = self.frames()
        for stream, length in ((1, "3"), (3, "5")):
            client.send(
                client.headers(stream, get("/", ("content-length", length), method="POST"), "END_HEADERS"),
                DataFrame(stream, b"four", flags=["END_STREAM"]),
            )
            self.assertEqual(client.next(RstStreamFrame).error_code, PROTOCOL_ERROR)
            self.assertEqual(self.last.refused, (400, ErrorInfo.INVALID_REQUEST))
        self.assertFalse(any(isinstance(frame, HeadersFrame) for frame in client.frames))

    def test_data_before_a_fault(self) -> None:
        """DATA ahead of a frame that is a fault is handed on and counts, though they came in one read."""
        client = self.frames()
        client.send(
            client.headers(1, get("/", ("content-length", "9"), method="POST"), "END_HEADERS"),
            DataFrame(1, b"four"),
            DataFrame(1, b"more", flags=["END_STREAM"]),
        )
        self.assertEqual((self.last.data, self.last.whole), (b"four", False))
        self.assertEqual(self.last.refused, (400, ErrorInfo.INVALID_REQUEST))

    def test_too_long(self) -> None:
        """More than max_body_bytes gets 413: at once where that is said, else once it has come."""
        client = self.browser()
        response = client.request("/", ("content-length", "2000000"), method="POST", end=False)
        self.assertEqual(getattr(self.last.request, "status", 0), 413)
        self.last.answer(status=413)
        self.assertEqual((client.finished(response).status, response.ended), (413, True))
        response = client.request(method="POST", body=bytes(1_100_000), end=False)
        client.until(lambda: response.status, "an answer")
        self.assertEqual(self.last.refused, (413, ErrorInfo.INVALID_REQUEST))

    def test_early_answer(self) -> None:
        """An answer that is whole before its request is sent whole; the stream is reset without an error, but later."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"), DataFrame(1, b"part"))
        self.last.answer(b"enough")
        data = client.next(DataFrame)
        self.assertEqual((data.data, "END_STREAM" in data.flags), (b"enough", True))
        self.network.advance(LINGER - 1)
        client.send(DataFrame(1, b"more"))
        self.assertFalse(any(isinstance(frame, RstStreamFrame) for frame in client.frames))
        self.network.advance(1)
        self.assertEqual(client.next(RstStreamFrame, 1).error_code, NO_ERROR)
        self.assertEqual(self.last.data, b"part")

    def test_rest_of_a_request(self) -> None:
        """What comes behind such an answer is dropped, with room for more; its end, or trailers, end the stream."""
        self.begun = lambda asked: asked.answer(b"enough", status=403)
        client = self.browser()
        for trailers in ((), (("x-trailer", "1"),)):
            response = client.request(method="POST", body=bytes(3 * STREAM_WINDOW), end=not trailers)
            if trailers:
                client.trailers(response, trailers)
            self.assertEqual((client.finished(response).status, response.text), (403, "enough"))
        client.round_trip()
        self.assertFalse(self.protocol._streams.open)
        self.network.advance(LINGER)
        self.assertFalse(response.reset)

    def test_room_of_what_was_kept(self) -> None:
        """What was kept of such a request makes room for its rest."""
        self.begun = lambda asked: asked.reply.pause_body()
        client = self.browser()
        client.more()
        response = client.request(method="POST", body=bytes(2 * STREAM_WINDOW))
        client.round_trip()
        self.last.answer(b"enough")
        self.assertEqual(client.finished(response).text, "enough")
        client.until(lambda: not self.protocol._streams.open, "the rest has come")

    def test_answer_behind_the_request(self) -> None:
        """A request that is whole before its early answer has left needs no reset."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"), DataFrame(1, b"part"))
        self.last.answer(bytes(100_000))  # more than the window
        client.send(DataFrame(1, b"rest", flags=["END_STREAM"]))
        client.send(*(WindowUpdateFrame(stream, 100_000) for stream in (1, 0)))
        client.until(lambda: any("END_STREAM" in each.flags for each in client.frames if each.stream_id), "the end")
        self.network.advance(LINGER)
        self.assertFalse(any(isinstance(frame, RstStreamFrame) for frame in client.frames))
        self.assertFalse(self.protocol._streams.open)

    def test_early_answer_without_body(self) -> None:
        """One without a body ends with its head: an empty DATA frame would be a body to clients of gRPC."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"), DataFrame(1, b"part"))
        self.last.answer(b"")
        self.assertIn("END_STREAM", client.next(HeadersFrame, 1).flags)
        self.network.advance(LINGER)
        self.assertEqual(client.next(RstStreamFrame, 1).error_code, NO_ERROR)
        self.assertFalse(any(isinstance(frame, DataFrame) for frame in client.frames))

    def test_late_body(self) -> None:
        """A body that does not come in time is answered with 408."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"), DataFrame(1, b"part"))
        self.network.advance(60)
        self.assertIsNone(self.last.refused)
        self.network.advance(3)
        self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))
        self.assertTrue(self.line.connected)

    def test_slow_body(self) -> None:
        """Bytes of a body earn it time, by the lowest rate."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        self.network.advance(50)
        client.send(DataFrame(1, bytes(100 * 50)))
        self.network.advance(60)
        self.assertIsNone(self.last.refused)
        self.network.advance(2)
        self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))

    def test_a_paused_body_is_not_late(self) -> None:
        """Waiting for a body that is not wanted is not the client's fault."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"), DataFrame(1, b"part"))
        self.last.reply.pause_body()
        self.network.advance(100)
        self.assertIsNone(self.last.refused)
        self.last.reply.resume_body()
        self.network.advance(62)
        self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))


class TunnelTests(Http2Case):
    """WebSocket by extended CONNECT: RFC 8441."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.browser()
        self.client.more()
        fields = [*get("/chat", ("sec-websocket-version", "13"), method="CONNECT"), (":protocol", "websocket")]
        self.tunnel = self.client.send_fields(sorted(fields, key=lambda field: field[0][0] != ":"), end=False)

    def switch(self) -> None:
        """The backend agrees."""
        self.last.reply.switch(b"websocket", [ACCEPT])

    def test_both_ways(self) -> None:
        """The backend is asked for an upgrade; then bytes go both ways, what came before included."""
        request = self.last.request
        assert isinstance(request, RequestHead)
        self.assertEqual((request.method, request.upgrade, request.target), (b"GET", b"websocket", b"/chat"))
        self.client.body(self.tunnel, b"early")
        self.assertEqual(self.last.data, b"")
        self.switch()
        self.client.until(lambda: self.tunnel.status, "the tunnel")
        self.assertEqual((self.tunnel.status, self.tunnel.get("sec-websocket-accept")), (200, ""))
        self.assertEqual(self.last.data, b"early")
        self.client.body(self.tunnel, b" late")
        self.assertEqual(self.last.data, b"early late")
        self.assertTrue(self.protocol.endless)
        self.last.reply.body(b"hello")
        self.last.reply.flush()
        self.client.until(lambda: self.tunnel.text == "hello", "bytes of the backend")

    def test_the_client_ends_it(self) -> None:
        """END_STREAM of the client is its FIN: the tunnel is over for both."""
        self.switch()
        self.turn()
        self.client.body(self.tunnel, b"bye", end=True)
        self.assertEqual((self.last.data, self.last.lost), (b"bye", True))
        self.assertTrue(self.client.finished(self.tunnel).ended)
        self.assertEqual(list(self.protocol.under_way), [])

    def test_the_backend_ends_it(self) -> None:
        """The end of the backend is END_STREAM; nothing is awaited of the client."""
        self.switch()
        self.last.reply.body(b"bye")
        self.last.finish()
        self.client.until(lambda: self.tunnel.reset is not None, "the end")
        self.assertEqual((self.tunnel.text, self.tunnel.ended, self.tunnel.reset), ("bye", True, NO_ERROR))

    def test_refused(self) -> None:
        """A backend that does not switch gives an answer like others; what came for the tunnel is dropped."""
        self.client.body(self.tunnel, b"early")
        self.last.answer(b"no", status=403)
        self.assertEqual((self.client.finished(self.tunnel).status, self.tunnel.text), (403, "no"))
        self.assertEqual(self.last.data, b"")

    def test_what_looks_open(self) -> None:
        """A 2xx without a switch, and a 101 without proof, would mislead the client; a 404 would not."""
        reply = self.last.reply
        for status, headers, misleads in ((200, (), True), (204, (), True), (404, (), False), (101, (), True)):
            head = ResponseHead(status=status, reason=b"", headers=headers, framing=Framing.NONE)
            self.assertEqual(reply.misleads(head), misleads, status)
        head = ResponseHead(status=101, reason=b"", headers=(ACCEPT,), framing=Framing.NONE)
        self.assertFalse(reply.misleads(head))
        self.session.expelled = True
        self.assertTrue(reply.misleads(head))

    def test_not_before_it_is_open(self) -> None:
        """A paused tunnel keeps what comes, within the window."""
        self.switch()
        self.turn()
        self.last.reply.pause_body()
        self.client.body(self.tunnel, b"x" * 100)
        self.assertEqual(self.last.data, b"")
        self.last.reply.resume_body()
        self.turn()
        self.assertEqual(len(self.last.data), 100)

    def test_short_messages(self) -> None:
        """Messages of WebSocket are short, and cost nothing for that."""
        self.switch()
        self.turn()
        for _ in range(5000):
            self.client.body(self.tunnel, b"message")
        self.assertEqual((len(self.last.data), self.session.misuses), (35_000, []))
