"""What waits, and what is valid: two clocks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.transport.clocks import LOOK, NOTIFIED_AT_ONCE, WallClock, count_monotonically
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests import clients, gateways, relays
from tests.clocks import SettableClock
from tests.exchange.test_exchange import UPGRADE
from tests.http_backends import OK, SWITCH
from tests.wires import Line, Network

HOUR = 3600.0


class WallClockTests(SynchronousTestCase):
    """The system's time, and its steps."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = SettableClock(self.clock)
        self.wall.ahead = 1_700_000_000.0
        self.told: list[str] = []

    def subscribe(self, name: str) -> None:
        """A verdict whose end is a time of the system."""
        self.wall.subscribe(lambda: self.told.append(name))

    def test_steps(self) -> None:
        """A second after it was set, forward or back, every subscriber is notified once, and the log has the
        difference.
        """
        self.wall.startService()
        self.subscribe("a")
        self.subscribe("b")
        for step, direction in ((HOUR, "forward"), (-2 * HOUR, "back")):
            self.wall.ahead += step
            with capturedLogs() as events:
                self.clock.pump([LOOK] * 10)
            self.assertEqual(self.told, ["a", "b"])
            [event] = events
            self.assertIn(f"was set {direction} by {abs(step):.0f} s", formatEvent(event))
            self.told.clear()
        self.assertEqual(self.wall.seconds(), self.clock.seconds() + self.wall.ahead)

    def test_no_step(self) -> None:
        """A clock that is only slewed notifies no subscriber, until it is a second away from where it was."""
        self.wall.startService()
        self.subscribe("a")
        for _ in range(9):
            self.wall.ahead += 0.1
            self.clock.advance(LOOK)
        self.assertEqual(self.told, [])
        self.wall.ahead += 0.2
        self.clock.advance(LOOK)
        self.assertEqual(self.told, ["a"])

    def test_stopped_between_readings(self) -> None:
        """A process that was stopped for an hour while it read its clocks sees no step."""

        def stopped_before() -> float:
            self.clock.rightNow += HOUR
            return self.clock.seconds() + self.wall.ahead

        def stopped_after() -> float:
            now = self.clock.seconds() + self.wall.ahead
            self.clock.rightNow += HOUR
            return now

        self.wall.startService()
        self.subscribe("a")
        for reading in (stopped_before, stopped_after):
            self.wall.seconds = reading
            self.wall._look()
            self.assertEqual(self.told, [])

    def test_many(self) -> None:
        """Many are notified in several turns, except those that have left meanwhile."""
        self.wall.startService()
        leave = [self.wall.subscribe(lambda n=n: self.told.append(str(n))) for n in range(2 * NOTIFIED_AT_ONCE + 1)]  # type: ignore[misc]
        self.wall.ahead -= HOUR
        self.wall._look()
        self.assertEqual(len(self.told), NOTIFIED_AT_ONCE)
        leave[NOTIFIED_AT_ONCE]()
        self.clock.advance(0)
        self.assertEqual(len(self.told), 2 * NOTIFIED_AT_ONCE)
        self.assertNotIn(str(NOTIFIED_AT_ONCE), self.told)

    def test_another_step_meanwhile(self) -> None:
        """A step while many are still being notified of the last one begins again, for all of them."""
        self.wall.startService()
        for n in range(NOTIFIED_AT_ONCE + 1):
            self.wall.subscribe(lambda n=n: self.told.append(str(n)))  # type: ignore[misc]
        self.wall.ahead -= HOUR
        self.wall._look()
        self.wall.ahead -= HOUR
        self.wall._look()
        self.clock.advance(0)
        self.assertEqual(len(self.told), NOTIFIED_AT_ONCE + NOTIFIED_AT_ONCE + 1)

    def test_defect(self) -> None:
        """A subscriber that raises is logged, and the others are notified."""

        def defective() -> None:
            raise RuntimeError

        self.wall.startService()
        self.wall.subscribe(defective)
        self.subscribe("a")
        self.wall.ahead += HOUR
        self.clock.advance(LOOK)
        self.assertEqual((self.told, len(self.flushLoggedErrors(RuntimeError))), (["a"], 1))

    def test_ends(self) -> None:
        """Once it is stopped no timer is left, and no subscriber is notified; a stop without a start does nothing."""
        self.wall.stopService()
        self.wall.startService()
        for n in range(NOTIFIED_AT_ONCE + 1):
            self.wall.subscribe(lambda n=n: self.told.append(str(n)))  # type: ignore[misc]
        self.wall.ahead += HOUR
        self.wall._look()
        self.wall.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_system(self) -> None:
        """Without another one it is the system's time, in seconds since 1970."""
        self.assertIs(WallClock(self.clock).seconds, time.time)


