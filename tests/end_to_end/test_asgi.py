"""Bodies that flow both ways at once, with an ASGI server behind the gateway: uvicorn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests import running
from tests.end_to_end import backends, clients, gateway
from tests.end_to_end.lines import Line, wait_until
from tests.end_to_end.test_proxying import directory, get

CHUNKED = "Transfer-Encoding: chunked\r\n"


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A strict and a plain door before uvicorn."""
    doors = dict(zip(("strict", "plain"), running.free_ports(2), strict=True))
    with directory() as files, backends.uvicorn(files) as port:
        text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", port)
        text += gateway.door("strict", doors["strict"], "strict")
        text += gateway.door("plain", doors["plain"], protocol="Http")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors)


def chunk(data: bytes) -> bytes:
    """A chunk; the last one where there is no data."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class AsgiCase(gateway.SceneCase):
    """What the tests of uvicorn use."""

    stage = staticmethod(stage)

    def connect(self, door: str = "strict", source: str = "") -> Line:
        """A connection with a valid certificate, or without TLS."""
        port = self.scene.doors[door]
        source = source or clients.fresh_source()
        if door == "plain":
            line = clients.plain(port, source)
        else:
            line = clients.encrypted(self.gateway.call(port, "ecdsa", source=source))
        self.addCleanup(line.close)
        return line

    def ask(self, target: str) -> bytes:
        """The body of an answer, over a connection of its own."""
        with closing(self.connect("plain")) as line:
            line.send(get(target))
            return line.response().body


class IdentityTests(AsgiCase):
    """The application reads who the client is."""

    def test_who(self) -> None:
        """Only a verified client is named, whatever a request claims."""
        spoofed = "X-Client-Certificate-Verification: SUCCESS\r\nx_client.certificate_subject: CN=me\r\n"
        for door, answer in (("strict", b"SUCCESS CN=ecdsa device"), ("plain", b"NOT_ASKED ")):
            for extra in ("", spoofed):
                line = self.connect(door)
                line.send(get("/who", extra=extra))
                self.assertEqual(line.response().body, answer)


class StreamingTests(AsgiCase):
    """The application reads and answers at the same time."""

    def test_echo(self) -> None:
        """Each piece of a body comes back before the next is sent: neither direction waits for its end."""
        for door in ("strict", "plain"):
            line = self.connect(door)
            line.send(get("/echo", "POST", extra=CHUNKED))
            answer = line.head()
            assert answer
            self.assertEqual(answer.get("transfer-encoding"), "chunked")
            for size in (1, 10, 1000, 100_000):
                piece = bytes([size & 255]) * size
                line.send(chunk(piece))
                came = b""
                while len(came) < size:  # the application may have got it in several pieces
                    came += line.chunk()
                self.assertEqual(came, piece)
            line.send(chunk(b""))
            self.assertEqual(line.chunk(), b"")

    def test_large_body(self) -> None:
        """A body of some megabytes arrives as it was, with a length and in chunks."""
        body = bytes(range(256)) * 32768
        digest = f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()
        line = self.connect()
        line.send(get("/digest", "POST", extra=f"Content-Length: {len(body)}\r\n"), body)
        self.assertEqual(line.response().body, digest)
        line.send(get("/digest", "POST", extra=CHUNKED), chunk(body), chunk(b""))
        self.assertEqual(line.response().body, digest)

    def test_events(self) -> None:
        """Server-Sent Events come one by one: each arrives before the next one is asked for."""
        for door in ("strict", "plain"):
            line = self.connect(door)
            line.send(get("/events"))
            answer = line.head()
            assert answer
            self.assertEqual(answer.get("content-type"), "text/event-stream")
            for number in range(3):
                self.assertEqual(line.chunk(), b"data: %d\n\n" % number)
                self.ask("/want")
            self.assertEqual((line.chunk(), line.chunk()), (b"data: last\n\n", b""))

    def test_order(self) -> None:
        """A request that was sent behind one whose answer takes long is answered after it."""
        line = self.connect()
        line.send(get("/events"), get("/client"))
        head = line.head()
        assert head
        for number in range(3):
            self.assertEqual(line.chunk(), b"data: %d\n\n" % number)
            self.ask("/want")
        self.assertEqual((line.chunk(), line.chunk()), (b"data: last\n\n", b""))
        self.assertTrue(line.response().body.isdigit())

    def test_early_answer(self) -> None:
        """An answer to a request of which next to nothing has come reaches the client, and ends the connection."""
        for door in ("strict", "plain"):
            line = self.connect(door)
            line.send(get("/early", "PUT", extra="Content-Length: 1000000000\r\n"), b"begun")
            answer = line.response()
            self.assertEqual((answer.status, answer.body, answer.get("connection")), (413, b"too much", "close"))
            self.assertEqual(line.rest(), b"")

    def test_early_answer_to_who_waits(self) -> None:
        """So it is for a client that waits for 100 Continue: none comes."""
        line = self.connect()
        line.send(get("/early", "PUT", extra="Content-Length: 1000000000\r\nExpect: 100-continue\r\n"))
        self.assertEqual(line.response().status, 413)

    def test_expectation(self) -> None:
        """100 Continue comes once the application wants the body."""
        line = self.connect()
        line.send(get("/digest", "PUT", extra="Content-Length: 4\r\nExpect: 100-continue\r\n"))
        self.assertEqual(line.response().status, 100)
        line.send(b"body")
        self.assertEqual(line.response().body, f"4 {hashlib.sha256(b'body').hexdigest()}".encode())

    def test_connection_is_used_again(self) -> None:
        """One connection to the application serves one client after the other."""
        ports = set()
        for _ in range(3):
            line = self.connect()
            for _ in range(3):
                line.send(get("/client"))
                ports.add(line.response().body)
            line.close()
        self.assertEqual(len(ports), 1)


class LeavingTests(AsgiCase):
    """The application hears that a client has left."""

    def test_during_the_answer(self) -> None:
        """A client that leaves amid its answer."""
        source = clients.fresh_source()
        line = self.connect(source=source)
        line.send(get("/download"))
        self.assertTrue(line.head())
        self.assertEqual(line.chunk(), b"begun")
        line.close()
        wait_until(lambda: b"/download" in self.ask("/left"), "the application has heard of it")
        self.assertEqual(self.gateway.record(clientIP=source)["httpStatus"], 499)

    def test_during_the_body(self) -> None:
        """A client that leaves amid its request."""
        line = self.connect()
        line.send(get("/upload", "PUT", extra=CHUNKED), chunk(b"begun"))
        self.assertTrue(line.head())
        line.close()
        wait_until(lambda: b"/upload" in self.ask("/left"), "the application has heard of it")
