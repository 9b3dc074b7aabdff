"""The host in a request: it goes where its connection was judged for, or nowhere; so with what is no HTTP or no TLS."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import ssl
from contextlib import closing

from tests.end_to_end import clients
from tests.end_to_end.lines import Message
from tests.end_to_end.test_sites import SiteCase, request

HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PLAIN_HTTP = b"<center>The plain HTTP request was sent to HTTPS port</center>"
NO_CERTIFICATE_PAGE = b"<center>No required SSL certificate was sent</center>"


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
        """A request of HTTP/0.9 gets past no strict site, and none is forwarded at all."""
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
        call = self.call("strict.example", version="1.3")
        with self.assertRaises(ssl.SSLError) as raised, closing(clients.encrypted(call)) as line:
            line.send(b"GET /\r\n")
            line.rest()
        self.assertEqual(clients.alert_of(raised.exception), "certificate_required")
        self.assert_nothing_forwarded()
