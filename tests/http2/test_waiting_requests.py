"""Requests that are held, or wait for their turn."""

from __future__ import annotations

from random import Random

from hyperframe.frame import (
    DataFrame,
    RstStreamFrame,
    WindowUpdateFrame,
)

from agwtwisted.core.http.messages import UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http2.codes import (
    DATA,
    END_HEADERS,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
)
from agwtwisted.core.http2.send_bounds import MAX_HEADS, STREAM_SHARE
from agwtwisted.core.listening.stream_places import MOST_QUEUED, StreamPlaces
from agwtwisted.http2.client_protocol import Http2ClientProtocol
from agwtwisted.http2.streams import OVER, WAITING
from agwtwisted.http2.waiting_requests import ANSWERS_A_TURN, MAX_WAITING, PLACE_TIMEOUT, SPARE
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.http1.test_frontend import Asked
from tests.http2.connections import Http2Case
from tests.http2.raw_frames import GET, MALFORMED, POST, TWO_OCTETS, frame, request, reset, streams
from tests.http2_clients import FrameClient, MemoryWire, begun, get


class WaitingTests(Http2Case):
    """Requests that are held, or wait for their turn."""

    def test_hold(self) -> None:
        """While a client is judged again new requests wait, those under way go on; then all begin in their order."""
        client = self.browser()
        before = client.request("/before", method="POST", body=b"a", end=False)
        self.protocol.hold()
        responses = [client.request(f"/{number}", method="POST", body=b"body") for number in range(3)]
        client.body(before, b"b", end=True)
        self.assertEqual((self.targets(), self.last.data), ([b"/before"], b"ab"))
        self.last.answer()
        client.finished(before)
        self.protocol.go_on()
        self.assertEqual(self.targets()[1:], [b"/0", b"/1", b"/2"])
        self.assertEqual([(asked.data, asked.whole) for asked in self.asked[1:]], [(b"body", True)] * 3)
        for asked in self.asked[1:]:
            asked.answer()
        self.assertEqual([client.finished(each).status for each in responses], [200] * 3)

    def test_settled(self) -> None:
        """A request that comes once the session has settled begins at once."""
        client = self.browser()
        self.protocol.hold()
        client.request("/a")
        self.assertEqual(self.targets(), [])
        self.session.is_settled = True
        client.request("/b")
        self.assertEqual(self.targets(), [b"/a", b"/b"])

    def test_reset_while_it_waits(self) -> None:
        """A request that was reset while it waited does not begin."""
        client = self.browser()
        self.protocol.hold()
        first, _ = client.request("/a"), client.request("/b")
        client.reset(first)
        self.protocol.go_on()
        self.assertEqual(self.targets(), [b"/b"])

    def test_not_as_long_as_said_while_it_waits(self) -> None:
        """What is wrong with a body that came meanwhile is found once the request has begun."""
        client = self.frames()
        self.protocol.hold()
        client.send(
            client.headers(1, get("/", ("content-length", "3"), method="POST"), "END_HEADERS"),
            DataFrame(1, b"four", flags=["END_STREAM"]),
        )
        self.protocol.go_on()
        self.assertEqual((self.last.refused, self.last.data), ((400, ErrorInfo.INVALID_REQUEST), b""))
        self.assertEqual(client.next(RstStreamFrame).error_code, PROTOCOL_ERROR)

    def test_answered_at_once(self) -> None:
        """Where such a request is answered before its body is looked at, the answer stands."""
        self.answers_at_once()
        client = self.frames()
        self.protocol.hold()
        client.send(
            client.headers(1, get("/", ("content-length", "3"), method="POST"), "END_HEADERS"),
            DataFrame(1, b"four", flags=["END_STREAM"]),
        )
        self.protocol.go_on()
        self.assertEqual(client.next(DataFrame).data, b"ok")
        self.assertIsNone(self.last.refused)

    def test_what_waits_is_bounded(self) -> None:
        """More fields than there is room for are refused, and the client may ask again."""
        client = self.frames()
        self.protocol.hold()
        count = MAX_WAITING // 16000 + 2
        for number in range(count + 1):
            client.send(client.headers(2 * number + 1, get("/", ("x", "y" * 8000), ("z", "y" * 7900))))
        self.assertEqual(client.next(RstStreamFrame).error_code, REFUSED_STREAM)
        self.protocol.go_on()
        self.assertLessEqual(len(self.asked), count)

    def test_turns(self) -> None:
        """No more than some requests begin in one turn; the others follow in the next, in order."""
        self.answers_at_once()
        client = self.frames()
        octets = b"".join(client.headers(2 * number + 1, get(f"/{number}")) for number in range(3 * ANSWERS_A_TURN))
        self.connection.dataReceived(octets)
        self.assertEqual(len(self.asked), ANSWERS_A_TURN)
        self.turn()
        self.turn()
        self.assertEqual(self.targets(), [b"/%d" % number for number in range(3 * ANSWERS_A_TURN)])

    def test_a_client_that_does_not_read(self) -> None:
        """While many heads wait for a client that does not read, it asks for no more; its reading begins the next."""
        client = self.frames(INITIAL_WINDOW_SIZE=1 << 20)
        client.send(WindowUpdateFrame(0, 1 << 20), client.headers(1, get()))
        self.line.stall(10_000)
        self.last.head(length=1 << 20)
        self.last.reply.body(bytes(65536))
        self.last.reply.flush()
        self.line.send(client.headers(3, get("/slow")))
        self.last.head(headers=((b"x", b"y" * MAX_HEADS),))
        self.last.reply.flush()
        self.line.send(client.headers(5, get("/waits")))
        self.assertEqual(self.targets(), [b"/", b"/slow"])
        self.line.read()
        self.assertEqual(self.targets(), [b"/", b"/slow", b"/waits"])


