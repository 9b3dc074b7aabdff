"""Several sites on one port: whichever name a client says, where and how, it meets the site's own client authentication."""

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
from tests.end_to_end.lines import DEADLINE, Message

T = TypeVar("T")

NO_CERTIFICATE = {"1.2": "handshake_failure", "1.3": "certificate_required"}
HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PLAIN_HTTP = b"<center>The plain HTTP request was sent to HTTPS port</center>"
NO_CERTIFICATE_PAGE = b"<center>No required SSL certificate was sent</center>"


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
    def test_no_name_and_unknown_name(self) -> None:
        """Who names no site, or one that there is not, is refused where there is no basic listener, and meets it else."""
        for name in ("", "other.example", "wild.example", "strict.example.org", "xstrict.example"):
            for version in NO_CERTIFICATE:
                self.assertEqual(
                    clients.by_openssl(self.call(name, "ecdsa", version=version)), Answer(alert="unrecognized_name")
                )
                self.assert_nothing_forwarded()
                answer = clients.by_openssl(
                    self.call(name, door="basic", version=version), request=request("other.org")
                )
                self.assertEqual(answer.status, 200)
                self.scene.backend.forget()

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
            assert client.stdin and client.stdout
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


class HostTests(SiteCase):
    """The name in a request: it goes where the connection was judged for, or nowhere."""

    def ask(self, name: str, certificate: str, *hosts: str, door: str = "named") -> tuple[list[Message], bool, str]:
        """Requests for these hosts, one after the other; the answers, whether it is closed then, and the source."""
        call = self.call(name, certificate, door=door)
        with closing(clients.encrypted(call)) as line:
            answers = []
            for host in hosts:
                line.send(request(host, "keep-alive"))
                answers.append(line.response())
            closed = answers[-1].status == 421 and line.rest() == b""
        return answers, closed, call.source

    def test_host_of_another_profile(self) -> None:
        """A host of a site with another profile is answered 421, and the connection closes; nothing is forwarded."""
        for name, certificate, host in (
            ("open.example", "", "strict.example"),
            ("open.example", "", "passthrough.example"),
            ("passthrough.example", "ecdsa", "strict.example"),
            ("strict.example", "ecdsa", "partners.example"),
            ("strict.example", "ecdsa", "open.example"),
            ("open.example", "", "STRICT.example"),
            ("open.example", "", "strict.example."),
            ("open.example", "", "Strict.Example.:443"),
            ("open.example", "", "x.wild.example"),
        ):
            (answer,), closed, source = self.ask(name, certificate, host)
            self.assertEqual((answer.status, closed), (421, True), (name, host))
            self.assert_nothing_forwarded()
            record = self.gateway.record(clientIP=source)
            self.assertEqual((record["httpStatus"], record["error_info"]), (421, "ERRORINFO_INVALID_HOST"))
            self.assertEqual(record["serverRouted"], "")

    def test_host_of_another_profile_later(self) -> None:
        """The second and third request of a connection are held to it as the first is."""
        for hosts in (("open.example", "strict.example"), ("open.example", "open.example", "strict.example")):
            answers, closed, _ = self.ask("open.example", "", *hosts)
            self.assertEqual([answer.status for answer in answers], [200] * (len(hosts) - 1) + [421])
            self.assertTrue(closed)
            self.assertNotIn(b"Host: strict.example", self.scene.backend.received)

    def test_pipelined(self) -> None:
        """What follows a misdirected request on its connection is not answered."""
        with closing(clients.encrypted(self.call("open.example"))) as line:
            hosts = ("open.example", "strict.example", "open.example")
            line.send(*(request(host, "keep-alive") for host in hosts))
            self.assertEqual([line.response().status for _ in range(2)], [200, 421])
            self.assertEqual(line.rest(), b"")
        self.assertEqual(self.scene.backend.received.count(b"GET / "), 1)

    def test_without_server_name(self) -> None:
        """A client that the basic listener let in without asking reaches no strict site by its Host."""
        for name in ("other.example", "open.example"):
            answers, closed, _ = self.ask(name, "", "x.example", "strict.example", door="basic")
            self.assertEqual([answer.status for answer in answers], [200, 421])
            self.assertTrue(closed)

    def test_absolute_form(self) -> None:
        """A target in absolute form cannot name another host than the Host header, and counts as it does."""
        for target, host, status in (
            ("http://strict.example/", "open.example", 400),
            ("http://strict.example/", "strict.example", 421),
            ("https://open.example/", "open.example", 200),
        ):
            with closing(clients.encrypted(self.call("open.example"))) as line:
                line.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                self.assertEqual(line.response().status, status)
            self.assertNotIn(b"strict.example", self.scene.backend.received)

    def test_host_of_the_same_profile(self) -> None:
        """Sites of one profile may share a connection: each request goes by its own site's rule."""
        answers, _, source = self.ask("strict.example", "ecdsa", "a.wild.example", "strict.example")
        self.assertEqual([answer.status for answer in answers], [200, 200])
        self.gateway.record(clientIP=source, listenerName="wild")
        self.gateway.record(clientIP=source, listenerName="strict")

    def test_unknown_host(self) -> None:
        """A host that no site of the port answers to goes nowhere."""
        (answer,), _, _ = self.ask("open.example", "", "other.example")
        self.assertEqual(answer.status, 404)
        self.assert_nothing_forwarded()