class ReactorTests(SynchronousTestCase):
    """Reactors that wait by a time that cannot be set."""

    def reactor(self) -> SelectReactor:
        """One of Twisted's that is not the process's."""
        reactor = SelectReactor()
        self.addCleanup(reactor.fireSystemEvent, "shutdown")
        self.addCleanup(reactor.disconnectAll)
        return reactor

    def test_twisted(self) -> None:
        """Twisted's takes the monotonic time, for its delayed calls too, and stays so."""
        reactor = self.reactor()
        self.assertTrue(count_monotonically(reactor))
        self.assertIs(reactor.seconds, time.monotonic)
        call = reactor.callLater(HOUR, lambda: None)
        self.assertLess(abs(call.getTime() - time.monotonic() - HOUR), 60)
        self.assertLessEqual(reactor.timeout() or 0.0, HOUR)
        self.assertTrue(count_monotonically(reactor))

    def test_scheduled(self) -> None:
        """One on which something waits by the system's time already cannot be changed."""
        reactor = self.reactor()
        reactor.callLater(HOUR, lambda: None)
        self.assertFalse(count_monotonically(reactor))

    def test_own_time(self) -> None:
        """One with a time of its own is left alone."""
        clock = Clock()
        self.assertFalse(count_monotonically(clock))
        self.assertEqual(clock.seconds(), 0.0)


@attrs.frozen
class Scene:
    """A waiter: whether that is over, on which clock it was, and the system's clock beside that."""

    over: Callable[[], object]
    clock: Clock
    wall: SettableClock


def _client_over_http(request: bytes, *more: Callable[[Line, gateways.Stand], object], **limits: Any) -> Scene:
    """A client that has sent this, and what happened next; it waits for what comes, be it the end."""
    network = Network()
    stand = gateways.Stand(network, **limits)
    connection = Connection(network, NO_OUTBOX)
    line = network.dial(connection)
    stand.begin(connection)
    line.send(request)
    for each in more:
        each(line, stand)
    line.take()
    return Scene(lambda: line.received or line.eof, network, stand.wall)


def _answers(data: bytes) -> Callable[[Line, gateways.Stand], None]:
    """The server answers."""

    def answer(line: Line, stand: gateways.Stand) -> None:
        stand.port.clock.backend(9000).line.send(data)  # type: ignore[attr-defined]

    return answer


def _silent_server() -> Scene:
    network = Network()
    stand = gateways.Stand(network)
    network.backend(9000).silent = True
    connection = Connection(network, NO_OUTBOX)
    line = network.dial(connection)
    stand.begin(connection)
    line.send(clients.GET)
    return Scene(lambda: line.received, network, stand.wall)


def _reads_nothing() -> Scene:
    """A client that asks for much, and takes nothing."""
    network = Network()
    stand = gateways.Stand(network)
    connection = Connection(network, NO_OUTBOX)
    line = network.dial(connection)
    stand.begin(connection)
    line.send(clients.GET)
    line.stall(1000)
    network.backend(9000).line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
    return Scene(lambda: line.eof, network, stand.wall)


def _idle_server_connection() -> Scene:
    """A connection to a server that no request uses."""
    network = Network()
    stand = gateways.Stand(network)
    connection = Connection(network, NO_OUTBOX)
    line = network.dial(connection)
    stand.begin(connection)
    line.send(clients.GET)
    server = network.backend(9000).line
    server.send(OK)
    line.hang_up()
    return Scene(lambda: server.eof, network, stand.wall)


def _silent_in_the_handshake(*keys: str) -> Scene:
    gateway = clients.Gateway(clients.text("strict strict" + "".join(keys)))
    client = gateway.client()
    client.take()
    return Scene(lambda: client.transport.ended, gateway.reactor, gateway.wall)


