"""The order in which streams send."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.priorities import UNSIGNALLED, Priority
from agwtwisted.core.http2.schedule import SHARE_OF_LESS_URGENT, SHARE_OF_OTHERS, Schedule
from tests import EXAMPLES


class Stream:
    """One that always has something to send."""

    def __init__(self, stream: int, priority: Priority = UNSIGNALLED) -> None:
        self.stream = stream
        self.priority = priority


def ordered(urgency: int = 3) -> Priority:
    """Explicitly not incremental."""
    return Priority(urgency, explicit=True)


def served(schedule: Schedule[Stream], pieces: int) -> list[int]:
    """The streams of the next pieces; each comes again behind its piece."""
    streams = []
    for _ in range(pieces):
        item = schedule.take()
        streams.append(item.stream)
        schedule.add(item)
    return streams


def schedule_of(*streams: Stream) -> Schedule[Stream]:
    """One with these."""
    schedule: Schedule[Stream] = Schedule()
    for stream in streams:
        schedule.add(stream)
    return schedule


class ScheduleTests(SynchronousTestCase):
    """Which is next."""

    def test_unsignalled_take_turns(self) -> None:
        """Streams of which the client says nothing, and incremental ones, send a piece each in turn."""
        schedule = schedule_of(Stream(1), Stream(3, Priority(3, True, explicit=True)), Stream(5))
        self.assertEqual(served(schedule, 6), [1, 3, 5, 1, 3, 5])

    def test_in_order(self) -> None:
        """Streams that are explicitly not incremental are served one after the other, however they came."""
        schedule = schedule_of(Stream(5, ordered()), Stream(1, ordered()), Stream(3, ordered()))
        self.assertEqual(served(schedule, SHARE_OF_OTHERS - 1), [1] * (SHARE_OF_OTHERS - 1))

    def test_others_get_their_share(self) -> None:
        """A long one that is not incremental leaves every fourth piece to the others of its urgency, each in turn."""
        schedule = schedule_of(Stream(1, ordered()), Stream(3, ordered()), Stream(5, ordered()), Stream(7), Stream(9))
        counts = Counter(served(schedule, 32 * SHARE_OF_OTHERS))
        self.assertEqual(counts[1], 32 * (SHARE_OF_OTHERS - 1))
        self.assertEqual([counts[3], counts[5], counts[7], counts[9]], [8, 8, 8, 8])

    def test_urgency(self) -> None:
        """The more urgent is served first, but for one piece of sixteen, which the less urgent share."""
        schedule = schedule_of(Stream(1, ordered(7)), Stream(3), Stream(5, ordered(0)))
        counts = Counter(served(schedule, 20 * SHARE_OF_LESS_URGENT))
        self.assertEqual(counts, {5: 20 * (SHARE_OF_LESS_URGENT - 1), 3: 10, 1: 10})

    def test_remove(self) -> None:
        """A stream that is taken out is not served, and the others keep their places."""
        streams = [Stream(1), Stream(3), Stream(5), Stream(7, ordered()), Stream(9, ordered(1))]
        schedule = schedule_of(*streams)
        for stream in (streams[1], streams[3], streams[4]):
            schedule.remove(stream)
        self.assertEqual(served(schedule, 4), [1, 5, 1, 5])
        self.assertEqual(schedule.count, 2)

    def test_empty(self) -> None:
        """There is no next of none."""
        self.assertRaises(IndexError, schedule_of().take)

    @settings(max_examples=EXAMPLES or 25)
    @given(st.lists(st.tuples(st.integers(0, 7), st.booleans(), st.booleans()), min_size=1, max_size=6))
    def test_none_starves(self, priorities: list[tuple[int, bool, bool]]) -> None:
        """Whatever the priorities, every stream that has something to send comes within a bound."""
        streams = [Stream(2 * n + 1, Priority(*said)) for n, said in enumerate(priorities)]
        urgencies = Counter(stream.priority.urgency for stream in streams)
        longest = len(urgencies) * SHARE_OF_LESS_URGENT * 2 * SHARE_OF_OTHERS * max(urgencies.values())
        self.assertEqual(set(served(schedule_of(*streams), longest)), {stream.stream for stream in streams})