class PlacesTests(Http2Case):
    """Requests beyond the first of a connection, where the process has few places for them."""

    room = 3  # of which an address has two

    def setUp(self) -> None:
        """A connection, and exchanges that are over."""
        super().setUp()
        self.over: list[Asked] = []
        self.begun = lambda asked: self._refuse(asked) if isinstance(asked.request, UnfitRequest) else None

    def _refuse(self, asked: Asked) -> None:
        self.over.append(asked)
        asked.answer()

    def other(self) -> FrameClient:
        """A client over another connection of the same process."""
        connection = Connection(self.network, NO_OUTBOX)
        line = self.network.dial(connection)
        handling = self.handling(self.gateway)
        connection.receiver = Http2ClientProtocol(connection, self.session, handling, self.network)  # type: ignore[arg-type]
        self.addCleanup(line.hang_up)
        return begun(FrameClient(MemoryWire(line.send, line.take, lambda: line.eof and not line.received)))

    def ask(self, client: FrameClient, *paths: str) -> None:
        """Sends requests of these paths, on the streams 1, 3 and so on, and lets what is due happen."""
        client.send(*(client.headers(2 * number + 1, get(path)) for number, path in enumerate(paths)))
        self.turn()

    def test_one_after_the_other(self) -> None:
        """Without a place the first request is begun, and each further one when another of its connection is over."""
        self.places.change(0)
        client = self.frames()
        self.ask(client, "/a", "/b", "/c")
        self.assertEqual(self.targets(), [b"/a"])
        client.send(RstStreamFrame(1, 8))
        self.turn()
        self.assertEqual(self.targets(), [b"/a", b"/b"])
        self.last.answer()
        self.turn()
        self.assertEqual(self.targets(), [b"/a", b"/b", b"/c"])
        self.assertFalse(self.places.short)

    def test_shared(self) -> None:
        """Connections share the places; what one needs no longer goes to who waits."""
        self.ask(self.frames(), "/a", "/b", "/c", "/d")
        self.assertEqual((self.targets(), self.places.taken), ([b"/a", b"/b", b"/c"], 2))
        self.ask(self.other(), "/e", "/f")
        self.assertEqual(self.targets(), [b"/a", b"/b", b"/c", b"/e"])
        for asked in self.asked[:2]:
            asked.answer()
            self.turn()
        self.assertEqual(self.targets(), [b"/a", b"/b", b"/c", b"/e", b"/d", b"/f"])
        self.assertEqual(self.places.taken, 2)

    def test_end(self) -> None:
        """A connection that ends gives all of them back, and waits for none; so does one without requests."""
        client = self.frames()
        self.ask(client, "/a", "/b", "/c", "/d")
        self.assertEqual((self.places.taken, self.places.short), (2, True))
        self.line.hang_up()
        self.assertEqual((self.places.taken, self.places.short), (0, False))
        client = self.other()
        self.ask(client, "/e", "/f", "/g")
        for asked in self.asked[3:]:
            asked.answer()
        self.assertEqual(self.places.taken, 0)

    def test_what_waits_is_taken_back(self) -> None:
        """A request that is reset while it waits, waits for no place."""
        client = self.frames()
        self.ask(client, "/a", "/b", "/c", "/d")
        client.send(RstStreamFrame(7, 8))
        self.assertFalse(self.places.short)
        self.assertEqual(self.places.taken, 2)

    def test_malformed(self) -> None:
        """Requests that come to nothing hold no place."""
        client = self.frames()
        self.ask(client, "/a")
        client.send(*(request(number, MALFORMED) for number in streams(5, 3)))
        self.turn()
        self.assertEqual((len(self.asked), self.places.short), (6, False))
        client.send(request(13), request(15))
        self.turn()
        self.assertEqual(len(self.asked), 8)

    def test_kept(self) -> None:
        """A connection keeps some places while it has requests, but not many more than it needs."""
        self.places.change(1000)
        client = self.frames()
        self.ask(client, *(f"/{number}" for number in range(26)))
        self.assertEqual(self.places.taken, 25)
        for asked in self.asked[:5]:
            asked.answer()
        self.assertEqual(self.places.taken, 25)
        for asked in self.asked[5:25]:
            asked.answer()
        self.assertLessEqual(self.places.taken, 2 + SPARE)
        self.asked[25].answer()
        self.assertEqual(self.places.taken, 0)

    def test_too_late(self) -> None:
        """A request that gets no place in time is answered with 503, with its line in the log; one that waits for a
        verdict is not.
        """
        self.places.change(0)
        client = self.frames()
        self.ask(client, "/a", "/b")
        self.protocol.hold()
        self.pass_time(PLACE_TIMEOUT + 4)
        self.assertEqual(self.targets(), [b"/a"])
        self.session.is_settled = True
        self.pass_time(4)
        self.assertEqual([(asked.request.status, asked.request.target) for asked in self.over], [(503, b"/b")])
        self.assertEqual((self.places.taken, self.places.short), (0, False))
        self.asked[0].answer()
        self.ask_again(client, 5, "/c")
        self.assertEqual(self.targets(), [b"/a", b"/b", b"/c"])

    def test_too_late_over_and_over(self) -> None:
        """Those that were answered so hold no place, and give none back."""
        self.places.change(1)
        client = self.frames()
        self.ask(client, *(f"/{number}" for number in range(20)))
        self.pass_time(PLACE_TIMEOUT + 4)
        self.assertEqual((len(self.over), self.places.taken, self.places.short), (18, 1, False))
        self.line.hang_up()
        self.assertEqual(self.places.taken, 0)

    def pass_time(self, seconds: float) -> None:
        """So many seconds go by."""
        self.network.pump([1.0] * int(seconds))

    def ask_again(self, client: FrameClient, number: int, path: str) -> None:
        """One more request."""
        client.send(client.headers(number, get(path)))
        self.turn()

    def test_whatever_happens(self) -> None:
        """Places are held by what is under way alone, in whichever order requests come, wait, are answered and end."""
        for seed in range(60):
            self.setUp()
            self.places.change(5)
            self._live(Random(seed))
            self.line.hang_up()
            self.network.pump([0.0] * 3)
            self.assertEqual((self.places.taken, self.places.waiting), (0, 0), seed)

    def _live(self, chance: Random) -> None:
        client, streams_so_far = self.frames(), 0
        waiting = self.protocol._streams.waiting
        for _ in range(80):
            step = chance.randrange(6)
            number = 2 * chance.randrange(streams_so_far + 1) + 1
            if step < 3:
                block = chance.choice((GET, POST, TWO_OCTETS, MALFORMED))
                flags = chance.choice((END_HEADERS, END_HEADERS | 1))
                client.send(request(2 * streams_so_far + 1, block, flags))
                streams_so_far += 1
            elif step == 3 and number < 2 * streams_so_far:
                client.send(chance.choice((reset(number), frame(DATA, 1, number, b"x"))))
            elif step == 4:
                chance.choice((self.protocol.hold, self.protocol.go_on, self.turn))()
            else:
                self._end_one(chance)
            if self.line.eof:
                return
            phases = [each.phase for each in self.protocol._streams.open.values()]
            running = sum(phase not in (WAITING, OVER) for phase in phases)
            self.assertEqual((waiting._under_way, waiting._held), (running, self.places.taken))
            self.assertGreaterEqual(waiting._held, running - 1)

    def _end_one(self, chance: Random) -> None:
        going = [each for each in self.asked if not each.lost and each not in self.over]
        if going:
            asked = chance.choice(going)
            self.over.append(asked)
            asked.reply.abort() if chance.random() < 0.3 else asked.answer()


