"""Server-Sent Events, as they come in pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.event_stream import LONGEST, EventReader, EventStreamError, StreamEvent

STREAM = (
    b': hello\n\nid: 1\nevent: health\ndata: {"a": "\xc3\xa9"}\n\n'
    b': still here\n\nevent: refusal\r\ndata: {"b":\r\ndata: 2}\r\n\r\nevent: none\n\n'
)
EVENTS = [StreamEvent("health", {"a": "é"}, "1"), StreamEvent("refusal", {"b": 2})]


class EventReaderTests(SynchronousTestCase):
    """What becomes of bytes."""

    def test_events(self) -> None:
        """Kind, members and id; comments, and events without data, are none."""
        self.assertEqual(list(EventReader().feed(STREAM)), EVENTS)

    @given(st.lists(st.integers(min_value=0, max_value=len(STREAM))))
    def test_pieces(self, cuts: list[int]) -> None:
        """It makes no difference in which pieces they come."""
        reader, ends = EventReader(), [0, *sorted(cuts), len(STREAM)]
        pieces = [STREAM[start:end] for start, end in itertools.pairwise(ends)]
        self.assertEqual([event for piece in pieces for event in reader.feed(piece)], EVENTS)

    def test_no_events(self) -> None:
        """Data that is no JSON object, and an event without end, are errors."""
        for data in (b"data: <\n\n", b"data: []\n\n"):
            with self.assertRaises(EventStreamError):
                list(EventReader().feed(data))
        reader = EventReader()
        with self.assertRaises(EventStreamError):
            for _ in range(LONGEST // 1024 + 2):
                list(reader.feed(b"x" * 1024 + b"\n"))
        with self.assertRaises(EventStreamError):
            list(EventReader().feed(b"x" * (LONGEST + 1)))
