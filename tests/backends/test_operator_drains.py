"""Servers that an operator has taken out."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.operator_drains import DRAINED, DrainKey, OperatorDrains, pools_in_force
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool, RoundRobin
from tests.hubs import Hub


class Server(Target):
    """A server of a pool."""

    def __init__(self, host: str) -> None:
        super().__init__(Clock(), 30.0)
        self.host, self.port = host, 80


class Pools:
    """The pools of a configuration: their servers by the names of pool and settings."""

    def __init__(self, **servers: tuple[Server, ...]) -> None:
        self._servers = servers

    def placed(self) -> list[tuple[tuple[str, str], Pool[Any]]]:
        """As operator_drains.PlacedPools says; each name is that of pool and settings, with two underscores between."""
        found = [(tuple(name.split("__")), servers) for name, servers in self._servers.items()]
        return [((pool, settings), Pool(servers, RoundRobin())) for (pool, settings), servers in found]


def key(host: str, settings: str = "s", kind: str = "backend_http_settings") -> DrainKey:
    """What a server is known by."""
    return (kind, settings, host, 80)


class OperatorDrainsTests(SynchronousTestCase):
    """A parent and two workers."""

    def setUp(self) -> None:
        self.hub = Hub()
        self.parent = OperatorDrains(self.hub.member(), publishes=True)
        self.servers = self.used(self.parent)
        self.worker = OperatorDrains(self.hub.member())
        self.worker_servers = self.used(self.worker)

    def used(self, drains: OperatorDrains) -> dict[str, Server]:
        """The servers a and b, which a process has in force."""
        servers = {host: Server(host) for host in "ab"}
        drains.use(pools_in_force(Pools(p__s=tuple(servers.values())), Pools()))
        return servers

    @staticmethod
    def out(servers: dict[str, Server]) -> str:
        """The hosts that are out."""
        return "".join(host for host, server in servers.items() if server.drained_by_operator)

    def test_in_all_processes(self) -> None:
        """What the parent is asked for is so in all processes; a worker publishes nothing."""
        self.assertTrue(self.parent.drain(key("a")))
        self.hub.deliver()
        self.assertEqual((self.out(self.servers), self.out(self.worker_servers)), ("a", "a"))
        self.assertFalse(self.worker.drain(key("a")))
        self.parent.undrain(key("a"))
        self.hub.deliver()
        self.assertEqual((self.out(self.servers), self.out(self.worker_servers)), ("", ""))
        self.worker.drain(key("b"))
        self.assertEqual(list(self.hub.waiting), [])

    def test_new_workers(self) -> None:
        """A worker that begins later has what was presented to it, before or after it has servers."""
        self.parent.drain(key("b"))
        [(topic, payload)] = self.parent.present()
        self.assertEqual(topic, DRAINED)
        member = self.hub.member()
        late = OperatorDrains(member)
        [heard] = member.subscribers[DRAINED]
        heard(payload)
        self.assertEqual(self.out(self.used(late)), "b")

    def test_another_configuration(self) -> None:
        """A server that the next configuration has stays out, as another object too; one that it lacks is forgotten."""
        for host in "ab":
            self.parent.drain(key(host))
        following = {"a": Server("a"), "c": Server("c")}
        self.parent.use(pools_in_force(Pools(p__s=tuple(following.values())), Pools()))
        self.assertEqual(self.out(following), "a")
        self.assertEqual(self.out(self.used(self.parent)), "a")

    def test_several_names(self) -> None:
        """A server that settings of several names lead to is out under each, and in again by any."""
        server = Server("a")
        self.parent.use(pools_in_force(Pools(p__s=(server,), q__t=(server,)), Pools()))
        self.parent.drain(key("a"))
        self.assertIn(key("a", "t"), self.parent)
        self.assertTrue(self.parent.undrain(key("a", "t")))
        self.assertFalse(server.drained_by_operator)

    def test_kinds(self) -> None:
        """Settings of HTTP and of L4 may have one name: they are two servers."""
        http, relay = Server("a"), Server("a")
        self.parent.use(pools_in_force(Pools(p__s=(http,)), Pools(p__s=(relay,))))
        self.parent.drain(key("a", kind="backend_settings"))
        self.assertEqual((http.drained_by_operator, relay.drained_by_operator), (False, True))

    def test_unknown(self) -> None:
        """A server that there is not is not drained."""
        self.assertRaises(KeyError, self.parent.drain, key("c"))

    def test_heard_of(self) -> None:
        """A subscriber hears of each change that an operator makes, and of none that a process only follows."""
        heard: list[tuple[str, bool]] = []
        self.parent.changed = self.worker.changed = lambda server, _, drained: heard.append((server, drained))
        self.parent.drain(key("a"))
        self.hub.deliver()
        self.parent.undrain(key("a"))
        self.hub.deliver()
        self.assertEqual(heard, [("a:80 (s)", True), ("a:80 (s)", False)])

    def test_logged(self) -> None:
        """The log says what an operator does, and repeats it for nothing that is so already."""
        with capturedLogs() as events:
            for _ in range(2):
                self.parent.drain(key("a"))
            self.parent.undrain(key("a"))
        self.assertEqual(
            [formatEvent(event) for event in events],
            [
                "Backend server a:80 (s) is drained by an operator",
                "Backend server a:80 (s) is taken in again by an operator",
            ],
        )
