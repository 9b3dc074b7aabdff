"""Frames on streams that are over, or never were."""

from __future__ import annotations

from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from agwtwisted.core.http2.codes import (
    CANCEL,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
)
from tests.http2.connections import Http2Case
from tests.http2_clients import get


class ClosedStreamTests(Http2Case):
    """Frames on streams that are not open: RFC 9113 section 5.1."""

    def test_frames_after_the_client_has_reset(self) -> None:
        """They are an error of the stream."""
        client = self.frames()
        for stream in (1, 3):
            client.send(client.headers(stream, get(method="POST"), "END_HEADERS"), RstStreamFrame(stream, CANCEL))
            late = DataFrame(1, b"x") if stream == 1 else client.headers(3, get())
            client.send(late)
            self.assertEqual(client.next(RstStreamFrame, stream).error_code, STREAM_CLOSED)
            client.send(WindowUpdateFrame(stream, 1), RstStreamFrame(stream, CANCEL), late)
        client.round_trip()
        self.assertTrue(self.line.connected)

    def test_half_closed(self) -> None:
        """Behind END_STREAM there is no DATA and are no HEADERS; the request is given up."""
        client = self.frames()
        for stream in (1, 3):
            client.send(client.headers(stream, get()))
            client.send(DataFrame(stream, b"x") if stream == 1 else client.headers(stream, [("x", "y")]))
            self.assertEqual(client.next(RstStreamFrame, stream).error_code, STREAM_CLOSED)
            self.assertTrue(self.last.lost)

    def test_half_closed_while_the_answer_waits(self) -> None:
        """So it is where the exchange is over, and its answer waits for the client's window."""
        self.answers_at_once()
        client = self.frames(INITIAL_WINDOW_SIZE=0)
        for stream in (1, 3):
            client.send(client.headers(stream, get()))
            client.next(HeadersFrame, stream)
            client.send(DataFrame(stream, b"x") if stream == 1 else client.headers(stream, [("x", "y")]))
            self.assertEqual(client.next(RstStreamFrame, stream).error_code, STREAM_CLOSED)
        client.send(SettingsFrame(0, settings={4: 9}))
        client.round_trip()
        self.assertEqual([each for each in client.frames if isinstance(each, DataFrame)], [])

    def test_ended(self) -> None:
        """On a stream that both sides have ended DATA and HEADERS end the connection; others are dropped."""
        self.answers_at_once()
        client = self.frames()
        client.send(client.headers(1, get()))
        client.next(DataFrame)
        client.send(WindowUpdateFrame(1, 1), RstStreamFrame(1, CANCEL), PriorityFrame(1, depends_on=0))
        client.round_trip()
        client.send(DataFrame(1, b"x"))
        self.assertEqual(client.next(GoAwayFrame).error_code, STREAM_CLOSED)

    def test_idle(self) -> None:
        """Frames on a stream that was not opened end the connection."""
        for frame in (DataFrame(5, b"x"), RstStreamFrame(5, CANCEL), WindowUpdateFrame(5, 1), DataFrame(2, b"x")):
            self.setUp()
            client = self.frames()
            client.send(client.headers(1, get()))
            client.send(frame)
            self.assertEqual(client.next(GoAwayFrame).error_code, PROTOCOL_ERROR)
            self.assertTrue(self.last.lost)
            self.assertEqual([kind for kind, _ in self.session.misuses], ["protocol"])

    def test_numbers(self) -> None:
        """A stream has a higher number than those before, and an odd one."""
        for number in (3, 2):
            self.setUp()
            client = self.frames()
            client.send(client.headers(5, get()), client.headers(number, get()))
            self.assertEqual(client.next(GoAwayFrame).error_code, PROTOCOL_ERROR)
