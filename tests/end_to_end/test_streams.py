"""Bodies of any size and speed: memory stays small, who is slow slows the other side down, who leaves is noticed."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests import programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, Talk, answering
from tests.end_to_end.lines import DEADLINE, HELD, Line, wait_until

GIGABYTE = 1 << 30
PIECE = bytes(1 << 18)
MEMORY = 120
"""MiB that the gateway may have at most, whatever flows through it."""


def pouring(size: int, chunked: bool = False) -> Talk:
    """Answers with a body of so many bytes, which are made as they are sent."""

    def talk(line: Line) -> None:
        if line.head():
            framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
            line.send(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
            for _ in range(size // len(PIECE)):
                line.send(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            line.send(b"0\r\n\r\n" if chunked else b"")

    return talk


def counting(line: Line) -> None:
    """Takes a body of any length without keeping it, and answers how long it was."""
    head = line.head()
    if head is None:
        return
    left = int(head.get("content-length"))
    size = left
    left -= len(line.received) - line.received.find(b"\r\n\r\n") - 4
    room = bytearray(1 << 18)
    while left > 0 and (came := line.socket.recv_into(room)):
        left -= came
    line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(size)), size))


class Meter:
    """Sends without end, and counts what it could send."""

    def __init__(self) -> None:
        self.sent = 0
        self.stuck = threading.Event()

    def __call__(self, line: Line) -> None:
        if line.head():
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIGABYTE)
            line.socket.settimeout(0.5)
            try:
                while True:
                    self.sent += line.socket.send(PIECE)
            except TimeoutError:
                self.stuck.set()
            line.socket.settimeout(DEADLINE)
            line.rest()


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Doors before a backend that plays what the test says, two of them with short timeouts, and one without a
    server.
    """
    names = ("strict", "plain", "hasty", "hasty-plain", "nobody")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    (nowhere,) = running.free_ports(1)
    with closing(Backend()) as backend:
        text = gateway.gateway_section() + gateway.PROFILES
        text += gateway.pool("app", backend.port, request_timeout=DEADLINE) + gateway.pool("down", nowhere)
        text += gateway.pool("hasty", backend.port, request_timeout=2)
        for strict, plain, to in (("strict", "plain", "app"), ("hasty", "hasty-plain", "hasty")):
            text += gateway.door(strict, doors[strict], "strict", to=to)
            text += gateway.door(plain, doors[plain], protocol="Http", to=to)
        text += gateway.door("nobody", doors["nobody"], to="down")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=backend)
            hang_up(backend)  # the gateway need not wait for the answers


def hang_up(backend: Backend) -> None:
    """End the connections that the backend has: an earlier test may have left them idle, or without an answer."""
    for line in backend.lines:
        with contextlib.suppress(OSError):
            line.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: all(line.ended.is_set() for line in backend.lines), "the backend is left alone")


class StreamCase(gateway.SceneCase):
    """What the tests of streams use."""

    stage = staticmethod(stage)

    def setUp(self) -> None:
        super().setUp()
        backend: Backend = self.scene.backend
        hang_up(backend)
        backend.lines.clear()
        self.source = clients.fresh_source()

    def connect(self, door: str = "strict") -> Line:
        """A connection with a valid certificate, or without TLS."""
        port = self.scene.doors[door]
        call = self.gateway.call(port, "ecdsa", source=self.source)
        line = clients.plain(port, self.source) if door.endswith("plain") else clients.encrypted(call)
        self.addCleanup(line.close)
        return line

    def play(self, talk: Talk) -> Backend:
        """Has the backend play this."""
        self.scene.backend.talk = talk
        return self.scene.backend  # type: ignore[no-any-return]

    def assert_logged(self, status: int, error_info: str) -> None:
        """The log has the one line of this test's client."""
        record = self.gateway.record(clientIP=self.source)
        self.assertEqual((record["httpStatus"], record["error_info"]), (status, f"ERRORINFO_{error_info}"))


