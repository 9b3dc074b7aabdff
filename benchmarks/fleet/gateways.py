"""Simulated gateways: workers with the gateway's own memory, renewals, source and throttle, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import RevocationUnavailable, SslProfile
from agwtwisted.core.tls import policies
from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.operations.counters import SharedStoreCounters
from agwtwisted.revocation.ocsp_answers import OcspAnswers
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED, SharedKnowledge
from agwtwisted.revocation.shared_source import SharedSource, hear_revocations
from agwtwisted.transport.clocks import WallClock
from benchmarks.fleet.answers import EPOCH
from benchmarks.fleet.clock import SimulatedClock
from benchmarks.fleet.plan import Gateways, Sharing
from benchmarks.fleet.responders import SimulatedAsker, SimulatedResponder

MESSAGE_SECONDS = 0.001
"""From one worker to the others."""


def profile_of(plan: Gateways) -> SslProfile:
    """The SSL profile of the devices."""
    policy = policies.predefined(policies.DEFAULT)
    assert isinstance(policy, TlsPolicy)
    return SslProfile(
        name="devices",
        ssl_policy=policy,
        verify_client_revocation=(RevocationSource.OCSP,),
        ocsp_unavailable=RevocationUnavailable.ALLOW if plan.allow else RevocationUnavailable.REFUSE,
        ocsp_timeout=plan.timeout,
        ocsp_clock_skew=plan.clock_skew,
    )


class Neighbours:
    """The workers of one gateway, which hear what one of them has learnt."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._members: list[_Member] = []

    def member(self) -> Siblings:
        """What one worker knows of the others."""
        made = _Member(self)
        self._members.append(made)
        return made

    def pass_on(self, sender: _Member, topic: str, payload: bytes) -> None:
        """All but the sender hear this a moment later."""
        self._clock.callLater(MESSAGE_SECONDS, self._deliver, sender, topic, payload)

    def _deliver(self, sender: _Member, topic: str, payload: bytes) -> None:
        for member in self._members:
            if member is not sender:
                member.hear(topic, payload)


class _Member:
    """The others, for one worker: as `interfaces.Siblings` says."""

    def __init__(self, neighbours: Neighbours) -> None:
        self._neighbours = neighbours
        self._subscribed: dict[str, Callable[[bytes], None]] = {}

    def publish(self, topic: str, payload: bytes) -> None:
        self._neighbours.pass_on(self, topic, payload)

    def subscribe(self, topic: str, heard: Callable[[bytes], None]) -> None:
        self._subscribed[topic] = heard

    def hear(self, topic: str, payload: bytes) -> None:
        if heard := self._subscribed.get(topic):
            heard(payload)


class Worker:
    """One process of a gateway.

    Args:
        clock: runs everything.
        plan: how it is configured.
        responder: is asked.
        siblings: the other workers of the same gateway.
        knowledge: what all gateways share.
        store: what it begins with, and leaves.
        random: spreads its renewals.
    """

    def __init__(
        self,
        clock: SimulatedClock,
        plan: Gateways,
        responder: SimulatedResponder,
        siblings: Siblings,
        knowledge: SharedKnowledge,
        store: MemoryStore,
        random: Random,
    ) -> None:
        self.profile = profile_of(plan)
        self.answers_at_most = 0
        self._clock = clock
        self._plan = plan
        self._busy_until = 0.0
        wall = WallClock(clock, lambda: EPOCH + clock.seconds())
        self.asker = SimulatedAsker(clock, responder, plan.timeout, lambda: self.spend(plan.question_cpu))
        asked = OcspSource(self.asker, wall.seconds, clock.seconds)
        source = SharedSource(asked, knowledge, clock, wall, SharedStoreCounters())
        self.revocation = OcspAnswers(
            *(clock, wall, source, store, random),
            max_answers=plan.max_answers,
            siblings=siblings,
            shares=knowledge is not NOTHING_SHARED,
        )
        hear_revocations(knowledge, source, self.revocation.heard)
        self.revocation.use([self.profile])
        self.revocation.start()

    def spend(self, seconds: float) -> float:
        """Takes the processor for so long; returns when that is done, after all that was to be done before."""
        self._busy_until = max(self._clock.seconds(), self._busy_until) + seconds
        return self._busy_until

    @property
    def answers(self) -> int:
        """How many answers it holds."""
        return self.revocation.answers.good

    def stop(self) -> None:
        """The process ends."""
        self.revocation.stop()  # type: ignore[unused-awaitable]  # nothing is written to a disk


class SimulatedGateway:
    """The workers of one machine, which may end and start anew together."""

    def __init__(
        self,
        clock: SimulatedClock,
        plan: Gateways,
        responder: SimulatedResponder,
        knowledge: SharedKnowledge,
        random: Random,
    ) -> None:
        self._clock = clock
        self._plan = plan
        self._responder = responder
        self._knowledge = knowledge
        self._random = random
        self._store = MemoryStore(plan.max_answers)
        self.workers = self._started()

    def _started(self) -> list[Worker]:
        neighbours = Neighbours(self._clock)
        is_shared = self._plan.sharing is not Sharing.ALONE
        return [
            Worker(
                self._clock,
                self._plan,
                self._responder,
                neighbours.member() if is_shared else NO_SIBLINGS,
                self._knowledge,
                self._store,
                Random(self._random.random()),
            )
            for _ in range(self._plan.workers)
        ]

    def restart(self, *, keeps_answers: bool) -> None:
        """All workers end, and new ones begin, with what the state directory has."""
        for worker in self.workers:
            worker.stop()
        if not keeps_answers:
            self._store = MemoryStore(self._plan.max_answers)
        self.workers = self._started()
