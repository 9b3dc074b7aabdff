"""Servers as targets: what a change of their health comes to."""

from __future__ import annotations

import weakref
from functools import partial

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import Health, HealthState

DRAIN = 30.0
UP, DOWN = (Health(state=state) for state in (HealthState.UP, HealthState.DOWN))
REFUSED = Health(state=HealthState.DOWN, failures=3, refused=True)


class Connection:
    """Notes that it was cut."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def cut(self, reason: str) -> None:
        """As targets.Connection says."""
        self.reasons.append(reason)


class _Server(Target):
    """A target whose idle connections are counted as they are closed."""

    closed = 0

    def close_idle(self) -> None:
        """Counts."""
        self.closed += 1


class TargetTests(SynchronousTestCase):
    """One target, on a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.target = _Server(self.clock, DRAIN)
        self.changes: list[HealthState] = []
        self.target.subscribe(lambda: self.changes.append(self.target.state))

    def test_changes(self) -> None:
        """Subscribers are notified of each new state, not of a confirmation of the old one."""
        for health in (UP, UP, DOWN, DOWN, UP):
            self.target.found(health)
            self.assertIs(self.target.health, health)
        self.assertEqual(self.changes, [HealthState.UP, HealthState.DOWN, HealthState.UP])
        self.target.stop()

    def test_unsubscribed(self) -> None:
        """Who has ended its subscription is not notified any more; others are."""
        other: list[HealthState] = []
        changed = partial(other.append, HealthState.UP)
        self.target.subscribe(changed)
        self.target.found(UP)
        self.target.unsubscribe(changed)
        self.target.found(DOWN)
        self.assertEqual((len(other), len(self.changes)), (1, 2))
        self.target.stop()

    def test_removed(self) -> None:
        """A server that no settings lead to any more is drained as one that goes down; one of other settings is not."""
        connection = Connection()
        self.target.used(connection)
        self.target.retire(drain=False)
        self.assertEqual((self.target.closed, self.clock.getDelayedCalls()), (1, []))
        self.target.retire(drain=True)
        self.clock.advance(DRAIN - 1)
        self.assertEqual(connection.reasons, [])
        self.clock.advance(1)
        self.assertEqual(connection.reasons, ["the server was removed, and connection_draining_timeout is over"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_removed_and_unused(self) -> None:
        """The timer goes with the last connection."""
        connections = Connection(), Connection()
        for connection in connections:
            self.target.used(connection)
        self.target.retire(drain=True)
        for connection, timers in zip(connections, (1, 0), strict=True):
            self.target.ended(connection)
            self.assertEqual(len(self.clock.getDelayedCalls()), timers)

    def test_removed_while_down(self) -> None:
        """One that is being drained already gets no more time; one without connections leaves no timer."""
        self.target.retire(drain=True)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        connection = Connection()
        self.target.used(connection)
        self.target.found(DOWN)
        self.clock.advance(DRAIN - 1)
        self.target.retire(drain=True)
        self.clock.advance(1)
        self.assertEqual(len(connection.reasons), 1)

    def test_removed_while_down_and_unused(self) -> None:
        """The time that it had to be drained since it went down ends where there is nothing to drain."""
        self.target.found(DOWN)
        self.target.retire(drain=True)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """The timer does not keep a target, nor what it has been made with; where it is gone nothing is done."""
        self.target.found(DOWN)
        target = weakref.ref(self.target)
        del self.target
        self.assertIsNone(target())
        self.clock.advance(DRAIN)

    def test_goes_down(self) -> None:
        """Idle connections are closed, those in use are cut once the time is over, and those that ended are not."""
        staying, gone = Connection(), Connection()
        for connection in (staying, gone, staying):
            self.target.used(connection)
        self.target.found(DOWN)
        self.assertEqual((self.target.closed, self.target.draining), (1, True))
        self.target.ended(gone)
        self.clock.advance(DRAIN - 1)
        self.assertEqual((staying.reasons, self.target.draining), ([], True))
        self.clock.advance(1)
        self.assertEqual((len(staying.reasons), gone.reasons, self.target.draining), (1, [], False))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_kept_by_a_pool(self) -> None:
        """One that a pool counts as healthy is not drained while it does, though its probes fail."""
        connection, keeper = Connection(), object()
        self.target.found(UP)
        self.target.keep(keeper, kept=True)
        self.target.used(connection)
        self.target.found(DOWN)
        self.assertEqual((self.target.state, self.target.kept, self.target.closed), (HealthState.UP, True, 0))
        self.target.used(connection)
        self.clock.advance(3 * DRAIN)
        self.assertEqual(connection.reasons, [])
        self.target.keep(keeper, kept=False)
        self.assertEqual((self.target.state, self.target.kept, self.target.closed), (HealthState.DOWN, False, 1))
        self.assertTrue(self.target.draining)
        self.clock.advance(DRAIN)
        self.assertEqual(len(connection.reasons), 1)
        self.target.keep(keeper, kept=True)
        self.assertEqual((self.target.state, self.target.draining), (HealthState.UP, False))

    def test_time_is_not_lengthened(self) -> None:
        """Further failures do not begin the time anew."""
        connection = Connection()
        self.target.used(connection)
        self.target.found(DOWN)
        self.clock.advance(DRAIN - 1)
        self.target.found(DOWN)
        self.clock.advance(1)
        self.assertEqual(len(connection.reasons), 1)

    def test_comes_up(self) -> None:
        """A target that is well again in time is no longer drained; the next time has its full length."""
        connection = Connection()
        self.target.used(connection)
        self.target.found(DOWN)
        self.clock.advance(DRAIN - 1)
        self.target.found(UP)
        self.assertEqual((self.target.draining, self.clock.getDelayedCalls()), (False, []))
        self.target.found(DOWN)
        self.clock.advance(DRAIN - 1)
        self.assertEqual(connection.reasons, [])
        self.clock.advance(1)
        self.assertEqual(len(connection.reasons), 1)

    def test_late(self) -> None:
        """What was under way to a target before that was drained has its time as well, and brings no other request
        there.
        """
        self.target.found(DOWN)
        self.clock.advance(DRAIN)
        late = Connection()
        self.target.used(late)
        self.assertFalse(self.target.draining)
        self.clock.advance(DRAIN - 1)
        self.assertEqual(late.reasons, [])
        self.clock.advance(1)
        self.assertEqual(len(late.reasons), 1)

    def test_refused(self) -> None:
        """Subscribers, if any, are notified of a refused connection."""
        self.target.refused()
        told: list[None] = []
        self.target.when_refused = lambda: told.append(None)
        self.target.refused()
        self.assertEqual((len(told), self.target.state), (1, HealthState.UNKNOWN))

    def test_stops(self) -> None:
        """No timer is left behind, and nothing is cut any more."""
        connection = Connection()
        self.target.used(connection)
        self.target.found(DOWN)
        self.target.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class OperatorTests(SynchronousTestCase):
    """A target that an operator takes out, and in again."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.target = _Server(self.clock, DRAIN)
        self.target.found(UP)
        self.changes: list[HealthState] = []
        self.target.subscribe(lambda: self.changes.append(self.target.state))

    def test_out_and_in(self) -> None:
        """A server that is out gets nothing new, whatever its probes say, but clients that are bound to it."""
        self.target.drain_for_operator(True)
        self.assertEqual(
            (self.target.state, self.target.refusing, self.target.draining), (HealthState.DOWN, False, True)
        )
        self.assertIs(self.target.health, UP)
        self.target.drain_for_operator(True)
        self.target.drain_for_operator(False)
        self.assertEqual((self.target.state, self.target.draining), (HealthState.UP, False))
        self.assertEqual(self.changes, [HealthState.DOWN, HealthState.UP])

    def test_what_is_under_way(self) -> None:
        """Idle connections are closed at once; those in use go on without a limit."""
        connection = Connection()
        self.target.used(connection)
        self.target.drain_for_operator(True)
        self.assertEqual((self.target.closed, connection.reasons), (1, []))
        self.target.used(Connection())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_down_meanwhile(self) -> None:
        """A server that goes down while it is out is drained as any other, and is out still when it is up again."""
        connection = Connection()
        self.target.used(connection)
        self.target.drain_for_operator(True)
        self.target.found(REFUSED)
        self.assertFalse(self.target.refusing)
        self.clock.advance(DRAIN)
        self.assertEqual((len(connection.reasons), self.target.draining), (1, False))
        self.target.found(UP)
        self.assertEqual((self.target.state, self.target.draining), (HealthState.DOWN, True))
        self.target.drain_for_operator(False)
        self.assertIs(self.target.state, HealthState.UP)

    def test_in_while_down(self) -> None:
        """A server that is down and taken in again has no more time than it had, and is asked as one that is down."""
        self.target.drain_for_operator(True)
        self.target.found(REFUSED)
        self.clock.advance(DRAIN - 1)
        self.target.drain_for_operator(False)
        self.assertEqual(
            (self.target.state, self.target.refusing, self.target.draining), (HealthState.DOWN, True, True)
        )
        self.clock.advance(1)
        self.assertFalse(self.target.draining)

    def test_changes_of_health(self) -> None:
        """Its health is passed on while it is out: other processes have to know it."""
        self.target.drain_for_operator(True)
        for health in (DOWN, UP):
            self.target.found(health)
        self.assertEqual(len(self.changes), 3)
        self.target.stop()

    def test_reached(self) -> None:
        """That a bound client reaches a server which is out, and up, is no news about its health."""
        reached: list[bool] = []
        self.target.when_reached = lambda: reached.append(True)
        self.target.drain_for_operator(True)
        self.target.reached()
        self.assertEqual(reached, [])
        self.target.found(DOWN)
        self.target.reached()
        self.assertEqual(reached, [True])
        self.target.stop()

    def test_counted(self) -> None:
        """Each use counts as one request, and connections that are in use are known."""
        connection = Connection()
        self.target.used(connection)
        self.target.used(connection)
        self.assertEqual((self.target.requests, self.target.connections, self.target.idle_connections), (2, 1, 0))
        self.target.ended(connection)
        self.assertEqual(self.target.connections, 0)
