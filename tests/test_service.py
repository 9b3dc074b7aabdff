"""The gateway as a whole: built, started, stopped in stages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase

from agwtwisted.backends.operator_drains import OperatorDrains
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import Config
from agwtwisted.generation import Generation
from agwtwisted.interfaces import NO_SIBLINGS
from agwtwisted.listening.listener import bind
from agwtwisted.operations.events import Events
from agwtwisted.revocation.crl_files import NO_CRL_FILES
from agwtwisted.revocation.held_staples import HeldStaples
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED
from agwtwisted.revocation.sqlite_store import SqliteStore
from agwtwisted.service import LOG_SHARE, GatewayService, build
from agwtwisted.shared import ALONE
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.deferreds import TrackedSet
from tests import clients, configurations
from tests.gateways import gateway
from tests.revocations import PROFILE
from tests.running import free_ports
from tests.sockets import NONSENSE, connected, read, until

DRAIN = 30.0


class Stage:
    """Notes events in a common list, in order."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def tell(self, what: str) -> Callable[[], None]:
        """Notifies it when called."""
        return lambda: self.told.append(what)


class Port(Stage):
    """A port whose connections the test ends."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(told)
        self.connections: TrackedSet[str] = TrackedSet()
        self.drain = self.tell("drain")

    def abort(self) -> None:
        """Ends every connection at once: the reactor reports it in its next turn."""
        self.told.append("abort")

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self.connections)

    def lose(self) -> None:
        """Every connection is gone."""
        for each in self.connections.snapshot():
            self.connections.discard(each)


class FakeListener(Service, Stage):
    """A listener whose socket is closed when the test says so."""

    def __init__(self, told: list[str], number: int) -> None:
        Stage.__init__(self, told)
        self.setName(f"listener {number}")
        self.port = Port(told)
        self.closed: Deferred[None] = succeed(None)

    def startService(self) -> None:
        """Starts."""
        super().startService()
        self.told.append("listen")

    def stopService(self) -> Deferred[None]:
        """Stops."""
        self.told.append("stop listening")
        return self.closed


class FakeRevocation(Service, Stage):
    """Stores what it has learnt when the test says so, at once by default."""

    name = "revocation"

    def __init__(self, told: list[str]) -> None:
        Stage.__init__(self, told)
        self.stored: Deferred[None] = succeed(None)

    def startService(self) -> None:
        """Starts."""
        super().startService()
        self.told.append("ask")

    def stopService(self) -> Deferred[None]:
        """Stops."""
        self.told.append("stop asking")
        return self.stored


class FakeProber(Service, Stage):
    """Probes no server."""

    name = "probes"

    def __init__(self, told: list[str]) -> None:
        Stage.__init__(self, told)

    def startService(self) -> None:
        """Starts."""
        super().startService()
        self.told.append("probe")

    def stopService(self) -> None:
        """Stops."""
        self.told.append("stop probing")


class FakeLog(Service, Stage):
    """An access log that is written when the test says so."""

    name = "access log"

    def __init__(self, told: list[str]) -> None:
        Stage.__init__(self, told)
        self.written: Deferred[None] = Deferred()

    def startService(self) -> None:
        """Starts."""
        super().startService()
        self.told.append("open log")

    def stopService(self) -> Deferred[None]:
        """Stops."""
        self.told.append("close log")
        return self.written


class StagesTests(SynchronousTestCase):
    """The stop, on a clock."""

    def setUp(self) -> None:
        self.told: list[str] = []
        self.clock = Clock()
        self.listeners = [FakeListener(self.told, 1), FakeListener(self.told, 2)]
        self.log = FakeLog(self.told)
        self.revocation = FakeRevocation(self.told)
        self.service = self.of(DRAIN)
        self.connections = self.listeners[0].port.connections

    def of(self, drain_timeout: float) -> GatewayService:
        """The service of these parts."""
        backends, relay_backends, resolver = (Stage(self.told) for _ in range(3))
        backends.close_idle = self.listeners[0].tell("close idle")  # type: ignore[attr-defined]
        backends.placed = relay_backends.placed = tuple  # type: ignore[attr-defined]
        relay_backends.stop = resolver.stop = lambda: None  # type: ignore[attr-defined]
        shared: Any = SimpleNamespace(
            reactor=self.clock,
            wall=(wall := WallClock(self.clock, self.clock.seconds)),
            access_log=self.log,
            revocation=self.revocation,
            staples=HeldStaples(wall),
            cold_client=SimpleNamespace(stop=lambda: None),
            crl_lists=SimpleNamespace(files=NO_CRL_FILES),
            knowledge=NOTHING_SHARED,
            resolver=resolver,
            place=ALONE,
            events=Events(self.clock),
            drains=OperatorDrains(NO_SIBLINGS),
        )
        made: Any = {
            "plan": Plan.of(Config(gateway=gateway(drain_timeout=drain_timeout))),
            "contexts": {},
            "ports": {("127.0.0.1", number): each.port for number, each in enumerate(self.listeners)},
            "backends": backends,
            "relay_backends": relay_backends,
            "prober": FakeProber(self.told),
        }
        listeners: Any = {("127.0.0.1", number): each for number, each in enumerate(self.listeners)}
        return GatewayService(shared, Generation(**made), listeners)

    def test_start(self) -> None:
        """The log is open, and the first probes are out, before a port listens."""
        self.service.privilegedStartService()
        self.service.startService()
        self.assertEqual(self.told, ["open log", "ask", "probe", "listen", "listen"])

    def test_nothing_to_wait_for(self) -> None:
        """Listeners, connections, backends and log end in this order, at once where nothing is under way."""
        stopped = self.service.stopService()
        drained = ["stop listening", "stop listening", "drain", "drain", "stop probing"]
        self.assertEqual(self.told, [*drained, "close idle", "stop asking", "close log"])
        self.assertNoResult(stopped)
        self.log.written.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_waits_for_listeners(self) -> None:
        """Nothing is drained before every socket is closed: no connection comes after that."""
        self.listeners[1].closed = Deferred()
        stopped = self.service.stopService()
        self.assertNotIn("drain", self.told)
        self.listeners[1].closed.callback(None)
        self.assertIn("drain", self.told)
        self.assertNoResult(stopped)

    def test_waits_for_connections(self) -> None:
        """Connections to backends and the log stay until the last connection is gone."""
        self.connections.add("exchange")
        stopped = self.service.stopService()
        self.assertNotIn("close idle", self.told)
        self.clock.advance(DRAIN * (1 - LOG_SHARE) - 1)
        self.assertNotIn("abort", self.told)
        self.connections.discard("exchange")
        self.log.written.callback(None)
        self.successResultOf(stopped)
        self.assertNotIn("abort", self.told)

    def test_without_limit(self) -> None:
        """A stop that is to drain without limit waits for the last connection; then the log has its time."""
        self.service.drain_without_limit()
        self.assertIsNone(self.service.drain_limit)
        self.connections.add("exchange")
        stopped = self.service.stopService()
        self.clock.advance(100 * DRAIN)
        self.assertNotIn("abort", self.told)
        self.connections.discard("exchange")
        self.clock.advance(DRAIN - 1)
        self.assertNoResult(stopped)
        self.log.written.callback(None)
        self.successResultOf(stopped)

    def test_drain_timeout(self) -> None:
        """Those that are still there when the time is over are aborted, and the rest of the time is the log's."""
        for listener in self.listeners:
            listener.port.connections.add("exchange")
        stopped = self.service.stopService()
        self.clock.advance(DRAIN * (1 - LOG_SHARE))
        self.assertEqual(self.told[-2:], ["abort", "abort"])
        for listener in self.listeners:
            self.assertNotIn("close log", self.told)  # which has lines to come
            listener.port.lose()
        self.assertEqual(self.told[-3:], ["close idle", "stop asking", "close log"])
        self.assertNoResult(stopped)
        self.log.written.callback(None)
        self.successResultOf(stopped)

    def test_log_that_hangs(self) -> None:
        """A log that cannot be written does not hold up the end beyond drain_timeout."""
        self.connections.add("exchange")
        stopped = self.service.stopService()
        self.clock.advance(DRAIN * (1 - LOG_SHARE))
        self.listeners[0].port.lose()
        self.assertNoResult(stopped)
        self.clock.advance(DRAIN * LOG_SHARE)
        self.successResultOf(stopped)

    def test_store_that_hangs(self) -> None:
        """Responses that cannot be stored leave the log half of the time that is left."""
        self.revocation.stored = Deferred()
        stopped = self.service.stopService()
        self.assertNotIn("close log", self.told)
        self.clock.advance(DRAIN / 2)
        self.assertIn("close log", self.told)
        self.assertNoResult(stopped)
        self.clock.advance(DRAIN / 2)
        self.successResultOf(stopped)

    def test_no_time_at_all(self) -> None:
        """With drain_timeout 0 connections are aborted at once, and the log has a moment."""
        self.service = self.of(0.0)
        self.connections.add("exchange")
        stopped = self.service.stopService()
        self.clock.advance(0)
        self.assertIn("abort", self.told)
        self.listeners[0].port.lose()
        self.clock.advance(0.05)
        self.assertNoResult(stopped)
        self.log.written.callback(None)
        self.successResultOf(stopped)