class LargeTests(StreamCase):
    """A gigabyte each way."""

    def curl(self, *words: str) -> str:
        """curl's standard output."""
        call = self.gateway.call(self.scene.doors["strict"], "ecdsa")
        certificate, key = call.certificate or ("", "")
        trust = ["curl", "--silent", "--show-error", "--cacert", call.trusted, "--cert", certificate, "--key", key]
        done = clients.run([*trust, *words, f"https://localhost:{call.port}/"], patience=5 * DEADLINE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @programs.needs("curl")
    def test_download(self) -> None:
        """A gigabyte comes down, with a length and in chunks, and the gateway's memory stays small."""
        for chunked in (False, True):
            self.play(pouring(GIGABYTE, chunked))
            size = self.curl("--output", "/dev/null", "--write-out", "%{size_download}")
            self.assertEqual(size, str(GIGABYTE))
            self.assertLess(self.gateway.highest_memory(), MEMORY)

    @programs.needs("curl")
    def test_upload(self) -> None:
        """A gigabyte goes up, and the gateway's memory stays small."""
        self.play(counting)
        endless = self.gateway.directory / "gigabyte"
        with endless.open("wb") as file:
            file.truncate(GIGABYTE)  # zeros, which take no room on the disk
        self.assertEqual(self.curl("--upload-file", str(endless), "--header", "Expect:"), str(GIGABYTE))
        self.assertLess(self.gateway.highest_memory(), MEMORY)


class SlowTests(StreamCase):
    """A client does not read, or a server does not answer."""

    def test_slow_reader(self) -> None:
        """While a client does not read, the backend cannot send: what it sent is bounded, and memory is small."""
        for door in ("strict", "plain"):
            meter = Meter()
            self.play(meter)
            line = self.connect(door)
            line.send(get())
            self.assertEqual(line.head() and 200, 200)
            self.assertTrue(meter.stuck.wait(DEADLINE))
            self.assertLess(meter.sent, HELD)
            self.assertLess(self.gateway.highest_memory(), MEMORY)
            line.close()

    def test_slow_reader_reads_on(self) -> None:
        """A client that pauses and reads on later, longer than the backend may be silent, gets everything."""
        self.play(pouring(64 << 20))
        line = self.connect("hasty")
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        line.send(get())
        threading.Event().wait(2.5)  # request_timeout is 2: waiting for the client is not the backend's fault
        self.assertEqual(len(line.response().body), 64 << 20)

    def test_backend_that_does_not_read(self) -> None:
        """While a backend does not read, the client cannot send: what it sent is bounded; after a while it gets 504."""
        finished = threading.Event()

        def deaf(line: Line) -> None:
            finished.wait(DEADLINE)

        self.addCleanup(finished.set)
        self.play(deaf)
        line = self.connect("hasty-plain")
        line.send(get("PUT", f"Content-Length: {GIGABYTE}\r\n"))
        sent = 0
        line.socket.settimeout(0.3)
        with contextlib.suppress(OSError):
            while True:
                sent += line.socket.send(PIECE)
        self.assertLess(sent, HELD)
        line.socket.settimeout(DEADLINE)
        self.assertEqual(line.response().status, 504)
        self.assert_logged(504, "UPSTREAM_TIMED_OUT")

    def test_backend_too_slow(self) -> None:
        """A backend that does not answer in time is given up: 504, and its connection is closed."""

        def silent(line: Line) -> None:
            line.head()
            line.rest()

        backend = self.play(silent)
        line = self.connect("hasty")
        line.send(get("POST", "Content-Length: 0\r\n"))
        self.assertEqual(line.response().status, 504)
        self.assertTrue(backend.line(0).ended.wait(DEADLINE))
        self.assert_logged(504, "UPSTREAM_TIMED_OUT")

    def test_backend_down(self) -> None:
        """Where no server listens the answer is 502, and the connection goes on."""
        line = self.connect("nobody")
        for _ in range(2):
            line.send(get())
            self.assertEqual(line.response().status, 502)

    def test_backend_leaves(self) -> None:
        """A backend that closes before its answer, or says what is no HTTP, is a 502."""
        for answer in (b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"):
            self.play(answering(answer))
            line = self.connect()
            line.send(get("POST", "Content-Length: 0\r\n"))
            self.assertEqual(line.response().status, 502, answer)

    def test_answer_that_is_cut(self) -> None:
        """An answer that breaks off is cut for the client too, who cannot take it for whole."""
        for answer in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ):
            self.play(answering(answer))
            for door in ("strict", "plain"):
                line = self.connect(door)
                line.send(get())
                with self.assertRaises((AssertionError, OSError)):
                    line.response()

    def test_idle_connection_that_the_backend_closed(self) -> None:
        """A backend that closes after each answer without saying so costs no client an error."""
        self.play(answering(OK))
        line = self.connect()
        for _ in range(20):
            line.send(get())
            self.assertEqual(line.response().status, 200)

    def test_backend_that_says_too_much(self) -> None:
        """Bytes of a backend after its response belong to no request: the connection is not used again."""
        backend = self.play(answering(OK + OK, OK))
        line = self.connect()
        for _ in range(3):
            line.send(get())
            self.assertEqual(line.response().body, b"ok")
        self.assertEqual(len(backend.lines), 3)


class FinishedTests(StreamCase):
    """Clients that have finished sending, and wait for their answers."""

    def answer_when_told(self) -> threading.Event:
        """Has the backend answer each request once this is set."""
        told = threading.Event()

        def talk(line: Line) -> None:
            while line.head():
                told.wait(DEADLINE)
                line.send(OK)

        self.play(talk)
        return told

    @programs.needs("gnutls-cli")
    def test_gnutls(self) -> None:
        """gnutls-cli sends close_notify at the end of its input, and shows what comes then."""
        self.answer_when_told().set()
        call = self.gateway.call(self.scene.doors["strict"], "ecdsa")
        certificate, key = call.certificate or ("", "")
        words = ["--x509cafile", call.trusted, "--x509certfile", certificate, "--x509keyfile", key]
        done = clients.run(["gnutls-cli", *words, "--port", str(call.port), "localhost"], get())
        self.assertIn("HTTP/1.1 200 OK", done.stdout)

    def test_fin(self) -> None:
        """Without TLS the end of what a client sends is enough; all that it has asked is answered."""
        told = self.answer_when_told()
        line = self.connect("plain")
        line.send(get(), get("HEAD"), b"GET / HT")
        line.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: self.scene.backend.line(0).received, "the backend has the request")
        told.set()
        self.assertEqual((line.response().status, line.response(to_head=True).status), (200, 200))
        self.assertEqual(line.rest(), b"")


