"""Frames as values."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.frame_values import DataFrame, PingAck, PingFrame, ResetFrame, WindowUpdateFrame


class ValueTests(SynchronousTestCase):
    """What all of them have in common."""

    def test_are_values(self) -> None:
        """Those that say the same are equal, those of another type are not; they can be members of a set."""
        self.assertEqual(DataFrame(1, b"a", 1, False), DataFrame(1, b"a", 1, False))
        self.assertNotEqual(ResetFrame(1, 8), WindowUpdateFrame(1, 8))
        self.assertNotEqual(PingFrame(b"12345678"), PingAck(b"12345678"))
        self.assertEqual(len({ResetFrame(1, 8), ResetFrame(1, 8), ResetFrame(3, 8)}), 2)
