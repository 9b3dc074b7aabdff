"""What a connection sends, in which order, and what waits."""

from __future__ import annotations

from struct import pack
from typing import Any

from hyperframe.frame import DataFrame, WindowUpdateFrame
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.codes import (
    DATA,
    END_STREAM,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    LARGEST_WINDOW,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PING,
    PRIORITY_UPDATE,
    RST_STREAM,
)
from agwtwisted.core.http2.frames import ping_ack, rst_stream
from agwtwisted.core.http2.priorities import priority_of
from agwtwisted.core.http2.send_bounds import CONNECTION_QUEUE, MAX_CONTROL, STREAM_QUEUE, STREAM_SHARE
from agwtwisted.http2.sending import PIECE
from tests.http1.test_frontend import Asked
from tests.http2.connections import Http2Case
from tests.http2.senders import Sending
from tests.http2_clients import get

OK = [(b":status", b"200")]
PONG = ping_ack(bytes(8))


class SenderTestCase(SynchronousTestCase):
    """Has a sender, and the client that reads what it sends."""

    def setUp(self) -> None:
        self.sending = Sending()
        self.sender, self.connection = self.sending.sender, self.sending.connection

    def sent(self) -> list[tuple[int, int, int, int]]:
        """Type, flags, stream and size of the frames of this turn, which is over."""
        return [(kind, flags, stream, len(payload)) for kind, flags, stream, payload in self.sending.end_turn()]


class AnswerTests(SenderTestCase):
    """A small answer, in nothing's way."""

    def test_one_write(self) -> None:
        """The answers of one turn leave in one write, HEADERS and DATA with END_STREAM; no call follows."""
        for stream in (1, 3, 5):
            self.assertEqual(self.sender.answer(stream, OK, b"body"), 3)
        self.connection.end_turn()
        self.assertEqual(len(self.connection.written), 1)
        self.assertEqual(
            [(kind, flags, stream) for kind, flags, stream, _ in self.sending.read()],
            [(kind, flags, stream) for stream in (1, 3, 5) for kind, flags in ((HEADERS, 4), (DATA, END_STREAM))],
        )
        self.assertEqual(self.sending.heard(), [])
        self.assertEqual((self.sender.sent, self.sender.frames, self.sender.queued), (12, 3, 0))

    def test_without_body(self) -> None:
        """An answer without a body is HEADERS with END_STREAM."""
        self.sender.answer(1, OK, b"")
        self.assertEqual(self.sent(), [(HEADERS, 4 | END_STREAM, 1, 3)])

    def test_what_is_in_its_way(self) -> None:
        """Nothing is sent at once that is larger than a piece or a window, or comes while others wait."""
        self.assertEqual(self.sender.answer(1, OK, bytes(PIECE + 1)), 0)
        self.sender.settings([(INITIAL_WINDOW_SIZE, 3)])
        self.assertEqual(self.sender.answer(1, OK, b"body"), 0)
        self.sender.settings([(INITIAL_WINDOW_SIZE, 10**6)])
        for stream in (1, 3, 5, 7):
            self.assertGreater(self.sender.answer(stream, OK, bytes(PIECE - 1)), 0)
        self.assertEqual(self.sender.answer(9, OK, b"body"), 0)
        self.assertGreater(self.sender.answer(9, OK, b"bod"), 0)
        self.assertEqual(len(self.sent()), 10)
        self.sender.open(11).data(b"x")
        self.assertEqual(self.sender.answer(11, OK, b""), 0)

    def test_others_wait(self) -> None:
        """An answer does not overtake what other streams have to send."""
        self.sender.open(1).data(b"x")
        self.assertEqual(self.sender.answer(3, OK, b"body"), 0)

    def test_window_opened_before(self) -> None:
        """A stream that has a queue already, with a window of its own, is answered through it."""
        self.sending.allow(1, 10)
        self.assertEqual(self.sender.answer(1, OK, b"body"), 0)

    def test_client_that_does_not_read(self) -> None:
        """While the connection is full, no answer is sent at once, and those that were given leave once it drains."""
        self.connection.room = 0
        self.assertGreater(self.sender.answer(1, OK, b"body"), 0)
        self.sent()
        self.assertEqual(self.sender.answer(3, OK, b"body"), 0)

    def test_early_priority_is_forgotten(self) -> None:
        """A priority that came before the request is of no use to an answer that waits for nothing, and not kept."""
        self.sender.prioritize(1, b"u=0", is_open=False)
        self.sender.answer(1, OK, b"body")
        self.assertEqual(self.sender._early.fields, {})

    def test_much_in_a_turn(self) -> None:
        """Answers that come to much are not kept for the end of the turn."""
        self.sender.window_update(0, 10**7)
        for stream in range(1, 201, 2):
            self.sender.answer(stream, OK, bytes(PIECE))
        self.assertGreater(len(self.connection.written), 3)


