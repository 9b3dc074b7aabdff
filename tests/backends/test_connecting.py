"""Connections to one server: its addresses in turn, TLS, and one time for all of it."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.connecting import Dialer, Encryption, UnreachableError, UntrustedError, is_shortage
from agwtwisted.backends.dns_client import ResolvedName
from agwtwisted.backends.reactor_resolver import resolve_by_reactor
from agwtwisted.backends.resolver import Resolver
from agwtwisted.core.plan.server_identity import IdentityRule, server_identity
from agwtwisted.tls.backend_contexts import BackendTls
from agwtwisted.tls.client import TOO_SLOW
from agwtwisted.transport.connection import Connection
from tests import pki
from tests.servers import NAME, Server, root, server_context
from tests.wires import Backend, Network, Recorder

TIMEOUT = 12.0


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network()
        self.resolver = Resolver(self.network, partial(resolve_by_reactor, self.network))

    def dialer(self, host: str = "127.0.0.1", encryption: Encryption | None = None) -> Dialer:
        """To port 9000 of a host."""
        return Dialer(self.network, host, 9000, self.resolver, encryption)

    def backend(self, address: str) -> Backend:
        """What answers there."""
        return self.network.backend(9000, address)


class AddressTests(_Case):
    """One address after the other."""

    def dial(self, *addresses: str, host: str = "app.example") -> Deferred[Connection]:
        """A connection to a name with these addresses."""
        self.network.names["app.example"] = list(addresses)
        dialed = self.dialer(host).dial(TIMEOUT)
        self.network.advance(0)
        return dialed

    def test_open(self) -> None:
        """The connection is made; its receiver gets every event."""
        heard = Recorder()
        dialed = self.dialer().dial(TIMEOUT)
        dialed.addCallback(lambda wire: setattr(wire, "receiver", heard))  # type: ignore[unused-awaitable]
        self.network.advance(0)
        self.backend("127.0.0.1").line.send(b"220 ready")
        self.successResultOf(dialed)
        self.assertEqual((heard.data, self.network.timers()), (b"220 ready", []))

    def test_next_address(self) -> None:
        """Where one refuses, the next is tried; the error is the last one's."""
        self.backend("192.0.2.1").refusing = True
        self.successResultOf(self.dial("192.0.2.1", "127.0.0.1"))
        self.backend("127.0.0.1").refusing = True
        self.failureResultOf(self.dial("192.0.2.1", "127.0.0.1"), ConnectionRefusedError)

    def test_no_descriptor(self) -> None:
        """Where there is no descriptor room is made, and it is tried once more; no second time."""
        made: list[float] = []
        for short, opens in ((1, True), (2, False)):
            self.backend("127.0.0.1").short = short
            dialer = Dialer(self.network, "127.0.0.1", 9000, self.resolver, make_room=lambda: made.append(0))
            dialed = dialer.dial(TIMEOUT)
            self.network.pump([0.0] * 3)
            if opens:
                self.successResultOf(dialed)
            else:
                self.assertTrue(is_shortage(self.failureResultOf(dialed, ConnectError)))
        self.assertEqual(len(made), 2)

    def test_given_up_between(self) -> None:
        """One that is given up while room is made does not come back."""
        self.backend("127.0.0.1").short = 1

        def make_room() -> None:
            self.network.callLater(0, dialed.cancel)

        dialed = Dialer(self.network, "127.0.0.1", 9000, self.resolver, make_room=make_room).dial(TIMEOUT)
        self.network.advance(0)
        self.failureResultOf(dialed, CancelledError)
        self.network.pump([0.0] * 3)
        self.assertEqual((self.backend("127.0.0.1").attempts, self.network.timers()), (1, []))

    def test_no_news(self) -> None:
        """A server that refuses, or is silent, is no shortage."""
        self.backend("127.0.0.1").refusing = True
        self.assertFalse(is_shortage(self.failureResultOf(self.dial("127.0.0.1"), ConnectError)))

    def test_shares(self) -> None:
        """A silent address has its share of the time: the others still have theirs."""
        for address in ("192.0.2.1", "192.0.2.2"):
            self.backend(address).silent = True
        dialed = self.dial("192.0.2.1", "192.0.2.2", "127.0.0.1")
        self.network.advance(TIMEOUT / 3)
        self.assertNoResult(dialed)
        self.network.advance(TIMEOUT / 3)
        self.network.advance(0)
        self.successResultOf(dialed)

    def test_takes_turns(self) -> None:
        """Every connection begins with another address."""
        for _ in range(4):
            self.successResultOf(self.dial("127.0.0.1", "127.0.0.2"))
        self.assertEqual([len(self.backend(f"127.0.0.{number}").lines) for number in (1, 2)], [2, 2])

    def test_no_address(self) -> None:
        """A name without addresses is not there."""
        self.failureResultOf(self.dial(), DNSLookupError)

    def test_name_in_time(self) -> None:
        """Waiting for the name counts, and a timeout fails the caller; the lookup goes on."""
        asked: list[Deferred[ResolvedName]] = []
        self.resolver = Resolver(self.network, lambda name: asked.append(Deferred()) or asked[-1])  # type: ignore[func-returns-value]
        self.network.names["app.example"] = []
        dialed = self.dialer("app.example").dial(2.0)
        self.network.advance(2)
        self.assertEqual(
            str(self.failureResultOf(dialed, UnreachableError).value), "app.example was not resolved in time"
        )
        asked[0].callback(ResolvedName(addresses=("127.0.0.1",), ttl=5))
        dialed = self.dialer("app.example").dial(2.0)
        self.network.advance(0)
        self.successResultOf(dialed)
        self.assertEqual(len(asked), 1)

    def test_cancelled(self) -> None:
        """A caller that gives up gets a failure, at any point; nothing is left, and no other address is tried."""
        self.backend("192.0.2.1").silent = True
        dialed = self.dial("192.0.2.1", "127.0.0.1")
        dialed.cancel()
        self.failureResultOf(dialed, CancelledError)
        self.network.advance(TIMEOUT)
        self.assertEqual((self.backend("127.0.0.1").attempts, self.network.timers()), (0, []))


