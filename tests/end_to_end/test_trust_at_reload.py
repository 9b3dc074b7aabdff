"""Connections that are open when a reload changes who is trusted, or where requests go; over TLS 1.2 and 1.3."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import re
import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import VERSIONS
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import Line, wait_until
from tests.end_to_end.test_relays import echoing
from tests.end_to_end.test_revocation import issuer, signer
from tests.responder import Responder

IN_FORCE = re.compile(r"Reload of .* is in force after")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = b"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


class Server:
    """A backend with a name, a stream of events and another protocol; it counts its requests."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        self.requests = 0
        self.streams: list[Line] = []
        self.backend = Backend(self._talk)

    def _talk(self, line: Line) -> None:
        while head := line.head():
            self.requests += 1
            path = head.start.split()[1]
            if path == "/socket":
                line.send(SWITCHED)
                echoing(line)
                return
            if path == "/events":
                line.send(EVENTS)
                self.streams.append(line)
                line.rest()
                return
            verdict = head.get("x-client-certificate-verification").encode()
            line.send(OK % (len(self.name + verdict) + 1, self.name + b" " + verdict))


@attrs.frozen(kw_only=True)
class Stand:
    """A gateway that is reloaded, its backends and its ports."""

    gateway: Gateway
    http: int
    l4: int
    one: Server
    two: Server
    echo: Backend
    responder: Responder
    lines: ExitStack  # closes the clients' connections

    def text(self, to: str = "one", gateway_keys: dict[str, Any] | None = None, **profile: Any) -> str:
        """A configuration whose listeners have this profile, and lead to a server."""
        asks = {"verify_client_auth_mode": "Strict", "trusted_client_certificates": "devices", **profile}
        text = gateway.gateway_section(**{"drain_timeout": 2, **(gateway_keys or {})}) + gateway.PROFILES
        profile_of_listeners = "p" if asks["verify_client_auth_mode"] else None
        text += section("ssl_profile p", **asks) if profile_of_listeners else ""
        text += gateway.pool("one", self.one.backend.port, client_certificate_headers="all")
        text += gateway.pool("two", self.two.backend.port, client_certificate_headers="all")
        text += gateway.relay_pool("echo", self.echo.port)
        text += gateway.door("http", self.http, profile_of_listeners, to=to)
        return text + gateway.relay_door("l4", self.l4, profile_of_listeners, to="echo")

    def reload(self, **options: Any) -> None:
        """Takes another configuration, and returns once it is in force."""
        before = len(self.gateway.output)
        self.gateway.file.write_text(self.text(**options))
        self.gateway.signal(signal.SIGHUP)
        wait_until(lambda: IN_FORCE.search(self.gateway.output, before), "the reload is in force")

    def call(self, version: str, certificate: str = "rsa", *, port: int = 0) -> clients.Call:
        """How a client comes."""
        return self.gateway.call(port or self.http, certificate, version=version)

    def connected(self, call: clients.Call) -> Line:
        """A client after its handshake."""
        return self.lines.enter_context(closing(clients.encrypted(call)))

    def client(self, version: str, certificate: str = "rsa", *, l4: bool = False) -> Line:
        """A client that is connected, and has had an answer."""
        line = self.connected(self.call(version, certificate, port=self.l4 if l4 else 0))
        if l4:
            self.say(line)
        else:
            self.ask(line)
        return line

    def ask(self, line: Line) -> bytes:
        """A request; which server answered, and what it read of the client."""
        line.send(GET % b"/")
        return line.response().body

    def say(self, line: Line) -> None:
        """A word that comes back."""
        line.send(b"word")
        assert line.exactly(4) == b"word"

    def socket(self, version: str) -> Line:
        """A client that speaks another protocol."""
        line = self.connected(self.call(version))
        line.send(UPGRADE)
        head = line.head()
        assert head is not None
        assert head.status == 101
        self.say(line)
        return line

    def events(self, version: str) -> Line:
        """A client that reads events."""
        line = self.connected(self.call(version))
        line.send(GET % b"/events")
        head = line.head()
        assert head is not None
        assert line.chunk() == b"data: 1\n\n"
        return line

    @property
    def requests(self) -> int:
        """How many have come to servers."""
        return self.one.requests + self.two.requests


