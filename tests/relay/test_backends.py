"""The servers behind L4 listeners: whose turn it is, and TLS towards them."""

from __future__ import annotations

import gc
import weakref
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectError
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.connecting import UntrustedError
from agwtwisted.backends.reactor_resolver import resolve_by_reactor
from agwtwisted.backends.resolver import Resolver
from agwtwisted.core.backends.health import Health, HealthState
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.certificates import TrustedRootCertificate
from agwtwisted.core.resources.resources import BackendSettings, Probe, StreamProtocol
from agwtwisted.relay.backends import RelayBackends
from tests import pki
from tests.identities import admitted
from tests.servers import NAME, Server, root
from tests.wires import Line, Network, Recorder

TIMEOUT = 10.0


def tls(*roots: pki.Authority, **settings: Any) -> BackendSettings:
    """Tls settings that trust these roots."""
    files = tuple(
        TrustedRootCertificate(name=str(number), file="", certificates=(each.parsed,))
        for number, each in enumerate(roots)
    )
    return BackendSettings(
        name="s", port=9000, protocol=StreamProtocol.TLS, trusted_root_certificates=files, **settings
    )


PLAIN = BackendSettings(name="p", port=9000)


def pool(*hosts: str, name: str = "pool") -> BackendAddressPool:
    """A pool of these hosts."""
    return BackendAddressPool(name=name, backend_addresses=tuple(BackendAddress(host=host) for host in hosts))


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.network.names[NAME] = ["127.0.0.1"]
        names = Resolver(self.network, partial(resolve_by_reactor, self.network))
        self.backends = RelayBackends(self.network, names)  # type: ignore[arg-type]

    def line(self) -> Line:
        """The connection that the server has accepted."""
        line: Line = self.network.backend(9000).line
        return line


class OrderTests(_Case):
    """Whose turn it is."""

    def test_min_servers(self) -> None:
        """So many servers of a pool get sessions whatever their probes find, and these are not cut."""
        probe = Probe(protocol=StreamProtocol.TCP, min_servers=1)
        found = self.backends.pool(pool("a", "b"), BackendSettings(name="p", port=9000, probe=probe))
        for server in found.servers:
            server.found(Health().failed(0, 1))
        self.assertEqual([(server.host, server.state) for server in found.order(admitted())], [("a", HealthState.UP)])
        self.assertEqual([server.draining for server in found.servers], [False, True])

    def test_turns(self) -> None:
        """Each pool takes turns by itself under each settings; a server has its own port or that of the settings."""
        addresses = (BackendAddress(host="127.0.0.1"), BackendAddress(host="::1", port=7))
        both = BackendAddressPool(name="both", backend_addresses=addresses)
        other = BackendSettings(name="other", port=1)
        order = [
            [server.name for server in self.backends.pool(both, each).order(admitted())]
            for each in (PLAIN, PLAIN, other)
        ]
        self.assertEqual(
            order, [["127.0.0.1:9000", "[::1]:7"], ["[::1]:7", "127.0.0.1:9000"], ["127.0.0.1:1", "[::1]:7"]]
        )
        self.assertEqual([*self.backends.pool(pool(name="empty"), PLAIN).order(admitted())], [])

    def test_shared(self) -> None:
        """A server in two pools is one, and in one pool twice is there once; under other settings it is another."""
        one = self.backends.pool(pool("127.0.0.1", "127.0.0.1"), PLAIN).servers
        other = self.backends.pool(pool("127.0.0.1", name="other"), PLAIN).servers
        self.assertEqual((len(one), one), (1, other))
        self.assertNotEqual(self.backends.pool(pool("127.0.0.1"), tls()).servers, one)

    def test_down(self) -> None:
        """A server that is down takes no turns, from the next session on."""
        servers = self.backends.pool(pool("127.0.0.1", "127.0.0.2"), PLAIN)
        for server in servers.servers:
            server.found(Health(state=HealthState.UP))
        self.assertEqual(len([*servers.order(admitted())]), 2)
        servers.servers[0].found(Health(state=HealthState.DOWN))
        self.assertEqual([*servers.order(admitted())], [servers.servers[1]])
        self.backends.stop()
        self.assertEqual(self.network.timers(), [])


