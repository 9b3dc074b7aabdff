"""Probes of the servers behind L4 listeners: what is connected to, how, and what comes of it."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.health import Prober
from agwtwisted.backends.reactor_resolver import resolve_by_reactor
from agwtwisted.backends.resolver import Resolver
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.listening.proxy_protocol import LOCAL
from agwtwisted.core.plan.probing import relay_probe
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.certificates import TrustedRootCertificate
from agwtwisted.core.resources.resources import BackendSettings, Listener, Probe, RoutingRule, StreamProtocol
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.relay.probe import ask, relay_watches
from tests.servers import NAME, Server, root
from tests.wires import Line, Network

PORT = 9000
LISTENER = Listener(name="tcp", port=1, protocol=StreamProtocol.TCP)


def plain(**settings: Any) -> BackendSettings:
    """Tcp settings."""
    return BackendSettings(name="s", port=PORT, **settings)


def tls(**settings: Any) -> BackendSettings:
    """Tls settings that trust the tests' servers."""
    trusted = TrustedRootCertificate(name="r", file="", certificates=(root().parsed,))
    return plain(protocol=StreamProtocol.TLS, trusted_root_certificates=(trusted,), **settings)


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.resolver = Resolver(self.network, partial(resolve_by_reactor, self.network))
        self.backends = RelayBackends(self.network, self.resolver)  # type: ignore[arg-type]

    def backend(self, port: int = PORT) -> Any:
        """What answers there."""
        return self.network.backend(port)

    def line(self, port: int = PORT) -> Line:
        """The connection accepted last."""
        line: Line = self.backend(port).line
        return line


class AskTests(_Case):
    """One probe."""

    def ask(self, settings: BackendSettings) -> Any:
        """A probe by these settings, after its first turn."""
        asked = relay_probe(settings, PORT)
        asking = ask(self.backends.server("127.0.0.1", asked.port, settings), asked)
        self.network.advance(0)
        return asking

    def test_tcp(self) -> None:
        """A server that accepts is well; nothing is sent to it, and the connection is closed in good order."""
        found = self.successResultOf(self.ask(plain()))
        self.assertEqual((found, found.log), ("", "Success. The server accepts connections"))
        self.network.advance(0)
        line = self.line()
        self.assertEqual((line.received, line.eof, line.reset, self.network.timers()), (b"", True, False, []))

    def test_refused(self) -> None:
        """A server that refuses is not."""
        self.backend().refusing = True
        self.assertIn("refused", self.successResultOf(self.ask(plain())))

    def test_silent(self) -> None:
        """A server that does not accept within the probe's timeout is not."""
        self.backend().silent = True
        asking = self.ask(plain(probe=Probe(protocol=StreamProtocol.TCP, timeout=5)))
        self.assertNoResult(asking)
        self.network.advance(5)
        self.network.advance(0)
        self.assertIn("timeout", self.successResultOf(asking))

    def test_tls(self) -> None:
        """Over TLS a server is well that proves to be the one which clients are sent to."""
        asking = self.ask(tls())
        server = Server(self.network, self.line())
        server.talk()
        self.assertEqual((self.successResultOf(asking), server.closed), ("", True))

    def test_tls_of_another(self) -> None:
        """One that proves to be another is not; a probe may ask for a name of its own."""
        for name, expected in ((NAME, ""), ("other.example", "not for other.example")):
            self.setUp()
            probe = Probe(protocol=StreamProtocol.TLS, host=name)
            asking = self.ask(tls(probe=probe))
            server = Server(self.network, self.line())
            server.talk()
            self.assertEqual(server.names[0], name)
            self.assertIn(expected, self.successResultOf(asking))

    def test_no_tls(self) -> None:
        """One that accepts and speaks no TLS is not well."""
        asking = self.ask(tls())
        self.line().send(b"220 ready\r\n")
        self.assertTrue(self.successResultOf(asking))

    def test_header(self) -> None:
        """A PROXY protocol header of the gateway's own comes first where the probe says so, or clients have one."""
        own = Probe(protocol=StreamProtocol.TCP, enable_probe_proxy_protocol_header=True)
        without = Probe(protocol=StreamProtocol.TCP)
        for settings, expected in (
            (plain(probe=own), LOCAL),
            (plain(enable_l4_client_ip_preservation=True), LOCAL),
            (plain(enable_l4_client_ip_preservation=True, probe=without), b""),
            (plain(), b""),
        ):
            self.setUp()
            self.successResultOf(self.ask(settings))
            self.assertEqual(self.line().received, expected)

    def test_port(self) -> None:
        """A probe may ask at another port."""
        self.successResultOf(self.ask(plain(probe=Probe(protocol=StreamProtocol.TCP, port=9001))))
        self.assertEqual((self.backend().attempts, self.backend(9001).attempts), (0, 1))

    def test_cancelled(self) -> None:
        """A lookup without waiters ends."""
        self.backend().silent = True
        asking = self.ask(plain())
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(self.network.timers(), [])


class WatchTests(_Case):
    """Every server of every rule."""

    def rule(self, name: str, *hosts: str, settings: BackendSettings | None = None) -> RoutingRule:
        """A rule that leads to these hosts."""
        pool = BackendAddressPool(name=name, backend_addresses=tuple(BackendAddress(host=host) for host in hosts))
        return RoutingRule(
            name=name,
            priority=1,
            listener=LISTENER,
            backend_address_pool=pool,
            backend_settings=settings or plain(),
        )

    def test_watched(self) -> None:
        """Each server is asked, once where two rules lead to it, and its health follows the answers."""
        rules = [self.rule("one", "127.0.0.1", "127.0.0.2"), self.rule("two", "127.0.0.1")]
        self.network.backend(PORT, "127.0.0.2").refusing = True
        routes = [(rule.backend_address_pool, rule.backend_settings) for rule in rules]
        prober = Prober(relay_watches(self.network, self.backends, routes), Random(1))
        prober.startService()
        for _ in range(3):
            self.network.advance(0.1)
        self.assertEqual([self.network.backend(PORT, f"127.0.0.{number}").attempts for number in (1, 2)], [1, 1])
        servers = self.backends.pool(rules[0].backend_address_pool, rules[0].backend_settings).servers
        self.assertEqual([server.state for server in servers], [HealthState.UP, HealthState.DOWN])
        self.network.advance(30)
        self.network.advance(0)
        self.assertEqual(self.network.backend(PORT, "127.0.0.1").attempts, 2)
        prober.stopService()
        self.backends.stop()
        self.network.advance(0)
        self.assertEqual(self.network.timers(), [])
