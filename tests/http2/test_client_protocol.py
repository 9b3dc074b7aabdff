"""A connection of HTTP/2 in memory, with exchanges that do what the test says."""

from __future__ import annotations

import gc
import random
import weakref

from hyperframe.frame import (
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
)
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.messages import Framing
from agwtwisted.core.http2.codes import (
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    INTERNAL_ERROR,
    NO_ERROR,
    REFUSED_STREAM,
)
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.verification.verdicts import Missing
from agwtwisted.http2.client_protocol import BLOCKS_A_TURN
from agwtwisted.transport.connection import LINGER
from tests.connection_oracle import Conversation, OurServer, connections_agree, uploads
from tests.http2.connections import Http2Case, limits
from tests.http2.raw_frames import GET, POST, frame, request, streams
from tests.http2.storms import STEPS, Storm
from tests.http2_clients import get
from tests.identities import turned_away
from tests.wires import Network


class EndTests(Http2Case):
    """The end of a connection."""

    def test_finish(self) -> None:
        """An expelled client: what waits is refused, what is endless cut, the rest answered; then it is over."""
        client = self.browser()
        usual, endless = client.request("/usual"), client.request("/endless")
        self.last.head(framing=Framing.CHUNKED, headers=((b"content-type", b"text/event-stream"),))
        self.last.reply.flush()
        self.assertTrue(self.protocol.endless)
        self.protocol.hold()
        waiting = client.request("/waiting")
        self.protocol.finish()
        self.protocol.finish()
        self.assertEqual(client.finished(waiting).reset, REFUSED_STREAM)
        self.assertEqual(client.finished(endless).reset, INTERNAL_ERROR)
        late = client.request("/late")
        self.assertEqual(client.finished(late).reset, REFUSED_STREAM)
        self.asked[0].answer()
        self.assertEqual(client.finished(usual).status, 200)
        self.assertTrue(self.line.eof)

    def test_finish_within_settled(self) -> None:
        """A session that ends the connection when it is asked leaves nothing that waits."""
        client = self.browser()
        self.protocol.hold()

        def finish() -> None:
            self.session.on_settled = lambda: None
            self.protocol.finish()

        self.session.on_settled = finish
        response = client.request()
        self.assertEqual((client.finished(response).reset, self.asked), (REFUSED_STREAM, []))

    def test_other_limits(self) -> None:
        """Under another configuration the client learns what is different, and what is under way goes on."""
        client = self.frames()
        client.send(client.headers(1, get()), client.headers(3, get()))
        self.protocol.serve_by(self.handling(limits(http2_max_concurrent_streams=2)))
        settings = client.next(SettingsFrame)
        while "ACK" in settings.flags:
            settings = client.next(SettingsFrame)
        self.assertEqual(settings.settings, {3: 2})
        client.send(SettingsFrame(0, flags=["ACK"]), client.headers(5, get()))
        self.assertEqual(client.next(RstStreamFrame, 5).error_code, REFUSED_STREAM)
        self.last.answer()
        self.assertEqual(client.next(HeadersFrame).stream_id, 3)

    def test_longer_header_lists(self) -> None:
        """A list that is only allowed since a reload is read, and so is one that was before, if it is no longer."""
        client, field = self.frames(), (b"\x00\x01a\x7f\x81\x7f", b"a" * 16384)
        for gateway in (limits(http2_max_header_list=32768), limits(http2_max_header_list=1024)):
            self.protocol.serve_by(self.handling(gateway))
            number = 2 * len(self.asked) + 1
            parts = [frame(CONTINUATION, 0, number, part) for part in (*field, *field)]
            client.send(request(number, GET, END_STREAM), *parts, frame(CONTINUATION, END_HEADERS, number))
            self.assertEqual(self.last.request.status, 431)
        self.assertEqual((len(self.asked), self.session.misuses), (2, []))

    def test_idle(self) -> None:
        """A connection without a stream ends after http2_idle_timeout."""
        self.answers_at_once()
        client = self.browser()
        client.fetch()
        self.network.advance(179)
        self.assertEqual(self.protocol.awaited(self.network.seconds())[0], Awaited.REQUEST)
        self.assertTrue(self.line.connected)
        self.network.advance(2)
        client.rest()
        self.assertEqual(client.goaways[0].error_code, NO_ERROR)

    def test_no_preface(self) -> None:
        """A client that says nothing is cut off after header_timeout."""
        self.network.advance(self.gateway.header_timeout + 1)
        self.assertTrue(self.line.eof)
        self.assertEqual([kind for kind, _ in self.session.misuses], ["late_head"])

    def test_the_client_leaves(self) -> None:
        """All exchanges are given up when the connection ends, however it does, and no timer is left."""
        for leave in (self.line.hang_up, lambda: self.line.crash()):
            client = self.browser()
            client.request("/a", method="POST", body=b"x", end=False)
            client.request("/b")
            leave()
            self.line.hang_up()
            self.assertEqual([asked.lost for asked in self.asked], [True, True])
            self.assertEqual(self.network.timers(), [])
            self.setUp()

    def test_exchanges_that_go_on(self) -> None:
        """What an exchange still says of a connection that is over changes nothing, and starts no timer."""
        client = self.browser()
        client.request(method="POST", body=b"x", end=False)
        reply = self.last.reply
        reply.pause_body()
        self.line.hang_up()
        reply.resume_body()
        reply.body(b"x")
        reply.flush()
        reply.end()
        reply.release()
        self.assertEqual(self.network.timers(), [])

    def test_compression_error(self) -> None:
        """A header block that cannot be decoded ends the connection: no later one could be."""
        client = self.frames()
        client.send(HeadersFrame(1, b"\xff\xff\xff\xff\xff", flags=["END_HEADERS", "END_STREAM"]))
        self.assertEqual(client.next(GoAwayFrame).error_code, COMPRESSION_ERROR)
        client.rest()
        self.assertEqual(self.asked, [])

    def test_long_lists(self) -> None:
        """A header list above the limit is answered, and one far above it ends the connection."""
        client, most = self.frames(), self.gateway.http2_max_header_list
        for stream, octets in ((1, most), (3, 2 * most)):
            fields = [
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", "a"),
                (":path", "/"),
                ("a", "b" * octets),
            ]
            client.send(client.headers(stream, fields, pieces=3))
            self.turn()
        found = [getattr(asked.request, "status", 0) for asked in self.asked]
        self.assertEqual(found, [431])
        self.assertEqual(client.next(GoAwayFrame).error_code, COMPRESSION_ERROR)

    def test_no_http2(self) -> None:
        """What does not begin as HTTP/2 does gets GOAWAY."""
        self.line.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.turn()
        self.assertIn(b"HTTP/1", self.line.take())
        self.assertTrue(self.line.eof)

    def test_a_client_that_sends_no_more(self) -> None:
        """A client that closes its side gets no answer: it can take no part in HTTP/2 any more."""
        client = self.browser()
        client.request()
        self.line.hang_up()
        self.assertTrue(self.last.lost)
        self.assertFalse(self.line.connected)