class BacklogTests(Http2Case):
    """Clients that do not take what they have asked for, where too much waits on all connections."""

    def setUp(self) -> None:
        """Every answer has 20,000 octets, of which the client takes none."""
        super().setUp()
        self.answers_at_once(bytes(20_000))
        self.client = self.frames(INITIAL_WINDOW_SIZE=0)
        self.ask(1)

    def ask(self, number: int) -> None:
        """One more request."""
        self.client.send(self.client.headers(number, get(f"/{number}")))
        self.turn()

    def crowd(self, octets: int) -> None:
        """Others keep so many octets waiting."""
        self.places.backlog.add("others", octets)

    def test_counted(self) -> None:
        """What waits counts among what waits on all connections, until it is sent or dropped."""
        self.ask(3)
        self.assertEqual(self.places.backlog.octets, 40_000)
        self.client.send(WindowUpdateFrame(1, 15_000))
        self.turn()
        self.assertEqual(self.places.backlog.octets, 25_000)
        self.client.send(RstStreamFrame(3, 8))
        self.turn()
        self.assertEqual(self.places.backlog.octets, 5_000)
        self.line.hang_up()
        self.assertEqual(self.places.backlog.octets, 0)

    def test_crowded(self) -> None:
        """Who has taken what was queued gets more; who has not, waits."""
        self.crowd(MOST_QUEUED)
        self.ask(3)
        self.assertEqual(self.targets(), [b"/1"])
        self.client.send(WindowUpdateFrame(1, 20_000))
        self.turn()
        self.turn()
        self.assertEqual(self.targets(), [b"/1", b"/3"])

    def test_one_at_a_time(self) -> None:
        """Who has nothing queued has one request at a time: the answers to more could not be taken back."""
        self.crowd(MOST_QUEUED)
        self.client.send(WindowUpdateFrame(1, 20_000))
        self.turn()
        self.crowd(1)
        self.begun = lambda asked: None
        self.client.send(*(self.client.headers(number, get(f"/{number}")) for number in (3, 5)))
        self.turn()
        self.assertEqual(self.targets(), [b"/1", b"/3"])
        self.last.answer(b"")
        self.turn()
        self.assertEqual(self.targets(), [b"/1", b"/3", b"/5"])

    def test_no_longer_crowded(self) -> None:
        """It goes on once others have taken theirs."""
        self.crowd(MOST_QUEUED)
        self.ask(3)
        self.crowd(-MOST_QUEUED)
        self.network.pump([1.0] * 3)
        self.assertEqual(self.targets(), [b"/1", b"/3"])

    def test_shares(self) -> None:
        """Each stream keeps its share alone, and its backend waits."""
        self.crowd(MOST_QUEUED + 1)
        self.client.send(WindowUpdateFrame(1, 20_000))
        self.begun = lambda asked: None
        self.ask(3)
        self.last.head(length=1 << 20)
        self.last.reply.body(bytes(STREAM_SHARE + 1))
        self.last.reply.flush()
        self.assertTrue(self.last.reply.full)

    def test_reload(self) -> None:
        """What waits counts where the next configuration counts."""
        before, self.places = self.places, StreamPlaces()
        self.protocol.serve_by(self.handling(self.gateway))
        self.assertEqual((before.backlog.octets, self.places.backlog.octets), (0, 20_000))