class QueueTests(SenderTestCase):
    """A stream whose answer comes in pieces."""

    def test_end_with_the_last_data(self) -> None:
        """What a stream is given in one turn is one frame, and the last DATA has END_STREAM."""
        queue = self.sender.open(1)
        self.assertEqual(queue.fields(OK), 3)
        queue.data(b"one")
        queue.data(b"two")
        queue.end()
        self.assertEqual(self.sent(), [(HEADERS, 4, 1, 3), (DATA, END_STREAM, 1, 6)])
        self.assertEqual(self.sending.client.bodies[1], b"onetwo")
        self.assertEqual(self.sending.heard(), [("sent", 1)])

    def test_end_later(self) -> None:
        """An end that comes alone is an empty DATA frame, whatever the windows."""
        queue = self.sender.open(1)
        queue.fields(OK)
        queue.data(bytes(65535))
        self.sent()
        queue.end()
        queue.data(b"too late")
        self.assertEqual(self.sent(), [(DATA, END_STREAM, 1, 0)])
        self.assertEqual(self.sending.heard(), [("sent", 1)])

    def test_end_with_the_head(self) -> None:
        """A head that is all of the answer ends the stream."""
        self.sender.open(1).fields(OK, end=True)
        self.assertEqual(self.sent(), [(HEADERS, 4 | END_STREAM, 1, 3)])
        self.assertEqual(self.sending.heard(), [("sent", 1)])
        self.sender.open(3).fields(OK, end=True, reset=NO_ERROR)
        self.assertEqual(self.sent(), [(HEADERS, 4 | END_STREAM, 3, 3), (RST_STREAM, 0, 3, 4)])

    def test_early_answer(self) -> None:
        """RST_STREAM behind a whole answer comes after its last DATA, however long that waits."""
        queue = self.sender.open(1)
        queue.data(bytes(65535 + 1))
        queue.end(NO_ERROR)
        self.assertNotIn(RST_STREAM, [kind for kind, *_ in self.sent()])
        self.sending.allow(0, 1)
        self.sending.allow(1, 1)
        self.assertEqual(self.sent(), [(DATA, END_STREAM, 1, 1), (RST_STREAM, 0, 1, 4)])

    def test_cut(self) -> None:
        """A body that is not whole ends with RST_STREAM behind what there is of it, and without END_STREAM."""
        queue = self.sender.open(1)
        queue.data(b"half")
        queue.cut(2)
        self.assertEqual(self.sent(), [(DATA, 0, 1, 4), (RST_STREAM, 0, 1, 4)])
        self.assertEqual(self.sending.heard(), [("sent", 1)])

    def test_drop(self) -> None:
        """A stream that is dropped sends nothing more, counts no more, and its end is not said."""
        queue = self.sender.open(1)
        queue.data(b"never")
        self.sender.drop(1)
        self.sender.drop(1)
        self.sender.drop(3)
        queue.data(b"never")
        queue.end()
        self.assertEqual((self.sent(), self.sending.heard(), self.sender.queued), ([], [], 0))

    def test_drop_at_the_end(self) -> None:
        """A stream that is dropped, or allowed more, in the turn in which its end is sent leaves nothing behind."""
        for stream in (1, 3):
            self.sender.open(stream).end()
        self.sender.drop(1)
        self.sending.allow(3, 10)
        self.sent()
        self.assertEqual((self.sending.heard(), self.sender._queues), ([("sent", 3)], {}))

    def test_long_head(self) -> None:
        """A head of more than one frame goes on in CONTINUATION, as large as the client's SETTINGS allow."""
        self.sender.open(1).fields([(b"x", b"y" * (PIECE + 10))])
        self.assertEqual(self.sent(), [(HEADERS, 0, 1, PIECE), (9, 4, 1, 10)])
        self.sender.settings([(MAX_FRAME_SIZE, 2 * PIECE)])
        self.sender.open(3).fields([(b"x", b"y" * (PIECE + 10))])
        self.assertEqual(self.sent(), [(HEADERS, 4, 3, PIECE + 10)])

    def test_single_octets_are_joined(self) -> None:
        """Single octets that wait are kept as few objects."""
        queue = self.sender.open(1)
        self.sender.settings([(INITIAL_WINDOW_SIZE, 0)])
        for n in range(10000):
            queue.data(b"%d" % (n % 10))
        self.assertLess(len(queue._pieces), 5)
        queue.data(large := bytes(10000))
        self.assertIs(queue._pieces[-1], large)
        self.sending.client.resize([1], 0)
        self.sending.allow(1, 20000)
        self.sent()
        self.assertEqual(self.sending.client.bodies[1], b"0123456789" * 1000 + large)


