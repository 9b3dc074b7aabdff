"""PROXY protocol headers to and from programs that were not written here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from agwtwisted.core.listening import proxy_protocol
from agwtwisted.core.listening.proxy_protocol import HeaderReader, ProxyHeader
from tests import programs, running
from tests.end_to_end import brokers, clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.lines import Line, wait_until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

TOLD_HAPROXY = """
frontend told
    mode http
    bind 127.0.0.1:{plain} accept-proxy
    bind 127.0.0.1:{tls} accept-proxy ssl crt {directory}/server-combined.pem
    http-request return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst_port]|%[fc_pp_authority]"
"""


def directory(stack: ExitStack) -> Path:
    """A directory for one program."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory()))


@contextmanager
def told() -> Iterator[gateway.Scene]:
    """Listeners before servers that answer with the client's identity."""
    names = ("haproxy", "haproxy-tls", "haproxy-tcp", "varnish", "varnish-passing", "nginx")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    plain, encrypted = running.free_ports(2)
    header = {"enable_l4_client_ip_preservation": "true", "probe": None}
    full = {**header, "proxy_protocol_tls": "true"}
    with ExitStack() as stack:
        place = directory(stack)
        server = gateway.certificates()["server"]
        (place / "server-combined.pem").write_bytes(server.chain_pem + server.key_pem)
        configuration = TOLD_HAPROXY.format(plain=plain, tls=encrypted, directory=place)
        stack.enter_context(brokers.haproxy(place, configuration, plain))
        varnish = stack.enter_context(brokers.varnish(directory(stack)))
        nginx = stack.enter_context(brokers.nginx(directory(stack)))
        tls = {"protocol": "Tls", "trusted_root_certificates": "servers", "host_name": "localhost"}
        text = gateway.gateway_section() + gateway.PROFILES
        text += gateway.section("trusted_root_certificate servers", file="server-root.pem")
        text += gateway.relay_pool("haproxy", plain, **full) + gateway.relay_pool("encrypted", encrypted, **full, **tls)
        text += gateway.relay_pool("varnish", varnish, **full) + gateway.relay_pool("nginx", nginx, **header)
        for name, profile, to in (
            ("haproxy", "strict", "haproxy"),
            ("haproxy-tls", "strict", "encrypted"),
            ("varnish", "strict", "varnish"),
            ("varnish-passing", "passthrough", "varnish"),
            ("nginx", "strict", "nginx"),
        ):
            text += gateway.relay_door(name, doors[name], profile, to=to)
        text += gateway.relay_door("haproxy-tcp", doors["haproxy-tcp"], protocol="Tcp", to="haproxy")
        yield gateway.Scene(gateway=stack.enter_context(gateway.running_gateway(text)), doors=doors)


@programs.needs("haproxy", "varnishd", "nginx")
class ToldTests(gateway.SceneCase):
    """Servers that read our headers."""

    stage = staticmethod(told)

    def ask(self, door: str, certificate: str = "ecdsa") -> tuple[Line, str]:
        """A client's connection, and what the server answers it."""
        port = self.scene.doors[door]
        if door.endswith("tcp"):
            line = clients.plain(port, clients.fresh_source())
        else:
            line = clients.encrypted(self.gateway.call(port, certificate))
        with closing(line):
            line.send(GET)
            response = line.response()
            self.assertEqual(response.status, 200, response)
            self.who = line.socket.getsockname()
            return line, response.body.decode()

    def test_haproxy(self) -> None:
        """HAProxy learns the client's address and port, the gateway's port, and the server name; over TLS too."""
        for door in ("haproxy", "haproxy-tls", "haproxy-tcp"):
            _, answer = self.ask(door)
            address, port = self.who
            authority = "" if door == "haproxy-tcp" else "localhost"
            self.assertEqual(answer, f"{address} {port} {self.scene.doors[door]}|{authority}")

    def test_nginx(self) -> None:
        """nginx learns the addresses."""
        _, answer = self.ask("nginx")
        address, port = self.who
        self.assertEqual(answer, f"{address} {port} {self.scene.doors['nginx']}")

    def test_varnish(self) -> None:
        """Varnish learns all there is to know of the client's TLS and certificate, and that it was verified."""
        _, answer = self.ask("varnish")
        address, port = self.who
        self.assertEqual(
            answer,
            f"{address} {port}|localhost|true|true|true|0|TLSv1.3|ecdsa device|TLS_AES_128_GCM_SHA256"
            "|ecdsa-with-SHA256|EC256",
        )

    def test_nobody_is_vouched_for(self) -> None:
        """For a Passthrough client it gets that it is unverified; without a certificate that there is none."""
        for certificate, came in (("stranger", "true"), ("", "false")):
            _, answer = self.ask("varnish-passing", certificate)
            _, _, is_ssl, connection, session, verify, _, common_name, *_ = answer.split("|")
            self.assertEqual((is_ssl, connection, session, verify, common_name), ("true", came, came, "1", ""))


