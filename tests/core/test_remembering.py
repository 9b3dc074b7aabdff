"""What was found out about bytes is found out once."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.remembering import LONGEST, remembering


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