class WindowTests(SenderTestCase):
    """The client's windows."""

    def test_connection(self) -> None:
        """All streams share the window of the connection, in turns, and go on where it opens."""
        for stream in (1, 3):
            self.sender.open(stream).data(bytes(60000))
        self.sent()
        self.assertEqual(self.sending.client.window, 0)
        self.assertTrue(self.sender.blocked)
        self.assertEqual({len(body) for body in self.sending.client.bodies.values()} - {60000, 5535}, set())
        self.sending.allow(0, 10**6)
        self.sent()
        self.assertEqual([len(body) for body in self.sending.client.bodies.values()], [60000, 60000])
        self.assertFalse(self.sender.blocked)

    def test_settings(self) -> None:
        """SETTINGS_INITIAL_WINDOW_SIZE changes the windows of open streams, down to below zero (RFC 9113 6.9.2)."""
        queue = self.sender.open(1)
        queue.data(bytes(100))
        self.sent()
        self.assertTrue(self.sender.settings([(INITIAL_WINDOW_SIZE, 50)]))
        self.sending.client.resize([1], 50)
        queue.data(b"waits")
        self.assertEqual((self.sent(), queue.window.size, queue.blocked), ([], -50, True))
        self.sending.allow(1, 50)
        self.assertEqual(self.sent(), [])
        self.sending.allow(1, 5)
        self.assertEqual(self.sent(), [(DATA, 0, 1, 5)])
        self.sender.settings([(INITIAL_WINDOW_SIZE, 60)])
        self.assertEqual(queue.window.size, 10)

    def test_settings_that_repeat_a_window(self) -> None:
        """Of the sizes in one SETTINGS frame the last counts, and no other is work for every stream."""
        queue = self.sender.open(1)
        self.sender.window_update(1, 5)
        self.assertTrue(self.sender.settings([(INITIAL_WINDOW_SIZE, LARGEST_WINDOW), (INITIAL_WINDOW_SIZE, 10)]))
        self.assertEqual(queue.window.size, 15)

    def test_settings_stop_what_is_due(self) -> None:
        """A stream whose window is taken away before the turn ends sends nothing in it."""
        queue = self.sender.open(1)
        queue.data(b"body")
        self.sender.settings([(INITIAL_WINDOW_SIZE, 0)])
        self.assertEqual(self.sent(), [])

    def test_overflow(self) -> None:
        """A window that would become larger than 2^31-1 is reported, whichever way that comes."""
        self.assertFalse(self.sender.window_update(0, LARGEST_WINDOW))
        self.assertFalse(self.sender.window_update(1, LARGEST_WINDOW))
        self.assertTrue(self.sender.window_update(1, 1))
        self.assertFalse(self.sender.settings([(INITIAL_WINDOW_SIZE, LARGEST_WINDOW), (HEADER_TABLE_SIZE, 7)]))
        self.assertEqual(self.sending.encoder.table_size, 7)

    def test_before_the_answer(self) -> None:
        """A window that opens before there is an answer counts for it."""
        self.sender.window_update(0, 10**6)
        self.sending.client.window += 10**6
        self.sending.allow(1, 10**5)
        queue = self.sender.open(1)
        queue.data(bytes(100000))
        queue.end()
        self.sent()
        self.assertEqual(self.sending.client.ended, {1: "end"})

    def test_stalled(self) -> None:
        """A stream that a window keeps back is reported once, and again once all of it was sent."""
        self.sender.settings([(INITIAL_WINDOW_SIZE, 10)])
        self.sending.client.initial = 10
        queue = self.sender.open(1)
        queue.data(b"x" * 10)
        self.sent()
        self.assertEqual(self.sending.heard(), [])
        queue.data(b"yz")
        self.sent()
        self.assertEqual((self.sending.heard(), queue.sent), ([("stalled", 1)], 10))
        self.sending.allow(1, 1)
        self.sent()
        self.assertEqual((self.sending.heard(), queue.sent), ([], 11))
        self.sending.allow(1, 1)
        self.sent()
        self.assertEqual(self.sending.heard(), [("flowing", 1)])

    def test_frames_that_windows_cut_short(self) -> None:
        """A frame that a window has cut short counts as one only if it has some octets (CVE-2019-9511)."""
        self.sender.settings([(INITIAL_WINDOW_SIZE, 0)])
        self.sender.open(1).data(bytes(1000))
        for octets, counted in ((1, 0), (255, 0), (256, 1), (400, 2), (88, 3)):
            self.sender.window_update(1, octets)
            self.assertEqual([size for *_, size in self.sent()], [octets])
            self.assertEqual(self.sender.frames, counted)

    def test_what_was_sent_is_not_kept(self) -> None:
        """Of a large piece whose rest waits for a window no more is kept than the rest."""
        queue = self.sender.open(1)
        queue.data(bytes(65535 + 10))
        self.sent()
        self.assertEqual(queue._pieces, [bytes(10)])

    def test_stalled_by_the_connection(self) -> None:
        """The window of the connection keeps back all that have something to send, and those alone."""
        idle, queue = self.sender.open(1), self.sender.open(3)
        queue.data(bytes(65536))
        self.sent()
        self.assertEqual(self.sending.heard(), [("stalled", 3)])
        idle.data(b"x")
        self.sent()
        self.assertEqual(self.sending.heard(), [("stalled", 1)])


