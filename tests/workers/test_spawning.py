"""There is always a spawner; the test is it."""

from __future__ import annotations

from collections.abc import Iterable
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Problem
from agwtwisted.workers.configurations import refused
from agwtwisted.workers.messages import Message, MessageKind
from agwtwisted.workers.spawning import Spawning
from tests.workers.spawners import ScriptedSpawner

WRONG = Problem(place=Place(file="gw.ini"), message="is wrong")


class User:
    """Notes what it hears; each configuration that it gives has the next number."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.serial = 0

    def configuration(self) -> Message:
        """What is in force."""
        self.serial += 1
        return Message(kind=MessageKind.PREPARE, fields={"serial": self.serial})

    def spawner_ready(self) -> None:
        """There is one."""
        self.heard.append("ready")

    def spawner_refused(self, problems: Iterable[Problem]) -> None:
        """It cannot take it."""
        self.heard.append("refused")

    def spawner_lost(self) -> None:
        """It has ended."""
        self.heard.append("lost")

    def spawner_answered(self, message: Message) -> None:
        """An answer."""
        self.heard.append(message.kind.name)


class SpawningTests(SynchronousTestCase):
    """One after the other."""

    def setUp(self) -> None:
        ScriptedSpawner.made = []
        patched = mock.patch("agwtwisted.workers.spawning.SpawnerProcess", ScriptedSpawner)
        patched.start()
        self.addCleanup(patched.stop)
        self.clock = Clock()
        self.user = User()
        self.spawning = Spawning(self.clock, self.user)
        self.spawning.start()

    @property
    def spawner(self) -> ScriptedSpawner:
        """The present one."""
        return ScriptedSpawner.made[-1]

    def ready(self) -> None:
        """It has prepared what it got."""
        [message] = self.spawner.take(MessageKind.PREPARE)
        self.spawner.prepared(message)

    def test_ready(self) -> None:
        """It is ready once it has prepared what is in force; further answers are handed on."""
        self.assertFalse(self.spawning.is_ready)
        self.ready()
        self.assertEqual((self.spawning.is_ready, self.user.heard), (True, ["ready"]))
        [commit] = self.spawner.take(MessageKind.COMMIT)
        self.assertEqual(commit.fields, {"serial": 1})
        self.spawner.prepared(Message(kind=MessageKind.PREPARE, fields={"serial": 7}))
        self.assertEqual(self.user.heard, ["ready", "PREPARED"])
        self.assertEqual(self.spawning.number, self.spawner.number)

    def test_refused(self) -> None:
        """One that cannot take it is not ready."""
        self.spawner.received(refused(1, [WRONG]))
        self.assertEqual((self.spawning.is_ready, self.user.heard), (False, ["refused"]))

    def test_lost(self) -> None:
        """Another one follows, at once and then later, with what is in force at that time."""
        for delay, serial in ((0.0, 1), (0.5, 2), (1.0, 3)):
            [message] = self.spawner.sent
            self.assertEqual(message.fields["serial"], serial)
            self.spawner.lost()
            self.assertEqual((self.spawning.is_ready, self.spawning.number), (False, 0))
            count = len(ScriptedSpawner.made)
            self.clock.advance(delay)
            self.assertEqual(len(ScriptedSpawner.made), count + 1)
        self.assertEqual(self.user.heard, ["lost"] * 3)

    def test_renewed(self) -> None:
        """One that was begun with what is not in force any more is ended; one that is ready has been asked."""
        first = self.spawner
        self.spawning.renew()
        self.clock.advance(0)
        self.assertIsNot(self.spawner, first)
        self.ready()
        self.spawning.renew()
        self.assertEqual(self.user.heard, ["lost", "ready"])

    def test_stopped_while_it_starts(self) -> None:
        """One that is not ready is ended at once, and does not hold up the stop; one that is ready ends by itself."""
        self.successResultOf(self.spawning.stop())
        self.assertTrue(self.spawner.killed)
        self.spawning.start()
        self.ready()
        self.successResultOf(self.spawning.stop())
        self.assertFalse(self.spawner.killed)

    def test_stopped(self) -> None:
        """After a stop there is none, and none follows."""
        self.successResultOf(self.spawning.stop())
        self.assertTrue(self.spawner.closed)
        self.spawning.start()
        self.spawner.lost()
        self.successResultOf(self.spawning.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])