class TurnedAwayTests(Http2Case):
    """A client that is refused."""

    client_is = turned_away(Missing())

    def test_one_page(self) -> None:
        """The first request gets its page, further ones are refused, and the connection ends behind it."""
        client = self.browser()
        first, second = client.request("/a"), client.request("/b")
        self.assertEqual(client.finished(second).reset, REFUSED_STREAM)
        self.last.answer(b"page", status=400)
        self.assertEqual((client.finished(first).status, first.text), (400, "page"))
        client.rest()
        self.assertEqual([each.last_stream_id for each in client.goaways], [second.stream])
        self.assertEqual(len(self.asked), 1)

    def test_at_once(self) -> None:
        """The same where the page is there at once, and other requests in the same read."""
        self.begun = lambda asked: asked.answer(b"page", status=400)
        client = self.frames()
        client.send(client.headers(1, get()), client.headers(3, get()))
        frames = client.rest()
        ends = [type(frame).__name__ for frame in frames if frame.stream_id or isinstance(frame, GoAwayFrame)]
        self.assertEqual(ends, ["HeadersFrame", "DataFrame", "GoAwayFrame"])
        self.assertEqual(len(self.asked), 1)

    def test_with_a_body(self) -> None:
        """A request whose body still comes gets its page, too."""
        self.begun = lambda asked: asked.answer(b"page", status=400)
        client = self.browser()
        response = client.request(method="POST", body=b"x", end=False)
        self.assertEqual(client.finished(response).text, "page")
        self.assertFalse(client.goaways)
        self.network.advance(LINGER)
        client.rest()
        self.assertTrue(client.goaways)


