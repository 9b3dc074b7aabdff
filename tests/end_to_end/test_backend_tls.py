"""TLS to backends: to nginx, and to servers that do it badly."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from tests import pki, programs, running
from tests.end_to_end import backends, clients, gateway
from tests.end_to_end.backends import Backend, TlsServer, answering, encrypting
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.end_to_end.test_proxying import directory
from tests.end_to_end.test_streams import HELD, MEMORY, PIECE, Meter, counting
from tests.end_to_end.test_upgrades import switching

NAME = "app.example"
IMPATIENT = 2
"""Seconds where the end of patience is what is tested."""

LARGE = 100 << 20


@cache
def certificates() -> dict[str, pki.Credential]:
    """The backends' certificates, one set a run, and the gateway's own for them."""
    root, strangers = pki.Authority.root("Backends Root"), pki.Authority.root("Strangers Root")
    past = datetime(2021, 1, 1, tzinfo=UTC)
    return {
        "backends": root,
        "good": root.intermediate("Backends").issue_server(NAME, "*.wild.example", "127.0.0.1"),
        "wrong-name": root.issue_server("other.example"),
        "no-names": root.issue(NAME, eku=[pki.SERVER_AUTH]),
        "expired": root.issue_server(NAME, not_after=past),
        "self-signed": pki.self_signed(NAME, san=[NAME], eku=[pki.SERVER_AUTH]),
        "wrong-authority": strangers.issue_server(NAME),
        "callers": pki.Authority.root("Callers Root"),
    }


@cache
def caller() -> pki.Credential:
    """What the gateway shows to backends."""
    root = certificates()["callers"]
    assert isinstance(root, pki.Authority)
    return root.intermediate("Callers").issue("the gateway")


def stalling(line: Line) -> None:
    """Accepts, and says nothing."""
    line.rest()


def talking_first(line: Line) -> None:
    """Says something before TLS has begun."""
    line.send(b"220 mail.example ESMTP\r\n")
    line.rest()


def plain_http(line: Line) -> None:
    """Answers in HTTP, whatever is asked."""
    line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
    line.rest()


REFUSED = {
    "wrong-name": f"the certificate is not for {NAME}",
    "no-names": f"the certificate is not for {NAME}: it has no host name in subjectAltName",
    "expired": "the server's certificate: certificate has expired",
    "self-signed": "the server's certificate: self-signed certificate",
    "wrong-authority": "the server's certificate: unable to get local issuer certificate",
    "old": "TLS handshake: ",
    "plain": "TLS handshake: ",
    "stalling": "the TLS handshake took too long",
    "talking-first": "TLS handshake: ",
    "closing": "the server closed the connection in the TLS handshake",
}
"""Servers that are not believed, and why."""

BY_NGINX = ("good", "strict", "wrong-name", "no-names", "expired", "self-signed", "wrong-authority", "old")


PROBED: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "probe-settings": ("good", {"host_name": NAME}, {"match_body": f"{NAME}|{NAME}|"}),
    "probe-own": (
        "good",
        {"host_name": NAME},
        {"host": "a.wild.example", "match_body": "a.wild.example|a.wild.example|"},
    ),
    "probe-nobody": ("good", {}, {"match_body": "127.0.0.1||"}),
    "probe-any-name": ("wrong-name", {}, {}),
    "probe-wrong-name": ("wrong-name", {"host_name": NAME}, {}),
    "probe-own-wrong": ("good", {"host_name": NAME}, {"host": "x.example"}),
    "probe-untrusted": ("good", {"trusted_root_certificates": None}, {}),
}
"""Servers that are probed: which, under which settings, and the probe, which sees what Host and name it has sent."""

PROBED_DOWN = {
    "probe-wrong-name": f"the certificate is not for {NAME}",
    "probe-own-wrong": "the certificate is not for x.example",
    "probe-untrusted": "unable to get local issuer certificate",
}
"""Those that are not believed, and why."""


def server(name: str, port: int, files: Path) -> TlsServer:
    """One of nginx's servers."""
    if name == "strict":
        more = f"ssl_client_certificate {files}/callers.pem; ssl_verify_client on; ssl_verify_depth 3;"
        return TlsServer(port=port, certificate="good", more=more)
    if name == "old":
        return TlsServer(port=port, certificate="good", protocols="TLSv1.1", more="ssl_ciphers DEFAULT@SECLEVEL=0;")
    return TlsServer(port=port, certificate=name)


