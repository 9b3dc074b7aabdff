"""What clients say of priorities."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.priorities import (
    MAX_EARLY,
    MAX_FIELD,
    UNSIGNALLED,
    EarlyPriorities,
    Priority,
    merged,
    priority_of,
)


class PriorityTests(SynchronousTestCase):
    """The field value."""

    def test_values(self) -> None:
        """Urgency and order are read from a Dictionary as clients write it, parameters left out, the last counting."""
        for field, urgency, incremental in (
            (b"u=0", 0, False),
            (b"u=7, i", 7, True),
            (b"i,u=2", 2, True),
            (b"i=?1", 3, True),
            (b"i=?0", 3, False),
            (b" u=5;x=1 ,\ti;y", 5, True),
            (b"u=1, u=6", 6, False),
            (b"x=1, u=4", 4, False),
        ):
            self.assertEqual(priority_of(field), Priority(urgency, incremental, explicit=True), field)

    def test_what_means_nothing(self) -> None:
        """Unknown members, values of another type or out of range are left out: the defaults stay (RFC 9218 4)."""
        for field in (b"", b"u=8", b"u=-1", b"u=1.5", b"u", b"i=1", b"u=33", b"U=1", b"xu=1", b"u =1", b"\xff", b",,"):
            self.assertEqual(priority_of(field), Priority(explicit=True), field)

    def test_too_long(self) -> None:
        """A field beyond the bound is not read."""
        self.assertEqual(priority_of(b"u=1" + b" " * MAX_FIELD), Priority(explicit=True))

    def test_merged(self) -> None:
        """What the backend says of its response overrides what the client has said, member by member (RFC 9218 8)."""
        of_client = priority_of(b"u=5, i")
        self.assertEqual(merged(of_client, b"u=1"), Priority(1, True, explicit=True))
        self.assertEqual(merged(of_client, b"i=?0"), Priority(5, False, explicit=True))
        self.assertIs(merged(UNSIGNALLED, b"x"), UNSIGNALLED)


class EarlyPrioritiesTests(SynchronousTestCase):
    """PRIORITY_UPDATE ahead of the request."""

    def test_last_counts(self) -> None:
        """Of several frames for a stream the last counts, once."""
        early = EarlyPriorities()
        early.note(5, b"u=1")
        early.note(5, b"u=2")
        self.assertEqual((early.take(5), early.take(5), early.take(7)), (b"u=2", None, None))

    def test_bounded(self) -> None:
        """Of more streams than may be open the oldest is forgotten, and a long field is not kept."""
        early = EarlyPriorities()
        for stream in range(1, 2 * MAX_EARLY + 3, 2):
            early.note(stream, b"u=1")
        self.assertEqual((early.take(1), early.take(3)), (None, b"u=1"))
        self.assertEqual(len(early.fields), MAX_EARLY - 1)
        early.note(5, b"x" * (MAX_FIELD + 1))
        self.assertIsNone(early.take(5))