class LongBlocksTests(Http2Case):
    """Much to decode that comes at once."""

    block = GET + b"\x10\x01a\x7f\x81\x0e" + b"x" * (127 + 14 * 128 + 1)

    def test_turns_of_small_frames(self) -> None:
        """Of many small frames that come in one read some are handled in a turn, and the others follow."""
        self.frames()
        count = BLOCKS_A_TURN // 4
        self.protocol.received(request(1, POST, END_HEADERS) + frame(DATA, 0, 1, bytes(64)) * count)
        self.assertLess(len(self.last.data), 64 * count)
        self.network.pump([0.0] * 3)
        self.assertEqual(len(self.last.data), 64 * count)

    def test_turns(self) -> None:
        """Of header blocks that come in one read some are decoded in a turn, and the others follow in the next ones."""
        self.frames()
        block = self.block
        self.protocol.received(b"".join(request(number, block) for number in streams(30)))
        before = len(self.asked)
        self.assertLess((before - 1) * len(block), BLOCKS_A_TURN)
        self.assertTrue(self.connection.paused)
        self.line.send(request(61))
        self.turn()
        self.assertGreater(len(self.asked), before)
        self.network.pump([0.0] * 10)
        self.assertEqual([asked.request.size for asked in self.asked], [len(block)] * 30 + [len(GET)])
        self.assertFalse(self.connection.paused)

    def test_end_in_between(self) -> None:
        """A client that is gone before the rest leaves no timer."""
        self.frames()
        self.protocol.received(b"".join(request(number, self.block) for number in streams(30)))
        self.assertTrue(self.connection.paused)
        self.line.crash()
        self.assertEqual(self.network.timers(), [])


class MemoryTests(Http2Case):
    """What a connection leaves behind."""

    def test_it_is_freed_at_once(self) -> None:
        """A connection that has ended is freed without the garbage collector, streams and all."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        client = self.browser()
        self.answers_at_once()
        client.fetch()
        self.begun = lambda asked: None
        client.request("/open", method="POST", body=b"x", end=False)
        self.protocol.hold()
        client.request("/waits")
        kept = [weakref.ref(self.protocol), weakref.ref(self.protocol._streams)]
        self.line.hang_up()
        self.asked.clear()
        del self.protocol, self.connection, self.line, client
        self.network = Network()
        self.assertEqual([each() for each in kept], [None] * 2)


class OracleTests(SynchronousTestCase):
    """h2 as a second server."""

    @given(st.integers(0, 1 << 32), st.booleans())
    def test_what_is_right(self, seed: int, answers: bool) -> None:
        """Of a client that keeps to the rules both servers read the same requests, and none is refused."""
        octets = Conversation(random.Random(seed), right=True).octets()
        _, stricter = connections_agree(octets, answers=answers)
        self.assertEqual(stricter, set())

    @given(st.integers(0, 1 << 32), st.booleans())
    def test_what_is_wrong(self, seed: int, answers: bool) -> None:
        """What h2 refuses is refused, by an end, a reset or a page; what both take are the same requests."""
        connections_agree(Conversation(random.Random(seed), right=False).octets(), answers=answers)

    @given(st.integers(0, 1 << 32), st.integers(1, 300))
    def test_however_it_comes(self, seed: int, size: int) -> None:
        """In one piece or many, the same is read, refused and reset."""
        octets = Conversation(random.Random(seed), right=False).octets()
        at_once, in_pieces = OurServer(answers=False), OurServer(answers=False)
        at_once.take(octets)
        for at in range(0, len(octets), size):
            in_pieces.take(octets[at : at + size])
        self.assertEqual(at_once.outcome(), in_pieces.outcome())

    @given(st.integers(0, 1 << 32))
    def test_windows(self, seed: int) -> None:
        """DATA that nothing takes is refused by both with the octet for which a window has no room."""
        _, stricter = connections_agree(uploads(random.Random(seed)), answers=False, takes=False)
        self.assertEqual(stricter, set())


class StormTests(SynchronousTestCase):
    """Anything, in any order, with real exchanges."""

    @given(st.integers(0, 1 << 32), st.lists(st.sampled_from(STEPS), min_size=20, max_size=60))
    def test_storms(self, seed: int, steps: list[str]) -> None:
        """Whatever client, server and clock do: no defect, no frame that RFC 9113 forbids, nothing left at the end."""
        storm = Storm(seed)
        for step in steps:
            storm.step(step)
        storm.end()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertFalse(storm.line.connected)
        self.assertEqual(storm.stand.exchanges.running, [])
