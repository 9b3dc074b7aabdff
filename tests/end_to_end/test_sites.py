"""Several sites on one port: whatever name a client says, and where, it meets that site's client authentication."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from tests import programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import Answer, Call
from tests.end_to_end.lines import DEADLINE

T = TypeVar("T")

NO_CERTIFICATE = {"1.2": "handshake_failure", "1.3": "certificate_required"}


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Three ports: `named` knows names only, `basic` has a listener for the others, `open` asks for no certificates."""
    doors = dict(zip(("named", "basic", "open"), running.free_ports(3), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section(header_timeout=3) + gateway.PROFILES + gateway.pool("app", backend.port)
        for name, names, profile in (
            ("open", "open.example", None),
            ("strict", "strict.example", "strict"),
            ("wild", "*.wild.example", "strict"),
            ("partners", "partners.example", "partners"),
            ("http400", "http400.example", "http400"),
            ("passthrough", "passthrough.example", "passthrough"),
        ):
            text += gateway.door(name, doors["named"], profile, host_names=names)
        text += gateway.door("basic", doors["basic"])
        text += gateway.door("strict-beside", doors["basic"], "strict", host_names="strict.example")
        text += gateway.door("everyone", doors["open"])
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=backend)


class SiteCase(gateway.SceneCase):
    """What the tests of sites use."""

    stage = staticmethod(stage)

    def setUp(self) -> None:
        super().setUp()
        self.scene.backend.forget()

    def call(self, name: str, certificate: str = "", *, door: str = "named", version: str = "") -> Call:
        """A call to a name."""
        return self.gateway.call(self.scene.doors[door], certificate, name=name, version=version)

    def assert_nothing_forwarded(self) -> None:
        """No byte reached the backend."""
        self.assertEqual(self.scene.backend.received, b"")


class ServerNameTests(SiteCase):
    """The name in the handshake selects the site, and with it who is let in."""

    def test_each_site_its_own_mode(self) -> None:
        """On one port a client without a certificate is let in or refused by the site that it names."""
        for version, alert in NO_CERTIFICATE.items():
            for name in ("open.example", "passthrough.example"):
                self.assertEqual(clients.by_python(self.call(name, version=version)).status, 200)
            self.scene.backend.forget()
            for name in ("strict.example", "a.wild.example", "a.b.wild.example", "partners.example"):
                self.assertEqual(clients.by_openssl(self.call(name, version=version)), Answer(alert=alert), name)
            self.assert_nothing_forwarded()

    def test_each_site_its_own_authorities(self) -> None:
        """The certificate that one site trusts is unknown to the other."""
        for version in NO_CERTIFICATE:
            for name, mine, other in (("strict", "ecdsa", "stranger"), ("partners", "stranger", "ecdsa")):
                self.assertEqual(clients.by_python(self.call(f"{name}.example", mine, version=version)).status, 200)
                answer = clients.by_python(self.call(f"{name}.example", other, version=version))
                self.assertEqual(answer.alert, "unknown_ca")

    @programs.needs("openssl")
    def test_spelling_changes_nothing(self) -> None:
        """Upper case and a trailing dot name the same strict site."""
        for version, alert in NO_CERTIFICATE.items():
            for door in ("named", "basic"):
                for name in ("STRICT.EXAMPLE", "Strict.Example", "strict.example.", "STRICT.example."):
                    call = self.call(name, version=version, door=door)
                    self.assertEqual(clients.by_openssl(call), Answer(alert=alert), (door, name))
        self.assert_nothing_forwarded()
        self.assertEqual(clients.by_openssl(self.call("Strict.EXAMPLE.", "ecdsa")).status, 200)

    @programs.needs("openssl")
    def test_unknown_name(self) -> None:
        """Who names a site that there is not gets the basic listener, and is refused where there is none."""
        for name in ("other.example", "wild.example", "strict.example.org", "xstrict.example"):
            for version in NO_CERTIFICATE:
                self.assertEqual(
                    clients.by_openssl(self.call(name, "ecdsa", version=version)), Answer(alert="unrecognized_name")
                )
                self.assert_nothing_forwarded()
                call = self.call(name, door="basic", version=version)
                answer = clients.by_openssl(call, request=request("other.org"))
                self.assertEqual(answer.status, 200)
                self.scene.backend.forget()

    @programs.needs("openssl")
    def test_no_name(self) -> None:
        """Who names no site gets the basic listener, else the first, and with it no way to those of other profiles."""
        for version in NO_CERTIFICATE:
            for door, host, status in (
                ("basic", "other.org", 200),
                ("named", "passthrough.example", 200),  # whose rule has the first priority
                ("named", "open.example", 421),
                ("named", "strict.example", 421),
            ):
                self.scene.backend.forget()
                call = self.call("", "ecdsa", door=door, version=version)
                self.assertEqual(clients.by_openssl(call, request=request(host)).status, status, (door, host))
                if status != 200:
                    self.assert_nothing_forwarded()

    def test_refused_name_is_logged(self) -> None:
        """The log has the name that no site answers to."""
        call = self.call("other.example")
        self.assertEqual(clients.by_python(call).alert, "unrecognized_name")
        record = self.gateway.record(clientIP=call.source)
        self.assertEqual(record["serverName"], "other.example")
        self.assertEqual(record["handshakeError"], "no site for the server name")

    def test_hello_in_single_bytes(self) -> None:
        """A ClientHello that comes byte by byte, or in many records, selects its site all the same."""
        for version, alert in NO_CERTIFICATE.items():
            for cut in (in_bytes, in_records):
                with self.assertRaises(ssl.SSLError) as raised:
                    by_hand(self.call("strict.example", version=version), cut)
                self.assertEqual(clients.alert_of(raised.exception), alert)
                self.assert_nothing_forwarded()
                self.assertEqual(by_hand(self.call("strict.example", "ecdsa", version=version), cut), 200)
                self.assertEqual(by_hand(self.call("open.example", version=version), cut), 200)
                self.scene.backend.forget()

    @programs.needs("openssl")
    def test_old_versions(self) -> None:
        """TLS 1.1 is refused by its alert."""
        call = self.call("open.example", version="1.1")
        answer = clients.by_openssl(call, "-cipher", "DEFAULT:@SECLEVEL=0")
        self.assertEqual(answer.alert, "protocol_version")


@programs.needs("openssl")
class ResumptionTests(SiteCase):
    """A session that one site gave opens no other."""

    def setUp(self) -> None:
        super().setUp()
        self.session = Path(self.mktemp()).absolute()

    def visit(self, call: Call, *options: str) -> tuple[Answer, str]:
        """Call, offering and keeping sessions; returns the answer and all that openssl printed."""
        printed = clients.s_client(call, *options)
        return clients.answered(*printed), "".join(printed)

    def test_sessions_are_resumed_where_nobody_is_asked(self) -> None:
        """On a port without client authentication sessions resume, and take no early data: the tests below can fail."""
        for version in NO_CERTIFICATE:
            call = self.call("open.example", door="open", version=version)
            _, printed = self.visit(call, "-sess_out", str(self.session))
            if version == "1.3":
                self.assertIn("Max Early Data: 0", printed)
            _, printed = self.visit(call, "-sess_in", str(self.session))
            self.assertIn("\nReused, ", printed)

    def test_session_of_an_open_site(self) -> None:
        """A session or ticket of an open site does not open a strict one of its port, nor does it of another port."""
        for version, alert in NO_CERTIFICATE.items():
            for door, name in (
                ("named", "open.example"),
                ("named", "passthrough.example"),
                ("basic", "open.example"),
                ("open", "open.example"),
            ):
                self.visit(self.call(name, door=door, version=version), "-sess_out", str(self.session))
                offered = ("-sess_in", str(self.session)) if self.session.exists() else ()
                for target in ("named", "basic"):
                    self.scene.backend.forget()
                    answer, printed = self.visit(self.call("strict.example", door=target, version=version), *offered)
                    self.assertEqual(answer, Answer(alert=alert), (version, door, name))
                    self.assertNotIn("\nReused, ", printed)
                    self.assert_nothing_forwarded()
                self.session.unlink(missing_ok=True)

    def test_session_of_another_authority(self) -> None:
        """A client that one strict site knows is not let in by another one for the session it has."""
        for version in NO_CERTIFICATE:
            self.visit(self.call("strict.example", "ecdsa", version=version), "-sess_out", str(self.session))
            offered = ("-sess_in", str(self.session)) if self.session.exists() else ()
            answer, _ = self.visit(self.call("partners.example", "ecdsa", version=version), *offered)
            self.assertEqual(answer, Answer(alert="unknown_ca"))
            answer, printed = self.visit(self.call("strict.example", version=version), *offered)
            self.assertEqual(answer, Answer(alert=NO_CERTIFICATE[version]))
            self.assertNotIn("\nReused, ", printed)
            self.session.unlink(missing_ok=True)

    def test_renegotiation(self) -> None:
        """A client that asks for a new handshake on its TLS 1.2 connection is refused."""
        call = self.call("open.example", version="1.2")
        words = ["openssl", "s_client", "-connect", f"127.0.0.1:{call.port}", "-servername", call.name, "-tls1_2"]
        words += ["-CAfile", call.trusted]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
            impatience = threading.Timer(DEADLINE, client.kill)
            impatience.start()
            assert client.stdin
            assert client.stdout
            client.stdin.write(request("open.example", "keep-alive"))
            client.stdin.flush()
            while b"X-Appgw-Trace-Id" not in client.stdout.readline():  # in the answer: what the backend got
                self.assertIsNone(client.poll())
            client.stdin.write(b"R\n")
            client.stdin.flush()
            said = client.stdout.read()
            impatience.cancel()
        self.assertIn(b"RENEGOTIATING", said)
        self.assertIn(b"no renegotiation", said)
        self.assertEqual(client.returncode, 1)


def request(host: str, connection: str = "close") -> bytes:
    """A request for a host."""
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n".encode()


def in_bytes(hello: bytes) -> list[bytes]:
    """Every byte on its own."""
    return [hello[at : at + 1] for at in range(len(hello))]


def in_records(hello: bytes) -> list[bytes]:
    """The same handshake message in records of seven bytes, each in a packet of its own."""
    content = hello[5:]
    pieces = [content[at : at + 7] for at in range(0, len(content), 7)]
    return [hello[:3] + len(piece).to_bytes(2, "big") + piece for piece in pieces]


def by_hand(call: Call, cut: Callable[[bytes], list[bytes]]) -> int:
    """The status of one request on a TLS connection whose ClientHello was cut to pieces; raises ssl.SSLError."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = clients.context(call).wrap_bio(incoming, outgoing, server_hostname=call.name)
    with closing(clients.plain(call.port, call.source)) as line:
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        for piece in cut(outgoing.read()):
            line.send(piece)

        def carried(step: Callable[[], T]) -> T:
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    line.send(outgoing.read())
                    came = line.socket.recv(65536)
                    assert came, "the connection ended within its handshake"
                    incoming.write(came)
                else:
                    line.send(outgoing.read())
                    return result

        carried(tls.do_handshake)
        carried(lambda: tls.write(request(call.name)))
        return int(carried(lambda: tls.read(65536)).split()[1])
