"""HTTP/2 clients for tests, over any wire: one of frames made by hand, and one by the library h2.

    client = over_tls(gateway.call(port, "ecdsa"))            # a TLS connection, by ALPN "h2"
    client = Http2Client(MemoryWire(give, take))              # bytes in memory
    client.fetch("/path").status                              # one request and its whole response
    client.fetch("/", method="POST", body=b"x" * 100_000)     # the server's windows are respected
    responses = [client.request(f"/{number}") for number in range(10)]
    client.until(lambda: all(each.done for each in responses), "all are answered")

What h2 finds wrong in the server's frames fails the test: `Http2Client` is an oracle. `FrameClient` says what it likes:

    client = begun(FrameClient(wire))
    client.send(client.headers(1, get()), b"any bytes", RstStreamFrame(1, error_code=8))
    client.next(GoAwayFrame).error_code
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol, TypeVar

import attrs
import hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import StreamClosedError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    SettingsFrame,
)

from tests.end_to_end import clients
from tests.end_to_end.clients import Call

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENDS = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
LARGEST = 1 << 16
"""Bytes that are received at once."""

Fields = Iterable[tuple[str, str]]
F = TypeVar("F", bound=Frame)


class Wire(Protocol):
    """What carries the bytes."""

    def send(self, data: bytes) -> None:
        """Sends bytes."""

    def receive(self) -> bytes:
        """What came, once something did; nothing: the server has closed."""

    def close(self) -> None:
        """The client is gone."""


class SocketWire:
    """A connected socket, with TLS or without."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected

    def send(self, data: bytes) -> None:
        """Sends all of it; a server that has closed takes no more, which the next `receive` shows."""
        with suppress(*ENDS):
            self.socket.sendall(data)

    def receive(self) -> bytes:
        """Waits for bytes; a reset is an end."""
        try:
            return self.socket.recv(LARGEST)
        except ENDS:
            return b""

    def close(self) -> None:
        """Closes it."""
        self.socket.close()


class MemoryWire:
    """Bytes in memory: `give` hands them to a server, and `take` returns those that it has sent since."""

    def __init__(
        self,
        give: Callable[[bytes], object],
        take: Callable[[], bytes],
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self._give = give
        self._take = take
        self._ended = ended

    def send(self, data: bytes) -> None:
        """The server has them when this returns, unless it has closed."""
        if not self._ended():
            self._give(data)

    def receive(self) -> bytes:
        """What the server has sent; AssertionError where that is nothing, and it has not closed."""
        data = self._take()
        assert data or self._ended(), "the server has nothing to say"
        return data

    def close(self) -> None:
        """Nothing is to be closed."""


class FrameClient:
    """A client that says what it likes, and keeps every frame that comes."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.frames: list[Frame] = []  # all that came
        self.ended = False  # the server has closed
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()  # for whoever decodes every header block, in order
        self._received = bytearray()
        self._seen = 0  # of the frames, by `next`

    def send(self, *parts: Frame | bytes) -> None:
        """Sends frames and any other bytes at once."""
        self.wire.send(b"".join(part if isinstance(part, bytes) else part.serialize() for part in parts))

    def headers(self, stream: int, fields: Fields, *flags: str, pieces: int = 1) -> bytes:
        """A HEADERS frame, with END_STREAM unless there are other flags; the block in so many frames."""
        block = self.encoder.encode(list(fields))
        size = -(-len(block) // pieces)
        frame = HeadersFrame(stream, block[:size], flags=list(flags or ("END_STREAM",)))
        frames: list[Frame] = [frame]
        frames += [ContinuationFrame(stream, block[at : at + size]) for at in range(size, len(block), size)]
        frames[-1].flags.add("END_HEADERS")
        return b"".join(each.serialize() for each in frames)

    def more(self) -> bool:
        """Receives once; whether anything came."""
        data = self.wire.receive()
        self.ended = not data
        self._received += data
        while (whole := self._frame()) is not None:
            self._arrived(*whole)
        return bool(data)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Receives until the condition holds; AssertionError where the connection ends before."""
        while not condition():
            assert self.more(), f"the connection ended before {what}: {self.frames[-5:]}"

    def next(self, kind: type[F], stream: int | None = None) -> F:
        """The next frame of this kind, of any stream or of this one; those before it are passed over."""
        while True:
            while self._seen < len(self.frames):
                frame = self.frames[self._seen]
                self._seen += 1
                if isinstance(frame, kind) and stream in (None, frame.stream_id):
                    return frame
            assert self.more(), f"the connection ended before a {kind.__name__}: {self.frames[-5:]}"

    def round_trip(self, data: bytes = b"12345678") -> None:
        """A PING, and its answer: what was sent before was read by the server."""
        self.send(PingFrame(0, data))
        self.until(lambda: data in self._pongs(), "a PING is answered")

    def rest(self) -> list[Frame]:
        """Every frame, once the server has closed."""
        while self.more():
            pass
        return self.frames

    def close(self) -> None:
        """The client is gone, without GOAWAY."""
        self.wire.close()

    def _pongs(self) -> list[bytes]:
        return [each.opaque_data for each in self.frames if isinstance(each, PingFrame) and "ACK" in each.flags]

    def _frame(self) -> tuple[Frame, bytes] | None:
        """The next whole frame, and its bytes."""
        if len(self._received) < 9:
            return None
        frame, size = Frame.parse_frame_header(memoryview(bytes(self._received[:9])))
        if len(self._received) < 9 + size:
            return None
        data = bytes(self._received[: 9 + size])
        del self._received[: 9 + size]
        frame.parse_body(memoryview(data[9:]))
        return frame, data

    def _arrived(self, frame: Frame, data: bytes) -> None:
        """A frame came."""
        self.frames.append(frame)


def begun(client: FrameClient, **settings: int) -> FrameClient:
    """The client after the preface and SETTINGS of both sides; settings as ``INITIAL_WINDOW_SIZE=0``."""
    values = {int(SettingCodes[name]): value for name, value in settings.items()}
    client.send(PREFACE, SettingsFrame(0, settings=values))
    client.next(SettingsFrame)
    client.send(SettingsFrame(0, flags=["ACK"]))
    return client


def get(path: str = "/", *more: tuple[str, str], method: str = "GET", authority: str = "localhost") -> Fields:
    """The fields of a request."""
    return [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path), *more]