DEVICES: dict[str, Any] = {}
PARTNERS = {"trusted_client_certificates": "partners"}
PASSTHROUGH = {"verify_client_auth_mode": "Passthrough", "trusted_client_certificates": None}
NONE = {"verify_client_auth_mode": ""}
"""No profile at all."""


@contextmanager
def stand(**profile: Any) -> Iterator[Stand]:
    """A gateway with this profile, which must end well."""
    with ExitStack() as stack:
        one, two = Server("one"), Server("two")
        for each in (one, two):
            stack.callback(each.backend.close)
        echo = stack.enter_context(closing(Backend(echoing)))
        responder = stack.enter_context(closing(Responder(signer())))
        responder.certificates = (signer(),)
        http, l4 = running.free_ports(2)
        nowhere: Any = None
        lines = stack.enter_context(ExitStack())
        made = Stand(gateway=nowhere, http=http, l4=l4, one=one, two=two, echo=echo, responder=responder, lines=lines)
        running_one = stack.enter_context(gateway.running_gateway(made.text(**profile)))
        with lines:
            yield attrs.evolve(made, gateway=running_one)


def ended(line: Line) -> bytes:
    """All that comes to the end of a connection, which has to come."""
    try:
        return line.rest()
    except ssl.SSLError:  # without close_notify
        return b""


class KeptTests(SynchronousTestCase):
    """What the reload says nothing about goes on."""

    def test_rule_changes(self) -> None:
        """The next request of a connection follows the new rule; what is under way, and L4, goes on."""
        for version in VERSIONS:
            with stand() as gate:
                idle, tunnel, events = gate.client(version), gate.socket(version), gate.events(version)
                session = gate.client(version, l4=True)
                gate.reload(to="two")
                self.assertEqual(gate.ask(idle), b"two SUCCESS")
                for line in (tunnel, session):
                    gate.say(line)
                gate.one.streams[0].send(b"data: 2\n\n")
                self.assertEqual(events.chunk(), b"data: 2\n\n")
                self.assertEqual(gate.ask(idle), b"two SUCCESS")

    def test_many_reloads(self) -> None:
        """A connection may go over any number of times."""
        with stand() as gate:
            line = gate.client("1.3")
            for number in range(20):
                name = ("two", "one")[number % 2]
                gate.reload(to=name)
                self.assertEqual(gate.ask(line), name.encode() + b" SUCCESS")


