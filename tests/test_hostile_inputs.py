"""Work in proportion to what came: a byte of a hostile input costs no more than a share of one of a plain request.

That is a ratio of processor time in one run, and so no matter of how fast the machine is; the plain request is the
smallest one, of which many come in a read and are answered at once. A row is a name and what is sent; further ones
belong in the table of their kind.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import attrs
from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.paths import normalised
from agwtwisted.core.http.response_reader import ResponseReader
from agwtwisted.core.listening.proxy_protocol import SIGNATURE, HeaderReader
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.resources.resources import RedirectConfiguration, RedirectType
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests import pki
from tests.clients import Gateway, client_context, text
from tests.gateways import Stand, site
from tests.readers import pulled_response
from tests.tls.test_handshake import OPEN, KeyUpdates, spied
from tests.wires import READ, Network

SIZE = 4 * READ
"""Bytes that each input has, about."""

REPEATED = 3
"""How often each is measured; the least time counts."""

SMALLEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def many(piece: bytes, *, head: bytes = b"") -> bytes:
    """As much of something as an input has."""
    return head + piece * (SIZE // len(piece))


def head(lines: bytes, target: bytes = b"/", host: bytes = b"a") -> bytes:
    """A request with these header lines."""
    return b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, host, lines)


def heads(make: Callable[[int], bytes]) -> bytes:
    """Requests of which each is another one."""
    made, size = [], 0
    while size < SIZE:
        made.append(make(len(made)))
        size += len(made[-1])
    return b"".join(made)


def letters(first: int, count: int) -> bytes:
    """A path of letters beyond ASCII, each another one."""
    return b"/" + b"".join(b"%%%02X" % octet for octet in "".join(map(chr, range(first, first + count))).encode())


BODIES: dict[str, bytes] = {
    "chunks of one byte": many(b"1\r\na\r\n", head=CHUNKED),
    "chunks of one and of two bytes": many(b"1\r\na\r\n2\r\nbc\r\n", head=CHUNKED),
    "chunks of one byte with a zero": many(b"01\r\na\r\n", head=CHUNKED),
    "chunks of one byte with an extension": many(b"1;x\r\na\r\n", head=CHUNKED),
    "chunks of 17 bytes": many(b"11\r\n" + b"a" * 17 + b"\r\n", head=CHUNKED),
}
"""Bodies of one request."""

HEADS: dict[str, bytes] = {
    "empty lines": many(b"\r\n"),
    "many lines": heads(lambda number: head(b"".join(b"%02d:%d\r\n" % (each, number) for each in range(95)))),
    "odd names": heads(lambda number: head(b"".join(b"_%d_%d:\r\n" % (each, number) for each in range(95)))),
    "odd values": heads(lambda number: head(b"".join(b"X:\xe9%d\r\n" % number for _ in range(95)))),
    "long lines": many(head(b"X: %b\r\n" % (b"x" * 30_000))),
    "long names of hosts": many(head(b"", host=b".".join([b"a"] * 127))),
    "names of hosts in many labels": many(head(b"", host=b"a" * 40 + b".a.b.a" * 30)),
    "many tokens": many(head(b"Connection: %b\r\n" % (b"a," * 15_000))),
    "many cookies": many(head(b"Cookie: %b\r\n" % (b"a=b;" * 7_000))),
    "blanks in cookies": many(head(b"Cookie: %b\r\n" % (b"; " + b" " * 28_000))),
    "proposals of an upgrade": many(head(b"Connection: upgrade\r\nUpgrade: %b\r\n" % (b"a, " * 10_000))),
    "long targets": many(head(b"", b"/" + b"a" * 30_000)),
    "bytes beyond ASCII in targets": many(head(b"", b"/" + b"%E9" * 10_000)),
}
"""What clients send over one connection; the gateway answers every request by itself."""

CONNECTIONS: dict[str, bytes] = {
    "a long Host": head(b"", host=b"a" + b".a" * 15_900),
    "a head too long": b"GET / HTTP/1.1\r\nX: " + b"x" * READ,
    "a target too long": b"GET /" + b"x" * READ,
    "a folded line": head(b"X: a\r\n" * 90 + b" b\r\n"),
    "one line too many": head(b"X: a\r\n" * 5_000),
    "a body too short": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"a" * READ,
    "trailers": CHUNKED + b"0\r\n" + b"X: a\r\n" * 5_000,
    "a long extension": CHUNKED + b"1;" + b"a" * READ,
    "bytes of no protocol": bytes(range(256)) * 100,
}
"""What ends a connection: each is sent over new ones."""

PATHS: dict[str, bytes] = {
    "encoded letters": b"/" + b"%41" * 10_900,
    "what must be encoded": b"/" + b"^" * 32_000,
    "names of one letter": b"/a" * 16_000 + b"//",
    "dots": b"/." * 16_000,
    "up and down": b"/a/.." * 6_500,
    "blanks": b"/a" + b"%20" * 10_800 + b"a",
    "letters beyond ASCII": letters(0x4E01, 3_500),
    "letters that are taken for ASCII": letters(0x4E01, 3_500) + b"%E2%84%AA",
}
"""Paths that are brought into one form."""

SERVERS: dict[str, bytes] = {
    "chunks of one byte": many(b"1\r\na\r\n", head=OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "padded chunks": many(b"1 \r\na\r\n", head=OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "many lines": OK + b"X:\r\n" * READ,
    "interim responses": many(b"HTTP/1.1 100 C\r\n\r\n"),
}
"""What servers answer; read in pieces of one read."""


RECORDS: dict[str, Callable[[KeyUpdates], bytes]] = {
    "new keys": lambda updates: updates.make(700),
    "empty ones": lambda updates: b"".join(updates.record(b"\x17") for _ in range(800)),
    "one byte in each": lambda updates: b"".join(updates.data(b"x") for _ in range(800)),
    "new keys for each byte": lambda updates: b"".join(updates.make(1) + updates.data(b"x") for _ in range(400)),
}
"""What a client sends after its handshake; nobody reads what it says."""

CERTIFICATE = 22_000
"""Octets that a large certificate has at least."""


def certificates() -> dict[str, pki.Credential]:
    """Certificates of strangers who made them large."""
    odd = [x509.NameAttribute(NameOID.COMMON_NAME, f'\u00e9",+{number}') for number in range(1_500)]
    made = {
        "a long subject": pki.Authority.root("Strangers").issue(x509.Name(odd)),
        "many names of hosts": pki.Authority.root("Strangers").issue(
            san=[f"{number:x}.example" for number in range(1_800)]
        ),
        "many addresses": pki.Authority.root("Strangers").issue(
            extra=[
                pki.extension(
                    x509.SubjectAlternativeName([x509.RFC822Name(f"{number:x}@a.example") for number in range(1_500)])
                )
            ]
        ),
    }
    assert all(len(each.der) >= CERTIFICATE for each in made.values())
    return made


class RatioTests(SynchronousTestCase):
    """Microseconds of the processor for a byte."""

    def setUp(self) -> None:
        self.unit = self.cost(partial(self.send, many(SMALLEST)))

    def sites(self) -> tuple[Site, ...]:
        """One that answers everything by itself, and one with wildcards that no request here fits."""
        moved = RedirectConfiguration(
            name="up", redirect_type=RedirectType.PERMANENT, target_url="https://a.example/", include_path=True
        )
        basic = site()
        rule = attrs.evolve(
            basic.rule,
            redirect_configuration=moved,
            backend_address_pool=None,
            backend_http_settings=None,
            deny_unless=(Condition.of("http_req_Cookie !~ ^$^"),),
        )
        return (Site(listener=basic.listener, rule=rule), site("*.a.*.example"), site("?.b*.*.example"))

    def stand(self) -> tuple[Network, Stand]:
        """A gateway."""
        network = Network()
        return network, Stand(network, *self.sites())

    def send(self, stream: bytes) -> int:
        """Sends this over one connection, in reads."""
        network, stand = self.stand()
        connection = Connection(network, NO_OUTBOX)
        line = network.dial(connection)
        stand.begin(connection)
        for start in range(0, len(stream), READ):
            line.send(stream[start : start + READ])
        line.received.clear()
        return len(stream)

    def connect(self, stream: bytes) -> int:
        """Sends this over new connections, until it is as much as any input."""
        network, stand = self.stand()
        sent = 0
        while sent < SIZE:
            connection = Connection(network, NO_OUTBOX)
            line = network.dial(connection)
            stand.begin(connection)
            line.send(stream)
            sent += len(stream)
        return sent

    def cost(self, spend: Callable[[], int]) -> float:
        """Seconds of the processor for a byte."""

        def once() -> float:
            before = time.process_time()
            size = spend()
            return (time.process_time() - before) / size

        return min(once() for _ in range(REPEATED))

    def check(self, inputs: dict[str, bytes], most: float, spend: Callable[[bytes], int]) -> None:
        """A byte of each of these costs less than so much of one of the smallest request."""
        ratios = {name: self.cost(partial(spend, each)) / self.unit for name, each in inputs.items()}
        self.assertEqual({name: ratio for name, ratio in ratios.items() if ratio >= most}, {})

    def test_bodies(self) -> None:
        """Bodies, whose bytes are only passed on."""
        self.check(BODIES, 0.1, self.send)

    def test_heads(self) -> None:
        """Requests that are answered."""
        self.check(HEADS, 0.6, self.send)

    def test_connections(self) -> None:
        """Requests that are refused, and end their connection."""
        self.check(CONNECTIONS, 1, self.connect)

    def test_paths(self) -> None:
        """Paths where they decide who comes in."""

        def spend(path: bytes) -> int:
            for _ in range(4):
                normalised(path)
            return 4 * len(path)

        self.check(PATHS, 0.3, spend)

    def test_servers(self) -> None:
        """Responses."""

        def spend(stream: bytes) -> int:
            reader = ResponseReader(to_head_request=False, max_header_bytes=32768)
            for start in range(0, len(stream), READ):
                reader.feed(stream[start : start + READ])
                pulled_response(reader)
            return len(stream)

        self.check(SERVERS, 0.2, spend)

    def test_records(self) -> None:
        """TLS records without data, or with little, of clients whose handshake is through."""

        def cost(make: Callable[[KeyUpdates], bytes]) -> float:
            updates = KeyUpdates(Gateway(OPEN))
            spied(updates.client)
            records = make(updates)
            before = time.process_time()
            updates.client.give(records)
            return (time.process_time() - before) / len(records)

        ratios = {name: min(cost(make) for _ in range(REPEATED)) / self.unit for name, make in RECORDS.items()}
        self.assertEqual({name: ratio for name, ratio in ratios.items() if ratio >= 1}, {})

    def test_certificates(self) -> None:
        """Handshakes with large certificates, refused and passed through; the client's own part is counted, too."""
        contexts = {name: client_context(each) for name, each in certificates().items()}
        for profile in ("strict", "http400", "passthrough"):
            gateway = Gateway(text(f"basic {profile}"))

            def spend(name: str, gateway: Gateway = gateway) -> int:
                gateway.shake_hands(contexts[name])
                return CERTIFICATE

            ratios = {name: self.cost(partial(spend, name)) / self.unit for name in contexts}
            self.assertEqual({name: ratio for name, ratio in ratios.items() if ratio >= 0.6}, {}, profile)

    def test_proxy_headers(self) -> None:
        """PROXY protocol headers full of small values."""

        def spend(values: bytes) -> int:
            size = 12 + len(values)
            header = SIGNATURE + b"\x21\x11" + size.to_bytes(2, "big") + bytes(12) + values
            for _ in range(8):
                HeaderReader().feed(header)
            return 8 * len(header)

        self.check({"empty ones": b"\x04\0\0" * 5_000, "checksums": b"\x03\0\x04abcd" * 2_000}, 0.6, spend)
