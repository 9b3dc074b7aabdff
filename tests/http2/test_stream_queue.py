"""What one stream sends, under any order of events."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.codes import INITIAL_WINDOW_SIZE
from agwtwisted.core.http2.frames import data_head
from agwtwisted.core.http2.priorities import Priority
from agwtwisted.core.http2.send_bounds import CONNECTION_QUEUE, STREAM_QUEUE
from tests import EXAMPLES
from tests.http2.senders import Sending

STREAMS = (1, 3, 5)
LARGE = 40000
PATTERN = bytes(range(251)) * (LARGE // 251 + 2)
"""What bodies are made of: every octet shows its place."""

EVENTS = st.one_of(
    st.tuples(st.just("data"), st.sampled_from(STREAMS), st.integers(1, LARGE)),
    st.tuples(st.just("allow"), st.sampled_from((0, *STREAMS)), st.integers(1, LARGE)),
    st.tuples(st.just("resize"), st.just(0), st.integers(0, LARGE)),
    st.tuples(st.just("end"), st.sampled_from(STREAMS), st.integers(0, 1)),
    st.tuples(st.just("drop"), st.sampled_from(STREAMS), st.just(0)),
    st.tuples(st.just("prioritize"), st.sampled_from(STREAMS), st.integers(0, 15)),
    st.tuples(st.just("room"), st.just(0), st.integers(0, LARGE)),
    st.tuples(st.just("drain"), st.just(0), st.just(0)),
    st.tuples(st.just("turn"), st.just(0), st.just(0)),
)


class _Run:
    """Three streams, what each was given, and the client."""

    def __init__(self) -> None:
        self.sending = Sending()
        self.queues = {stream: self.sending.sender.open(stream) for stream in STREAMS}
        self.given = dict.fromkeys(STREAMS, b"")
        self.ends: dict[int, str] = {}

    def data(self, stream: int, size: int) -> None:
        """The answer goes on, unless it waits for the client."""
        queue = self.queues[stream]
        if stream not in self.ends and not queue.full:
            at = len(self.given[stream])
            piece = PATTERN[(at + stream) % 251 :][:size]
            self.given[stream] += piece
            queue.data(piece)

    def allow(self, stream: int, octets: int) -> None:
        """WINDOW_UPDATE of what is open."""
        if stream not in self.ends:
            assert self.sending.allow(stream, octets)

    def resize(self, _: int, size: int) -> None:
        """SETTINGS."""
        client = self.sending.client
        streams = [stream for stream in STREAMS if stream not in client.ended and self.ends.get(stream) != "dropped"]
        client.resize(streams, size)
        assert self.sending.sender.settings([(INITIAL_WINDOW_SIZE, size)])

    def end(self, stream: int, cut: int) -> None:
        """The answer is whole, or cut."""
        if stream not in self.ends:
            self.ends[stream] = "reset" if cut else "end"
            if cut:
                self.queues[stream].cut(2)
            else:
                self.queues[stream].end()

    def drop(self, stream: int, _: int) -> None:
        """RST_STREAM of the client."""
        if self.ends.get(stream) != "dropped":
            self.ends[stream] = "dropped"
            self.queues[stream].drop()

    def prioritize(self, stream: int, value: int) -> None:
        """PRIORITY_UPDATE, or what the backend says."""
        if stream not in self.ends:
            self.queues[stream].reprioritize(Priority(value % 8, value > 7, explicit=True))

    def room(self, _: int, octets: int) -> None:
        """The client's kernel takes so much more."""
        self.sending.connection.room = octets

    def drain(self, *_: int) -> None:
        """The client reads."""
        self.sending.drain()

    def turn(self, *_: int) -> None:
        """The turn is over."""
        self.sending.end_turn()

    def check(self) -> None:
        """What came so far is a part of what was given, and what waits is counted."""
        self.sending.read()
        for stream, body in self.sending.client.bodies.items():
            assert self.given[stream].startswith(body)
        sender = self.sending.sender
        assert sender.queued == sum(queue.queued for queue in self.queues.values())
        assert sender.queued <= CONNECTION_QUEUE + len(STREAMS) * LARGE
        assert all(queue.queued <= STREAM_QUEUE + LARGE for queue in self.queues.values())

    def finish(self) -> None:
        """The client opens every window and reads all: whatever was not dropped arrives whole."""
        self.drain()
        self.turn()
        for stream in (0, *STREAMS):
            if stream not in self.sending.client.ended and self.ends.get(stream) != "dropped":
                self.sending.allow(stream, 2**24)
        for stream in STREAMS:
            self.end(stream, 0)
        self.turn()
        self.check()


