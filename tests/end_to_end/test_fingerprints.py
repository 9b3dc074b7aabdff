"""The fingerprint of the client's TLS at the backend, through a running gateway."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from agwtwisted.core.tls.ja4 import ClientHelloReader, ja4
from tests import running
from tests.core.tls.test_ja4 import in_records
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import section
from tests.end_to_end.lines import Line, Message
from tests.programs import needs

NAME = "x-azure-ja4-fingerprint"
FORGED = b"X-Azure-JA4-Fingerprint: forged\r\n"
PROXY = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n"


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A plain door, a door with TLS, a Strict one, one that asks for a second ClientHello, one behind a balancer."""
    names = ("plain", "open", "strict", "again", "behind")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section(state_directory="state") + gateway.PROFILES
        text += section("ssl_profile again", ssl_policy="AppGwSslPolicy20220101", tls_groups="secp384r1")
        text += gateway.pool("app", backend.port) + gateway.door("plain", doors["plain"], protocol="Http")
        text += gateway.door("open", doors["open"]) + gateway.door("strict", doors["strict"], "strict")
        text += gateway.door("again", doors["again"], "again")
        text += gateway.door("behind", doors["behind"], accept_proxy_protocol="127.0.0.1")
        text = text.replace("[request_routing_rule open]\n", "[request_routing_rule open]\nrewrite_rule_set = shown\n")
        text += section("rewrite_rule shown/ja4", **{"response_header.X-Shown": "{var_client_ja4}"})
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=backend)


class HandMade:
    """A client whose records go over the wire as a test cuts them."""

    def __init__(self, line: Line, context: ssl.SSLContext, name: str) -> None:
        self.line = line
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.hello = self._step()

    @property
    def fingerprint(self) -> str:
        """Of its ClientHello."""
        return ja4(ClientHelloReader().feed(self.hello) or b"").decode()

    def _step(self) -> bytes:
        """Goes on with the handshake; returns what is to be sent."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def shake_hands(self, *first: bytes) -> None:
        """The rest of the handshake, after these pieces, each sent by itself."""
        for piece in first:
            self.line.send(piece)
        while not self.tls.version() or self.tls.cipher() is None or not self._is_through():
            self.incoming.write(self.line.socket.recv(65536))
            self.line.send(self._step())

    def _is_through(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def ask(self) -> str:
        """What the backend gets for a request, in lower case."""
        self.tls.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%b\r\n" % FORGED)
        self.line.send(self.outgoing.read())
        answer = b""
        while data := self.line.socket.recv(65536):
            self.incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError):
                while piece := self.tls.read(65536):
                    answer += piece
        return answer.decode("latin-1").lower()


class FingerprintTests(gateway.SceneCase):
    """Clients by their ClientHello."""

    stage = staticmethod(stage)

    def context(self, change: Callable[[ssl.SSLContext], None] = lambda context: None) -> ssl.SSLContext:
        """Of a client that trusts the gateway."""
        made = clients.context(self.gateway.call(0))
        change(made)
        return made

    def client(self, door: str, change: Callable[[ssl.SSLContext], None] = lambda context: None) -> HandMade:
        """One that has said nothing yet."""
        line = clients.plain(self.scene.doors[door])
        self.addCleanup(line.close)
        return HandMade(line, self.context(change), "localhost")

    def assert_known(self, client: HandMade) -> None:
        """The backend gets the fingerprint of this client, and nothing that the client has made up."""
        self.assertRegex(client.fingerprint, "^t1[23]d")
        came = client.ask()
        self.assertEqual(came.count(f"{NAME}: "), 1, came)
        self.assertIn(f"\r\n{NAME}: {client.fingerprint}\r\n", came)
        self.assertNotIn("forged", came)

    def answer(self, line: Line) -> Message:
        """The answer to a request with a header of the client's own."""
        line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % FORGED)
        return line.response()

    def test_clients(self) -> None:
        """Whichever version and protocols a client offers."""

        def old(context: ssl.SSLContext) -> None:
            context.maximum_version = ssl.TLSVersion.TLSv1_2

        def of_http(context: ssl.SSLContext) -> None:
            context.set_alpn_protocols(["http/1.1"])

        seen = set()
        for change in (lambda context: None, old, of_http):
            client = self.client("open", change)
            client.shake_hands(client.hello)
            self.assert_known(client)
            seen.add(client.fingerprint)
        self.assertEqual(len(seen), 3)

    def test_in_pieces(self) -> None:
        """A ClientHello may come in several records and in any pieces, and behind the header of a load balancer."""
        for door, ahead in (("open", b""), ("behind", PROXY)):
            for cut in ((), (1, 3, 50), (100,)):
                client = self.client(door)
                records = ahead + in_records(ClientHelloReader().feed(client.hello) or b"", *cut)
                at = len(ahead) + 7
                client.shake_hands(records[:at], records[at : at + 1], records[at + 1 : -2], records[-2:])
                self.assert_known(client)

    def test_second_hello(self) -> None:
        """Where the gateway asks for another key share the first ClientHello counts."""
        client = self.client("again")
        client.shake_hands(client.hello)
        self.assertEqual(client.tls.version(), "TLSv1.3")
        self.assert_known(client)

    def test_without_tls(self) -> None:
        """On a plain listener there is none, and what a client makes up is deleted as well."""
        with closing(clients.plain(self.scene.doors["plain"])) as line:
            came = self.answer(line).body.decode().lower()
        self.assertNotIn(NAME, came)
        self.assertNotIn("forged", came)

    def test_each_request(self) -> None:
        """All requests of a connection have it, on a Strict listener, too; rules have it as a variable."""
        for door, certificate in (("open", ""), ("strict", "ecdsa")):
            with closing(clients.encrypted(self.gateway.call(self.scene.doors[door], certificate))) as line:
                answers = [self.answer(line) for _ in range(3)]
            found = {each.body.decode().lower().partition(f"{NAME}: ")[2].partition("\r\n")[0] for each in answers}
            self.assertEqual(len(found), 1)
            self.assertRegex(found.pop(), "^t13d")
            if door == "open":
                self.assertIn(f"{NAME}: {answers[0].get('x-shown')}", answers[0].body.decode().lower())

    @needs("curl")
    def test_curl(self) -> None:
        """Two requests of one program have the same, and it is none of another program's."""
        found = set()
        for _ in range(2):
            answer = clients.by_curl(self.gateway.call(self.scene.doors["open"]))
            found.add(answer.body.lower().partition(f"{NAME}: ")[2].partition("\r\n")[0])
        self.assertEqual(len(found), 1)
        self.assertNotEqual(found.pop(), self.client("open").fingerprint)
