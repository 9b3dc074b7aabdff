"""Probes of the parent of workers, and the health that workers have of them."""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.health import PACE
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.plan.plan import Plan
from agwtwisted.generation import Generation
from agwtwisted.probes import SharedProbes
from agwtwisted.shared import Shared, WorkerPlace
from agwtwisted.sharing.memory import SharedMemory
from tests import clients, configurations, relays
from tests.clocks import ThreadedReactor
from tests.hubs import Hub
from tests.wires import Network

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class SharedProbesTests(SynchronousTestCase):
    """A parent, and one worker of one."""

    def setUp(self) -> None:
        """Two servers: one of HTTP, one of L4."""
        self.hub, self.network = Hub(), Network()
        self.probes = SharedProbes(self.plan(), self.network, self.hub.member())  # type: ignore[arg-type]
        self.reactor = ThreadedReactor()
        self.worker = self.made_worker()

    def plan(self, *changes: tuple[str, str]) -> Plan:
        """A configuration with these changes."""
        text = relays.text("mqtt strict")
        text += clients.plain(clients.text("basic -")).removeprefix(clients.text())
        text = text.replace("access_log = -\n", "")
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        return configurations.plan(text, clients.files())

    def made_worker(self) -> Generation:
        """One whose service has started."""
        plan = self.plan()
        place = WorkerPlace(index=1, siblings=self.hub.member(), memory=SharedMemory.create(10, 1))
        self.shared = Shared.make(plan, self.reactor, place=place)
        generation = Generation.make(plan, self.shared)
        generation.prober.startService()
        self.addCleanup(generation.prober.stopService)
        return generation

    def states(self, generation: Generation) -> list[HealthState]:
        """Of the servers of a worker."""
        servers: Any = (*generation.backends.items(), *generation.relay_backends.items())
        return [server.state for _, server in servers]

    def test_once(self) -> None:
        """The parent probes every server, a worker none; what is found is the worker's."""
        self.probes.startService()
        self.network.advance(2 * PACE)
        self.network.advance(0)
        self.assertEqual(len(self.states(self.worker)), 2)
        lines = [backend.line for backend in self.network._backends.values()]
        self.assertEqual((len(lines), self.reactor.tcpClients, self.reactor.getDelayedCalls()), (2, [], []))
        for line in lines:
            line.send(GOOD)
        self.hub.deliver()
        self.assertEqual(self.states(self.worker), [HealthState.UP, HealthState.UP])
        self.probes.stopService()
        self.hub.deliver()
        self.assertEqual(self.states(self.worker), [HealthState.UP, HealthState.UP])
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_passive(self) -> None:
        """A server that a worker's request found refusing is down for all once the parent has counted it."""
        self.probes.startService()
        self.network.advance(2 * PACE)
        self.network.advance(0)
        for backend in self.network._backends.values():
            backend.line.send(GOOD)
        self.hub.deliver()
        another = self.made_worker()
        for _, payload in self.probes.publisher.present():
            for heard in self.hub.members[-1].subscribers["health"]:
                heard(payload)
        self.assertEqual(self.states(another), [HealthState.UP, HealthState.UP])
        [(_, server)] = self.worker.backends.items()
        for _ in range(3):
            server.refused()
        self.hub.deliver()
        self.assertEqual(self.states(another), [HealthState.DOWN, HealthState.UP])
        self.probes.stopService()

    def test_reload(self) -> None:
        """Servers that stay keep their health, in the parent and in the worker, and their probes keep their times;
        one that came is probed at once, and one that went no more.
        """
        self.probes.startService()
        self.network.advance(2 * PACE)
        self.network.advance(0)
        for backend in self.network._backends.values():
            backend.line.send(GOOD)
        self.hub.deliver()
        plan = self.plan(("127.0.0.1:9000", "127.0.0.1:9001"))
        prepared = self.probes.prepare(plan)
        generation = Generation.make(plan, self.shared, previous=self.worker)
        self.assertEqual(self.hub.waiting, deque())
        self.probes.commit(prepared)
        generation.take_over(self.worker)
        self.worker.prober.stopService()
        generation.prober.startService()
        self.addCleanup(generation.prober.stopService)
        self.hub.deliver()
        states = dict(zip(self.ports(generation), self.states(generation), strict=True))
        self.assertEqual(sorted(state.value for state in states.values()), ["Unknown", "Up"])
        self.network.advance(2 * PACE)
        self.network.advance(0)
        fresh = self.network.backend(next(port for port, state in states.items() if state is HealthState.UNKNOWN))
        self.assertEqual([backend.attempts for backend in self.network._backends.values()], [1, 1, 1])
        fresh.line.send(GOOD)
        self.hub.deliver()
        self.assertEqual(self.states(generation), [HealthState.UP, HealthState.UP])
        self.network.advance(60)
        self.assertEqual(sorted(backend.attempts for backend in self.network._backends.values()), [1, 2, 2])
        self.probes.stopService()

    @staticmethod
    def ports(generation: Generation) -> list[int]:
        """Of the servers of a worker."""
        servers: Any = (*generation.backends.items(), *generation.relay_backends.items())
        return [key[2] for key, _ in servers]