class LeavingTests(StreamCase):
    """The client goes away."""

    def leave(self, talk: Talk, request: bytes, *, ready: bytes = b"") -> None:
        """Send a request, leave once the backend has it, and see the backend's connection end."""
        backend = self.play(talk)
        line = self.connect()
        line.send(request)
        if ready:
            wait_until(lambda: line.more() and ready in line.received, "the answer has begun")
        wait_until(lambda: backend.line(0).received, "the backend has the request")
        line.close()
        self.assertTrue(backend.line(0).ended.wait(DEADLINE))

    def test_before_the_answer(self) -> None:
        """A client that leaves before its answer: the backend's connection is closed, and the log says 499."""

        def silent(line: Line) -> None:
            line.head()
            line.rest()

        self.leave(silent, get())
        self.assert_logged(499, "CLIENT_CLOSED_REQUEST")

    def test_during_the_answer(self) -> None:
        """A client that leaves amid its answer has the backend stop."""
        self.leave(Meter(), get(), ready=b"200 OK")
        self.assert_logged(499, "CLIENT_CLOSED_REQUEST")

    def test_during_the_body(self) -> None:
        """A client that leaves amid its request: the backend never sees it whole."""

        def reading(line: Line) -> None:
            line.rest()

        self.leave(reading, get("POST", "Transfer-Encoding: chunked\r\n") + b"4\r\nhalf\r\n")
        self.assert_logged(499, "CLIENT_CLOSED_REQUEST")
        self.assertNotIn(b"0\r\n\r\n", self.scene.backend.received)

    def test_nothing_is_left(self) -> None:
        """After many clients that left, the gateway has no more sockets than before."""

        def silent(line: Line) -> None:
            line.head()
            line.rest()

        before = self.gateway.open_sockets()
        backend = self.play(silent)
        lines = [self.connect() for _ in range(20)]
        for line in lines:
            line.send(get())
        wait_until(lambda: len(backend.lines) >= 20, "all are forwarded")
        for line in lines:
            line.close()
        wait_until(lambda: self.gateway.open_sockets() <= before, "all sockets are closed")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def get(method: str = "GET", extra: str = "") -> bytes:
    """A request's head."""
    return f"{method} / HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode()
