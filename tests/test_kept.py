"""What a connection keeps, by the figures of docs/timeouts-and-limits.md: measured, as far as it is Python's memory."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hyperframe.frame import DataFrame, WindowUpdateFrame
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http2.windows import CONNECTION_WINDOW, STREAM_WINDOW
from agwtwisted.tls.contexts import HTTP2, trusted_variables
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.end_to_end import lines
from tests.end_to_end.lines import wait_until
from tests.gateways import Stand
from tests.http2_clients import FrameClient, MemoryWire, begun, get
from tests.memory import kept_after
from tests.strategies import COMMON_NAME, UTF8, certificate, simple_name, string, tlv
from tests.wires import READ, Line, Network

PAGE = Path(__file__).parents[1] / "docs" / "timeouts-and-limits.md"
PART = 16384
"""Bytes of a DATA frame."""
COUNT = 20
"""Connections that are measured together."""

LINES = b"".join(b"X-%02d: %b\r\n" % (number, b"x" * 320) for number in range(96))
SHORT = b"".join(b"%02d:%02d\r\n" % (number, number) for number in range(97))
UNFINISHED = b"GET /%b HTTP/1.1\r\nHost: a.example\r\n%b" % (b"a" * 31_000, LINES)
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
PUT = b"PUT /%b HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n%b\r\n" % (
    b"a" * 20_000,
    LINES[: len(LINES) // 3],
)
OK = b"HTTP/1.1 200 OK\r\nX-Long: %b\r\nContent-Length: 2\r\n\r\nok" % (b"a" * 20_000)


def figures() -> dict[str, int]:
    """What the page says, in bytes."""
    rows = re.findall(r"^\| ([^|]+) \| ([0-9]+) kB \|$", PAGE.read_text(), re.MULTILINE)
    return {what: int(kilobytes) * 1000 for what, kilobytes in rows}


class KeptTests(SynchronousTestCase):
    """Connections in memory, each in the same state."""

    def setUp(self) -> None:
        self.network = Network()
        self.stand = Stand(self.network)
        self.backend = self.network.backend(9000)
        self.lines: list[Line] = []

    def connect(self) -> None:
        """Further connections, on which nothing was said."""
        for _ in range(COUNT):
            connection = Connection(self.network, NO_OUTBOX)
            self.lines.append(self.network.dial(connection))
            self.stand.begin(connection)

    def kept(self, happen: Callable[[Line], object]) -> float:
        """Bytes that a connection keeps after this has happened to it, beyond what an idle one does."""
        self.connect()
        happen(self.lines[0])  # what is made once is made
        return kept_after(lambda: [happen(line) for line in self.lines[1:]]) / (COUNT - 1)

    def assert_kept(self, what: str, happen: Callable[[Line], object]) -> None:
        """A connection keeps no more than the page says."""
        kept, said = self.kept(happen), figures()[what]
        self.assertLess(kept, said, what)
        self.assertGreater(kept, said / 4, f"{what}: the figure says too much")

    def test_unfinished_head(self) -> None:
        """A head that does not end, in one read or in many."""
        for size in (READ, 1000):
            self.lines.clear()
            self.assert_kept("a head that is not whole: 31 kB of URL, 31 kB of lines", partial(send, UNFINISHED, size))

    def test_unfinished_head_of_short_lines(self) -> None:
        """Short lines make no difference: what is kept follows the bytes."""
        head = GET[:-2] + SHORT
        self.assertLess(self.kept(partial(send, head, 10)), 2 * len(head) + 4000)

    def test_ahead(self) -> None:
        """Requests that wait for the answer to the first."""

        def ahead(line: Line) -> None:
            line.send(GET)
            line.send(GET * (READ // len(GET)))

        self.assert_kept("requests that are sent ahead: a read of 64 kB", ahead)

    def test_body_for_a_second_attempt(self) -> None:
        """A body in tiny chunks that a server does not answer."""

        def ask(line: Line) -> None:
            line.send(PUT.replace(LINES[: len(LINES) // 3], b"").replace(b"a" * 20_000, b""))
            for _ in range(1000):
                line.send(b"1\r\na\r\n" * 10)

        self.assert_kept("a body of 10 kB in chunks of 1 byte that no server has answered", ask)

    def test_whole(self) -> None:
        """Nothing of a long head and body stays once they are answered."""

        def ask(line: Line) -> None:
            line.send(PUT)
            line.send(b"1;%b\r\na\r\n" % (b"b" * 500) * 50 + b"0\r\nX: %b\r\n\r\n" % (b"a" * 20_000))
            self.backend.line.send(OK)
            self.assertTrue(line.take().endswith(b"ok"))
            self.backend.line.take()
            self.stand.log.records.clear()

        self.assertLess(self.kept(ask), 5000)

    def test_remembered(self) -> None:
        """What a port remembers of heads."""
        parser = RequestParser(HeaderNames())

        def fill() -> None:
            for number in range(1500):
                for start, end in ((b"GET", b""), (b"PUT", b"Content-Length: 1\r\n")):
                    parser.usual(b"%b / HTTP/1.1\r\nHost: a\r\nX: %d\r\n%b%b\r\n" % (start, number, SHORT[:-14], end))

        kept, said = kept_after(fill), figures()["heads that are remembered, a port"]
        self.assertLess(kept, said)
        self.assertGreater(kept, said / 4)

    def test_certificates(self) -> None:
        """What a gateway remembers of the certificates of clients that it trusted."""
        variables_of = trusted_variables()

        def fill() -> None:
            for number in range(1500):
                subject = simple_name((COMMON_NAME, string(UTF8, f"{number}" * 100)))
                issuer = simple_name((COMMON_NAME, string(UTF8, "a")))
                found = variables_of(certificate(subject=subject, issuer=issuer, public_key=tlv(0x30, bytes(2000))))
                for each in (found.certificate, found.fingerprint, found.serial, found.issuer, found.subject):
                    self.assertIsInstance(each, bytes)

        kept, said = kept_after(fill), figures()["certificates of trusted clients that are remembered, a gateway"]
        self.assertLess(kept, said)
        self.assertGreater(kept, said / 4)


class MeasureTests(SynchronousTestCase):
    """`kept_after` itself."""

    def test_servers_in_threads(self) -> None:
        """What a server of another test holds in its thread does not count; what the action keeps does."""
        ours, theirs = socket.socketpair()
        server = lines.Line(theirs)
        thread = threading.Thread(target=server.rest)
        thread.start()
        kept: list[bytes] = []

        def action() -> None:
            ours.sendall(bytes(1_000_000))
            wait_until(lambda: len(server.received) == 1_000_000, "the server has all of it")
            kept.append(bytes(5000))

        with theirs:
            with ours:
                size = kept_after(action)
            thread.join()
        self.assertEqual(len(kept), 1)
        self.assertGreater(size, 5000)
        self.assertLess(size, 20_000)


def send(data: bytes, size: int, line: Line) -> None:
    """Sends this in reads of a size."""
    for start in range(0, len(data), size):
        line.send(data[start : start + size])


class StreamsKeptTests(SynchronousTestCase):
    """One connection of HTTP/2 with 100 requests under way, whose bodies are not taken at the other end."""

    def setUp(self) -> None:
        self.network = Network()
        self.stand = Stand(self.network)
        self.servers = self.network.backend(9000)
        self.line = self.network.dial(connection := Connection(self.network, NO_OUTBOX))
        self.stand.begin(connection, protocol=HTTP2, cipher="TLS_AES_128_GCM_SHA256")

    def client(self, **settings: int) -> FrameClient:
        """After the preface, with SETTINGS, and a connection window for all of it."""
        client = begun(FrameClient(MemoryWire(self.line.send, self.taken)), **settings)
        client.send(WindowUpdateFrame(0, 2**30))
        return client

    def taken(self) -> bytes:
        """What the client reads."""
        self.network.advance(0)
        return self.line.take()

    def assert_bounded(self, client: FrameClient) -> None:
        """However much 100 servers have to say, the gateway takes five megabytes of it at most."""
        for number in range(100):
            self.line.send(client.headers(2 * number + 1, get(authority="a.example")))
            self.network.advance(0)
        self.assertEqual(len(self.servers.lines), 100)
        for server in self.servers.lines:
            server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
        before = sum(server.sent_on for server in self.servers.lines)
        for server in self.servers.lines:
            server.send(bytes(10**6))
        for _ in range(20):
            self.network.advance(0)
        brought = sum(server.sent_on for server in self.servers.lines) - before
        self.assertLess(brought, 5 * 2**20)
        self.assertGreater(brought, 2**20)

    def test_closed_windows(self) -> None:
        """Every stream's window is closed."""
        self.assert_bounded(self.client(INITIAL_WINDOW_SIZE=0))

    def test_unread(self) -> None:
        """The windows are open, and the client does not read."""
        client = self.client(INITIAL_WINDOW_SIZE=2**30)
        self.line.stall(0)
        self.assert_bounded(client)

    def test_unread_by_servers(self) -> None:
        """Of bodies that no server reads the client may send five megabytes, until its windows are closed."""
        client = self.client()
        for number in range(100):
            fields = get("/", ("content-length", "10000000"), method="POST", authority="a.example")
            self.line.send(client.headers(2 * number + 1, fields, "END_HEADERS"))
            self.network.advance(0)
            self.servers.line.stall(0)
        room, sent = {0: CONNECTION_WINDOW, **dict.fromkeys(range(1, 200, 2), STREAM_WINDOW)}, 0
        before = -1
        while before < sent:
            before = sent
            for stream in range(1, 200, 2):
                if min(room[stream], room[0]) >= PART:
                    self.line.send(DataFrame(stream, bytes(PART)).serialize())
                    room[stream] -= PART
                    room[0] -= PART
                    sent += PART
            self.network.advance(0)
            if self.line.received:
                client.more()
            for frame in client.frames:
                if isinstance(frame, WindowUpdateFrame):
                    room[frame.stream_id] += frame.window_increment
            client.frames.clear()
        self.assertLess(sent, 5 * 2**20)
        self.assertGreater(sent, 2**20)