class OrderTests(SenderTestCase):
    """What goes before what."""

    def test_control_goes_ahead(self) -> None:
        """Control frames and heads go before the DATA of the turn, in the order in which they were given."""
        self.sender.open(1).data(b"body")
        self.sender.control(PONG)
        self.sender.open(3).fields(OK)
        self.sender.control(rst_stream(5, 8))
        kinds = [kind for kind, *_ in self.sent()]
        self.assertEqual(kinds, [PING, HEADERS, RST_STREAM, DATA])

    def test_control_while_windows_are_closed(self) -> None:
        """Control frames leave while no DATA may."""
        self.sender.open(1).data(bytes(65536))
        self.sent()
        self.sender.control(PONG)
        self.assertEqual(self.sent(), [(PING, 1, 0, 8)])

    def test_urgent_first(self) -> None:
        """The more urgent is sent first, also where PRIORITY_UPDATE has made it so, before or after the request."""
        self.sender.prioritize(5, b"u=1", is_open=False)
        for stream, field in ((1, b"u=4"), (3, b"u=5"), (5, b"u=6"), (7, b"u=3")):
            self.sender.open(stream, priority_of(field)).data(b"body")
        self.sender.prioritize(3, b"u=0", is_open=True)
        self.assertEqual([stream for _, _, stream, _ in self.sent()], [3, 5, 7, 1])

    def test_update_before_the_answer(self) -> None:
        """PRIORITY_UPDATE of an open stream counts before what its request said."""
        self.sender.prioritize(3, b"u=0", is_open=True)
        for stream in (1, 3):
            self.sender.open(stream, priority_of(b"u=2")).data(b"body")
        self.assertEqual([stream for _, _, stream, _ in self.sent()], [3, 1])

    def test_backend_overrides(self) -> None:
        """The priority of a queue may change while it waits."""
        queues = [self.sender.open(stream) for stream in (1, 3)]
        for queue in queues:
            queue.data(b"body")
        queues[1].reprioritize(priority_of(b"u=1"))
        self.assertEqual([stream for _, _, stream, _ in self.sent()], [3, 1])

    def test_large_does_not_starve(self) -> None:
        """A small answer is whole before a large one that began earlier has sent two pieces more."""
        self.connection.room = 0
        self.sender.control(PONG)
        self.connection.end_turn()
        self.sender.window_update(0, 10**6)
        self.sending.client.window += 10**6
        large, small = self.sender.open(1), self.sender.open(3)
        large.data(bytes(60000))
        small.data(b"small")
        small.end()
        self.sending.drain()
        self.assertEqual([stream for kind, _, stream, _ in self.sent() if kind == DATA], [1, 3, 1, 1, 1])


