"""The streams of a connection: which begin, and what ends one."""

from __future__ import annotations

from unittest import mock

from hyperframe.frame import (
    DataFrame,
    HeadersFrame,
    RstStreamFrame,
    WindowUpdateFrame,
)

from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http2 import request_bodies
from agwtwisted.core.http2.codes import (
    CANCEL,
    INTERNAL_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    STREAM_CLOSED,
)
from agwtwisted.core.http2.header_codec import HeaderDecoder
from tests.http2.connections import Http2Case, limits
from tests.http2_clients import get


class StreamTests(Http2Case):
    """Streams that are reset, refused, or used against RFC 9113 section 5.1."""

    def test_the_client_resets(self) -> None:
        """RST_STREAM ends the exchange, and nothing more of its answer is sent."""
        client = self.browser()
        response = client.request()
        self.last.head(length=10)
        client.reset(response)
        self.assertTrue(self.last.lost)
        self.assertEqual(list(self.protocol.under_way), [])
        self.last.reply.body(b"x")
        self.last.reply.flush()
        self.answers_at_once()
        self.assertEqual(client.fetch().status, 200)

    def test_nothing_is_due_of_what_was_reset(self) -> None:
        """Of a stream that the client has reset nothing is waited for, and DATA behind END_STREAM costs no room."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        self.assertTrue(self.protocol._deadlines.watching)
        client.send(RstStreamFrame(1, CANCEL))
        self.assertFalse(self.protocol._deadlines.watching)
        for stream in range(3, 83, 2):
            client.send(client.headers(stream, get()), DataFrame(stream, bytes(16384)))
            self.assertEqual(client.next(RstStreamFrame, stream).error_code, STREAM_CLOSED)

    def test_malformed(self) -> None:
        """A malformed request resets its stream, and is in the log as one that was refused with 400."""
        client = self.frames()
        client.send(client.headers(1, [*get(), ("Upper", "x")]))
        self.assertEqual(client.next(RstStreamFrame).error_code, PROTOCOL_ERROR)
        self.assertEqual(getattr(self.last.request, "status", 0), 400)
        self.last.answer(status=400)
        client.round_trip()
        self.assertFalse(any(isinstance(frame, HeadersFrame) for frame in client.frames))

    def test_unfit(self) -> None:
        """A sound request that is not forwarded gets a page."""
        client = self.browser()
        response = client.send_fields([(":method", "CONNECT"), (":authority", "a:1")])
        self.assertEqual(getattr(self.last.request, "status", 0), 405)
        self.last.answer(status=405)
        self.assertEqual(client.finished(response).status, 405)

    def test_trailers_that_are_none(self) -> None:
        """A second header block without END_STREAM, or with a pseudo-header field, resets the stream."""
        client = self.frames()
        for stream, fields, flags in (
            (1, [("x", "y")], ("END_HEADERS",)),
            (3, [(":path", "/")], ("END_HEADERS", "END_STREAM")),
        ):
            client.send(client.headers(stream, get(method="POST"), "END_HEADERS"))
            client.send(client.headers(stream, fields, *flags))
            self.assertEqual(client.next(RstStreamFrame, stream).error_code, PROTOCOL_ERROR)
            self.assertEqual(self.last.refused, (400, ErrorInfo.INVALID_REQUEST))

    def test_too_many(self) -> None:
        """Beyond the limit a stream is refused, and may come again."""
        client = self.frames()
        for stream in range(1, 201, 2):
            client.send(client.headers(stream, get()))
        client.send(client.headers(201, get()))
        self.assertEqual(client.next(RstStreamFrame).error_code, REFUSED_STREAM)
        self.assertEqual(len(self.asked), 100)
        self.last.answer()
        client.next(DataFrame)
        client.send(client.headers(203, get()))
        self.assertEqual(len(self.asked), 101)

    def test_an_answer_that_waits_counts(self) -> None:
        """A stream whose answer the client does not let through counts as open."""
        self.gateway = limits(http2_max_concurrent_streams=1)
        self.setUp()
        self.answers_at_once()
        client = self.frames(INITIAL_WINDOW_SIZE=0)
        client.send(client.headers(1, get()), client.headers(3, get()))
        self.assertEqual(client.next(RstStreamFrame).error_code, REFUSED_STREAM)
        client.send(WindowUpdateFrame(1, 100), client.headers(5, get()))
        client.send(client.headers(7, get()))
        self.assertEqual(len(self.asked), 2)

    def test_stalled(self) -> None:
        """A client that opens no window for an answer loses the stream, in the time that HTTP/1.1 has for it."""
        client = self.frames(INITIAL_WINDOW_SIZE=0)
        client.send(client.headers(1, get()))
        self.last.head(length=100)
        self.last.reply.body(b"x")
        self.last.reply.flush()
        self.turn()
        self.network.advance(62)
        self.assertTrue(self.last.lost)
        self.assertEqual(client.next(RstStreamFrame).error_code, CANCEL)


class GatheredTests(Http2Case):
    """DATA of one read is handed on together."""

    def test_gathered(self) -> None:
        """Several frames are one piece; it goes ahead of what another frame says, and there is a bound to it."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        pieces: list[bytes] = []
        with mock.patch.object(self.last, "body", side_effect=pieces.append):
            client.send(*[DataFrame(1, bytes(16384))] * 3)
            self.assertEqual([len(piece) for piece in pieces], [3 * 16384])
            client.send(DataFrame(1, b"a"), WindowUpdateFrame(0, 1), DataFrame(1, b"b"), RstStreamFrame(1, CANCEL))
            self.assertEqual(pieces[1:], [b"a", b"b"])

    def test_bound(self) -> None:
        """More than `PIECE` is handed on in several pieces."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        pieces: list[bytes] = []
        with (
            mock.patch.object(request_bodies, "PIECE", 20000),
            mock.patch.object(self.last, "body", side_effect=pieces.append),
        ):
            client.send(*[DataFrame(1, bytes(8192))] * 7)
        self.assertEqual([len(piece) for piece in pieces], [3 * 8192, 3 * 8192, 8192])


class DefectTests(Http2Case):
    """A defect of the gateway."""

    def test_of_a_stream(self) -> None:
        """A defect while a request is made is that of its stream: the others, and later ones, are answered."""
        client = self.browser()
        other = client.request("/other")
        with mock.patch.object(self, "exchange", side_effect=ZeroDivisionError):
            broken = client.request("/broken")
        self.assertEqual(client.finished(broken).reset, INTERNAL_ERROR)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.last.answer()
        self.assertEqual(client.finished(other).status, 200)

    def test_of_a_body(self) -> None:
        """A defect while a body is handed on has its exchange answer with 500 or cut."""
        client = self.browser()
        client.request(method="POST", body=b"x", end=False)
        with (
            mock.patch.object(self.last, "flush", side_effect=ZeroDivisionError),
            mock.patch.object(self.last, "broken", create=True) as broken,
        ):
            client.body(client.responses[1], b"y")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        broken.assert_called_once_with()
        self.answers_at_once()
        self.assertEqual(client.fetch().status, 200)

    def test_of_data(self) -> None:
        """The same where the exchange does not take a piece."""
        client = self.browser()
        client.request(method="POST", body=b"x", end=False)
        with (
            mock.patch.object(self.last, "body", side_effect=ZeroDivisionError),
            mock.patch.object(self.last, "broken", create=True) as broken,
        ):
            client.body(client.responses[1], b"y")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        broken.assert_called_once_with()
        self.assertEqual(client.finished(client.responses[1]).reset, INTERNAL_ERROR)
        self.answers_at_once()
        self.assertEqual(client.fetch().status, 200)

    def test_of_data_ahead_of_another_frame(self) -> None:
        """Nor is a frame lost that the same read brings behind the piece: the header blocks of others stay readable."""
        client = self.frames()
        client.send(client.headers(1, get(method="POST"), "END_HEADERS"))
        with (
            mock.patch.object(self.last, "body", side_effect=ZeroDivisionError),
            mock.patch.object(self.last, "broken", create=True) as broken,
        ):
            client.send(DataFrame(1, b"x"), client.headers(3, [*get(), ("x-other", "yes")]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        broken.assert_called_once_with()
        self.assertEqual(len(self.asked), 2)
        client.send(client.headers(5, [*get(), ("x-other", "yes")]))
        self.assertEqual(len(self.asked), 3)

    def test_of_the_connection(self) -> None:
        """A defect outside a stream ends the connection with GOAWAY."""
        client = self.browser()
        client.request()
        with mock.patch.object(HeaderDecoder, "decode", side_effect=ZeroDivisionError):
            client.request()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        client.rest()
        self.assertEqual(client.goaways[0].error_code, INTERNAL_ERROR)
        self.assertTrue(self.asked[0].lost)
        self.assertEqual(self.session.misuses, [])

    def test_of_sending(self) -> None:
        """A defect while frames are sent ends the connection: none of them may be left out."""
        client = self.browser()
        client.more()
        with mock.patch.object(self.connection, "write", side_effect=ZeroDivisionError):
            client.request()
            self.last.answer()
            self.turn()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertFalse(self.line.connected)
