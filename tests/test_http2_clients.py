"""The HTTP/2 clients of tests, before a server of h2 in memory, and one of theirs before nginx over TLS."""

from __future__ import annotations

from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, WindowUpdated
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame
from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import backends, gateway
from tests.end_to_end.backends import TlsServer
from tests.end_to_end.clients import Call
from tests.http2_clients import FrameClient, Http2Client, MemoryWire, begun, get, over_tls
from tests.programs import needs

WINDOW = 65535


class Server:
    """A server of h2: answers each request with its path and its body, or so many bytes as the path says."""

    def __init__(self) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.h2.initiate_connection()
        self.sent = bytearray()
        self.requests: dict[int, list[tuple[str, str]]] = {}
        self.bodies: dict[int, bytearray] = {}
        self.held: set[int] = set()  # streams whose answers wait
        self.closed = False
        self._answers: dict[int, bytearray] = {}

    def wire(self, pieces: int = 1 << 20) -> MemoryWire:
        """A wire to it, which hands bytes over in such pieces."""

        def give(data: bytes) -> None:
            for at in range(0, len(data), pieces):
                self._hear(data[at : at + pieces])

        def take() -> bytes:
            self.sent += self.h2.data_to_send()
            taken = bytes(self.sent[:pieces])
            del self.sent[:pieces]
            return taken

        return MemoryWire(give, take, lambda: self.closed and not self.sent)

    def answer(self, stream: int) -> None:
        """The answer to the request of a stream."""
        self.held.discard(stream)
        path = dict(self.requests[stream])[":path"]
        body = b"x" * int(path[1:]) if path[1:].isdigit() else path.encode() + b" " + self.bodies[stream]
        self.h2.send_headers(stream, [(":status", "200"), ("content-length", str(len(body)))])
        self._answers[stream] = bytearray(body)
        self._pump()

    def _hear(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self.requests[event.stream_id] = list(event.headers)  # type: ignore[arg-type]
                self.bodies[event.stream_id] = bytearray()
            elif isinstance(event, DataReceived):
                self.bodies[event.stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                if event.stream_id not in self.held:
                    self.answer(event.stream_id)
            elif isinstance(event, WindowUpdated):
                self._pump()

    def _pump(self) -> None:
        for stream, body in list(self._answers.items()):
            while body and (room := min(self.h2.local_flow_control_window(stream), 16384)) > 0:
                self.h2.send_data(stream, bytes(body[:room]))
                del body[:room]
            if not body:
                self.h2.end_stream(stream)
                del self._answers[stream]


class Http2ClientTests(SynchronousTestCase):
    """The client by h2."""

    def setUp(self) -> None:
        self.server = Server()
        self.client = Http2Client(self.server.wire())

    def test_requests(self) -> None:
        """Requests with and without a body are answered, one after the other and several at once."""
        self.assertEqual(self.client.fetch("/a").text, "/a ")
        self.assertEqual(self.client.fetch("/b", method="POST", body=b"body").text, "/b body")
        responses = [self.client.request(f"/{name}") for name in "cde"]
        self.client.until(lambda: all(each.done for each in responses), "all are answered")
        self.assertEqual([each.text for each in responses], ["/c ", "/d ", "/e "])
        self.assertEqual(responses[0].get("content-length"), "3")

    def test_byte_by_byte(self) -> None:
        """Bytes may come one by one."""
        client = Http2Client(Server().wire(pieces=1))
        self.assertEqual(client.fetch("/a", method="POST", body=b"body").text, "/a body")

    def test_large_bodies(self) -> None:
        """Bodies larger than the windows arrive whole, both ways, and trailers end one."""
        body = bytes(range(256)) * 2000
        response = self.client.request("/up", method="POST", body=body, end=False)
        self.client.trailers(response, [("x-end", "1")])
        self.assertEqual(self.client.finished(response).body, b"/up " + body)
        self.assertEqual(len(self.client.fetch("/300000").body), 300_000)

    def test_windows_stay_closed(self) -> None:
        """With `reading` False the server sends what the window admits, and the rest once it is opened."""
        self.client.reading = False
        response = self.client.request("/100000")
        with self.assertRaisesRegex(AssertionError, "nothing to say"):
            self.client.finished(response)
        self.assertEqual(len(response.body), WINDOW)
        self.client.read_on()
        self.assertEqual(len(self.client.finished(response).body), 100_000)

    def test_settings(self) -> None:
        """The settings of the client are its first ones."""
        client = Http2Client(Server().wire(), {SettingCodes.INITIAL_WINDOW_SIZE: 10})
        client.reading = False
        response = client.request("/100")
        with self.assertRaisesRegex(AssertionError, "nothing to say"):
            client.finished(response)
        self.assertEqual(len(response.body), 10)

    def test_goaway_twice(self) -> None:
        """After GOAWAY the responses of streams that it names go on, and others may be repeated."""
        self.server.held |= {1, 3}
        first, second = self.client.request("/a"), self.client.request("/b")
        for last in (2**31 - 1, 1):
            self.server.sent += self.server.h2.data_to_send() + GoAwayFrame(0, last).serialize()
        self.server.answer(1)
        self.assertEqual(self.client.finished(first).text, "/a ")
        self.assertEqual([each.last_stream_id for each in self.client.goaways], [2**31 - 1, 1])
        self.assertEqual([self.client.may_be_repeated(each) for each in (first, second)], [False, True])

    def test_reset(self) -> None:
        """RST_STREAM of the server is the end of a response, with its code."""
        self.server.held.add(1)
        response = self.client.request("/a")
        self.server.h2.reset_stream(1, error_code=7)
        self.assertEqual(self.client.finished(response).reset, 7)
        self.assertTrue(self.client.may_be_repeated(response))

    def test_is_an_oracle(self) -> None:
        """What is wrong in the server's frames is raised."""
        self.client.fetch("/a")
        self.server.sent += DataFrame(2, b"of no stream").serialize()
        with self.assertRaises(ProtocolError):
            self.client.round_trip()

    def test_says_anything(self) -> None:
        """Fields go out as they are given."""
        self.server.held.add(1)
        with self.assertRaises(ProtocolError):
            self.client.send_fields(get("/", ("Connection", "close")))

    def test_end(self) -> None:
        """A response that the connection's end cuts fails the wait for it."""
        self.server.held.add(1)
        response = self.client.request("/a")
        self.server.closed = True
        with self.assertRaisesRegex(AssertionError, "the connection ended before the response of stream 1"):
            self.client.finished(response)


class FrameClientTests(SynchronousTestCase):
    """The client of frames by hand."""

    def setUp(self) -> None:
        self.server = Server()
        self.client = begun(FrameClient(self.server.wire()), INITIAL_WINDOW_SIZE=5)

    def test_begins_with_settings(self) -> None:
        """Its settings have reached the server, and the server's have come."""
        self.assertIsInstance(self.client.frames[0], SettingsFrame)
        self.assertEqual(self.server.h2.remote_settings.initial_window_size, 5)

    def test_header_block_in_pieces(self) -> None:
        """A header block may come in several frames."""
        fields = get("/a", ("x-long", "y" * 100))
        self.client.send(self.client.headers(1, fields, pieces=7))
        self.assertEqual(self.server.requests, {1: list(fields)})
        block = self.client.next(HeadersFrame, 1).data
        self.assertEqual(self.client.decoder.decode(block)[0], (":status", "200"))
        self.assertEqual(self.client.next(DataFrame, 1).data, b"/a ")

    def test_frames_and_bytes(self) -> None:
        """Frames and bytes that are none go out together; those that come are all kept."""
        self.client.send(self.client.headers(1, get("/a"), "PRIORITY"), RstStreamFrame(1, error_code=8), b"")
        self.client.round_trip()
        self.client.send(b"\0\0\0\x99\0\0\0\0\0")
        self.client.round_trip(b"87654321")
        self.server.closed = True
        self.assertEqual(self.client.rest()[-1].opaque_data, b"87654321")  # type: ignore[attr-defined]


class TlsTests(SynchronousTestCase):
    """Over a socket."""

    @needs("nginx")
    def test_nginx(self) -> None:
        """nginx selects h2 by ALPN, and answers."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        for name in ("server-root", "server"):
            gateway.certificates()[name].write(directory, name)
        (port,) = running.free_ports(1)
        server = TlsServer(port=port, certificate="server", listens="ssl http2")
        with backends.nginx_tls(directory, server):
            client = over_tls(Call(port=port, trusted=str(directory / "server-root.pem")))
            self.addCleanup(client.close)
            self.assertEqual(client.fetch("/").text, "well")
