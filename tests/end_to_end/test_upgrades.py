"""Another protocol on the same connection, once the backend has agreed to it."""

from __future__ import annotations

import socket
import struct

from tests.end_to_end.backends import answering
from tests.end_to_end.lines import DEADLINE, Line
from tests.end_to_end.test_streams import OK, StreamCase, get


def switching(line: Line) -> None:
    """Switches to a protocol that turns every line around."""
    head = line.head()
    if head is None or head.get("upgrade") != "websocket":
        return
    line.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nwelcome\n")
    while True:
        said = b""
        while not said.endswith(b"\n"):
            said += line.exactly(1)
        line.send(said[-2::-1] + b"\n")


class UpgradeTests(StreamCase):
    """Another protocol on the same connection."""

    UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"

    def test_switch(self) -> None:
        """After a 101 both directions carry the new protocol's bytes, those sent ahead included."""
        self.play(switching)
        for door in ("strict", "plain"):
            line = self.connect(door)
            line.send(get(extra=self.UPGRADE))
            answer = line.head()
            assert answer
            self.assertEqual((answer.status, answer.get("upgrade")), (101, "websocket"))
            self.assertEqual(line.exactly(8), b"welcome\n")
            for said in (b"abc", b"GET / HTTP/1.1", b"x" * 100000):
                line.send(said + b"\n")
                self.assertEqual(line.exactly(len(said) + 1), said[::-1] + b"\n")
            line.close()

    def test_early_bytes(self) -> None:
        """What a client sends before the 101 is held until it is there, then handed on."""
        self.play(switching)
        line = self.connect()
        line.send(get(extra=self.UPGRADE), b"early\n")
        self.assertEqual(line.response().status, 101)
        self.assertEqual(line.exactly(14), b"welcome\nylrae\n")

    def test_not_granted(self) -> None:
        """Where the backend does not switch, what followed is the next request, not the backend's bytes."""
        backend = self.play(answering(OK, OK))
        line = self.connect()
        line.send(get(extra=self.UPGRADE), b"GET /next HTTP/1.1\r\nHost: other.example\r\n\r\n")
        self.assertEqual([line.response().status for _ in range(2)], [200, 200])
        self.assertEqual(backend.received.count(b"X-Appgw-Trace-Id"), 2)

    def test_other_protocols(self) -> None:
        """The wish for a protocol other than WebSocket is not handed on: the backend answers in HTTP."""
        backend = self.play(answering(OK, OK))
        line = self.connect()
        for protocol in ("h2c", "TLS/1.0"):
            wish = f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMA\r\n"
            line.send(get(extra=wish))
            self.assertEqual(line.response().status, 200)
        self.assertNotIn(b"upgrade", backend.received.lower())

    def test_unasked(self) -> None:
        """An unrequested 101 is a 502."""
        self.play(answering(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"))
        line = self.connect()
        line.send(get())
        self.assertEqual(line.response().status, 502)

    def test_ends(self) -> None:
        """When one end of a tunnel closes, so does the other."""
        backend = self.play(switching)
        line = self.connect()
        line.send(get(extra=self.UPGRADE))
        line.head()
        line.close()
        self.assertTrue(backend.line(0).ended.wait(DEADLINE))
        line = self.connect()
        line.send(get(extra=self.UPGRADE))
        line.head()
        backend.line(1).socket.shutdown(socket.SHUT_RDWR)
        self.assertEqual(line.rest(), b"welcome\n")

    def test_reset(self) -> None:
        """So it does when an end is reset."""

        def resetting(line: Line) -> None:
            line.head()
            line.send(SWITCH)
            line.exactly(1)
            reset(line.socket)

        backend = self.play(resetting)
        line = self.connect("plain")
        line.send(get(extra=self.UPGRADE))
        line.head()
        line.send(b"!")
        self.assertEqual(line.rest(), b"")
        self.play(switching)
        line = self.connect("plain")
        line.send(get(extra=self.UPGRADE))
        line.head()
        reset(line.socket)
        self.assertTrue(backend.line(1).ended.wait(DEADLINE))


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


def reset(connected: socket.socket) -> None:
    """Ends a connection as a machine does that knows nothing of it any more."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()
