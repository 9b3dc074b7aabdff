"""The windows of flow control."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.codes import LARGEST_WINDOW
from agwtwisted.core.http2.windows import ReceiveWindow, SendWindow


class SendWindowTests(SynchronousTestCase):
    """What the client takes."""

    def test_bounds(self) -> None:
        """A window grows to 2^31-1 octets, and one octet more is refused and leaves it as it is (RFC 9113 6.9.1)."""
        window = SendWindow(LARGEST_WINDOW - 1)
        self.assertTrue(window.change(1))
        self.assertFalse(window.change(1))
        self.assertEqual(window.size, LARGEST_WINDOW)

    def test_negative(self) -> None:
        """A change of settings makes a window negative, and it counts on from there (RFC 9113 section 6.9.2)."""
        window = SendWindow(10)
        self.assertTrue(window.change(-30))
        self.assertEqual(window.size, -20)
        self.assertTrue(window.change(25))
        self.assertEqual(window.size, 5)


class ReceiveWindowTests(SynchronousTestCase):
    """What the gateway takes."""

    def test_halves(self) -> None:
        """Credit is given back once half of the window was consumed, all of it at once."""
        window = ReceiveWindow(100)
        self.assertTrue(window.take(100))
        self.assertEqual([window.consumed(30), window.consumed(19), window.consumed(1)], [0, 0, 50])
        self.assertTrue(window.take(50))
        self.assertEqual(window.consumed(50), 50)

    def test_overdrawn(self) -> None:
        """An octet more than was allowed is refused, as long as nothing was given back."""
        window = ReceiveWindow(100)
        self.assertTrue(window.take(100))
        self.assertEqual(window.consumed(49), 0)
        self.assertFalse(window.take(1))

    @given(st.lists(st.integers(0, 60), max_size=40))
    def test_never_stuck(self, sizes: list[int]) -> None:
        """A client that keeps to its credit is never refused, and never left with less than half of the window."""
        window, credit = ReceiveWindow(100), 100
        for size in sizes:
            sent = min(size, credit)
            credit -= sent
            self.assertTrue(window.take(sent))
            credit += window.consumed(sent)
            self.assertGreater(credit, 50 - 1)
            self.assertLessEqual(credit, 100)