SETTINGS = {
    "good": {"host_name": NAME},
    "client": {},
    "address": {"pick_host_name_from_backend_address": "true"},
    "named": {"sni_name": "a.wild.example", "host_name": "b.example:1"},
    "anonymous": {"host_name": NAME, "to": "strict"},
    "shown": {"host_name": NAME, "to": "strict", "client_ssl_certificate": "caller"},
    "untrusted": {"host_name": NAME, "trusted_root_certificates": None},
    "unnamed": {"host_name": NAME, "to": "wrong-name", "validate_sni": "false"},
    "unchecked": {"host_name": NAME, "to": "self-signed", "validate_cert_chain_and_expiry": "false"},
    "unchecked-name": {"host_name": "x.example", "to": "self-signed", "validate_cert_chain_and_expiry": "false"},
    "probed": {"host_name": NAME, "to": "wrong-name", "probe": None},
    **{name: {"host_name": NAME} for name in REFUSED},
    "stalling": {"host_name": NAME, "request_timeout": IMPATIENT},
}
"""The doors here, with the settings for the servers behind them; `to` says which, where it is not the door's name."""


def configuration(doors: dict[str, int], ports: dict[str, int], files: Path) -> str:
    """A door for all of them."""
    text = gateway.gateway_section() + gateway.PROFILES
    text += gateway.section("trusted_root_certificate backends", file=files / "backends.pem")
    text += gateway.section(
        "ssl_certificate caller", certificate_file=files / "caller.pem", key_file=files / "caller.key"
    )
    # They all count as well: what is looked at here is what becomes of a request.
    text += gateway.section("probe well", protocol="Https", host=NAME, port=ports["good"])
    for name, keys in SETTINGS.items():
        keys = {"trusted_root_certificates": "backends", "probe": "well", **keys}
        to = keys.pop("to", name if name in ports else "good")
        text += gateway.pool(name, ports[to], protocol="Https", **keys)
        text += gateway.door(name, doors[name], protocol="Http", to=name)
    named = {"protocol": "Https", "trusted_root_certificates": "backends", "sni_name": NAME, "port": ports["good"]}
    text += gateway.section("backend_address_pool by-name", backend_addresses="localhost")
    text += gateway.section("backend_http_settings by-name", **named, probe="by-name")
    text += gateway.section("probe by-name", protocol="Https", path="/tls", match_body=f"127.0.0.1|{NAME}|")
    for name, (to, keys, probe) in PROBED.items():
        keys = {"trusted_root_certificates": "backends", **keys, "probe": name}
        text += gateway.section(f"probe {name}", protocol="Https", path="/tls", **probe)
        text += gateway.pool(name, ports[to], protocol="Https", **keys)
        text += gateway.door(name, doors[name], protocol="Http", to=name)
    text += gateway.door("by-name", doors["by-name"], protocol="Http", to="by-name")
    several = [ports[name] for name in ("expired", "closing", "good")]
    tls = {"protocol": "Https", "host_name": NAME, "trusted_root_certificates": "backends", "probe": "well"}
    text += gateway.pool("several", *several, **tls)
    return text + gateway.door("several", doors["several"], protocol="Http", to="several")


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """nginx with a server for every certificate, and other servers, each behind a door of its own."""
    with ExitStack() as stack:
        files = stack.enter_context(directory())
        files.chmod(0o755)
        for name, credential in {**certificates(), "caller": caller()}.items():
            credential.write(files, name)
        (files / "large").touch()
        with (files / "large").open("wb") as file:
            file.truncate(LARGE)
        ports = dict(zip(BY_NGINX, running.free_ports(len(BY_NGINX)), strict=True))
        servers = [server(name, ports[name], files) for name in BY_NGINX]
        stack.enter_context(backends.nginx_tls(files, *servers))
        talks = {
            "plain": plain_http,
            "stalling": stalling,
            "talking-first": talking_first,
            "closing": lambda line: None,
        }
        for name, talk in talks.items():
            ports[name] = stack.enter_context(closing(Backend(talk))).port
        names = [*SETTINGS, *PROBED, "by-name", "several"]
        doors = dict(zip(names, running.free_ports(len(names)), strict=True))
        yield gateway.Scene(
            gateway=stack.enter_context(gateway.running_gateway(configuration(doors, ports, files))),
            doors=doors,
            backend=files,
        )


