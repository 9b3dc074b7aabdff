"""L4 listeners as clients and backends see them: a real gateway, real sockets, Python's ssl and openssl."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import socket
import ssl
import threading
import unittest
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from tests import programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.lines import DEADLINE, HELD, Line, wait_until

GIGABYTE = 1 << 30
PIECE = bytes(1 << 20)
MEMORY = 120
"""MiB that the gateway may have at most, whatever flows through it."""

CROWD = 2000
"""Connections at once; each takes two descriptors of the gateway and two of this process."""

DESCRIPTORS = 5 * CROWD


def shouting(line: Line) -> None:
    """Answers every piece in capitals; at the end it says how much came."""
    while line.more():
        line.send(bytes(line.received[line.answered :]).upper())  # type: ignore[attr-defined]
        line.answered = len(line.received)  # type: ignore[attr-defined]
    line.send(b" (%d)" % len(line.received))


def echoing(line: Line) -> None:
    """Sends back what comes, without keeping it."""
    room = memoryview(bytearray(len(PIECE)))
    while size := line.socket.recv_into(room):
        line.socket.sendall(room[:size])


def received(line: Line, most: int) -> int:
    """Takes so many bytes at most, without keeping them; says how many came."""
    room = bytearray(len(PIECE))
    came = 0
    while came < most and (count := line.socket.recv_into(room)):
        came += count
    return came


def _talk(line: Line) -> None:
    line.answered = 0  # type: ignore[attr-defined]
    shouting(line)


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Doors before a backend that plays what the test says, and before a port without a server."""
    names = ("strict", "http400", "named", "tcp", "nobody", "second", "hasty", "limited")
    running.allow_descriptors(DESCRIPTORS)
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    (nowhere,) = running.free_ports(1)
    with closing(Backend(_talk)) as backend:
        text = gateway.gateway_section() + gateway.PROFILES + gateway.relay_pool("app", backend.port, timeout=600)
        text += gateway.relay_pool("down", nowhere) + gateway.relay_pool("half", nowhere, backend.port)
        text += gateway.relay_pool("hasty", backend.port, timeout=1)
        text += gateway.relay_door("strict", doors["strict"], "strict")
        text += gateway.relay_door("http400", doors["http400"], "http400")
        text += gateway.relay_door("passing", doors["named"], "passthrough", host_names="passthrough.example")
        text += gateway.relay_door("named", doors["named"], "strict", host_names="strict.example, *.wild.example")
        for name, to in (("tcp", "app"), ("nobody", "down"), ("second", "half"), ("hasty", "hasty")):
            text += gateway.relay_door(name, doors[name], protocol="Tcp", to=to)
        text += gateway.pool("web", backend.port) + gateway.door("web", doors["limited"], "strict", to="web")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=backend)


class RelayCase(gateway.SceneCase):
    """What the tests here use."""

    stage = staticmethod(stage)

    def setUp(self) -> None:
        super().setUp()
        self.source = clients.fresh_source()
        self.scene.backend.talk = _talk
        self.before = len(self.scene.backend.lines)

    def call(self, door: str, certificate: str = "ecdsa", **options: object) -> clients.Call:
        """A client's call."""
        return self.gateway.call(self.scene.doors[door], certificate, source=self.source, **options)

    def connect(self, door: str = "strict", certificate: str = "ecdsa", **options: object) -> Line:
        """A connection, over TLS unless the door has none."""
        if door in ("strict", "http400", "named"):
            line = clients.encrypted(self.call(door, certificate, **options))
        else:
            line = clients.plain(self.scene.doors[door], self.source)
        self.addCleanup(line.close)
        return line

    @property
    def reached(self) -> int:
        """How many connections have reached the backend in this test."""
        return len(self.scene.backend.lines) - self.before