SAME_JOB = """
listen tls
    mode tcp
    bind 127.0.0.1:{port} ssl crt {directory}/server-combined.pem ca-file {trusted} verify required
    server one 127.0.0.1:{to} send-proxy-v2-ssl-cn proxy-v2-options authority,ssl-cipher,cert-sig,cert-key
"""


@contextmanager
def compared() -> Iterator[gateway.Scene]:
    """The gateway and HAProxy, configured to do the same, before one backend."""
    ours, theirs = running.free_ports(2)
    keys = {"enable_l4_client_ip_preservation": "true", "proxy_protocol_tls": "true"}
    with ExitStack() as stack:
        backend = stack.enter_context(closing(Backend(lambda line: line.send(b"heard") if line.more() else None)))
        text = gateway.gateway_section() + gateway.PROFILES + gateway.relay_pool("app", backend.port, **keys)
        text += gateway.relay_door("ours", ours, "strict")
        started = stack.enter_context(gateway.running_gateway(text))
        place = directory(stack)
        server = gateway.certificates()["server"]
        (place / "server-combined.pem").write_bytes(server.chain_pem + server.key_pem)
        trusted = started.directory / "trusted.pem"
        configuration = SAME_JOB.format(port=theirs, to=backend.port, directory=place, trusted=trusted)
        stack.enter_context(brokers.haproxy(place, configuration, theirs))
        yield gateway.Scene(gateway=started, doors={"ours": ours, "theirs": theirs}, backend=backend)


@programs.needs("haproxy")
class ComparedTests(gateway.SceneCase):
    """What HAProxy says of the same client."""

    stage = staticmethod(compared)

    def told(self, door: str, certificate: str) -> tuple[int, int, bytes, dict[int, bytes]]:
        """The bits about the client, the verify field, the authority and all other values of a header."""
        backend: Backend = self.scene.backend
        number = len(backend.lines)
        with closing(clients.encrypted(self.gateway.call(self.scene.doors[door], certificate))) as line:
            line.send(b"hello")
            self.assertEqual(line.exactly(5), b"heard")
        header = HeaderReader().feed(bytes(backend.line(number).received))
        assert isinstance(header, ProxyHeader), header
        values = {tlv.type: tlv.value for tlv in header.tlvs}
        ssl = values[proxy_protocol.SSL]
        below = {tlv.type: tlv.value for tlv in proxy_protocol.split(ssl[5:]) or ()}
        return ssl[0], int.from_bytes(ssl[1:5], "big"), values[proxy_protocol.AUTHORITY], below

    def test_same_words(self) -> None:
        """Bit for bit and word for word the same, but for the certificate, which this HAProxy does not send."""
        for certificate in ("ecdsa", "rsa"):
            ours, theirs = self.told("ours", certificate), self.told("theirs", certificate)
            sent = ours[3].pop(proxy_protocol.SSL_CLIENT_CERT)
            self.assertEqual(sent, gateway.certificates()[certificate].der)
            cipher = proxy_protocol.SSL_CIPHER
            self.assertTrue(ours[3].pop(cipher).startswith(b"TLS_") and theirs[3].pop(cipher).startswith(b"TLS_"))
            self.assertEqual(ours, theirs)


BALANCER = """
listen {name}
    mode tcp
    bind 127.0.0.1:{port}
    server gateway 127.0.0.1:{to} {options}
"""
SENDS = {
    "v1": "send-proxy",
    "v2": "send-proxy-v2",
    "tls": "send-proxy-v2-ssl-cn",
    "checked": "send-proxy-v2 check inter 100",
}


def telling(line: Line) -> None:
    """Answers HTTP requests with their head, anything else as it came."""
    if line.more():
        if line.received.startswith(b"GET"):
            body = bytes(line.received)
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        else:
            line.send(bytes(line.received))


