"""Health that one process finds, and several have."""

from __future__ import annotations

import struct
from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.health import SOON
from agwtwisted.backends.shared_health import (
    HEALTH,
    HealthFollower,
    HealthPublisher,
    ParentsHealth,
    key_bytes,
    payload_of,
    read,
)
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import Health, HealthState
from tests.hubs import Hub

ONE, TWO = ("fingerprint", "127.0.0.1", 80), ("fingerprint", "127.0.0.1", 81)
UP = Health(state=HealthState.UP)
DOWN = Health(state=HealthState.DOWN, failures=3)
REFUSING = Health(state=HealthState.DOWN, failures=4, refused=True)


class PayloadTests(SynchronousTestCase):
    """On the way."""

    def test_read(self) -> None:
        """A health arrives as it was, since now; what is none is an error."""
        for health in (Health(), UP, DOWN, REFUSING):
            key, found = read(payload_of(key_bytes(ONE), health), 7.0)
            self.assertEqual(key, key_bytes(ONE))
            self.assertEqual(
                (found.state, found.failures, found.refused), (health.state, health.failures, health.refused)
            )
            self.assertEqual((found.since, found.refusing), (7.0, health.refusing))
        with self.assertRaises(struct.error):
            read(b"", 0.0)
        with self.assertRaises(IndexError):
            read(b"\xff" * 20, 0.0)

    def test_keys(self) -> None:
        """Each server has its own."""
        self.assertNotEqual(key_bytes(("a", "b", 1)), key_bytes(("ab", "", 1)))


class SharedHealthTests(SynchronousTestCase):
    """A parent and two workers."""

    def setUp(self) -> None:
        """Each with the same servers."""
        self.clock, self.hub = Clock(), Hub()
        self.publisher = HealthPublisher(self.hub.member())
        self.parents = {key: Target(self.clock, 10.0) for key in (ONE, TWO)}
        self.publisher.use(self.parents.items())
        self.workers = [self.worker(), self.worker()]
        self.hub.deliver()
        self.reports: list[str] = []
        for name, target in (("one", self.parents[ONE]), ("two", self.parents[TWO])):
            target.when_refused = lambda name=name: self.reports.append(f"{name} refused")  # type: ignore[misc]
            target.when_reached = lambda name=name: self.reports.append(f"{name} reached")  # type: ignore[misc]

    def worker(self) -> dict[tuple[str, str, int], Target]:
        """The servers of one more worker."""
        servers = {key: Target(self.clock, 10.0) for key in (ONE, TWO)}
        health = ParentsHealth(self.clock, self.hub.member())
        follower = HealthFollower(health, servers.items(), Random(0))
        follower.startService()
        self.addCleanup(follower.stopService)
        self.follower = follower
        return servers

    def states(self, number: int = 0) -> list[HealthState]:
        """What a worker knows."""
        return [target.state for target in self.workers[number].values()]

    def found(self, **healths: Health) -> None:
        """What probes of the parent find."""
        for name, health in healths.items():
            self.parents[{"one": ONE, "two": TWO}[name]].found(health)
        self.hub.deliver()

    def test_changes(self) -> None:
        """Each change comes to every worker, and the last one counts."""
        self.assertEqual(self.states(), [HealthState.UNKNOWN, HealthState.UNKNOWN])
        self.found(one=UP, two=DOWN)
        self.found(one=DOWN, two=UP)
        for number in (0, 1):
            self.assertEqual(self.states(number), [HealthState.DOWN, HealthState.UP])

    def test_refusing(self) -> None:
        """So does that a server that is down refuses connections, and is tried therefore."""
        self.found(one=DOWN)
        self.found(one=REFUSING)
        self.assertTrue(self.workers[1][ONE].refusing)

    def test_passive(self) -> None:
        """What requests of a worker find the parent has as if they were its own."""
        self.workers[0][ONE].refused()
        self.workers[1][TWO].reached()
        self.hub.deliver()
        self.assertEqual(self.reports, ["one refused", "two reached"])

    def test_known_already(self) -> None:
        """That a server refuses which is down is nothing new."""
        self.found(one=DOWN)
        self.workers[0][ONE].refused()
        self.hub.deliver()
        self.assertEqual(self.reports, [])

    def test_reached_often(self) -> None:
        """That it accepts connections is said once in a moment."""
        self.found(one=REFUSING)
        for _ in range(3):
            self.workers[0][ONE].reached()
        self.workers[0][TWO].reached()
        self.hub.deliver()
        self.assertEqual(self.reports, ["one reached", "two reached"])
        self.clock.advance(SOON)
        self.workers[0][ONE].reached()
        self.hub.deliver()
        self.assertEqual(len(self.reports), 3)

    def test_new_worker(self) -> None:
        """A worker that begins has the present health before it serves."""
        self.found(one=UP, two=DOWN)
        servers = {key: Target(self.clock, 10.0) for key in (ONE, TWO)}
        member = self.hub.member()
        health = ParentsHealth(self.clock, member)
        for topic, payload in self.publisher.present():
            for heard in member.subscribers[topic]:
                heard(payload)
        follower = HealthFollower(health, servers.items(), Random(0))
        follower.startService()
        self.assertEqual([target.state for target in servers.values()], [HealthState.UP, HealthState.DOWN])
        follower.stopService()

    def test_other_servers(self) -> None:
        """After a reload servers that came have their health, in whichever order parent and worker change; of those
        that went nothing is kept, nor reported.
        """
        three = ("fingerprint", "127.0.0.1", 82)
        self.found(one=UP)
        for parent_first in (True, False):
            member = self.hub.member()
            health = ParentsHealth(self.clock, member)
            before, after = Target(self.clock, 10.0), Target(self.clock, 10.0)
            health.use([(ONE, before)])
            self.publisher.use([(ONE, self.parents[ONE])])
            self.hub.deliver()
            self.assertIs(before.state, HealthState.UP)
            new = Target(self.clock, 10.0)
            new.found(UP)
            if parent_first:
                self.publisher.use([(three, new)])
                self.hub.deliver()
            health.use([(three, after)])
            if not parent_first:
                self.publisher.use([(three, new)])
            self.hub.deliver()
            self.assertIs(after.state, HealthState.UP)
            self.assertEqual([*health._known], [key_bytes(three)])
            before.refused()
            self.assertEqual(member.published, [])
            health.stop()
            self.publisher.use([(ONE, self.parents[ONE])])
            self.hub.deliver()
        new.found(DOWN)
        self.hub.deliver()

    def test_gone_at_the_parent(self) -> None:
        """A report about a server that the parent does not have any more is nothing to it."""
        self.publisher.use(())
        self.workers[0][ONE].refused()
        self.workers[0][ONE].reached()
        self.hub.deliver()
        self.assertEqual(self.reports, [])
        self.found(one=UP)
        self.assertEqual(self.states(), [HealthState.UNKNOWN, HealthState.UNKNOWN])

    def test_stopped(self) -> None:
        """A worker that drains keeps the last health, and reports nothing."""
        self.found(one=UP)
        self.follower.stopService()
        self.workers[1][ONE].refused()
        self.assertEqual((self.states(1)[0], [topic for topic, _ in self.hub.waiting]), (HealthState.UP, []))

    def test_topic(self) -> None:
        """Workers publish no health."""
        self.found(one=UP)
        self.assertNotIn(HEALTH, [topic for member in self.hub.members[1:] for topic, _ in member.published])