class StreamQueueTests(SynchronousTestCase):
    """All of a stream, in order."""

    @settings(max_examples=EXAMPLES or 60)
    @given(st.lists(EVENTS, max_size=40))
    def test_whole_and_in_order(self, events: list[tuple[str, int, int]]) -> None:
        """Whatever the order of data, windows, settings, priorities and ends: bodies arrive in order and whole.

        The client's account raises where a window is overdrawn, or something follows the end of a stream.
        """
        run = _Run()
        for name, stream, value in events:
            act: Any = getattr(run, name)
            act(stream, value)
            run.check()
        run.finish()
        for stream in STREAMS:
            if run.ends[stream] != "dropped":
                self.assertEqual(run.sending.client.bodies.get(stream, b""), run.given[stream])
                self.assertEqual(run.sending.client.ended[stream], run.ends[stream])
        self.assertEqual(run.sending.sender.queued, 0)
        self.assertEqual(run.sending.sender._queues, {})

    @settings(max_examples=EXAMPLES or 60)
    @given(st.lists(st.integers(1, 9000), min_size=1, max_size=12), st.lists(st.integers(1, 20000), max_size=12))
    def test_pieces(self, pieces: list[int], limits: list[int]) -> None:
        """However it was given and is taken, what a queue moves is what it was given, and its counts agree."""
        queue = Sending().sender.open(1)
        queue.window.size = 2**20
        queue.full = True
        given = bytes(n % 251 for n in range(sum(pieces)))
        for end, size in zip(accumulate(pieces), pieces, strict=True):
            queue._pieces.append(given[end - size : end])
            queue.queued += size
        out: list[bytes | memoryview] = []
        for limit in [*limits, len(given)]:
            if queue.queued:
                frame: list[bytes | memoryview] = []
                size = queue.take(limit, frame)
                queue.compact()
                self.assertEqual(sum(map(len, frame[1:])), size)
                out += frame[1:]
        self.assertEqual(b"".join(out), given)
        self.assertEqual((queue.queued, queue.sent, queue._pieces), (0, len(given), []))

    @given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.integers(0, 1000), st.integers(0, 1000))
    def test_whole_frames(self, pieces: list[int], room: int, window: int) -> None:
        """Whole frames that go together are those that would go one by one, in order, and the last octet stays."""
        queue = Sending().sender.open(1)
        queue.window.size = window
        given, end = bytes(n % 251 for n in range(sum(pieces))), 0
        for size in pieces:
            end += size
            queue._pieces.append(given[end - size : end])
            queue.queued += size
        out: list[bytes | memoryview] = []
        moved = queue.take_whole(100, room, out)
        self.assertLessEqual(moved, min(room, window, len(given) - 1))
        self.assertEqual([bytes(head) for head in out[::2]], [data_head(1, 100, False)] * (moved // 100))
        self.assertEqual((b"".join(out[1::2]), moved % 100), (given[:moved], 0))
        self.assertEqual((queue.queued, queue.sent, queue.window.size), (len(given) - moved, moved, window - moved))
        rest: list[bytes | memoryview] = []
        queue.window.size = len(given)
        self.assertEqual(queue.take(len(given), rest), len(given) - moved)
        self.assertEqual(b"".join(rest[1:]), given[moved:])