class BoundTests(SenderTestCase):
    """What waits for a client that is slow."""

    def fill(self) -> None:
        """The client does not read: the connection takes nothing more."""
        self.connection.room = 0
        self.sender.control(PONG)
        self.sent()
        self.assertTrue(self.sender.full)

    def test_full_and_drained(self) -> None:
        """A stream is full beyond its bound, and takes more again once little is left of it."""
        self.sender.settings([(INITIAL_WINDOW_SIZE, 0)])
        self.sending.client.initial = 0
        queue = self.sender.open(1)
        queue.data(bytes(STREAM_QUEUE))
        self.assertFalse(queue.full)
        queue.data(b"x")
        self.assertTrue(queue.full)
        self.sent()
        self.sending.allow(1, STREAM_QUEUE)
        self.sending.allow(0, STREAM_QUEUE - STREAM_SHARE - 65535)
        self.sent()
        self.assertTrue(queue.full)
        self.sending.heard()
        self.sending.allow(0, 1)
        self.sent()
        self.assertFalse(queue.full)
        self.assertEqual(self.sending.heard(), [("drained", 1)])

    def test_what_the_windows_take_fills_nothing(self) -> None:
        """A large piece that all windows and the connection take is sent at once, and its source is not stopped."""
        self.sender.window_update(0, 10**7)
        self.sending.client.window += 10**7
        self.sending.allow(1, 10**7)
        queue = self.sender.open(1)
        queue.data(bytes(10**6))
        self.assertEqual((queue.full, queue.queued), (False, 0))
        self.assertGreater(len(self.connection.written), 1)

    def test_bounded_for_all(self) -> None:
        """A hundred streams that the client has stopped are full with their share, once the first have filled all."""
        self.sender.settings([(INITIAL_WINDOW_SIZE, 0)])
        queues = [self.sender.open(2 * n + 1) for n in range(100)]
        for _ in range(100):
            for queue in queues:
                if not queue.full:
                    queue.data(bytes(4096))
        self.assertTrue(all(queue.full for queue in queues))
        self.assertLessEqual(self.sender.queued, CONNECTION_QUEUE + 100 * (STREAM_SHARE + 4096))

    def test_stopped_streams_do_not_stop_others(self) -> None:
        """A stream with a window goes on beside those that have filled the connection's bound."""
        self.sender.settings([(INITIAL_WINDOW_SIZE, 0)])
        self.sending.client.initial = 0
        for n in range(20):
            self.sender.open(2 * n + 1).data(bytes(STREAM_QUEUE))
        self.assertGreater(self.sender.queued, CONNECTION_QUEUE)
        queue = self.sender.open(101)
        self.sending.allow(101, 10**6)
        self.sending.allow(0, 10**6)
        queue.data(bytes(100000))
        self.assertFalse(queue.full)
        self.sent()
        self.assertEqual(len(self.sending.client.bodies[101]), 100000)

    def test_nothing_leaves_while_full(self) -> None:
        """While the connection is full, DATA waits, and leaves in order once it drains."""
        self.fill()
        queue = self.sender.open(1)
        queue.fields(OK)
        queue.data(b"body")
        self.assertEqual(self.sent(), [])
        self.assertEqual(self.sender.answer(3, OK, b"x"), 0)
        self.sending.drain()
        self.assertEqual([kind for kind, *_ in self.sent()], [HEADERS, DATA])
        self.assertEqual(self.sending.heard(), [])

    def test_connection_fills_on_the_way(self) -> None:
        """What the connection takes no more of is kept, and goes on from there."""
        self.sender.window_update(0, 10**7)
        self.sending.client.window += 10**7
        queue = self.sender.open(1)
        self.sending.allow(1, 10**7)
        self.connection.room = 100000
        queue.data(bytes(10**6))
        self.assertTrue(self.sender.full and queue.full)
        self.sending.drain()
        self.sent()
        self.assertEqual(len(self.sending.client.bodies[1]), 10**6)
        self.assertEqual(self.sending.heard(), [("drained", 1)])

    def test_unread_answers(self) -> None:
        """A client that has the gateway answer PINGs and does not read is reported, and no more is kept for it."""
        self.fill()
        for _ in range(MAX_CONTROL // len(PONG)):
            self.sender.control(PONG)
        self.connection.end_turn()
        self.assertEqual(self.sending.heard(), [])
        for _ in range(1000):
            self.sender.control(PONG)
        self.connection.end_turn()
        self.assertEqual(self.sending.heard(), [("overflow", 0)])
        self.assertLessEqual(sum(map(len, self.sender._out)), MAX_CONTROL)

    def test_unread_answers_and_reading(self) -> None:
        """What is left out is missed, be the client the one that reads in the same turn: it is reported as well."""
        self.fill()
        for _ in range(MAX_CONTROL // len(PONG) + 1):
            self.sender.control(PONG)
        self.sending.drain()
        self.connection.end_turn()
        self.assertEqual(self.sending.heard(), [("overflow", 0)])

    def test_answers_after_reading(self) -> None:
        """What is kept of control frames counts anew once the client has read."""
        self.fill()
        for _ in range(MAX_CONTROL // len(PONG)):
            self.sender.control(PONG)
        self.sending.drain()
        self.sent()
        self.fill()
        self.sender.control(PONG)
        self.connection.end_turn()
        self.assertEqual(self.sending.heard(), [])

    def test_flush(self) -> None:
        """What need not wait for a window is given to the connection even if that is full: it is about to close."""
        self.sender.control(PONG)
        self.sender.flush()
        self.assertEqual(len(self.connection.written), 1)
        self.fill()
        self.connection.written.clear()
        self.sender.control(PONG)
        self.sender.flush()
        self.assertEqual(self.connection.written, [PONG])

    def test_stop(self) -> None:
        """After the end of the connection no call is made, nothing waits, and nothing raises."""
        self.connection.turn = -1
        queue = self.sender.open(1)
        queue.data(bytes(65536))
        self.connection.written.clear()
        self.sender.stop()
        self.assertTrue(self.connection.later[0].cancelled)
        queue.data(b"x")
        queue.end()
        self.connection.end_turn()
        self.assertEqual((self.connection.written, self.sending.heard(), self.sender.queued), ([], [], 0))


class ContentionTests(Http2Case):
    """Streams of one connection whose client reads slowly."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.frames(INITIAL_WINDOW_SIZE=2**24)
        self.client.send(WindowUpdateFrame(0, window_increment=2**24))

    def begin(self, stream: int, *fields: tuple[str, str], size: int = 40000, **head: Any) -> Asked:
        """A request, and the head of its answer with `size` octets of body, which follow."""
        self.client.send(self.client.headers(stream, get("/", *fields)))
        asked = self.last
        asked.head(length=size, **head)
        asked.reply.body(bytes(size))
        asked.reply.flush()
        return asked

    def come(self) -> list[int]:
        """The client reads all: the streams of the DATA frames that come."""
        self.line.read()
        for _ in range(20):
            self.turn()
            if self.line.received:
                self.client.more()
        return [each.stream_id for each in self.client.frames if isinstance(each, DataFrame)]

    def test_large_does_not_starve_small(self) -> None:
        """A small answer is whole before a large one, that was there first, has sent a write and some pieces more."""
        self.line.stall(10000)
        self.assertTrue(self.begin(1, size=2**20).reply.full)
        self.begin(3, size=100).finish()
        self.assertLess(self.come().index(3), 12)

    def test_urgency(self) -> None:
        """What is urgent comes first: by the field of its request, by PRIORITY_UPDATE, or by what the backend says."""
        self.line.stall(0)
        self.begin(1, size=2**17)
        self.begin(3, ("priority", "u=4"))
        self.begin(5)
        self.begin(7, ("priority", "u=2"))
        self.begin(9, headers=((b"priority", b"u=1"),))
        self.client.send(pack(">IBII", 7 << 8 | PRIORITY_UPDATE, 0, 0, 3) + b"u=0")
        order = self.come()
        first = sorted((3, 5, 7, 9), key=order.index)
        self.assertEqual(first, [3, 9, 7, 5])


class TurnTests(SenderTestCase):
    """When the owner is called."""

    def test_between_turns(self) -> None:
        """What happens between two turns is written in the next one, and the owner called then."""
        self.connection.turn = -1
        queue = self.sender.open(1)
        queue.data(b"body")
        queue.end()
        self.assertEqual((self.connection.written, self.sending.heard()), ([], []))
        self.assertEqual(len(self.connection.later), 1)
        self.assertEqual(self.sent(), [(DATA, END_STREAM, 1, 4)])
        self.assertEqual(self.sending.heard(), [("sent", 1)])

    def test_owner_goes_on(self) -> None:
        """What the owner sends when it is called leaves in the same turn."""
        self.sending.owner.stream_sent = lambda stream: (
            self.sender.answer(  # type: ignore[method-assign]
                stream + 2, OK, b"next"
            )
            and None
        )
        queue = self.sender.open(1)
        queue.data(b"body")
        queue.end()
        self.assertEqual([stream for _, _, stream, _ in self.sending.end_turn()], [1, 3, 3])
        self.assertEqual(self.connection.at_end, [])
