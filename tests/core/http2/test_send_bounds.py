"""How much waits on one connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.send_bounds import CONNECTION_QUEUE, STREAM_QUEUE, STREAM_SHARE, is_full, read_size


class SendBoundsTests(SynchronousTestCase):
    """When the source of a stream is stopped, and how much it brings at once."""

    def test_alone(self) -> None:
        """One stream fills its own bound; beside others that have filled the connection's, its share."""
        self.assertFalse(is_full(STREAM_QUEUE, STREAM_QUEUE))
        self.assertTrue(is_full(STREAM_QUEUE + 1, STREAM_QUEUE + 1))
        self.assertFalse(is_full(STREAM_SHARE + 1, CONNECTION_QUEUE))
        self.assertTrue(is_full(STREAM_SHARE + 1, CONNECTION_QUEUE + 1))
        self.assertFalse(is_full(STREAM_SHARE, 10 * CONNECTION_QUEUE))

    def test_read_size(self) -> None:
        """A stream alone has reads as usual; the more there are, the less one read brings."""
        self.assertEqual([read_size(n) for n in (1, 2, 8, 9, 100)], [0, 65536, 65536, STREAM_SHARE, STREAM_SHARE])

    def test_of_a_hundred_streams(self) -> None:
        """A hundred streams that begin one after the other, and are all stopped, have five megabytes queued at most."""
        queued: list[int] = []
        for streams in range(1, 101):
            filled = 0
            while not is_full(filled, sum(queued) + filled):
                filled += read_size(streams) or 256 * 1024
            queued.append(filled)
        self.assertLess(sum(queued), 5 * 2**20)
