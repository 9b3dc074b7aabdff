"""Answers of the parent of workers."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from agwtwisted.answers.of_parent import ALONE, ParentAnswers
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.merging import PARENT
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.loading import NO_FILES, Loaded
from agwtwisted.probes import SharedProbes
from agwtwisted.revocation.held_staples import HeldStaples
from agwtwisted.transport.clocks import WallClock
from tests import configurations, pki
from tests.hubs import Hub

SERVER = {"pool": "app", "settings": "app", "server": "127.0.0.1:9000"}


class ParentAnswersTests(TestCase):
    """What it knows."""

    def setUp(self) -> None:
        plan = configurations.plan()
        running: Any = reactor
        self.hub = Hub()
        self.probes = SharedProbes(plan, running, self.hub.member())
        reloads: Any = SimpleNamespace(
            outcomes=Counter(), in_force=Loaded(plan=plan, files=NO_FILES), generation=1, since=0.0, last=None
        )
        staples = HeldStaples(WallClock(running))
        self.answers = ParentAnswers(running, reloads, self.probes, staples, pki.NOW.timestamp)

    async def ask(self, question: Question, **arguments: str) -> Any:
        """Its own answer."""
        return await self.answers.ask(question, arguments)

    async def test_alone(self) -> None:
        """It answers alone about the configuration in force."""
        answers = {question: await self.ask(question) for question in ALONE}
        self.assertTrue(answers[Question.CERTIFICATES]["certificates"])
        self.assertEqual(answers[Question.CONFIGURATION]["generation"], 1)

    async def test_nothing_of_its_own(self) -> None:
        """It knows nothing of clients."""
        self.assertIsNone(await self.ask(Question.CLIENTS))

    async def test_backends(self) -> None:
        """It has the health of servers, as far as it has probed them."""
        [pool] = (await self.ask(Question.BACKENDS))["backend_pools"]
        [server] = pool["backend_settings"][0]["servers"]
        self.assertEqual((server["health"], server["address"], server["port"]), ("Unknown", "127.0.0.1", 9000))

    async def test_drain(self) -> None:
        """A server is drained here first, and all workers hear of it; what there is not is not found."""
        self.assertEqual(await self.ask(Question.DRAIN, **SERVER), {"outcome": "drained"})
        [(_, topic, _)] = self.hub.waiting
        self.assertEqual(topic, "drained")
        self.assertEqual(await self.ask(Question.DRAIN, **SERVER), {"outcome": "unchanged"})
        self.assertEqual(await self.ask(Question.UNDRAIN, **SERVER), {"outcome": "undrained"})
        error = await self.assertFailure(self.answers.ask(Question.DRAIN, {**SERVER, "pool": "b"}), QuestionError)
        self.assertEqual(error.status, 404)

    def test_metrics(self) -> None:
        """The metrics are those of the workers and its own; other answers stay as they are."""
        answers = {1: {"clients": []}}
        self.assertIs(self.answers.completed(Question.CLIENTS, answers), answers)
        [(index, members)] = self.answers.completed(Question.METRICS, {}).items()
        self.assertEqual(index, PARENT)
        self.assertIn("agw_build_info", Measurements.of_members(members).samples)
