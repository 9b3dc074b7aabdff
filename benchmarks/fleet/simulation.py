"""Runs one plan: the clock, the responder, the gateways and the devices, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import attrs

from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED
from benchmarks.fleet.answers import unsigned
from benchmarks.fleet.clock import SimulatedClock
from benchmarks.fleet.devices import Device, World
from benchmarks.fleet.gateways import SimulatedGateway, Worker
from benchmarks.fleet.knowledge import SimulatedStore
from benchmarks.fleet.plan import NetworkOutage, Plan, Restart, Sharing
from benchmarks.fleet.record import Figures, Record
from benchmarks.fleet.responders import SimulatedResponder

LOOK = 100
"""How often the levels of a run are looked at."""


@attrs.frozen(kw_only=True)
class Run:
    """What a plan came to."""

    plan: Plan
    figures: Figures
    record: Record


class Simulation:
    """One fleet."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self._plan = plan
        self._random = Random(seed)
        self._clock = clock = SimulatedClock()
        self._record = Record(clock.seconds, plan)
        self._responder = SimulatedResponder(clock, plan.responder, plan.outages, self._record)
        is_shared = plan.gateways.sharing is Sharing.FLEET
        knowledge = SimulatedStore(clock) if is_shared else NOTHING_SHARED
        self._gateways = [
            SimulatedGateway(clock, plan.gateways, self._responder, knowledge, Random(self._random.random()))
            for _ in range(plan.gateways.count)
        ]
        world = World(
            clock=clock,
            plan=plan,
            record=self._record,
            choose=self._worker,
            revoked=self._responder.revoked,
        )
        self._devices = [Device(number, world, Random(self._random.random())) for number in range(plan.devices.count)]
        self._answers_at_most = 0

    def run(self) -> Run:
        """From the beginning to the end of the plan."""
        with unsigned():
            self._prepare()
            self._clock.run(self._plan.seconds)
            return Run(
                plan=self._plan, figures=self._record.figures(answers=self._answers_at_most), record=self._record
            )

    def _worker(self, number: int) -> Worker:
        """The worker that takes the next connection of a device."""
        gateways, workers = self._plan.gateways.count, self._plan.gateways.workers
        place = number if self._plan.gateways.sticky else self._random.randrange(gateways * workers)
        return self._gateways[place % gateways].workers[place // gateways % workers]

    def _prepare(self) -> None:
        for device in self._devices:
            device.drop(self._random.uniform(0.0, self._plan.devices.arrive_within))
        for restart in self._plan.restarts:
            self._clock.callLater(restart.at, self._restart, restart)
        for outage in self._plan.network_outages:
            self._clock.callLater(outage.begin, self._cut, outage)
        if self._plan.devices.revoked_share:
            self._clock.callLater(self._plan.devices.revoked_at, self._revoke)
        for number in range(1, LOOK + 1):
            self._clock.callLater(number * self._plan.seconds / LOOK - 1e-6, self._look)

    def _restart(self, restart: Restart) -> None:
        gateway = self._gateways[restart.gateway]
        ended = set(gateway.workers)
        gateway.restart(keeps_answers=restart.keeps_answers)
        for device in self._devices:
            if device.worker in ended:
                device.drop(self._random.uniform(0.0, self._plan.devices.arrive_within))
        self._record.event(self._clock.seconds())

    def _cut(self, outage: NetworkOutage) -> None:
        for device in self._devices:
            device.drop(outage.end - outage.begin + self._random.uniform(0.0, outage.spread))
        self._record.event(outage.end)

    def _revoke(self) -> None:
        count = len(self._devices)
        chosen = self._random.sample(range(count), int(count * self._plan.devices.revoked_share))
        self._responder.revoked.update(chosen)

    def _look(self) -> None:
        workers = list(self._workers())
        held = [worker.answers for worker in workers]
        self._answers_at_most = max(self._answers_at_most, *held)
        self._record.level("answers", sum(held))
        self._record.level("waiting", sum(worker.asker.throttle.waiting for worker in workers))

    def _workers(self) -> Iterator[Worker]:
        return (worker for gateway in self._gateways for worker in gateway.workers)