class TrustTests(SynchronousTestCase):
    """Who is trusted no more ends."""

    def test_ca_removed(self) -> None:
        """Idle connections, WebSockets, streams of events and L4 sessions end; nothing more of them is forwarded."""
        for version in VERSIONS:
            with stand() as gate:
                lines = [gate.client(version), gate.socket(version), gate.events(version)]
                lines.append(gate.client(version, l4=True))
                count = gate.requests
                gate.reload(**PARTNERS)
                self.assertEqual([ended(line) for line in lines], [b""] * 4)
                self.assertEqual(gate.requests, count)
                partner = gate.client(version, "stranger")
                self.assertEqual(gate.ask(partner), b"one SUCCESS")

    def test_in_the_handshake(self) -> None:
        """A handshake that began by the old trust and is completed after the reload admits no one."""
        for version in VERSIONS:
            for before in (DEVICES, PASSTHROUGH, NONE):
                with stand(**before) as gate:
                    under_way = [(Handshake(gate.call(version)), GET % b"/")]
                    under_way.append((Handshake(gate.call(version, port=gate.l4)), b"word"))
                    for handshake, _ in under_way:
                        gate.lines.callback(handshake.line.close)
                    gate.reload(**PARTNERS)
                    rests = [handshake.completed(request) for handshake, request in under_way]
                    self.assertEqual((gate.requests, gate.echo.received), (0, b""))
                    self.assertFalse(b"HTTP/1.1 200" in rests[0] or rests[1], rests)

    def test_modes(self) -> None:
        """From Passthrough or none to Strict, who has no certificate is refused, and who has one is verified."""
        for version in VERSIONS:
            for before in (PASSTHROUGH, NONE):
                with stand(**before) as gate:
                    without, stranger = gate.client(version, ""), gate.client(version, "stranger")
                    session = gate.client(version, "", l4=True)
                    device = gate.client(version)
                    count = gate.requests
                    gate.reload()
                    self.assertEqual([ended(line) for line in (without, stranger, session)], [b""] * 3)
                    self.assertEqual(gate.requests, count)
                    if before is PASSTHROUGH:
                        self.assertEqual(gate.ask(device), b"one SUCCESS")
                        gate.reload(**PASSTHROUGH)
                        self.assertEqual(gate.ask(device), b"one PASSTHROUGH")
                        gate.reload(**NONE)
                        self.assertEqual(gate.ask(device), b"one ")
                    else:  # it was not asked for one
                        self.assertEqual(ended(device), b"")

    def test_revocation(self) -> None:
        """Where revocation is checked from now on, who is revoked ends, and who is not goes on."""
        for version in VERSIONS:
            with stand() as gate:
                for name in ("good", "revoked"):
                    device = issuer().issue(name)
                    gate.responder.knows(device, status=name)
                    device.write(gate.gateway.directory, name)
                good, revoked = gate.client(version, "good"), gate.client(version, "revoked")
                session = gate.client(version, "revoked", l4=True)
                count = gate.requests
                gate.reload(verify_client_revocation="OCSP", ocsp_responder_url=gate.responder.url)
                self.assertEqual([ended(line) for line in (revoked, session)], [b"", b""])
                self.assertEqual(gate.requests, count)
                self.assertEqual(gate.ask(good), b"one SUCCESS")

    def test_at_the_gate(self) -> None:
        """A client whose status is being asked for when its CA is removed is not admitted by the answer."""
        checks = {"verify_client_revocation": "OCSP", "ocsp_timeout": 10}
        for version in VERSIONS:
            with ExitStack() as stack:
                silent = stack.enter_context(closing(Backend(lambda line: bool(line.rest()) or None)))
                url = f"http://127.0.0.1:{silent.port}/"
                gate = stack.enter_context(stand(**checks, ocsp_responder_url=url))
                line = gate.connected(gate.call(version))
                line.send(GET % b"/")
                silent.line(0)
                gate.reload(**PARTNERS)
                self.assertTrue(ended(line).startswith(b"HTTP/1.1 400"))
                self.assertEqual(gate.requests, 0)

    def test_under_way(self) -> None:
        """A request under way has drain_timeout, and no other one follows it."""
        for version in VERSIONS:
            patient = {"gateway_keys": {"drain_timeout": 600}}
            with stand(**patient) as gate:
                line = gate.connected(gate.call(version))
                line.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
                wait_until(lambda gate=gate: gate.requests, "the request is forwarded")
                gate.reload(**PARTNERS, **patient)
                line.send(b"body", GET % b"/next")
                came = ended(line)
                self.assertEqual(came.count(b"HTTP/1.1"), 1)
                self.assertIn(b"Connection: close", came)
                self.assertEqual(gate.requests, 1)


class Handshake:
    """A client in the midst of its handshake: the server has answered its ClientHello."""

    def __init__(self, call: clients.Call) -> None:
        self.line = clients.plain(call.port, call.source)
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = clients.context(call).wrap_bio(self._came, self._goes, server_hostname=call.name)
        self._step(b"")

    def completed(self, request: bytes) -> bytes:
        """Completes the handshake, and asks; all that comes to the end of the connection."""
        found = b""
        request_left = request
        while True:
            try:
                request_left = self._step(request_left)
                found += self._tls.read(65536) if not request_left else b""
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                return found
            if not self._exchange():
                return found

    def _step(self, request: bytes) -> bytes:
        """Goes on as far as it can; what is left to ask."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            self._tls.write(request)
            return b""
        if not request:  # the first step
            self._exchange()
        return request

    def _exchange(self) -> bool:
        """Sends what there is to send, and receives once; whether anything came."""
        try:
            self.line.socket.sendall(self._goes.read())
            data = self.line.socket.recv(65536)
        except OSError:
            return False
        self._came.write(data)
        return bool(data)