def _relayed(*, silent_server: bool) -> Scene:
    """A client of L4 that sends nothing more, or whose server does not accept."""
    stand = relays.Stand(relays.text("tcp tcp"))
    stand.backend().silent = silent_server
    line = stand.dial()
    return Scene(lambda: line.eof, stand.network, stand.wall)


WAITS: dict[str, Callable[[], Scene]] = {
    "the handshake": _silent_in_the_handshake,
    "a PROXY header": lambda: _silent_in_the_handshake("; accept_proxy_protocol = 192.0.2.0/24"),
    "a request's head": lambda: _client_over_http(b"GET / HT"),
    "a request's body": lambda: _client_over_http(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"),
    "the next request": lambda: _client_over_http(clients.GET, _answers(OK)),
    "a response": lambda: _client_over_http(clients.GET),
    "the rest of a response": lambda: _client_over_http(clients.GET, _answers(OK[:-1])),
    "connecting": _silent_server,
    "a tunnel": lambda: _client_over_http(UPGRADE, _answers(SWITCH)),
    "a client that reads nothing": _reads_nothing,
    "a server's idle connection": _idle_server_connection,
    "an L4 session": lambda: _relayed(silent_server=False),
    "connecting on L4": lambda: _relayed(silent_server=True),
}

PACE = 0.25
"""Seconds of one look whether the wait is over."""

LONGEST = 600.0
"""More than anything here waits."""


class WaitsTests(SynchronousTestCase):
    """Waits are as long as before, and validity follows the system's clock."""

    def lasts(self, scene: Scene, step: float) -> float:
        """How long the wait is, while the system's clock is set right after its begin."""
        self.assertFalse(scene.over(), "not even begun")
        scene.wall.startService()
        began = scene.clock.seconds()
        scene.wall.step(step)
        while not scene.over():
            self.assertLess(scene.clock.seconds() - began, LONGEST, "lasts for ever")
            scene.clock.advance(PACE)
        return scene.clock.seconds() - began

    def test_waits(self) -> None:
        """Nothing is over sooner or later because the system's clock was set by an hour, forward or back."""
        for name, waits in WAITS.items():
            lasting = self.lasts(waits(), 0.0)
            self.assertGreater(lasting, 2.0, name)
            for step in (HOUR, -HOUR):
                with self.subTest(wait=name, step=step):
                    self.assertEqual(self.lasts(waits(), step), lasting)

    def expiring(self) -> tuple[clients.Gateway, clients.Client, float]:
        """A client that is let in, and in how many seconds its certificate ends."""
        gateway = clients.Gateway(clients.text("strict strict"))
        gateway.wall.startService()
        client = gateway.shake_hands(clients.client_context(clients.device()))
        found = client.connection.receiver._session.client  # type: ignore[attr-defined]
        self.assertIsInstance(found.verdict, Trusted)
        return gateway, client, found.until - gateway.wall.seconds()

    def test_expired_by_a_step(self) -> None:
        """A connection whose certificate has expired by the new time ends; one whose has not lives on."""
        gateway, client, left = self.expiring()
        gateway.wall.step(left - HOUR)
        client.talk()
        self.assertFalse(client.lost)
        gateway.wall.step(HOUR)
        client.talk()
        self.assertTrue(client.lost)

    def test_expired_on_l4(self) -> None:
        """So does a session of L4."""
        stand = relays.Stand(relays.text("mqtt strict"))
        stand.wall.startService()
        client = stand.shake_hands(clients.client_context(clients.device()))
        [session] = {*stand.port._sessions.values()}
        stand.wall.step(session.client.until - stand.wall.seconds())  # type: ignore[attr-defined]
        stand.network.advance(0)
        self.assertTrue(client.line.eof)

    def test_judged_by_the_wall(self) -> None:
        """A handshake is judged by the system's time, whatever the reactor's says."""
        gateway, _, left = self.expiring()
        gateway.reactor.advance(2 * left)
        gateway.wall.step(-2 * left)
        client = gateway.shake_hands(clients.client_context(clients.device()))
        self.assertIsInstance(client.connection.receiver._session.client.verdict, Trusted)  # type: ignore[attr-defined]
        gateway.wall.step(left + HOUR)
        self.assertEqual(gateway.shake_hands(clients.client_context(clients.device())).alerts[-1][0], clients.FATAL)