def on_ports(directory: Path, *ports: int) -> Config:
    """A configuration with plain listeners on these ports of 127.0.0.1, and one with TLS on the last."""
    configuration = clients.text(*(f"l{port} -; address = 127.0.0.1" for port in ports))
    for port in ports:
        head = f"[http_listener l{port}]\nport = "
        configuration = configuration.replace(f"{head}8443", f"{head}{port}")
    for port in ports[:-1]:
        secure = f"port = {port}\nprotocol = Https\nssl_certificate = site\n"
        configuration = configuration.replace(secure, f"port = {port}\nprotocol = Http\n")
    configuration = configuration.replace(
        "access_log = -", f"access_log = {directory / 'access.log'}\ndrain_timeout = 1"
    )
    return configurations.load(configuration, clients.files())


class BuildTests(TestCase):
    """A gateway of real parts, on real sockets."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def build(self, *ports: int) -> GatewayService:
        """The service of a configuration on these ports."""
        plan = Plan.of(on_ports(self.directory, *ports))
        return build(plan, reactor, {address: bind(*address) for address in plan.addresses})

    async def test_serves_and_stops(self) -> None:
        """It listens on every port, answers, writes its log, and lets go of every port."""
        ports = free_ports(2)
        service = self.build(*ports)
        listeners = [f"listener 127.0.0.1:{port}" for port in ports]
        stages = ["wall clock", "access log", "revocation", "stapling", "probes"]
        names = [*stages, *listeners, "followed files", "grown buffers", "happenings"]
        self.assertEqual([each.name for each in service], names)
        service.startService()
        for port in ports:
            with closing(connected(("127.0.0.1", port))) as client:
                client.send(NONSENSE)
                answer: list[bytes] = []
                await until(lambda client=client, answer=answer: answer.append(read(client) or b"") or any(answer))
                self.assertIn(b"HTTP/1.1 400 ", b"".join(answer))
        idle = connected(("127.0.0.1", ports[0]))
        self.addCleanup(idle.close)
        await until(lambda: len(service.listeners[0].port.connections) == 1)
        await service.stopService()
        self.assertEqual(read(idle), b"")
        for port in ports:
            bind("127.0.0.1", port).close()
        self.assertEqual(len((self.directory / "access.log").read_text().splitlines()), 2)

    async def test_dropped_headers_are_told(self) -> None:
        """The log says which request header of which port does not reach the backends."""
        (number,) = free_ports(1)
        service = self.build(number)
        with capturedLogs() as events:
            service.listeners[0].port.handling.parser.names.drop(b"X_Own")
        [event] = events
        self.assertIn(f"127.0.0.1:{number}: request header b'X_Own' dropped (1 times so far)", formatEvent(event))
        await service.stopService()

    async def test_limits_are_the_gateways(self) -> None:
        """All ports count into the same limits, and the TLS port alone has contexts."""
        service = self.build(*free_ports(2))
        plain, secure = (listener.port for listener in service.listeners)
        self.assertIs(plain.limits, secure.limits)
        self.assertEqual((plain._contexts is None, secure._contexts is None), (True, False))
        await service.stopService()

    async def test_affinity_key(self) -> None:
        """Cookies get a key in the state directory, where there is one and cookies are set."""
        key = self.directory / "state" / "affinity.key"
        for settings, directory, expected in (
            ("cookie_based_affinity = Disabled", f"state_directory = {key.parent}\n", False),
            ("cookie_based_affinity = Enabled", "", False),
            ("cookie_based_affinity = Enabled", f"state_directory = {key.parent}\n", True),
        ):
            text = configurations.changed(
                ("port = 9000\n", f"port = 9000\n{settings}\n"),
                ("access_log = -\n", directory),
            )
            plan = configurations.plan(text, clients.files())
            (self.directory / "state").mkdir(exist_ok=True)
            await build(plan, reactor, {address: bind("127.0.0.1", 0) for address in plan.addresses}).stopService()
            self.assertEqual(key.exists(), expected)

    async def test_probes(self) -> None:
        """Every server that a rule leads to is watched."""
        service = self.build(*free_ports(2))
        self.assertEqual(len(service.generation.prober._watches), 1)
        await service.stopService()

    async def test_clocks(self) -> None:
        """Validity, stored answers and the log's lines are of the given time; the reactor's is not asked for it."""
        config = on_ports(self.directory, *free_ports(1))
        asking = {each: attrs.evolve(each, ssl_profile=PROFILE) for each in config.http_listeners}
        config = attrs.evolve(
            config,
            gateway=attrs.evolve(config.gateway, state_directory=str(self.directory / "state")),
            http_listeners=tuple(asking.values()),
            request_routing_rules=tuple(
                attrs.evolve(each, http_listener=asking[each.http_listener]) for each in config.request_routing_rules
            ),
        )
        plan = Plan.of(config)
        sockets = {address: bind(*address) for address in plan.addresses}
        service = build(plan, reactor, sockets, seconds=lambda: 1e9)
        store = service.shared.ocsp_answers._store
        assert isinstance(store, SqliteStore)
        for seconds in (service.shared.revocation.seconds, store._seconds, service.listeners[0].port.wall.seconds):
            self.assertEqual(seconds(), 1e9)
        self.assertEqual(service.shared.access_log.timestamp(), b"2001-09-09T01:46:40+00:00")
        await service.stopService()

    def test_log_that_cannot_be_opened(self) -> None:
        """A log that cannot be opened is an error of the start."""
        config = on_ports(self.directory / "missing", *free_ports(1))
        with self.assertRaises(OSError):
            build(Plan.of(config), reactor, {})