class PlainTextTests(SiteCase):
    """What comes on a port for TLS and is none, and what is no HTTP/1."""

    def test_http_on_the_https_port(self) -> None:
        """HTTP where TLS is wanted is answered by the product's page, and goes nowhere."""
        for door in self.scene.doors.values():
            source = clients.fresh_source()
            with closing(clients.plain(door, source)) as line:
                line.send(request("strict.example"), request("strict.example"))
                answer = line.response()
                self.assertEqual(answer.status, 400)
                self.assertIn(PLAIN_HTTP, answer.body)
                self.assertEqual(line.rest(), b"")
            record = self.gateway.record(clientIP=source)
            self.assertEqual(record["error_info"], "ERRORINFO_HTTP_TO_HTTPS_PORT")
            self.assertEqual((record["sslEnabled"], record["sslClientVerify"]), ("off", "NONE"))
        self.assert_nothing_forwarded()

    def test_no_http_on_the_https_port(self) -> None:
        """Bytes that are neither TLS nor HTTP are forwarded nowhere, and end the connection."""
        for said in (b"GET /\r\n\r\n", b"SSH-2.0-OpenSSH_9\r\n\r\n", b"\x00" * 100, b"\xff\r\n\r\n", HTTP_2):
            with closing(clients.plain(self.scene.doors["named"])) as line:
                line.send(said)
                self.assertRegex(line.rest(), rb"^HTTP/1\.1 400 ")
        self.assert_nothing_forwarded()

    def test_http_0_9(self) -> None:
        """A request of HTTP/0.9 gets past no strict site, and none is forwarded for anybody."""
        bad, late = b"<h1>400 Bad Request</h1>", b"<h1>408 Request Time-out</h1>"
        with contextlib.ExitStack() as lines:
            waiting = []
            for name, certificate, early_page, late_page in (
                ("http400.example", "", NO_CERTIFICATE_PAGE, NO_CERTIFICATE_PAGE),
                ("http400.example", "ecdsa", bad, late),
                ("strict.example", "ecdsa", bad, late),
                ("open.example", "", bad, late),
            ):
                for said, page in ((b"GET /\r\n", late_page), (b"GET /\r\n\r\n", early_page), (HTTP_2, early_page)):
                    line = lines.enter_context(closing(clients.encrypted(self.call(name, certificate))))
                    line.send(said)
                    waiting.append((line, page))
            for line, page in waiting:  # the first kind has begun a head, and is waited for
                self.assertIn(page, line.rest())
        self.assert_nothing_forwarded()

    def test_http_0_9_without_certificate(self) -> None:
        """Where the handshake refuses, a client that speaks at once is refused by the same alert."""
        with self.assertRaises(ssl.SSLError) as raised:
            with closing(clients.encrypted(self.call("strict.example", version="1.3"))) as line:
                line.send(b"GET /\r\n")
                line.rest()
        self.assertEqual(clients.alert_of(raised.exception), "certificate_required")
        self.assert_nothing_forwarded()


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
                    incoming.write(line.socket.recv(65536)) or incoming.write_eof()
                else:
                    line.send(outgoing.read())
                    return result

        carried(tls.do_handshake)
        carried(lambda: tls.write(request(call.name)))
        return int(carried(lambda: tls.read(65536)).split()[1])
