"""What was found out about bytes is found out once."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.remembering import LONGEST, remembering, remembering_within
from tests.memory import kept_after


class RememberingTests(SynchronousTestCase):
    """A function that remembers."""

    def setUp(self) -> None:
        self.asked: list[bytes] = []

    def measure(self, octets: bytes) -> int:
        """What is asked, noted."""
        self.asked.append(octets)
        return len(octets)

    def test_once(self) -> None:
        """The same bytes are looked at once, whatever object they are."""
        recall = remembering(self.measure)
        self.assertEqual([recall(b"abc"), recall(bytes(bytearray(b"abc"))), recall(b"ab")], [3, 3, 2])
        self.assertEqual(self.asked, [b"abc", b"ab"])

    def test_bounded(self) -> None:
        """What was used longest ago is forgotten once there is no room."""
        recall = remembering(self.measure, size=2)
        for octets in (b"a", b"b", b"a", b"c", b"a", b"b"):
            recall(octets)
        self.assertEqual(self.asked, [b"a", b"b", b"c", b"b"])

    def test_long(self) -> None:
        """Long bytes are not kept."""
        recall = remembering(self.measure)
        for octets in (bytes(LONGEST), bytes(LONGEST), bytes(LONGEST + 1), bytes(LONGEST + 1)):
            self.assertEqual(recall(octets), len(octets))
        self.assertEqual(len(self.asked), 3)

    def test_own_memory(self) -> None:
        """Two of them know nothing of each other."""
        for _ in range(2):
            remembering(self.measure)(b"a")
        self.assertEqual(self.asked, [b"a", b"a"])


class RoomTests(SynchronousTestCase):
    """A function whose memory is bounded by what it holds."""

    def setUp(self) -> None:
        self.asked: list[bytes] = []
        self.recall = remembering_within(self.measure, 100, lambda octets, result: 10)

    def measure(self, octets: bytes) -> int | None:
        """What is asked, noted; nothing is known of a question mark."""
        self.asked.append(octets)
        return None if octets == b"?" else len(octets)

    def test_once(self) -> None:
        """The same bytes are looked at once, also where nothing comes of it."""
        self.assertEqual([self.recall(each) for each in (b"abc", b"abc", b"?", b"?")], [3, 3, None, None])
        self.assertEqual(self.asked, [b"abc", b"?"])

    def test_bounded(self) -> None:
        """No more is held than there is room for, whatever comes."""
        recall = remembering_within(len, 100, lambda octets, result: 10)
        self.assertLess(kept_after(lambda: sum(recall(b"%1000d" % number) for number in range(2000))), 30 * 1100)

    def test_what_is_used_stays(self) -> None:
        """What is asked for again and again is looked at once, however much else comes between."""
        for number in range(1000):
            self.recall(b"often")
            self.recall(b"%d" % number)
        self.assertEqual(self.asked.count(b"often"), 1)

    def test_room(self) -> None:
        """The last ones are held, half as many as there is room for at least."""
        for number in range(1000):
            self.recall(b"%d" % number)
        self.asked.clear()
        for number in range(996, 1000):
            self.recall(b"%d" % number)
        self.assertEqual(self.asked, [])

    def test_too_heavy(self) -> None:
        """Long bytes are not kept, nor what would take half of the room alone."""
        heavy = remembering_within(self.measure, 100, lambda octets, result: len(octets))
        for size in (51, 51, 50, 50):
            heavy(bytes(size))
        self.assertEqual(list(map(len, self.asked)), [51, 51, 50])
        self.asked.clear()
        for size in (LONGEST, LONGEST, LONGEST + 1, LONGEST + 1):
            self.recall(bytes(size))
        self.assertEqual(list(map(len, self.asked)), [LONGEST, LONGEST + 1, LONGEST + 1])
