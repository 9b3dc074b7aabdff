"""By when a client has to send what is due, on a clock in the test's hand."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.http1.client_deadlines import ClientDeadlines
from agwtwisted.transport.deadlines import Deadline
from tests.gateways import gateway

HEADER, BODY, IDLE, SILENT = 60.0, 61.0, 75.0, 10.0


class ClientDeadlinesTests(SynchronousTestCase):
    """What is due, and since when it is waited for."""

    def make(self, first_byte: float | None = None, rate: int = 100) -> None:
        """The deadlines of a new connection."""
        self.clock = Clock()
        self.missed = 0
        limits = gateway(
            header_timeout=HEADER, body_timeout=BODY, idle_timeout=IDLE, silent_timeout=SILENT, min_body_rate=rate
        )
        self.deadlines = ClientDeadlines(Deadline(self.clock, self._miss), limits, first_byte)

    def _miss(self) -> None:
        self.missed += 1

    def assert_missed_after(self, seconds: float) -> None:
        """The deadline is so far away, and not nearer."""
        self.clock.advance(seconds - 0.5)
        self.assertEqual(self.missed, 0)
        self.clock.advance(0.5)
        self.assertEqual(self.missed, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def awaited(self, *, head_open: bool = False, input_ended: bool = False) -> tuple[Awaited, float]:
        """What is waited for now."""
        return self.deadlines.awaited(self.clock.seconds(), head_open=head_open, input_ended=input_ended)

    def test_first_byte(self) -> None:
        """A new connection has its time for the first byte, or where none is named, for all of a head."""
        for first_byte, seconds in ((3.0, 3.0), (None, HEADER)):
            self.make(first_byte)
            self.assertEqual((self.awaited(), self.deadlines.is_of_head), ((Awaited.HEAD, 0.0), first_byte is None))
            self.assert_missed_after(seconds)

    def test_head(self) -> None:
        """A head that has begun has its own time, once, however many pieces it comes in."""
        self.make(3.0)
        self.deadlines.head_begun()
        self.clock.advance(HEADER - 1)
        self.deadlines.head_begun()
        self.assertEqual(self.awaited(head_open=True), (Awaited.HEAD, 0.0))
        self.assert_missed_after(1)

    def test_body(self) -> None:
        """A body earns time with its bytes, or at no rate with any of them; never more than `body_timeout`."""
        for rate, came, left in ((100, 1000, 31.0), (100, 1 << 20, BODY), (0, 1, BODY), (100, 0, 21.0)):
            self.make(rate=rate)
            self.deadlines.head_whole()
            self.assertFalse(self.deadlines.is_of_head)
            self.deadlines.body(0)
            self.clock.advance(40)
            self.deadlines.body(came)
            self.assert_missed_after(left)

    def test_nothing(self) -> None:
        """While nothing is due nothing is missed, unless a look at the client is."""
        self.make()
        self.deadlines.head_whole()
        self.deadlines.nothing()
        self.clock.advance(1000)
        self.assertEqual(self.missed, 0)
        self.deadlines.again_in(1.0)
        self.assert_missed_after(1)

    def test_next_request(self) -> None:
        """Between requests the client is idle; while the gateway stops, for the time that was left it."""
        for draining, seconds in ((False, IDLE), (True, 2.0)):
            self.make()
            self.deadlines.head_whole()
            if draining:
                self.assertEqual(self.deadlines.drain(2.0), HEADER)
            self.deadlines.next_request(draining=draining)
            self.assertEqual(self.awaited(), (Awaited.REQUEST, 0.0))
            self.assert_missed_after(seconds)

    def test_input_ended(self) -> None:
        """A client that sends no more does not make the gateway wait for a head."""
        self.make(3.0)
        self.assertEqual(self.awaited(input_ended=True)[0], Awaited.REQUEST)

    def test_drain(self) -> None:
        """A stopping gateway waits no longer than it says, the time counted that the client was silent before."""
        for silent, left in ((0.5, 1.5), (2.0, 0.0), (9.0, 0.0)):
            self.make(10.0)
            self.clock.advance(silent)
            before = self.deadlines.drain(2.0)
            over = self.deadlines.shorten_silence(self.clock.seconds(), before)
            self.assertEqual(over, left == 0.0)
            if left:
                self.assert_missed_after(left)

    def test_drain_and_head(self) -> None:
        """A head that has begun has the time of a silent client at most, and no more than it had."""
        for ago, left in ((0.0, SILENT), (HEADER - 3, 3.0)):
            self.make(1.0)
            self.deadlines.head_begun()
            self.clock.advance(ago)
            self.deadlines.shorten_head(self.clock.seconds())
            self.assert_missed_after(left)

    def test_is_due(self) -> None:
        """From the end of a head to the wait for the next one nothing is."""
        self.make()
        self.assertTrue(self.deadlines.is_due)
        self.deadlines.head_whole()
        self.assertFalse(self.deadlines.is_due)
        self.deadlines.next_request(draining=False)
        self.assertTrue(self.deadlines.is_due)

    def test_other_times(self) -> None:
        """What is due from now on is due by other times; what is due already keeps its own."""
        self.make()
        self.deadlines.count_by(gateway(header_timeout=2.0, idle_timeout=3.0))
        self.assert_missed_after(HEADER)
        self.missed = 0
        self.deadlines.next_request(draining=False)
        self.assert_missed_after(3.0)

    def test_stop(self) -> None:
        """A connection that ends leaves no timer."""
        self.make()
        self.deadlines.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