class TakenOverTests(_Case):
    """The servers of the next configuration."""

    def test_taken_over(self) -> None:
        """Those that are the same go on, with their health; nothing of the previous backends is referenced."""
        settings = [tls(root()) for _ in range(2)]
        old = self.backends.pool(pool("127.0.0.1", "127.0.0.2"), settings[0]).servers
        old[0].found(Health(state=HealthState.UP))
        previous = weakref.ref(self.backends)
        following = RelayBackends(self.network, self.backends._resolver, previous=self.backends)  # type: ignore[arg-type]
        new = following.pool(pool("127.0.0.1", "127.0.0.3"), settings[1])
        plain = following.pool(pool("127.0.0.1"), PLAIN)
        following.take_over(self.backends)
        self.assertIs(new.servers[0], old[0])
        self.assertIsNot(plain.servers[0], old[0])
        self.assertEqual([next(new.order(admitted())) for _ in range(3)], [old[0]] * 3)
        self.assertEqual(following._contexts._kept, {})
        self.backends = following
        gc.collect()
        self.assertIsNone(previous())


class DialTests(_Case):
    """Connections."""

    def dial(self, host: str, settings: BackendSettings, preamble: bytes = b"") -> Any:
        """An attempt, after its first turn."""
        [server] = self.backends.pool(pool(host), settings).servers
        dialed = server.dial(TIMEOUT, preamble)
        self.network.advance(0)
        return dialed

    def test_plain(self) -> None:
        """Without TLS: the preamble first."""
        connection = self.successResultOf(self.dial("127.0.0.1", PLAIN, b"preamble"))
        self.assertFalse(connection.is_secure)
        self.assertEqual(self.line().received, b"preamble")

    def shake_hands(self, host: str, settings: BackendSettings) -> tuple[Any, Server]:
        """An attempt over TLS and its server, after the handshake."""
        dialed = self.dial(host, settings)
        server = Server(self.network, self.line())
        server.talk()
        return dialed, server

    def test_tls(self) -> None:
        """The server must prove to be of a trusted root, and the one that settings or pool name; SNI says which."""
        for host, settings, sent in (
            (NAME, tls(root()), NAME),
            ("127.0.0.1", tls(root(), host_name=NAME), NAME),
            (NAME, tls(root(), pick_host_name_from_backend_address=True), NAME),
            ("127.0.0.1", tls(root()), ""),
        ):
            self.setUp()
            dialed, server = self.shake_hands(host, settings)
            connection = self.successResultOf(dialed)
            self.assertTrue(connection.is_secure)
            self.assertEqual(server.names[0], sent)
            connection.receiver = recorder = Recorder()
            server.say(b"hello")
            self.assertEqual(recorder.data, b"hello")

    def test_untrusted(self) -> None:
        """A server of another root, or with another's name, is not spoken to."""
        for host, settings in (
            (NAME, tls(pki.Authority.root("Others"))),
            ("127.0.0.1", tls(root(), host_name="other.example")),
        ):
            self.setUp()
            dialed, server = self.shake_hands(host, settings)
            self.failureResultOf(dialed, UntrustedError)
            self.assertEqual(server.received, b"")

    def test_cancelled(self) -> None:
        """An attempt that is no longer needed ends."""
        self.network.backend(9000).silent = True
        dialed = self.dial("127.0.0.1", PLAIN)
        dialed.cancel()
        self.failureResultOf(dialed, CancelledError)
        self.assertEqual(self.network.timers(), [])

    def test_prepared(self) -> None:
        """What settings need for TLS is made once, before the first connection if one likes."""
        settings = tls(root())
        self.backends.prepare(settings)
        made = dict(self.backends._contexts._made)
        self.shake_hands(NAME, settings)
        self.assertEqual(self.backends._contexts._made, made)
        self.backends.prepare(PLAIN)
        self.assertEqual(len(made), len(self.backends._contexts._made))


class ComplaintTests(_Case):
    """What is said of servers that cannot be reached."""

    def test_bounded(self) -> None:
        """A few lines a minute, whose reason is printable, with a count of what was left out."""
        [server] = self.backends.pool(pool("127.0.0.1"), PLAIN).servers
        with capturedLogs() as logs:
            for _ in range(20):
                server.complain(Failure(ConnectError(string="bad\n\x1b[31m")))
            self.network.advance(60)
            server.complain(Failure(ConnectError()))
        lines = [formatEvent(event) for event in logs]
        self.assertLess(len(lines), 10)
        self.assertTrue(all(line and line.isprintable() for line in lines), lines)
        self.assertRegex(lines[-1] or "", r"^No connection to 127\.0\.0\.1:9000: .* \(\d+ times more before\)$")
