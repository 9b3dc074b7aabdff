"""How long a successor waits."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.workers.back_off import LONGEST, STEADY, BackOff


class BackOffTests(SynchronousTestCase):
    """The delays."""

    def test_grows(self) -> None:
        """The first successor comes at once; each further one waits twice as long, to a limit."""
        back_off = BackOff()
        self.assertEqual([back_off.delay(1.0) for _ in range(7)], [0.0, 0.5, 1.0, 2.0, 4.0, LONGEST, LONGEST])

    def test_forgets(self) -> None:
        """A process that has lived for long is followed at once, and the next delays begin anew."""
        back_off = BackOff()
        for _ in range(5):
            back_off.delay(1.0)
        self.assertEqual([back_off.delay(STEADY), back_off.delay(1.0)], [0.0, 0.5])