@programs.needs("nginx")
class NginxTests(gateway.SceneCase):
    """Who is believed, who is not, and what comes of it."""

    stage = staticmethod(stage)

    def connect(self, door: str, source: str = "") -> Line:
        """A connection to a door."""
        line = clients.plain(self.scene.doors[door], source)
        self.addCleanup(line.close)
        return line

    def get(self, door: str, path: str = "/tls", host: str = "client.example") -> tuple[int, str]:
        """The status and the body of an answer."""
        line = self.connect(door)
        line.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        response = line.response()
        return response.status, response.body.decode()

    def test_names(self) -> None:
        """Which name is sent and proven, and which Host: of the settings, else of the client; no address is sent."""
        self.assertEqual(self.get("good"), (200, f"{NAME}|{NAME}||TLSv1.3|."))
        self.assertEqual(self.get("client", host=NAME), (200, f"{NAME}|{NAME}||TLSv1.3|."))
        self.assertEqual(self.get("client", host="a.wild.example")[1].split("|")[:2], ["a.wild.example"] * 2)
        self.assertEqual(self.get("address")[1].split("|")[:2], ["127.0.0.1", ""])
        self.assertEqual(self.get("named")[1].split("|")[:2], ["b.example", "a.wild.example"])

    def test_name_in_the_pool(self) -> None:
        """A server is found by its name."""
        self.assertEqual(self.get("by-name")[0], 200)

    def test_probes(self) -> None:
        """A probe names and verifies a server as requests do, the probe's own host before the settings'.

        Where only clients name a host, it names none, and the chain is verified alone.
        """

        def changes() -> dict[str, str]:
            found = re.findall(r"Backend server \S+ \(([\w-]+)\): Unknown -> (.*)", self.gateway.output)
            return {name: change for name, change in found if name in PROBED or name == "by-name"}

        wait_until(lambda: len(changes()) == len(PROBED) + 1, "all are probed")
        for name, change in changes().items():
            if name in PROBED_DOWN:
                self.assertTrue(change.startswith("Down: ") and PROBED_DOWN[name] in change, (name, change))
                self.assertEqual(self.get(name)[0], 502)
            else:
                self.assertTrue(change.startswith("Up: "), (name, change))

    def test_name_of_the_client(self) -> None:
        """A host that the server does not prove to be is a 502, only for requests for that host."""
        self.assertEqual(self.get("client", host="nobody.example")[0], 502)
        self.assertEqual(self.get("client", host=NAME)[0], 200)

    def test_connections_are_shared(self) -> None:
        """Requests share a connection, but only with those for the same name."""
        seen = {
            host: {self.get("client", "/connection", host)[1] for _ in range(5)} for host in (NAME, "b.wild.example")
        }
        used = {host: {answer.split()[0] for answer in answers} for host, answers in seen.items()}
        self.assertEqual([len(connections) for connections in used.values()], [1, 1])
        self.assertEqual(len(set.union(*used.values())), 2)
        self.assertEqual([len(answers) for answers in seen.values()], [5, 5])

    def test_own_certificate(self) -> None:
        """A backend that asks for the gateway's certificate sees it; without one it refuses in HTTP, as nginx does."""
        status, body = self.get("shown")
        self.assertEqual((status, body.split("|")[2]), (200, "CN=the gateway"))
        status, body = self.get("anonymous")
        self.assertEqual((status, "No required SSL certificate was sent" in body), (400, True))

    def test_refused(self) -> None:
        """A server that is not believed is not asked: 502, with the reason in the log."""
        for name, reason in REFUSED.items():
            with self.subTest(server=name):
                source = clients.fresh_source()
                line = self.connect(name, source)
                line.send(b"GET /secret HTTP/1.1\r\nHost: a\r\n\r\n")
                response = line.response()
                self.assertEqual((response.status, b"secret" in response.body), (502, False))
                record = self.gateway.record(clientIP=source)
                self.assertEqual(record["error_info"], "ERRORINFO_UPSTREAM_NO_LIVE")
                self.assertIn(f"No connection to {record['serverRouted']}: {reason}", self.gateway.output)

    def test_system(self) -> None:
        """Without trusted root certificates the system's count, and these servers are none of theirs."""
        self.assertEqual(self.get("untrusted")[0], 502)

    def test_unchecked(self) -> None:
        """What is not to be checked is not."""
        for door, status in (("unnamed", 200), ("unchecked", 200), ("unchecked-name", 502)):
            self.assertEqual(self.get(door)[0], status, door)

    def test_not_well(self) -> None:
        """A server that is not believed is not well, and its probe says why."""
        self.assertEqual(self.get("probed")[0], 502)
        self.assertIn(REFUSED["wrong-name"], self.gateway.output)

    def test_next_server(self) -> None:
        """Where one server is not believed, or not there, the next one is asked."""
        self.assertEqual([self.get("several")[0] for _ in range(6)], [200] * 6)

    @programs.needs("curl")
    def test_download(self) -> None:
        """Many bytes come down, and the gateway's memory stays small."""
        url = f"http://127.0.0.1:{self.scene.doors['good']}/large"
        done = clients.run(["curl", "--silent", "--output", "/dev/null", "--write-out", "%{size_download}", url])
        self.assertEqual(done.stdout, str(LARGE))
        self.assertLess(self.gateway.highest_memory(), MEMORY)


