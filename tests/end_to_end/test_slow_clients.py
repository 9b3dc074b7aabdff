"""Clients that send, read or leave as slowly as they can, and thousands that do nothing at all."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import resource
import select
import socket
import ssl
import threading
import unittest
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import DEADLINE, Line
from tests.end_to_end.test_streams import OK, PIECE, get

READERS = 50
HELD_BY_A_READER = 1 << 19
"""Bytes of memory that a client which does not read may cost."""

IDLE = 9000
IDLE_ENCRYPTED = 500
IDLE_MEMORY = 16 << 10
IDLE_ENCRYPTED_MEMORY = 64 << 10
"""Bytes of memory that an idle connection may cost, without TLS and with it."""

DESCRIPTORS = 2 * IDLE + 2000


BATCH = 50
"""How many of them say something at a time."""


def polite(line: Line) -> None:
    """Answers every request."""
    while line.head():
        line.send(OK)


class Flood:
    """A server that answers every request without end, and counts the answers that are stuck."""

    def __init__(self) -> None:
        self.stuck = 0
        self._lock = threading.Lock()

    def __call__(self, line: Line) -> None:
        if line.head():
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
            line.socket.settimeout(0.5)
            try:
                while True:
                    line.socket.send(PIECE)
            except TimeoutError:
                with self._lock:
                    self.stuck += 1
            line.socket.settimeout(None)
            line.rest()


class SlowCase(SynchronousTestCase):
    """A gateway for each test: a plain and a strict door."""

    @contextmanager
    def gateway(self, backend: Backend, **limits: object) -> Iterator[Gateway]:
        """A gateway with these limits."""
        self.plain, self.strict = running.free_ports(2)
        text = gateway.gateway_section(**limits) + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.door("plain", self.plain, protocol="Http") + gateway.door("strict", self.strict, "strict")
        with gateway.running_gateway(text) as started:
            self.source = clients.fresh_source()
            yield started

    def connect(self, started: Gateway, *, encrypted: bool = False, room: int = 0) -> Line:
        """A connection; with `room` its kernel keeps no more than about so many bytes that were not read."""
        connected = socket.socket()
        if room:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        connected.bind((self.source, 0))
        connected.connect(("127.0.0.1", self.strict if encrypted else self.plain))
        line = Line(connected)
        if encrypted:
            line.socket = self.context(started).wrap_socket(connected, server_hostname="localhost")
        return line

    def context(self, started: Gateway) -> ssl.SSLContext:
        """That of all clients of a test, which is made once."""
        if not hasattr(self, "_context"):
            self._context = clients.context(started.call(self.strict, "ecdsa"))
        return self._context


class SlowBodyTests(SlowCase):
    """A request's body that does not come."""

    def test_trickling(self) -> None:
        """A body that comes byte by byte, however often, is answered 408, and its server sees it cut."""
        with closing(Backend(Line.rest)) as backend, self.gateway(backend, body_timeout=1) as started:
            for number, encrypted in enumerate((False, True)):
                self.source = clients.fresh_source()
                with closing(self.connect(started, encrypted=encrypted)) as line:
                    line.send(get("PUT", "Content-Length: 1000000\r\n"))
                    for _ in range(1000):
                        if select.select([line.socket], [], [], 0.02)[0]:
                            break
                        line.send(b".")
                    else:
                        self.fail("it may go on for ever")
                    self.assertEqual(line.response().status, 408)
                    self.assertEqual(line.rest(), b"")
                record = started.record(clientIP=self.source)
                self.assertEqual((record["httpStatus"], record["error_info"]), (408, "ERRORINFO_INVALID_REQUEST"))
                self.assertTrue(backend.line(number).ended.wait(DEADLINE))


class SlowReaderTests(SlowCase):
    """Clients that ask for much and read little."""

    def test_memory(self) -> None:
        """Many clients that read a byte now and then cost what they may, however much is sent to them."""
        flood = Flood()
        with closing(Backend(flood)) as backend, self.gateway(backend) as started, ExitStack() as lines:
            memory = started.memory()
            readers = []
            for number in range(READERS):
                line = lines.enter_context(closing(self.connect(started, encrypted=bool(number % 2), room=4096)))
                line.send(get())
                readers.append(line)
            while flood.stuck < READERS:
                for line in readers:
                    line.socket.recv(1)
                threading.Event().wait(0.01)
            for line in readers:
                line.socket.recv(1)
            each = (started.memory() - memory) // READERS
            self.assertLess(each, HELD_BY_A_READER)

    def test_cut(self) -> None:
        """One that reads on, but more slowly than it may, is cut off, and its server need not go on."""
        for encrypted in (False, True):
            flood = Flood()
            slow = {"body_timeout": 1, "min_response_rate": 1_000_000_000}
            with closing(Backend(flood)) as backend, self.gateway(backend, **slow) as started:
                line = self.connect(started, encrypted=encrypted, room=4096)
                line.send(get())
                ended = backend.line(0).ended
                for _ in range(2000):
                    if ended.wait(0.01):
                        break
                    with contextlib.suppress(OSError):  # it is cut off before its server hears of it
                        line.socket.recv(1000)
                else:
                    self.fail("it may go on for ever")
                self.assertEqual(started.record(clientIP=self.source)["httpStatus"], 499)
                line.close()


class IdleTests(SlowCase):
    """Connections on which nothing happens."""

    def setUp(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < DESCRIPTORS:
            raise unittest.SkipTest(f"a process may not have {DESCRIPTORS} descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))  # which the gateway inherits
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def hold(self, count: int, *, encrypted: bool) -> int:
        """Has so many connections, each of which is used, then idle, then used again; the memory that each costs."""
        opened: list[Line] = []
        with (
            closing(Backend(polite)) as backend,
            self.gateway(backend, idle_timeout=3600) as started,
            ExitStack() as lines,
        ):
            memory = 0
            while len(opened) < count:
                several = [self.connect(started, encrypted=encrypted) for _ in range(BATCH)]
                for line in several:
                    lines.enter_context(closing(line))
                self.use(*several)
                opened += several
                memory = memory or started.memory()  # from the second batch on: the first one brings what all need
            each = (started.memory() - memory) // (count - BATCH)
            self.assertGreaterEqual(started.open_sockets(), count)
            for at in range(0, count, BATCH):
                self.use(*opened[at : at + BATCH])
        return each

    def use(self, *lines: Line) -> None:
        """One request on each connection."""
        for line in lines:
            line.send(get())
        for line in lines:
            self.assertEqual(line.response().status, 200)

    def test_plain(self) -> None:
        """Nine thousand idle connections are held, answer all when they are used again, and cost little."""
        self.assertLess(self.hold(IDLE, encrypted=False), IDLE_MEMORY)

    def test_encrypted(self) -> None:
        """So are those that came with a client certificate."""
        self.assertLess(self.hold(IDLE_ENCRYPTED, encrypted=True), IDLE_ENCRYPTED_MEMORY)