@attrs.define
class Response:
    """What has come of one response so far."""

    stream: int
    status: int = 0
    headers: list[tuple[str, str]] = attrs.Factory(list)
    body: bytearray = attrs.Factory(bytearray)
    trailers: list[tuple[str, str]] = attrs.Factory(list)
    interim: list[tuple[int, list[tuple[str, str]]]] = attrs.Factory(list)  # those of 1xx
    ended: bool = False  # whole
    reset: int | None = None  # the code of RST_STREAM

    @property
    def done(self) -> bool:
        """Whether nothing more comes."""
        return self.ended or self.reset is not None

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for each, value in self.headers if each == name]

    def get(self, name: str) -> str:
        """The values of a header, joined; empty where there is none."""
        return ", ".join(self.all(name))

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode("latin-1")


class Http2Client(FrameClient):
    """A client by h2: what is wrong in the server's frames raises h2.exceptions.ProtocolError.

    It sends what it is given, right or wrong: no field is checked. GOAWAY is kept from h2, which would take no frame
    after it (RFC 9113, section 6.8 has streams go on).
    """

    def __init__(self, wire: Wire, settings: Mapping[SettingCodes, int] | None = None) -> None:
        super().__init__(wire)
        configuration = H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.h2 = H2Connection(configuration)
        if settings:
            self.h2.local_settings = Settings(client=True, initial_values={**self.h2.local_settings, **settings})
        self.responses: dict[int, Response] = {}
        self.events: list[Event] = []  # all of h2's
        self.goaways: list[GoAwayFrame] = []
        self.reading = True  # the windows are opened again for what comes
        self._unread: dict[int, int] = {}  # bytes for which they were not
        self._bodies: dict[int, tuple[bytearray, bool]] = {}  # what the server's windows do not admit yet; and the end
        self.h2.initiate_connection()
        self.flush()

    def request(
        self,
        path: str = "/",
        *fields: tuple[str, str],
        method: str = "GET",
        authority: str = "localhost",
        body: bytes | None = None,
        end: bool = True,
    ) -> Response:
        """Sends a request, and waits for nothing; `end` False: more of its body comes by `body`."""
        return self.send_fields(get(path, *fields, method=method, authority=authority), body, end=end)

    def send_fields(self, fields: Fields, body: bytes | None = None, *, end: bool = True) -> Response:
        """The same of these fields, pseudo-header fields among them."""
        stream = self.h2.get_next_available_stream_id()
        response = self.responses[stream] = Response(stream)
        self.h2.send_headers(stream, list(fields), end_stream=end and body is None)
        self.flush()
        if body is not None:
            self.body(response, body, end=end)
        return response

    def body(self, response: Response, data: bytes, *, end: bool = False) -> None:
        """Sends a piece of a request's body, as far as the server's windows admit it; the rest later."""
        waiting, _ = self._bodies.get(response.stream, (bytearray(), False))
        self._bodies[response.stream] = waiting + data, end
        self._pump()

    def trailers(self, response: Response, fields: Fields) -> None:
        """Ends a request's body with trailers."""
        self.until(lambda: response.stream not in self._bodies, "the body is sent")
        self.h2.send_headers(response.stream, list(fields), end_stream=True)
        self.flush()

    def reset(self, response: Response, code: int = 8) -> None:
        """RST_STREAM; CANCEL where no other code is given."""
        self._bodies.pop(response.stream, None)
        self.h2.reset_stream(response.stream, code)
        self.flush()

    def fetch(self, path: str = "/", *fields: tuple[str, str], **options: object) -> Response:
        """A request, and its response once it is done."""
        return self.finished(self.request(path, *fields, **options))  # type: ignore[arg-type]

    def finished(self, response: Response) -> Response:
        """The response, once it is done."""
        self.until(lambda: response.done, f"the response of stream {response.stream}")
        return response

    def read_on(self) -> None:
        """Opens the windows for all that came while `reading` was False, and from now on."""
        self.reading = True
        for stream, size in self._unread.items():
            self._acknowledge(stream, size)
        self._unread.clear()
        self.flush()

    def may_be_repeated(self, response: Response) -> bool:
        """Whether the server has said that it has not processed the request (RFC 9113, section 8.7)."""
        return response.reset == 7 or any(response.stream > goaway.last_stream_id for goaway in self.goaways)

    def flush(self) -> None:
        """Sends what h2 has to send."""
        if data := self.h2.data_to_send():
            self.wire.send(data)

    def _arrived(self, frame: Frame, data: bytes) -> None:
        super()._arrived(frame, data)
        if isinstance(frame, GoAwayFrame):
            self.goaways.append(frame)
            return
        for event in self.h2.receive_data(data):
            self.events.append(event)
            self._note(event)
        self._pump()

    def _note(self, event: Event) -> None:
        response = self.responses.get(getattr(event, "stream_id", 0) or 0)
        if response is None:
            return
        if isinstance(event, ResponseReceived):
            (_, status), *response.headers = _texts(event.headers)
            response.status = int(status)
        elif isinstance(event, InformationalResponseReceived):
            (_, status), *fields = _texts(event.headers)
            response.interim.append((int(status), fields))
        elif isinstance(event, DataReceived):
            response.body += event.data or b""
            self._read(response.stream, event.flow_controlled_length or 0)
        elif isinstance(event, TrailersReceived):
            response.trailers = _texts(event.headers)
        elif isinstance(event, StreamEnded):
            response.ended = True
        elif isinstance(event, StreamReset):
            response.reset = int(event.error_code or 0)
            self._bodies.pop(response.stream, None)

    def _read(self, stream: int, size: int) -> None:
        if self.reading:
            self._acknowledge(stream, size)
        else:
            self._unread[stream] = self._unread.get(stream, 0) + size

    def _acknowledge(self, stream: int, size: int) -> None:
        if size:
            self.h2.acknowledge_received_data(size, stream)

    def _pump(self) -> None:
        for stream, (data, end) in list(self._bodies.items()):
            try:
                self._send_body(stream, data, end)
            except StreamClosedError:
                self._bodies.pop(stream, None)
        self.flush()

    def _send_body(self, stream: int, data: bytearray, end: bool) -> None:
        while True:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if len(data) > max(room, 0):
                if room <= 0:
                    return
                self.h2.send_data(stream, bytes(data[:room]))
                del data[:room]
            else:
                self.h2.send_data(stream, bytes(data), end_stream=end)
                del self._bodies[stream]
                return


def _texts(fields: Iterable[tuple[str | bytes, str | bytes]] | None) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in fields or ()]


def tls(call: Call) -> SocketWire:
    """A TLS connection that offers "h2" alone by ALPN; AssertionError where the server does not select it."""
    line = clients.encrypted(attrs.evolve(call, protocols=("h2",)))
    line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert isinstance(line.socket, ssl.SSLSocket)
    assert line.socket.selected_alpn_protocol() == "h2", "the server does not select h2"
    return SocketWire(line.socket)


def over_tls(call: Call, settings: Mapping[SettingCodes, int] | None = None) -> Http2Client:
    """A client over TLS, after its handshake; raises ssl.SSLError."""
    return Http2Client(tls(call), settings)
