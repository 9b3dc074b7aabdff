"""The end of a connection in good order."""

from __future__ import annotations

from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    RstStreamFrame,
)

from agwtwisted.core.http2.codes import LARGEST_STREAM as MOST
from agwtwisted.core.http2.codes import (
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
)
from agwtwisted.http2.draining import ROUND_TRIP
from tests.http2.connections import Http2Case, limits
from tests.http2_clients import get


class LeaveTests(Http2Case):
    """The end of a connection in good order."""

    def test_drain(self) -> None:
        """GOAWAY twice: what came before the client has answered a PING is served, and the last stream named then."""
        client = self.browser()
        first = client.request("/first")
        self.protocol.drain(0.0, ROUND_TRIP)
        second = client.request("/second")
        client.until(lambda: len(client.goaways) == 2, "the second GOAWAY")
        self.assertEqual((client.goaways[0].last_stream_id, client.goaways[0].error_code), (MOST, NO_ERROR))
        self.assertEqual(client.goaways[1].last_stream_id, second.stream)
        for asked in list(self.asked):
            asked.answer()
        self.assertEqual([client.finished(each).status for each in (first, second)], [200, 200])
        self.assertTrue(self.line.eof)

    def test_drain_without_an_answer(self) -> None:
        """A client that does not answer the PING has some time, and its requests are answered."""
        client = self.frames()
        self.protocol.drain(0.0, 0.5)
        self.assertEqual(client.next(GoAwayFrame).last_stream_id, MOST)
        client.send(client.headers(1, get()))
        self.network.advance(0.5)
        self.assertEqual(client.next(GoAwayFrame).last_stream_id, 1)
        client.send(client.headers(3, get()))
        self.assertEqual(client.next(RstStreamFrame, 3).error_code, REFUSED_STREAM)
        self.last.answer()
        client.next(DataFrame)
        self.turn()
        self.assertTrue(self.line.eof)

    def test_fault_on_the_way_out(self) -> None:
        """GOAWAY of an error does not count a stream that was refused since the last one: it may be repeated."""
        client = self.frames()
        client.send(client.headers(1, get()))
        self.protocol.finish()
        client.send(client.headers(3, get()), RstStreamFrame(99))
        ends = [each for each in client.rest() if isinstance(each, GoAwayFrame)]
        said = [(each.last_stream_id, each.error_code) for each in ends]
        self.assertEqual(said, [(1, NO_ERROR), (1, PROTOCOL_ERROR)])

    def test_drain_when_idle(self) -> None:
        """A connection without a stream closes once the client has answered."""
        client = self.browser()
        client.more()
        self.protocol.drain(0.0, ROUND_TRIP)
        client.rest()
        self.assertEqual([each.last_stream_id for each in client.goaways], [MOST, 0])
        self.assertTrue(self.line.eof)
        self.line.hang_up()
        self.assertEqual(self.network.timers(), [])

    def test_max_requests(self) -> None:
        """After so many requests the connection is left in good order."""
        self.gateway = limits(http2_max_requests=3)
        self.setUp()
        self.answers_at_once()
        client = self.browser()
        for _ in range(3):
            self.assertEqual(client.fetch().status, 200)
        client.rest()
        self.assertEqual([each.last_stream_id for each in client.goaways], [MOST, 5])

    def test_the_last_stream_is_reset(self) -> None:
        """Where the client resets the last stream the connection ends, too."""
        client = self.browser()
        response = client.request()
        self.protocol.drain(0.0, ROUND_TRIP)
        client.until(lambda: len(client.goaways) == 2, "the second GOAWAY")
        self.assertTrue(self.line.connected)
        client.reset(response)
        self.turn()
        self.assertTrue(self.line.eof)

    def test_the_gateway_resets_the_last_stream(self) -> None:
        """The same where that is the gateway: a client that opens no window for its answer."""
        client = self.frames(INITIAL_WINDOW_SIZE=0)
        client.send(client.headers(1, get()))
        self.last.head(length=100)
        self.last.reply.body(b"x")
        self.last.reply.flush()
        self.protocol.drain(0.0, ROUND_TRIP)
        self.network.advance(ROUND_TRIP)
        self.turn()
        self.assertTrue(self.line.connected)
        self.network.advance(self.gateway.body_timeout + 1)
        self.assertTrue(self.last.lost)
        self.turn()
        self.assertTrue(self.line.eof)

    def test_the_last_request_is_malformed(self) -> None:
        """The same where the last request that was let in is none."""
        client = self.frames()
        self.protocol.hold()
        client.send(client.headers(1, [*get(), ("Upper", "x")]))
        self.protocol.drain(0.0, ROUND_TRIP)
        self.network.advance(ROUND_TRIP)
        self.begun = lambda asked: asked.answer(b"", status=400)
        self.protocol.go_on()
        self.turn()
        self.assertTrue(self.line.eof)
