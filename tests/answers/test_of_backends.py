"""Answers about backend servers, and draining."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.answers.of_backends import BackendAnswers
from agwtwisted.backends.operator_drains import OperatorDrains, pools_in_force
from agwtwisted.backends.pools import Backends
from agwtwisted.core.backends.health import LastProbe
from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.interfaces import NO_SIBLINGS
from agwtwisted.relay.backends import RelayBackends
from tests import configurations
from tests.core.operations.test_listeners_in_force import RELAY
from tests.wires import Network

SERVER = {"pool": "app", "settings": "app", "server": "127.0.0.1:9000"}
WALL = 1_000_000.0


class BackendAnswersTests(SynchronousTestCase):
    """The servers of a configuration with HTTP and L4."""

    def setUp(self) -> None:
        network: Any = Network()
        plan = configurations.plan(configurations.GOOD + RELAY)
        backends, relay_backends = Backends(network), RelayBackends(network, None)  # type: ignore[arg-type]
        for pool, settings in plan.routes:
            [self.server] = backends.pool(pool, settings).servers
        for pool, relay_settings in plan.relay_routes:
            [self.relay_server] = relay_backends.pool(pool, relay_settings).servers
        self.addCleanup(self.server.stop)
        pools = pools_in_force(backends, relay_backends)
        self.drains = OperatorDrains(NO_SIBLINGS)
        self.drains.use(pools)
        self.clock = Clock()
        self.answers = BackendAnswers(lambda: (plan, pools), self.drains, self.clock.seconds, lambda: WALL)

    def shown(self) -> Any:
        """The members of the HTTP server."""
        return self.answers.backends()["backend_pools"][0]["backend_settings"][0]["servers"][0]

    def refused(self, **changes: Any) -> int:
        """The status with which such a drain is refused."""
        with self.assertRaises(QuestionError) as caught:
            self.answers.drain({**SERVER, **changes}, drained=True)
        return caught.exception.status

    def test_health(self) -> None:
        """A server has its state, since when, and what its last probe has found, in wall time."""
        self.clock.advance(100)
        self.server.found(self.server.health.succeeded(40.0))
        self.server.last_probe = LastProbe(at=90.0, log="Success. Received 200 status code")
        found = self.shown()
        self.assertEqual((found["health"], found["health_probe_log"]), ("Up", "Success. Received 200 status code"))
        self.assertEqual((found["since"], found["last_probe"]), ("1970-01-12T13:45:40Z", "1970-01-12T13:46:30Z"))

    def test_unknown(self) -> None:
        """A server that was not probed has neither."""
        found = self.shown()
        self.assertEqual((found["health"], found["since"], found["last_probe"]), ("Unknown", None, None))

    def test_drain(self) -> None:
        """A server is out by the names of its pool and settings, and its address; the one of L4 is another."""
        self.assertEqual(self.answers.drain(SERVER, drained=True), {"outcome": "drained"})
        self.assertEqual((self.shown()["health"], self.shown()["draining"]), ("Draining", True))
        self.assertEqual(self.answers.drain(SERVER, drained=True), {"outcome": "unchanged"})
        self.assertFalse(self.relay_server.drained_by_operator)
        self.assertEqual(self.answers.drain(SERVER, drained=False), {"outcome": "undrained"})
        self.assertEqual(self.shown()["health"], "Unknown")

    def test_relay(self) -> None:
        """So is one of L4."""
        relay = {"pool": "app", "settings": "raw", "server": "127.0.0.1:9000"}
        self.assertEqual(self.answers.drain(relay, drained=True), {"outcome": "drained"})
        self.assertTrue(self.relay_server.drained_by_operator)

    def test_no_such_server(self) -> None:
        """Names of nothing are not found, and what is no address is refused as such."""
        for changes in ({"pool": "b"}, {"settings": "b"}, {"server": "127.0.0.1:9009"}, {"server": "b:9000"}):
            self.assertEqual(self.refused(**changes), 404)
        for changes in ({"server": "a b"}, {"server": "127.0.0.1:http"}, {"server": ""}, {"server": 3}):
            self.assertEqual(self.refused(**changes), 400)
