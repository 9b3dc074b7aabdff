"""Requests that two servers may read in two ways: refused, and nothing of them reaches the backend."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, answering, echo
from tests.end_to_end.lines import DEADLINE, Line, wait_until

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: 1\r\n\r\n"


def post(*lines: bytes, body: bytes = b"0\r\n\r\n") -> bytes:
    """A POST with these header lines and bytes after the head, another request among them."""
    return b"\r\n".join([b"POST / HTTP/1.1", b"Host: localhost", *lines, b"", b""]) + body + SMUGGLED


LENGTHS = (b"+5", b"-1", b"0x5", b"5,5", b"5, 5", b"5 5", b"5a", b"1e1", b"", b"\x0b5", b"9" * 20, b"1" * 5000)
CODINGS = (
    b"identity",
    b"xchunked",
    b"chunked, identity",
    b"gzip, chunked",
    b"identity, chunked",
    b"chunked, chunked",
    b"chunked;q=1",
    b'"chunked"',
    b"chunked\x0b",
    b"\x00chunked",
    b"",
)
REFUSED = {
    **{f"Content-Length {value!r:.20}": post(b"Content-Length: " + value) for value in LENGTHS},
    **{f"Transfer-Encoding {value!r}": post(b"Transfer-Encoding: " + value) for value in CODINGS},
    "both framings": post(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "both framings, turned": post(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "two lengths": post(b"Content-Length: 5", b"Content-Length: 6"),
    "two equal lengths": post(b"Content-Length: 5", b"content-length: 5"),
    "two codings": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "two equal codings": post(b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"),
    "space before the colon": post(b"Content-Length: 0", b"Transfer-Encoding : chunked"),
    "folded line": post(b"Transfer-Encoding:", b" chunked"),
    "folded at the start": b"POST / HTTP/1.1\r\n Host: localhost\r\n\r\n" + SMUGGLED,
    "folded value": post(b"Content-Length: 0", b"X-Folded: a", b"\tTransfer-Encoding: chunked"),
    "no length": post(),
    "bare line feeds": b"POST / HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n" + SMUGGLED,
    "one bare line feed": b"POST / HTTP/1.1\r\nHost: localhost\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "bare returns": b"POST / HTTP/1.1\r\nHost: localhost\r\nX: 1\r\r\r" + SMUGGLED,
    "return in a value": post(b"Content-Length: 0", b"X-A: a\rTransfer-Encoding: chunked"),
    "null in a value": post(b"Content-Length: 0", b"X-A: a\x00b"),
    "null in a name": post(b"Content-Length: 0", b"X\x00A: b"),
    "space in a name": post(b"Content-Length: 0", b"X A: b"),
    "no name": post(b"Content-Length: 0", b": b"),
    "no colon": post(b"Content-Length: 0", b"Transfer-Encoding"),
    "no host": b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n" + SMUGGLED,
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "two hosts in one": b"GET / HTTP/1.1\r\nHost: localhost, other.example\r\n\r\n" + SMUGGLED,
    "host with a path": b"GET / HTTP/1.1\r\nHost: localhost/x\r\n\r\n" + SMUGGLED,
    "host with a user": b"GET / HTTP/1.1\r\nHost: me@localhost\r\n\r\n" + SMUGGLED,
    "host that is empty": b"GET / HTTP/1.1\r\nHost:\r\n\r\n" + SMUGGLED,
    "target of another host": b"GET http://other.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "target with a fragment": b"GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "target with a control": b"GET /a\x01b HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "target beyond ASCII": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "target without a slash": b"GET a HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "asterisk": b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "two spaces": b"GET / x HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "small method": b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "unknown method": b"FROBNICATE / HTTP/1.1\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "method of another protocol": b"DESCRIBE rtsp://localhost/ RTSP/1.0\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "chunks in HTTP/1.0": post(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "HTTP/1.01": b"GET / HTTP/1.01\r\nHost: localhost\r\n\r\n" + SMUGGLED,
    "upgrade with a body": post(b"Content-Length: 5", b"Connection: upgrade", b"Upgrade: websocket", body=b"hello"),
    "RTSP": b"OPTIONS / RTSP/1.0\r\nHost: localhost\r\nCSeq: 1\r\n\r\n" + SMUGGLED,
    "two expectations": post(b"Content-Length: 0", b"Expect: 100-continue", b"Expect: 100-continue"),
    "large head": post(b"Content-Length: 0", *(b"X-%d: %b" % (number, b"a" * 1000) for number in range(40))),
    "large line": post(b"Content-Length: 0", b"X: " + b"a" * 40000),
    "large body": post(b"Content-Length: 5000000000"),
}
"""Requests that are refused by their heads."""

CHUNKS = {
    "sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "minus": b"-1\r\nhello\r\n0\r\n\r\n",
    "hexadecimal prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "no digit": b"g\r\nhello\r\n0\r\n\r\n",
    "space before": b" 5\r\nhello\r\n0\r\n\r\n",
    "too large a size": b"f0000000000000000\r\nhello\r\n0\r\n\r\n",
    "size that wraps": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "bare line feed": b"5\nhello\r\n0\r\n\r\n",
    "bare return": b"5\rhello\r\n0\r\n\r\n",
    "line feed after the data": b"5\r\nhello\n0\r\n\r\n",
    "line feed in the extension": b"5;a\n=b\r\nhello\r\n0\r\n\r\n",
    "data too long": b"5\r\nhello, world\r\n0\r\n\r\n",
    "data too short": b"8\r\nhello\r\n0\r\n\r\n",
    "trailer of ours": b"5\r\nhello\r\n0\r\nX-Client-Certificate: a\r\n\r\n",
    "trailer of ours, spelt otherwise": b"5\r\nhello\r\n0\r\nx_client_certificate_subject: a\r\n\r\n",
    "trailer that is a framing": b"5\r\nhello\r\n0\r\nContent-Length: 100\r\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
}
"""Chunked bodies that are no such thing: their request is under way, and taken back."""

RESPONSES = {
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\nok",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "return in a value": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok",
    "null in a value": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"<html>ok</html>\r\n\r\n",
    "large head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70000 + b"\r\nContent-Length: 2\r\n\r\nok",
}
"""Answers that a client may read in another way than the gateway."""


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A plain and a strict door before one backend."""
    doors = dict(zip(("strict", "plain"), running.free_ports(2), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section(header_timeout=3) + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.door("strict", doors["strict"], "strict")
        text += gateway.door("plain", doors["plain"], protocol="Http")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=backend)


def answering_at_once(line: Line) -> None:
    """Answers as soon as there is a head."""
    if line.head():
        line.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        line.rest()


class SmugglingTests(gateway.SceneCase):
    """One request at a time on a connection of its own, with another one hidden behind it."""

    stage = staticmethod(stage)

    def setUp(self) -> None:
        super().setUp()
        self.backend: Backend = self.scene.backend
        self.backend.talk = echo
        self.backend.forget()

    @contextmanager
    def connection(self, door: str = "plain") -> Iterator[Line]:
        """A connection to a door."""
        port = self.scene.doors[door]
        with closing(
            clients.plain(port) if door == "plain" else clients.encrypted(self.gateway.call(port, "ecdsa"))
        ) as line:
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield line

    def assert_refused(self, what: str, line: Line) -> None:
        """One answer comes that refuses, then the end; the backend has got nothing."""
        answer = line.response()
        self.assertIn(answer.status, (400, 413, 414), what)
        self.assertEqual(answer.get("connection"), "close", what)
        self.assertEqual(line.rest(), b"", what)
        self.assertEqual(self.backend.received, b"", what)

    def test_refused(self) -> None:
        """A request that is not plainly one is refused, what follows is dropped, and the backend gets no byte."""
        for door in ("plain", "strict"):
            for what, request in REFUSED.items():
                with self.connection(door) as line:
                    line.send(request)
                    self.assert_refused(what, line)

    def test_refused_in_pieces(self) -> None:
        """Where the bytes were cut makes no difference."""
        for what, request in REFUSED.items():
            if len(request) < 1000:
                with self.connection() as line:
                    with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it need not read all
                        for byte in request:
                            line.send(bytes([byte]))
                    self.assert_refused(what, line)

    def test_refused_after_a_good_one(self) -> None:
        """A good request before it on the connection does not change that."""
        good = b"GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for what, request in REFUSED.items():
            with self.connection() as line:
                line.send(good + request)
                self.assertEqual(line.response().status, 200, what)
                self.assertEqual(self.backend.received.count(b"GET /good"), 1)
                self.backend.forget()
                self.assert_refused(what, line)

    def test_chunks(self) -> None:
        """A chunked body that breaks its rules takes its request back: the backend sees it cut."""
        for what, chunks in CHUNKS.items():
            for door in ("plain", "strict"):
                with self.connection(door) as line:
                    line.send(post(b"Transfer-Encoding: chunked", body=chunks))
                    answer = line.response()
                    self.assertEqual(answer.status, 400, what)
                    self.assertEqual(line.rest(), b"", what)
                self.backend.wait_for_ends()
                self.assertNotIn(b"smuggled", self.backend.received.lower(), what)
                self.assertFalse(self.backend.received.endswith(b"0\r\n\r\n"), what)

    def test_chunks_in_pieces(self) -> None:
        """The same when the backend has the head already, and the body comes byte by byte."""
        for what, chunks in CHUNKS.items():
            self.backend.forget()
            with self.connection() as line:
                line.send(post(b"Transfer-Encoding: chunked", body=b"")[: -len(SMUGGLED)])
                wait_until(lambda: self.backend.received.endswith(b"\r\n\r\n"), "the backend has the head")
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    for byte in chunks + SMUGGLED:
                        line.send(bytes([byte]))
                self.assertEqual(line.response().status, 400, what)
            self.backend.wait_for_ends()
            self.assertNotIn(b"smuggled", self.backend.received.lower(), what)
            self.assertFalse(self.backend.received.endswith(b"0\r\n\r\n"), what)

    def test_endless_extension(self) -> None:
        """A chunk whose size has an extension of a megabyte takes its request back before all of that has come."""
        endless = post(b"Transfer-Encoding: chunked", body=b"5;" + b"a" * (1 << 20) + b"\r\nhello\r\n0\r\n\r\n")
        for door in ("plain", "strict"):
            self.backend.forget()
            with self.connection(door) as line:
                line.send(endless)
                self.assertEqual(line.response().status, 400)
                self.assertEqual(line.rest(), b"")
            self.backend.wait_for_ends()
            self.assertNotIn(b"smuggled", self.backend.received.lower())
            self.assertNotIn(b"aaaa", self.backend.received)

    def test_connect(self) -> None:
        """CONNECT is refused, and what was sent ahead through the tunnel that is none goes nowhere."""
        for door in ("plain", "strict"):
            with self.connection(door) as line:
                line.send(b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n" + SMUGGLED)
                answer = line.response()
                self.assertEqual((answer.status, answer.get("connection")), (405, "close"))
                self.assertEqual(line.rest(), b"")
            self.assertEqual(self.backend.received, b"")

    def test_body_that_nobody_waits_for(self) -> None:
        """Where a server answers before the body that was to wait for it, no byte that follows is a request."""
        self.backend.talk = answering_at_once
        head = post(b"Expect: 100-continue", b"Content-Length: %d" % len(SMUGGLED), body=b"")[: -len(SMUGGLED)]
        for door in ("plain", "strict"):
            self.backend.forget()
            with self.connection(door) as line:
                line.send(head)
                answer = line.response()
                self.assertEqual((answer.status, answer.get("connection")), (401, "close"))
                with contextlib.suppress(OSError):  # the gateway has said that it takes no more
                    line.send(SMUGGLED)
                self.assertEqual(line.rest(), b"")
            self.backend.wait_for_ends()
            self.assertEqual(self.backend.received.count(b"X-Appgw-Trace-Id"), 1)
            self.assertNotIn(b"smuggled", self.backend.received)

    def test_names_that_others_may_read_as_framing(self) -> None:
        """Header names that some servers take for framing do not go on."""
        with self.connection() as line:
            line.send(post(b"Content-Length: 2", b"Transfer_Encoding: chunked", b"Content_Length: 9", body=b"ok"))
            self.assertEqual(line.response().status, 200)
            self.assertEqual(line.response().status, 200)  # here it is the client's own second request
        self.assertNotIn(b"_", self.backend.received)
        self.assertEqual(self.backend.received.count(b"Content-Length: 2\r\n"), 1)

    def test_connection_names_no_framing(self) -> None:
        """A client cannot have the gateway drop the framing, or the headers that it sets itself, by naming them."""
        named = b"Connection: content-length, transfer-encoding, host, x-forwarded-for, x-client-certificate-subject"
        with self.connection("strict") as line:
            line.send(post(named, b"Content-Length: 2", body=b"ok")[: -len(SMUGGLED)])
            answer = line.response()
            self.assertEqual(answer.status, 200)
        for kept in (b"Content-Length: 2", b"Host: localhost", b"X-Forwarded-For: ", b"X-Client-Certificate-Subject: "):
            self.assertIn(b"\r\n" + kept, answer.body)

    def test_trailers_are_dropped(self) -> None:
        """Trailers do not reach the backend."""
        body = b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
        with self.connection() as line:
            line.send(post(b"Transfer-Encoding: chunked", body=body)[: -len(SMUGGLED)])
            self.assertEqual(line.response().status, 200)
        self.assertTrue(self.backend.received.endswith(b"5\r\nhello\r\n0\r\n\r\n"))

    def test_responses(self) -> None:
        """An answer that is not plainly one is a 502, and its connection is not used again."""
        for what, response in RESPONSES.items():
            self.backend.talk = answering(response)
            for idle in self.backend.lines:
                with contextlib.suppress(OSError):
                    idle.socket.shutdown(socket.SHUT_RDWR)
                self.assertTrue(idle.ended.wait(DEADLINE))
            with self.connection() as line:
                line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(line.response().status, 502, what)