@contextmanager
def balanced() -> Iterator[gateway.Scene]:
    """A gateway behind HAProxy: ``http``, ``https`` and ``relay``, each by every kind of header."""
    kinds = ("http", "https", "relay")
    own = dict(zip(kinds, running.free_ports(len(kinds)), strict=True))
    names = [f"{kind}-{how}" for kind in kinds for how in SENDS]
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    keys = {"accept_proxy_protocol": "127.0.0.1/32"}
    with ExitStack() as stack:
        backend = stack.enter_context(closing(Backend(telling)))
        text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.relay_pool("bytes", backend.port)
        text += gateway.door("http", own["http"], protocol="Http", **keys)
        text += gateway.door("https", own["https"], "strict", **keys)
        text += gateway.relay_door("relay", own["relay"], "strict", to="bytes", **keys)
        configuration = "".join(
            BALANCER.format(name=name, port=port, to=own[name.partition("-")[0]], options=SENDS[name.partition("-")[2]])
            for name, port in doors.items()
        )
        started = stack.enter_context(gateway.running_gateway(text))
        stack.enter_context(brokers.haproxy(directory(stack), configuration, doors["http-v1"]))
        yield gateway.Scene(gateway=started, doors={**doors, **own}, backend=backend)


@programs.needs("haproxy")
class BalancedTests(gateway.SceneCase):
    """A gateway behind HAProxy."""

    stage = staticmethod(balanced)

    def setUp(self) -> None:
        super().setUp()
        self.source = clients.fresh_source()

    def connect(self, door: str, certificate: str = "ecdsa") -> Line:
        """A connection through HAProxy, or past it."""
        port = self.scene.doors[door]
        if door.startswith("http-") or door == "http":
            line = clients.plain(port, self.source)
        else:
            line = clients.encrypted(self.gateway.call(port, certificate, source=self.source))
        self.addCleanup(line.close)
        return line

    def test_client_address(self) -> None:
        """In logs and for backends the client is who came to HAProxy, with either version of the header, on every
        listener.
        """
        for kind in ("http", "https"):
            for how in ("v1", "v2", "tls"):
                with self.subTest(kind=kind, how=how):
                    line = self.connect(f"{kind}-{how}")
                    address, port = line.socket.getsockname()
                    line.send(GET)
                    told = line.response().body.decode()
                    self.assertIn(f"\r\nX-Forwarded-For: {address}:{port}\r\n", told)
                    self.assertEqual(self.gateway.record(clientIP=address, clientPort=port)["httpStatus"], 200)

    def test_relay(self) -> None:
        """So it is on an L4 listener."""
        for how in ("v1", "v2", "tls"):
            with self.subTest(how=how):
                line = self.connect(f"relay-{how}")
                address, port = line.socket.getsockname()
                line.send(b"hello")
                self.assertEqual(line.rest(), b"hello")
                line.close()
                record = self.gateway.record(clientIP=address, clientPort=port)
                self.assertEqual((record["listenerName"], record["sslClientVerify"]), ("relay", "SUCCESS"))

    def test_health_checks(self) -> None:
        """HAProxy's own checks, of TCP and with a header of their own, are no clients, and HAProxy finds us well."""
        line = self.connect("http-checked")
        line.send(GET)
        self.assertEqual(line.response().status, 200)

    def test_past_it(self) -> None:
        """Who does not come through HAProxy is closed, with a header of his own or without."""
        for door in ("http", "https", "relay"):
            for data in (b"", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", GET):
                line = clients.plain(self.scene.doors[door], self.source)
                with closing(line):
                    line.send(data)
                    self.assertEqual(line.rest(), b"")
        expected = "this address may not send PROXY protocol headers, and none is let in"

        def complaints() -> list[str]:
            return [each["handshakeError"] for each in self.gateway.records() if each["clientIP"] == self.source]

        self.assertEqual({*wait_until(complaints, "the log says why")}, {expected})

    def test_no_header(self) -> None:
        """Who comes from its address without a header is closed, too."""
        for door in ("http", "https", "relay"):
            line = clients.plain(self.scene.doors[door], "127.0.0.1")
            with closing(line):
                line.send(GET)
                self.assertEqual(line.rest(), b"")

        def complaints() -> list[str]:
            errors = [each.get("handshakeError", "") for each in self.gateway.records()]
            return [error for error in errors if "does not begin with a PROXY protocol header" in error]

        wait_until(complaints, "the log says why")