class TlsTests(_Case):
    """TLS with any server that answers."""

    def setUp(self) -> None:
        super().setUp()
        self.tls = BackendTls.trusting([root().parsed])

    def encrypted(self, host: str = "127.0.0.1", name: str = NAME) -> Dialer:
        """To a server that must prove to be NAME, unless it is called otherwise."""
        return self.dialer(host, Encryption(tls=self.tls, rule=IdentityRule.chosen(name, host)))

    def answer(self, address: str = "127.0.0.1", **options: Any) -> Server:
        """The server there does its part."""
        self.network.advance(0)
        server = Server(self.network, self.backend(address).line, server_context(**options))
        server.talk()
        return server

    def test_open(self) -> None:
        """What the wire gives is what the server says in TLS; no timer is left."""
        heard = Recorder()
        dialed = self.encrypted().dial(TIMEOUT)
        dialed.addCallback(lambda wire: setattr(wire, "receiver", heard))  # type: ignore[unused-awaitable]
        server = self.answer()
        self.successResultOf(dialed)
        server.say(b"220 ready")
        self.assertEqual((heard.data, server.names[0], self.network.timers()), (b"220 ready", NAME, []))

    def test_untrusted(self) -> None:
        """A server with another identity is a failure of its own kind, with the reason."""
        dialed = self.encrypted(name="other.example").dial(TIMEOUT)
        self.answer()
        error = self.failureResultOf(dialed, UntrustedError).value
        self.assertEqual(str(error), "the certificate is not for other.example")
        self.assertIsInstance(error, ConnectError)
        self.assertTrue(error.blames_server)

    def test_name_of_the_client(self) -> None:
        """Where the client chose the name, the server is not to blame that it has another."""
        dialer = self.encrypted(name="")
        dialed = dialer.dial(TIMEOUT, dialer.identity("other.example"))
        self.answer()
        self.assertFalse(self.failureResultOf(dialed, UntrustedError).value.blames_server)
        dialed = dialer.dial(TIMEOUT)
        server = self.answer()
        self.successResultOf(dialed)
        self.assertEqual(server.names[0], "")

    def test_another_identity(self) -> None:
        """A caller may require another identity than the rule, a probe for instance."""
        dialed = self.encrypted(name="other.example").dial(TIMEOUT, server_identity(NAME))
        self.answer()
        self.successResultOf(dialed)

    def test_next_address(self) -> None:
        """A server that fails over TLS is left for the next address."""
        self.network.names["app.example"] = ["127.0.0.1", "127.0.0.2"]
        dialed = self.encrypted("app.example").dial(TIMEOUT)
        self.network.advance(0)
        self.backend("127.0.0.1").line.send(b"220 not TLS\r\n")
        self.answer("127.0.0.2")
        self.successResultOf(dialed)

    def test_stalled(self) -> None:
        """A handshake that stalls has its share of the time, and leaves no timer and no connection."""
        self.network.names["app.example"] = ["127.0.0.1", "127.0.0.2"]
        dialed = self.encrypted("app.example").dial(TIMEOUT)
        self.network.advance(TIMEOUT / 2)
        self.network.advance(0)
        self.assertTrue(self.backend("127.0.0.1").line.reset)
        self.assertNoResult(dialed)
        self.network.advance(TIMEOUT / 2)
        self.assertEqual(str(self.failureResultOf(dialed, UntrustedError).value), TOO_SLOW)
        self.network.advance(0)
        self.assertEqual(self.network.timers(), [])

    def test_cancelled(self) -> None:
        """A caller that gives up in the handshake ends the connection."""
        dialed = self.encrypted().dial(TIMEOUT)
        self.network.advance(0)
        dialed.cancel()
        self.failureResultOf(dialed, CancelledError)
        self.network.advance(0)
        self.assertEqual((self.backend("127.0.0.1").line.reset, self.network.timers()), (True, []))

    def test_identity(self) -> None:
        """Plain servers prove nothing; the others what their rule says for the host of a request."""
        self.assertIsNone(self.dialer().identity("client.example"))
        identity = self.encrypted(name="").identity("client.example")
        assert identity is not None
        self.assertEqual((identity.name, identity.of_client), ("client.example", True))

    def test_probe(self) -> None:
        """A probe names the server as the rule says; if that has no name, its chain is verified all the same."""
        self.assertIsNone(self.dialer().identity_for_probe("probed.example"))
        for name in (NAME, ""):
            identity = self.encrypted(name=name).identity_for_probe("")
            dialed = self.encrypted(name="other.example").dial(TIMEOUT, identity)
            server = self.answer()
            self.successResultOf(dialed)
            self.assertEqual(server.names[0], name)
            dialed = self.encrypted().dial(TIMEOUT, identity)
            self.answer(shown=pki.Authority.root().issue_server(NAME))
            self.failureResultOf(dialed, UntrustedError)