@contextmanager
def stream_stage() -> Iterator[gateway.Scene]:
    """Two doors, one of them impatient, before a server in TLS that plays what the test says."""
    doors = dict(zip(("app", "impatient"), running.free_ports(2), strict=True))
    with ExitStack() as stack:
        files = stack.enter_context(directory())
        for name, credential in certificates().items():
            credential.write(files, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files / "good.pem", files / "good.key")
        backend = stack.enter_context(closing(Backend()))
        well = stack.enter_context(closing(Backend(encrypting(context, backends.echo))))
        text = gateway.gateway_section() + gateway.PROFILES
        text += gateway.section("trusted_root_certificate backends", file=files / "backends.pem")
        text += gateway.section("probe well", protocol="Https", host=NAME, port=well.port)
        tls = {"protocol": "Https", "trusted_root_certificates": "backends", "host_name": NAME, "probe": "well"}
        text += gateway.pool("app", backend.port, **tls)
        text += gateway.pool("impatient", backend.port, request_timeout=IMPATIENT, **tls)
        text += "".join(gateway.door(name, port, protocol="Http", to=name) for name, port in doors.items())
        started = stack.enter_context(gateway.running_gateway(text))
        yield gateway.Scene(gateway=started, doors=doors, backend=(backend, context))


class StreamTests(gateway.SceneCase):
    """Bytes through a server's TLS: as through its TCP."""

    stage = staticmethod(stream_stage)

    def connect(self, talk: backends.Talk, door: str = "app", *, farewell: bool = True) -> Line:
        """A connection to the door, behind which this is played on new connections."""
        backend, context = self.scene.backend
        backend.talk = encrypting(context, talk, farewell=farewell)
        line = clients.plain(self.scene.doors[door])
        self.addCleanup(line.close)
        return line

    def send(self, line: Line, method: str = "GET", extra: str = "") -> None:
        """Sends a request's head."""
        line.send(f"{method} / HTTP/1.1\r\nHost: a\r\n{extra}\r\n".encode())

    def test_upgrade(self) -> None:
        """After a 101 both directions carry the new protocol's bytes."""
        line = self.connect(switching)
        self.send(line, extra="Connection: Upgrade\r\nUpgrade: websocket\r\n")
        self.assertEqual(line.response().status, 101)
        self.assertEqual(line.exactly(8), b"welcome\n")
        for said in (b"abc", b"x" * 60000):
            line.send(said + b"\n")
            self.assertEqual(line.exactly(len(said) + 1), said[::-1] + b"\n")

    def test_upload(self) -> None:
        """Many bytes go up, and the gateway's memory stays small."""
        line = self.connect(counting)
        self.send(line, "PUT", f"Content-Length: {LARGE}\r\n")
        for _ in range(LARGE // len(PIECE)):
            line.send(PIECE)
        self.assertEqual(line.response().body, str(LARGE).encode())
        self.assertLess(self.gateway.highest_memory(), MEMORY)

    def test_slow_reader(self) -> None:
        """While a client does not read, the backend cannot send: what it sent is bounded."""
        meter = Meter()
        line = self.connect(meter)
        self.send(line)
        assert line.head()
        self.assertTrue(meter.stuck.wait(DEADLINE))
        self.assertLess(meter.sent, HELD)
        self.assertLess(self.gateway.highest_memory(), MEMORY)

    def test_backend_that_does_not_read(self) -> None:
        """While a backend does not read, the client cannot send: what it sent is bounded; after a while it gets 504."""
        finished = threading.Event()
        self.addCleanup(finished.set)
        line = self.connect(lambda _: finished.wait(DEADLINE) and None, "impatient")
        self.send(line, "PUT", f"Content-Length: {1 << 30}\r\n")
        sent = 0
        line.socket.settimeout(0.3)
        try:
            while True:
                sent += line.socket.send(PIECE)
        except OSError:
            self.assertLess(sent, HELD)
        line.socket.settimeout(DEADLINE)
        self.assertEqual(line.response().status, 504)

    def test_until_the_end(self) -> None:
        """An answer that ends with the connection is complete if the backend sends close_notify, and aborted if not."""
        for farewell in (True, False):
            line = self.connect(answering(b"HTTP/1.1 200 OK\r\n\r\nall of it"), farewell=farewell)
            self.send(line)
            head = line.head()
            assert head
            self.assertEqual(head.status, 200)
            if farewell:
                self.assertEqual(line.body(head), b"all of it")
            else:
                self.assertRaises((AssertionError, OSError), line.body, head)
