"""Connections from a proxy ahead: the header, then the client's receiver in its place."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.proxy_protocol import ProxyHeader
from agwtwisted.listening.proxied import ProxyHeaderReceiver
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.wires import Line, Network, Recorder

TIMEOUT = 10.0
SILENT = 4.0
HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n"


class ProxyHeaderTests(SynchronousTestCase):
    """The receiver of a connection until the header is whole."""

    def setUp(self) -> None:
        self.network = Network()
        self.found: list[tuple[ProxyHeader, float]] = []
        self.failures: list[str] = []
        self.gone = 0
        self.recorder = Recorder()
        self.admits = True
        self.connection = Connection(self.network, NO_OUTBOX)
        self.connection.when_closed = self.count
        self.header = ProxyHeaderReceiver(
            self.network, self.connection, TIMEOUT, SILENT, found=self.take, failed=self.failures.append
        )
        self.connection.when_open = self.header.opened
        self.line: Line = self.network.dial(self.connection)

    def take(self, header: ProxyHeader, seconds: float) -> bool:
        """The client's receiver, if it is let in."""
        self.found.append((header, seconds))
        self.assertFalse(self.connection.has_spoken())
        self.connection.receiver = self.recorder
        return self.admits

    def count(self) -> None:
        """It is over."""
        self.gone += 1

    def test_in_any_pieces(self) -> None:
        """The connection gets what follows the header, however it comes, and the time that is left of the deadline."""
        data = HEADER + b"hello"
        for size in (1, 7, len(HEADER), len(data)):
            self.setUp()
            self.network.advance(3)
            for start in range(0, len(data), size):
                self.line.send(data[start : start + size])
            [(header, seconds)] = self.found
            assert header.source
            self.assertEqual((str(header.source[0]), seconds), ("192.0.2.7", TIMEOUT - 3))
            self.assertEqual((self.recorder.data, self.gone, self.failures), (b"hello", 0, []))
            self.assertEqual(self.connection.bytes_in, 5)
            self.network.advance(TIMEOUT)
            self.assertFalse(self.line.reset)
            self.line.crash()
            self.assertEqual((len(self.recorder.reasons), self.gone), (1, 1))

    def test_no_header(self) -> None:
        """What is none ends the connection at the first octet that does not fit; nothing is taken for plain."""
        for data in (b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 nonsense\r\n"):
            self.setUp()
            self.line.send(data)
            self.line.send(HEADER)
            self.network.advance(0)
            self.assertEqual((len(self.failures), self.found, self.gone, self.line.reset), (1, [], 1, True))
            self.assertEqual((self.line.take(), self.network.timers()), (b"", []))

    def test_deadline(self) -> None:
        """The header has its time; who said nothing at all is not worth a word."""
        for data, seconds in ((b"", SILENT), (b"PROXY", TIMEOUT)):
            self.setUp()
            self.line.send(data)
            self.network.advance(seconds - 0.1)
            self.assertFalse(self.line.reset)
            self.network.advance(0.1)
            self.network.advance(0)
            self.assertEqual((len(self.failures), self.gone, self.line.reset), (bool(data), 1, True))

    def test_leaves(self) -> None:
        """A proxy that leaves before the header is whole is gone; a health check that says nothing is no failure."""
        for data in (b"", b"PROXY"):
            self.setUp()
            self.line.send(data)
            self.line.hang_up()
            self.assertEqual((len(self.failures), self.gone, self.network.timers()), (bool(data), 1, []))

    def test_not_admitted(self) -> None:
        """A client that is not let in is closed."""
        self.admits = False
        self.line.send(HEADER + b"hello")
        self.network.advance(0)
        self.assertEqual((len(self.found), self.gone, self.line.reset, self.failures), (1, 1, True, []))

    def test_abort(self) -> None:
        """Cut off from outside, it is gone without a word."""
        self.line.send(b"PROXY")
        self.header.abort()
        self.network.advance(0)
        self.assertEqual((self.failures, self.gone, self.network.timers()), ([], 1, []))
