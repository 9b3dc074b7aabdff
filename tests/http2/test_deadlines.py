"""By when a client of HTTP/2 has to send or read, on a clock in the test's hand."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from hyperframe.frame import GoAwayFrame, RstStreamFrame
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.messages import Framing
from agwtwisted.core.http2.codes import CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, SETTINGS
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.http2.deadlines import StreamDeadlines
from agwtwisted.transport.deadlines import Deadline
from tests.http2.connections import Http2Case, limits
from tests.http2.raw_frames import GET, POST, frame, request, streams, update
from tests.http2_clients import FrameClient

HEADER, BODY, IDLE, RATE = 50.0, 60.0, 180.0, 100


@attrs.frozen
class Times:
    """How long each wait may take."""

    header_timeout: float = HEADER
    body_timeout: float = BODY
    min_body_rate: int = RATE
    min_response_rate: int = RATE
    http2_idle_timeout: float = IDLE


@attrs.define(eq=False)
class Queue:
    """What waits for the client, of a stream or of all of them."""

    blocked: bool = False
    sent: int = 0


@attrs.define(eq=False)
class Stream:
    """A stream that is waited for."""

    queue: Queue = attrs.Factory(Queue)


class StreamDeadlinesTests(SynchronousTestCase):
    """What is due, and what happens when it does not come."""

    def setUp(self) -> None:
        """A new connection, whose preface is there."""
        self.make()
        self.deadlines.preface_came()

    def make(self, rate: int = RATE, idle: float = IDLE) -> None:
        """The deadlines of a new connection."""
        self.clock = Clock()
        self.ended: list[object] = []
        self.sender = Queue()
        limits = Times(min_body_rate=rate, min_response_rate=rate, http2_idle_timeout=idle)
        self.deadlines = StreamDeadlines[Stream](self.clock, self._deadline, limits, self.sender, self)

    def _deadline(self, missed: Callable[[], None]) -> Deadline:
        return Deadline(self.clock, missed)

    def body_late(self, stream: Stream) -> None:
        """The body of a request does not come."""
        self.ended.append(("body", stream))

    def response_stalled(self, stream: Stream) -> None:
        """No window is opened."""
        self.ended.append(("stalled", stream))

    def head_late(self) -> None:
        """A head does not come."""
        self.ended.append("head")

    def idle_too_long(self) -> None:
        """No stream."""
        self.ended.append("idle")

    def busy(self) -> Stream:
        """One stream under way."""
        self.deadlines.busy()
        return Stream()

    def assert_after(self, seconds: float, *ended: object) -> None:
        """This ends then, and nothing before."""
        self.clock.advance(seconds - 0.25)
        self.assertEqual(self.ended, [])
        self.clock.advance(0.25)
        self.assertEqual(self.ended, list(ended))
        self.ended.clear()

    def test_preface(self) -> None:
        """The preface has the time of a head, whatever else is said of heads."""
        self.make()
        self.deadlines.head(opened=False)
        self.assertTrue(self.deadlines.head_open)
        self.assertEqual(self.deadlines.awaited(7.0, 0), (Awaited.HEAD, 0.0))
        self.assert_after(HEADER, "head")

    def test_idle(self) -> None:
        """A connection without a stream has its time from the end of the last one, or from the preface."""
        self.clock.advance(10)
        self.busy()
        self.clock.advance(1000)
        self.deadlines.idle()
        self.assertEqual(self.deadlines.awaited(1012.0, 0), (Awaited.REQUEST, 1010.0))
        self.clock.advance(IDLE - 1)
        self.busy()
        self.deadlines.idle()
        self.assert_after(IDLE, "idle")
        self.make()
        self.clock.advance(5)
        self.deadlines.preface_came()
        self.clock.advance(1)
        self.deadlines.preface_came()
        self.assertEqual(self.deadlines.awaited(7.0, 0), (Awaited.HEAD, 5.0))
        self.assert_after(IDLE - 1, "idle")

    def test_idle_for_less_than_a_head_may_take(self) -> None:
        """An idle time that is over before the deadline of the preface counts, after each request."""
        self.make(idle=2)
        self.deadlines.preface_came()
        self.assert_after(2, "idle")
        self.make(idle=2)
        self.deadlines.preface_came()
        self.busy()
        self.clock.advance(10)
        self.deadlines.idle()
        self.assert_after(2, "idle")

    def test_requests_at_once(self) -> None:
        """Requests that come whole and are answered at once move no timer."""
        timer = self.clock.getDelayedCalls()
        for _ in range(100):
            self.busy()
            self.deadlines.idle()
            self.clock.advance(0.1)
        self.assertEqual(self.clock.getDelayedCalls(), timer)
        self.assertFalse(self.deadlines.watching)

    def test_head(self) -> None:
        """A header block has its time from its first byte, in however many pieces it comes, beside running streams."""
        self.busy()
        self.clock.advance(7)
        self.deadlines.head(opened=True)
        self.clock.advance(HEADER - 1)
        self.deadlines.head(opened=True)
        self.assertEqual(self.deadlines.awaited(60.0, 1), (Awaited.HEAD, 7.0))
        self.assert_after(1, "head")

    def test_head_whole(self) -> None:
        """One that is whole is due no more."""
        self.busy()
        self.deadlines.head(opened=True)
        self.deadlines.head(opened=False)
        self.assertFalse(self.deadlines.head_open)
        self.clock.advance(HEADER * 10)
        self.assertEqual(self.ended, [])

    def test_body(self) -> None:
        """A body earns time with its bytes, but never more than it has at first."""
        stream = self.busy()
        self.deadlines.body_due(stream)
        self.assertEqual(self.deadlines.awaited(0.0, 1), (Awaited.MORE, 0.0))
        self.assertEqual(self.deadlines.awaited(0.0, 2), (Awaited.NOTHING, 0.0))
        self.clock.advance(BODY / 2)
        self.deadlines.body_due(stream)
        self.deadlines.body_came(stream, RATE)
        self.assert_after(BODY / 2 + 1, ("body", stream))
        self.deadlines.body_due(stream)
        self.deadlines.body_came(stream, 10**9)
        self.assert_after(BODY, ("body", stream))
        self.assertFalse(self.deadlines.watching)

    def test_trickle(self) -> None:
        """A byte a second is not enough; where no rate is set it is."""
        stream = self.busy()
        self.deadlines.body_due(stream)
        for _ in range(int(BODY) + 2):
            self.deadlines.body_came(stream, 1)
            self.clock.advance(1)
        self.assertEqual(self.ended, [("body", stream)])
        self.make(rate=0)
        self.deadlines.preface_came()
        stream = self.busy()
        self.deadlines.body_due(stream)
        for _ in range(1000):
            self.deadlines.body_came(stream, 1)
            self.clock.advance(1)
        self.assertEqual(self.ended, [])

    def test_body_not_due(self) -> None:
        """A body that is whole or paused is not waited for; when it goes on it has all its time."""
        stream = self.busy()
        self.deadlines.body_due(stream)
        self.clock.advance(BODY - 1)
        self.deadlines.body_not_due(stream)
        self.clock.advance(1000)
        self.deadlines.body_came(stream, 1)
        self.assertEqual(self.ended, [])
        self.deadlines.body_due(stream)
        self.assert_after(BODY, ("body", stream))

    def test_streams_apart(self) -> None:
        """Each stream has a deadline of its own, all of them one timer."""
        first, second = self.busy(), self.busy()
        self.deadlines.body_due(first)
        self.clock.advance(10)
        self.deadlines.body_due(second)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.assert_after(BODY - 10, ("body", first))
        self.assert_after(10, ("body", second))

    def stalled(self, *, blocked: bool = True) -> Stream:
        """A stream whose response waits for its window, or for that of the connection."""
        stream = self.busy()
        stream.queue.blocked, self.sender.blocked = blocked, not blocked
        self.deadlines.stalled(stream)
        return stream

    def test_closed_window(self) -> None:
        """A response that waits for a window, the stream's or the connection's, ends like one that is not read."""
        for blocked in (True, False):
            stream = self.stalled(blocked=blocked)
            self.assertEqual(self.deadlines.awaited(0.0, 1)[0], Awaited.MORE)
            self.assert_after(BODY, ("stalled", stream))
            self.assertFalse(self.deadlines.watching)

    def test_a_byte_at_a_time(self) -> None:
        """A window that is opened by a byte each second is not enough, whoever of the two windows it is."""
        for blocked in (True, False):
            stream = self.stalled(blocked=blocked)
            for _ in range(int(BODY)):
                stream.queue.sent += 1
                self.sender.sent += 1
                self.deadlines.stalled(stream)
                self.clock.advance(1)
            self.assertEqual(self.ended, [("stalled", stream)])
            self.ended.clear()

    def test_slow_reader(self) -> None:
        """A client that reads at the lowest rate has no limit."""
        for blocked in (True, False):
            stream = self.stalled(blocked=blocked)
            for _ in range(1000):
                stream.queue.sent += RATE
                self.sender.sent += RATE
                self.clock.advance(1)
            self.assertEqual(self.ended, [])
            self.clock.pump([BODY, BODY])
            self.assertEqual(self.ended, [("stalled", stream)])
            self.ended.clear()

    def test_window_of_its_own(self) -> None:
        """What a client reads of other streams does not count for one whose own window is closed."""
        stream = self.stalled()
        self.sender.sent = 10**9
        self.assert_after(BODY, ("stalled", stream))

    def test_others_first(self) -> None:
        """A response that waits only for others of its connection is not its client's fault."""
        stream = self.stalled()
        stream.queue.blocked = False
        self.clock.advance(10 * BODY)
        self.assertEqual(self.ended, [])

    def test_flowing(self) -> None:
        """Once all of it has left, the time is over; the next time it has all of it again."""
        stream = self.stalled()
        self.clock.advance(BODY - 1)
        self.deadlines.flowing(stream)
        self.deadlines.stalled(stream)
        self.assert_after(BODY, ("stalled", stream))

    def test_forget(self) -> None:
        """A stream that is over is not waited for."""
        stream = self.stalled()
        self.deadlines.body_due(stream)
        self.deadlines.forget(stream)
        self.assertFalse(self.deadlines.watching)
        self.clock.advance(10 * BODY)
        self.assertEqual(self.ended, [])

    def test_ends_by_another(self) -> None:
        """What is done about one late stream may end others, which are not late then."""
        first, second = self.stalled(), self.stalled()
        for stream in (first, second):
            self.deadlines.body_due(stream)
        self.body_late = lambda stream: self.deadlines.stop()  # type: ignore[method-assign]
        self.clock.advance(BODY)
        self.assertEqual(self.ended, [])

    def test_new_limits(self) -> None:
        """Other limits hold for what is due from then on."""
        stream = self.busy()
        self.deadlines.count_by(Times(body_timeout=5.0))
        self.deadlines.body_due(stream)
        self.assert_after(5, ("body", stream))

    def test_stop(self) -> None:
        """No timer is left."""
        self.deadlines.body_due(self.busy())
        self.deadlines.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class DeadlinesOfConnectionTests(Http2Case):
    """What a client does not send, or does not read."""

    gateway = limits(header_timeout=50.0, http2_idle_timeout=180.0, min_response_rate=100)

    def assert_ends(self, seconds: float, kind: str = "") -> None:
        """The connection ends then, and not before."""
        self.network.advance(seconds - 0.5)
        self.assertFalse(self.line.eof)
        self.network.pump([0.5, 0.1])
        self.assertTrue(self.line.eof)
        self.assertEqual([each for each, _ in self.session.misuses], [kind] if kind else [])
        self.line.hang_up()
        self.assertEqual(self.network.timers(), [])

    def test_silent(self) -> None:
        """A client that says nothing after its handshake has the time of a head."""
        self.assertEqual(self.protocol.awaited(1.0), (Awaited.HEAD, 0.0))
        self.assert_ends(50, "late_head")

    def test_preface(self) -> None:
        """So has one whose preface comes byte by byte."""
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
            self.line.send(bytes((byte,)))
            self.network.advance(1)
        self.assert_ends(50 - 24, "late_head")

    def test_preface_with_a_head(self) -> None:
        """A preface with the beginning of a head behind it: once that is whole, nothing is due."""
        head = request(1)
        self.line.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS) + head[:-1])
        self.network.advance(40)
        self.line.send(head[-1:])
        self.network.advance(500)
        self.assertFalse(self.line.eof)
        self.assertEqual(len(self.asked), 1)

    def test_head(self) -> None:
        """A header block without its end has its time, byte by byte or with CONTINUATION, though a stream runs."""
        for rest in (b"", frame(CONTINUATION, 0, 3)):
            self.setUp()
            client = self.frames()
            client.send(request(1), request(3, GET, END_STREAM))
            for _ in range(5):
                self.network.advance(9)
                self.line.send(rest)
            self.assert_ends(5, "late_head")
            self.assertTrue(self.last.lost)
        self.setUp()
        client = self.frames()
        for byte in request(1)[:-1]:
            self.line.send(bytes((byte,)))
            self.network.advance(1)
        self.assertEqual(self.protocol.awaited(23.0)[0], Awaited.HEAD)
        self.assert_ends(50 + 8 - 22, "late_head")  # the kind of a frame shows with the ninth

    def test_idle(self) -> None:
        """A connection without requests ends in good order; PINGs do not keep it, and it gives way before."""
        client = self.frames()
        self.answers_at_once()
        client.send(request(1))
        self.assertEqual(self.protocol.awaited(5.0), (Awaited.REQUEST, 0.0))
        for _ in range(17):
            self.network.advance(10)
            client.round_trip()
        self.assert_ends(10)
        self.assertEqual(client.next(GoAwayFrame).error_code, 0)

    def test_body(self) -> None:
        """A body that does not come, or byte by byte, gets 408; the connection and its other streams live."""
        for pieces in (0, 60):
            self.setUp()
            client = self.frames()
            client.send(request(1, POST, END_HEADERS), request(3))
            late = self.asked[0]
            self.assertEqual(self.protocol.awaited(5.0)[0], Awaited.NOTHING)
            for _ in range(pieces):
                self.line.send(frame(DATA, 0, 1, b"x" * 64))
                self.network.advance(1)
            self.network.advance(0.5 if pieces else 60.5)
            self.assertIsNone(late.refused)
            self.network.pump([1.0] * 100)
            assert late.refused is not None
            self.assertEqual(late.refused[0], 408)
            self.assertFalse(self.asked[1].lost)
            client.round_trip()

    def test_body_that_is_not_wanted(self) -> None:
        """A body that the server does not take is not due."""
        client = self.frames()
        client.send(request(1, POST, END_HEADERS))
        self.last.reply.pause_body()
        self.network.pump([60.0] * 10)
        self.assertIsNone(self.last.refused)
        self.last.reply.resume_body()
        self.network.pump([60.0, 1.0, 1.0])
        self.assertIsNotNone(self.last.refused)
        client.round_trip()

    def test_body_of_what_is_answered(self) -> None:
        """The rest of a body is not due any more once its request was answered."""
        client = self.frames(INITIAL_WINDOW_SIZE=0)
        client.send(request(1, POST, END_HEADERS))
        self.assertTrue(self.protocol._deadlines.watching)
        self.last.answer()
        self.assertFalse(self.protocol._deadlines.watching)

    def stall(self, *, of_stream: bool) -> FrameClient:
        """A client that takes nothing of a response."""
        client = self.frames(INITIAL_WINDOW_SIZE=0 if of_stream else 1 << 20)
        client.send(request(1), request(3))
        self.asked[0].head(framing=Framing.CHUNKED)
        self.asked[0].reply.body(b"x" * 100_000)
        self.asked[0].reply.flush()
        self.turn()
        return client

    def test_window_of_0(self) -> None:
        """A window that is not opened, the stream's or the connection's, ends the stream as if it were not read."""
        for of_stream in (True, False):
            self.setUp()
            client = self.stall(of_stream=of_stream)
            self.network.advance(60.5)
            self.assertFalse(self.asked[0].lost)
            self.network.advance(1)
            self.assertEqual((self.asked[0].lost, self.asked[1].lost), (True, False))
            self.assertEqual(client.next(RstStreamFrame, 1).error_code, CANCEL)
            client.round_trip()

    def test_window_of_an_octet(self) -> None:
        """So does one that is opened by an octet at a time."""
        for number in (1, 0):
            self.setUp()
            client = self.stall(of_stream=bool(number))
            for _ in range(62):
                self.network.advance(1)
                self.line.send(update(number))
            self.network.advance(1)
            self.assertTrue(self.asked[0].lost)
            self.assertEqual(client.next(RstStreamFrame, 1).error_code, CANCEL)

    def test_slow_reader(self) -> None:
        """A client that reads at the lowest rate gets all of it."""
        for number in (1, 0):
            self.setUp()
            client = self.stall(of_stream=bool(number))
            for _ in range(300):
                self.network.advance(1)
                self.line.send(update(number, 150))
            self.assertFalse(self.asked[0].lost)
            client.round_trip()

    def test_windows_that_are_never_opened(self) -> None:
        """A hundred responses that wait for their windows end all, and the connection after its idle time."""
        client = self.frames(INITIAL_WINDOW_SIZE=0)
        client.send(*map(request, streams(100)))
        self.network.pump([0.0] * 4)
        self.assertEqual(len(self.asked), 100)
        for number, asked in enumerate(self.asked):
            asked.head(framing=Framing.CHUNKED)
            asked.reply.body(b"x" * 10_000)
            asked.reply.flush()
            if number % 10 == 0:
                self.network.advance(0.1)
        self.turn()
        self.assertEqual(self.protocol.awaited(7.0)[0], Awaited.MORE)
        self.network.pump([1.0] * 63)
        self.assertEqual([asked.lost for asked in self.asked], [True] * 100)
        client.round_trip()
        self.network.pump([60.0] * 3)
        self.assertTrue(self.line.eof)