class TlsTests(RelayCase):
    """Tls listeners."""

    def test_both_versions(self) -> None:
        """A client with a certificate talks to the backend, in both versions of TLS; the log knows who it was."""
        self.scene.backend.talk = echoing
        for version in ("1.2", "1.3"):
            self.source = clients.fresh_source()
            line = self.connect(version=version)
            line.send(b"hello")
            self.assertEqual(line.exactly(5), b"hello")
            line.socket.unwrap()  # type: ignore[attr-defined]  # says farewell, and waits for the gateway's
            line.close()
            record = self.gateway.record(clientIP=self.source)
            expected = {
                "listenerName": "strict",
                "ruleName": "strict",
                "protocol": "TCP",
                "receivedBytes": 5,
                "upstreamSentBytes": 5,
                "sslProtocol": f"TLSv{version}",
                "sslClientVerify": "SUCCESS",
                "sslClientCertificateIssuerName": "CN=Devices",
                "serverStatus": "200",
                "serverRouted": f"127.0.0.1:{self.scene.backend.port}",
                "sessionEnd": "client closed",
            }
            self.assertLessEqual(expected.items(), record.items())

    def test_refused(self) -> None:
        """Each kind of wrong certificate ends in the alert that fits, whether the profile says Handshake or Http400."""
        alerts = {
            "": {"certificate required", "handshake failure"},
            "stranger": {"unknown ca"},
            "expired": {"certificate expired"},
            "server-only": {"unsupported certificate"},
        }
        for door in ("strict", "http400"):
            for certificate, expected in alerts.items():
                for version in ("1.2", "1.3"):
                    with self.subTest(door=door, certificate=certificate, version=version):
                        answer = clients.by_python(self.call(door, certificate, version=version))
                        self.assertIn(answer.alert.replace("_", " "), expected)
        self.assertEqual(self.reached, 0)

    def test_names(self) -> None:
        """The server name chooses among the listeners of a port; an unknown name, or none, selects no listener."""
        for name, certificate, verify in (
            ("passthrough.example", "stranger", "PASSTHROUGH"),
            ("passthrough.example", "", "NONE"),
            ("strict.example", "ecdsa", "SUCCESS"),
        ):
            self.source = clients.fresh_source()
            line = self.connect("named", certificate, name=name)
            line.send(b"x")
            self.assertEqual(line.exactly(1), b"X")
            line.close()
            record = self.gateway.record(clientIP=self.source)
            self.assertEqual((record["sslClientVerify"], record["serverName"]), (verify, name))
        reached = self.reached
        for name, certificate in (("strict.example", ""), ("a.wild.example", "stranger"), ("open.example", "ecdsa")):
            self.assertTrue(clients.by_python(self.call("named", certificate, name=name)).alert)
        self.assertEqual(self.reached, reached)

    @programs.needs("openssl")
    def test_openssl(self) -> None:
        """`openssl s_client` in both versions: with a certificate it talks, without one it gets an alert."""
        for version in ("1.2", "1.3"):
            self.scene.backend.talk = lambda line: line.more() and line.send(bytes(line.received).upper())
            printed, _ = clients.s_client(self.call("strict", version=version), request=b"hello\n")
            self.assertIn("HELLO", printed)
            _, complained = clients.s_client(self.call("strict", "", version=version), request=b"hello\n")
            self.assertIn("alert", complained)

    def test_plain_text(self) -> None:
        """Who speaks no TLS is cut off."""
        line = clients.plain(self.scene.doors["strict"], self.source)
        self.addCleanup(line.close)
        line.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(line.rest(), b"")
        record = self.gateway.record(clientIP=self.source)
        self.assertEqual(record["handshakeError"], "the client does not speak TLS")


class EndTests(RelayCase):
    """One direction's end, and both."""

    def test_half_close(self) -> None:
        """A client that has finished still gets the answer, without TLS and with it; then both have ended."""
        line = self.connect("tcp")
        line.send(b"all of it")
        line.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(line.rest(), b"ALL OF IT (9)")

        line = self.connect("strict")
        line.send(b"all of it")
        self.assertEqual(line.exactly(9), b"ALL OF IT")
        # Python's ssl has no half-close of its own: it sends close_notify, and takes the answer's data for an error.
        with contextlib.suppress(ssl.SSLError):
            line.socket.unwrap()  # type: ignore[attr-defined]
        backend = self.scene.backend.line(self.before + 1)
        self.assertTrue(backend.ended.wait(DEADLINE))
        self.assertEqual(bytes(backend.received), b"all of it")

    def test_backend_finishes_first(self) -> None:
        """What a client still sends after the backend's end arrives; the client has seen that end."""
        arrived = threading.Event()

        def greeting(line: Line) -> None:
            line.send(b"bye")
            line.socket.shutdown(socket.SHUT_WR)
            line.rest()
            arrived.set()

        self.scene.backend.talk = greeting
        for door in ("tcp", "strict"):
            arrived.clear()
            line = self.connect(door)
            self.assertEqual(line.rest(), b"bye")
            line.send(b"and thank you")
            line.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(arrived.wait(DEADLINE))
            wait_until(lambda: self.scene.backend.lines[-1].received == b"and thank you", "the backend has it all")

    def test_backend_is_cut_off(self) -> None:
        """A backend that resets takes the client along; over TLS that is no close_notify."""

        def resetting(line: Line) -> None:
            line.more()
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            line.socket.close()

        self.scene.backend.talk = resetting
        line = clients.encrypted(self.call("strict"), suppress_ragged_eofs=False)
        self.addCleanup(line.close)
        line.send(b"x")
        with self.assertRaises(ssl.SSLError):
            while line.more():
                pass
        self.assertEqual(self.gateway.record(clientIP=self.source)["sessionEnd"], "backend cut off")

    def test_idle(self) -> None:
        """A session without a byte for `timeout` seconds ends."""
        line = self.connect("hasty")
        self.assertEqual(line.rest(), b"")
        self.assertEqual(self.gateway.record(clientIP=self.source)["sessionEnd"], "idle timeout")

    def test_nobody(self) -> None:
        """Without a server that answers the connection closes, and the log says 502."""
        self.assertEqual(self.connect("nobody").rest(), b"")
        record = self.gateway.record(clientIP=self.source)
        self.assertEqual((record["serverStatus"], record["sessionEnd"]), ("502", "no backend reachable"))

    def test_second_server(self) -> None:
        """Where one server refuses, the next one has the client."""
        for _ in range(2):
            line = self.connect("second")
            line.send(b"x")
            self.assertEqual(line.exactly(1), b"X")


class StreamTests(RelayCase):
    """Much, slow, and many."""

    def test_gigabyte(self) -> None:
        """A gigabyte each way at once, while the gateway's memory stays small."""
        self.scene.backend.talk = echoing
        line = self.connect("tcp")

        def send() -> None:
            for _ in range(GIGABYTE // len(PIECE)):
                line.socket.sendall(PIECE)

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        self.assertEqual(received(line, GIGABYTE), GIGABYTE)
        sending.join(DEADLINE)
        line.close()
        self.assertLess(self.gateway.highest_memory(), MEMORY)

    def test_over_tls(self) -> None:
        """A quarter of one over TLS, down and then up, to its last byte."""
        size = GIGABYTE // 4

        def pouring(line: Line) -> None:
            for _ in range(size // len(PIECE)):
                line.send(PIECE)

        self.scene.backend.talk = pouring
        line = self.connect("strict")
        self.assertEqual(received(line, 2 * size), size)
        self.scene.backend.talk = lambda line: line.send(b"%d" % received(line, size))
        line = self.connect("strict")
        for _ in range(size // len(PIECE)):
            line.send(PIECE)
        self.assertEqual(line.rest(), b"%d" % size)
        self.assertLess(self.gateway.highest_memory(), MEMORY)

    def test_slow_reader(self) -> None:
        """A peer that does not read stops the other, whichever it is; nothing is lost."""
        for door in ("tcp", "strict"):
            sent = threading.Semaphore(0)
            counts: list[int] = []

            def pouring(line: Line, sent: threading.Semaphore = sent, counts: list[int] = counts) -> None:
                line.socket.settimeout(0.5)
                count = 0
                with contextlib.suppress(TimeoutError):
                    while True:
                        count += line.socket.send(PIECE)
                counts.append(count)
                sent.release()
                line.socket.settimeout(DEADLINE)

            self.scene.backend.talk = pouring
            line = self.connect(door)
            self.assertTrue(sent.acquire(timeout=DEADLINE))
            self.assertLess(counts[0], HELD)
            self.assertEqual(received(line, GIGABYTE), counts[0])

    def test_crowd(self) -> None:
        """Two thousand connections at once, each of which says something and is answered, then all of them go."""
        if running.allow_descriptors(DESCRIPTORS) < DESCRIPTORS:
            raise unittest.SkipTest(f"a process may not have {DESCRIPTORS} descriptors")
        backend = self.scene.backend
        backend.talk = lambda line: line.more() and line.send(bytes(line.received))
        with ExitStack() as stack:
            crowd = []
            for number in range(CROWD):
                line = clients.plain(self.scene.doors["tcp"], f"127.2.0.{number % 250 + 1}")
                stack.enter_context(closing(line))
                crowd.append(line)
            wait_until(lambda: self.reached == CROWD, "all of them have a backend", 3 * DEADLINE)
            self.assertGreaterEqual(self.gateway.open_sockets(), 2 * CROWD)
            for number, line in enumerate(crowd):
                line.send(b"%05d" % number)
            for number, line in enumerate(crowd):
                self.assertEqual(line.exactly(5), b"%05d" % number)
        wait_until(lambda: self.gateway.open_sockets() < CROWD // 10, "all of them are gone", 3 * DEADLINE)
        self.assertLess(self.gateway.highest_memory(), MEMORY)


class BesideTests(RelayCase):
    """L4 and HTTP in one gateway."""

    def test_http(self) -> None:
        """A request to the HTTP listener beside them is answered as ever."""
        self.scene.backend.talk = lambda line: (
            line.head() and line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        )
        answer = clients.by_python(self.call("limited"))
        self.assertEqual((answer.status, answer.body), (200, "ok"))


class StopTests(gateway.SceneCase):
    """The end of the gateway."""

    def setUp(self) -> None:
        """Nothing is shared here."""

    def test_drains(self) -> None:
        """After SIGTERM no new client is accepted, a session goes on for drain_timeout at most, and the log has its
        line.
        """
        (port,) = running.free_ports(1)
        with closing(Backend(_talk)) as backend:
            text = gateway.gateway_section(drain_timeout=3) + gateway.PROFILES + gateway.relay_pool("app", backend.port)
            text += gateway.relay_door("strict", port, "strict")
            with gateway.prepared(text) as started:
                started.start()
                line = clients.encrypted(started.call(port, "ecdsa"))
                self.addCleanup(line.close)
                line.send(b"x")
                self.assertEqual(line.exactly(1), b"X")
                started.signal(running.signal.SIGTERM)
                wait_until(lambda: not gateway.accepts(port), "nobody new is let in")
                line.send(b"still there")
                self.assertEqual(line.exactly(11), b"STILL THERE")
                started.wait()
                self.assertEqual(line.rest(), b"")
                gateway.assert_no_defect(started.output)
                record = started.record(listenerName="strict")
                self.assertEqual((record["sessionEnd"], record["receivedBytes"]), ("the gateway is stopping", 12))
