"""A client, a server and a clock that do anything, in any order, and an account of what the gateway sends meanwhile."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from random import Random
from re import search
from typing import Any, Final

import hpack
from hyperframe.frame import (
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from agwtwisted.core.http2.windows import CONNECTION_WINDOW, DEFAULT_WINDOW, STREAM_WINDOW
from agwtwisted.http2.client_protocol import Http2ClientProtocol
from agwtwisted.tls.contexts import HTTP2
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.gateways import Stand
from tests.http2_clients import PREFACE
from tests.wires import Line, Network

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
INITIAL_WINDOW: Final = 4
FINAL: Final = 200


class Account:
    """What a client knows of a connection: states of streams, and windows; a frame that breaks RFC 9113 fails."""

    def __init__(self) -> None:
        self.room = DEFAULT_WINDOW  # of the connection, for DATA of the gateway
        self.rooms: dict[int, int] = {}  # of streams
        self.room_of_client = DEFAULT_WINDOW
        self.rooms_of_client: dict[int, int] = {}
        self.unacknowledged: list[int] = []  # values of INITIAL_WINDOW_SIZE
        self._initial = DEFAULT_WINDOW
        self._states: dict[int, str] = {}
        self._octets = b""
        self._decoder = hpack.Decoder()

    def take(self, octets: bytes) -> None:
        """What the gateway has sent."""
        self._octets += octets
        while len(self._octets) >= 9:
            frame, size = Frame.parse_frame_header(memoryview(self._octets[:9]))
            if len(self._octets) < 9 + size:
                return
            frame.parse_body(memoryview(self._octets[9 : 9 + size]))
            self._octets = self._octets[9 + size :]
            self._frame(frame)

    def opened(self, stream: int, increment: int) -> None:
        """The client has sent WINDOW_UPDATE."""
        if stream:
            self.rooms[stream] = self.rooms.get(stream, self._initial) + increment
        else:
            self.room += increment

    def sent(self, stream: int, size: int) -> None:
        """The client has sent DATA."""
        self.room_of_client -= size
        self.rooms_of_client[stream] = self.rooms_of_client.get(stream, STREAM_WINDOW) - size

    def _frame(self, frame: Frame) -> None:
        state = self._states.get(frame.stream_id, "")
        if isinstance(frame, SettingsFrame) and "ACK" in frame.flags:
            self._acknowledged(self.unacknowledged.pop(0))
        elif isinstance(frame, HeadersFrame):
            assert state in ("", "interim"), (frame, state)
            fields = dict(self._decoder.decode(frame.data))
            begun = "open" if int(fields[":status"]) >= FINAL else "interim"
            self._states[frame.stream_id] = "ended" if "END_STREAM" in frame.flags else begun
        elif isinstance(frame, DataFrame):
            assert state == "open", (frame, state)
            self._data(frame)
        elif isinstance(frame, RstStreamFrame):
            assert state != "reset", frame
            self._states[frame.stream_id] = "reset"
        elif isinstance(frame, WindowUpdateFrame):
            assert state != "reset", frame
            self._credit(frame)

    def _acknowledged(self, initial: int) -> None:
        change, self._initial = initial - self._initial, initial
        for stream in self.rooms:
            self.rooms[stream] += change

    def _data(self, frame: DataFrame) -> None:
        size = len(frame.data)
        self.room -= size
        room = self.rooms[frame.stream_id] = self.rooms.get(frame.stream_id, self._initial) - size
        assert not size or (self.room >= 0 and room >= 0), (frame, self.room, room)
        if "END_STREAM" in frame.flags:
            self._states[frame.stream_id] = "ended"

    def _credit(self, frame: WindowUpdateFrame) -> None:
        stream, increment = frame.stream_id, frame.window_increment
        if stream:
            self.rooms_of_client[stream] += increment
            assert self.rooms_of_client[stream] <= STREAM_WINDOW, frame
        else:
            self.room_of_client += increment
            assert self.room_of_client <= CONNECTION_WINDOW, frame


class Storm:
    """One connection, its server and its clock; `steps` are the names of methods, whose choices a seed makes."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.network = Network()
        self.stand = Stand(self.network, min_body_rate=0, max_body_bytes=300_000)
        self.backend = self.network.backend(9000)
        self.connection = Connection(self.network, NO_OUTBOX)
        self.line = self.network.dial(self.connection)
        self.stand.begin(self.connection, protocol=HTTP2, cipher="TLS_AES_128_GCM_SHA256")
        protocol: Any = self.connection.receiver
        assert isinstance(protocol, Http2ClientProtocol)
        self.protocol = protocol
        self.account = Account()
        self.encoder = hpack.Encoder()
        self.streams: list[int] = []
        self._say(PREFACE)
        self.settings()

    # -- the client

    def get(self) -> None:
        """A request without a body, mostly."""
        self._request(self.random.choice(("GET", "HEAD")), end=self.random.random() < 0.8)

    def post(self) -> None:
        """A request with a body, whose length may be said, and be wrong."""
        lengths = [[("content-length", str(size))] for size in (0, 3, 10, 400_000)]
        more = self.random.choice([[], [], [("expect", "100-continue")], [("Malformed", "x")], *lengths])
        self._request("POST", *more, end=False)

    def connect(self) -> None:
        """An extended CONNECT."""
        self._request("CONNECT", (":protocol", "websocket"), end=False)

    def data(self) -> None:
        """A piece of a body, or of a tunnel."""
        if stream := self._stream():
            size = self.random.choice((0, 1, 10, 1000, 16384))
            self._say(DataFrame(stream, bytes(size), flags=self._may_end()), data=(stream, size))

    def trailers(self) -> None:
        """The end of a body, or HEADERS that are none."""
        if stream := self._stream():
            block = self.encoder.encode([("x-trailer", "1")])
            self._say(HeadersFrame(stream, block, flags=["END_HEADERS", *self._may_end(0.9)]))

    def reset(self) -> None:
        """RST_STREAM."""
        if stream := self._stream():
            self._say(RstStreamFrame(stream, 8))

    def credit(self) -> None:
        """WINDOW_UPDATE."""
        stream, increment = self.random.choice((0, self._stream())), self.random.choice((1, 100, 1 << 16, 1 << 20))
        self.account.opened(stream, increment)
        self._say(WindowUpdateFrame(stream, increment))

    def settings(self) -> None:
        """Another INITIAL_WINDOW_SIZE."""
        size = self.random.choice((0, 100, DEFAULT_WINDOW, 1 << 20))
        self.account.unacknowledged.append(size)
        self._say(SettingsFrame(0, settings={INITIAL_WINDOW: size}))

    def pong(self) -> None:
        """The answer to the PING of a drain."""
        self._say(PingFrame(0, b"draining", flags=["ACK"]))

    def stall(self) -> None:
        """The client reads no more, or again."""
        if self.random.random() < 0.3:
            self.line.stall(self.random.choice((0, 1000)))
        else:
            self.line.read()

    # -- the server

    def answer(self) -> None:
        """One of its connections says something, whether it was asked or not."""
        if (line := self._server()) is None:
            return
        asked = search(rb"(?i)sec-websocket-key: (\S+)", line.take())
        if asked and self.random.random() < 0.7:
            proof = self.random.choice((b64encode(sha1(asked[1] + GUID).digest()), b"none"))
            line.send(
                b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %b\r\n\r\n"
                % proof
            )
            return
        line.send(
            self.random.choice(
                (
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello",
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                    b"0\r\n\r\n",
                    b"HTTP/1.1 103 Early Hints\r\n\r\n",
                    b"HTTP/1.1 204 No Content\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
                    b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000),
                    b"bytes",
                )
            )
        )

    def leave(self) -> None:
        """One of its connections ends."""
        if line := self._server():
            self.random.choice((line.hang_up, line.crash))()

    def congest(self) -> None:
        """It takes no more of a request, or again."""
        if line := self._server():
            self.random.choice((lambda: line.stall(0), line.read))()

    # -- the gateway

    def wait(self) -> None:
        """Time passes."""
        self.network.advance(self.random.choice((0.1, 0.2, 1.0, 1.0, 25.0)))

    def hold(self) -> None:
        """The session holds requests, or no more."""
        self.random.choice((self.protocol.hold, self.protocol.go_on))()

    def drain(self) -> None:
        """The gateway stops, seldom."""
        if self.random.random() < 0.1:
            self.protocol.drain(self.network.seconds(), 1.0)

    # -- all of it

    def step(self, name: str) -> None:
        """Does one of `STEPS`, while the connection lives."""
        if self.line.connected and not self.connection.closing:
            step: Callable[[], None] = getattr(self, name)
            step()
            self.account.take(self.line.take())

    def end(self) -> None:
        """The client leaves, and all its time passes."""
        if self.line.connected:
            self.line.read()
            self.random.choice((self.line.hang_up, self.line.crash))()
        for _ in range(3):
            self.account.take(self.line.take())
            self.network.advance(70)

    def _request(self, method: str, *fields: tuple[str, str], end: bool) -> None:
        stream = 2 * len(self.streams) + 1
        self.streams.append(stream)
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "a.example"), (":path", "/")]
        block = self.encoder.encode([*pseudo, *fields])
        self._say(HeadersFrame(stream, block, flags=["END_HEADERS", *(["END_STREAM"] if end else [])]))

    def _stream(self) -> int:
        """One that is open, mostly: a frame on another one may end the connection."""
        streams = list(self.protocol._streams.open)
        if streams and self.random.random() < 0.97:
            return self.random.choice(streams)
        return self.random.choice(self.streams[-6:] or [0])

    def _server(self) -> Line | None:
        lines = [line for line in self.backend.lines[-6:] if line.connected]
        return self.random.choice(lines) if lines else None

    def _may_end(self, chance: float = 0.3) -> list[str]:
        return ["END_STREAM"] if self.random.random() < chance else []

    def _say(self, frame: Frame | bytes, *, data: tuple[int, int] | None = None) -> None:
        if data is not None:
            self.account.sent(*data)
        self.line.send(frame if isinstance(frame, bytes) else frame.serialize())


STEPS: Final = (
    *("get", "post", "connect", "data", "data", "trailers", "reset", "credit", "settings", "pong", "stall"),
    *("answer", "answer", "answer", "leave", "congest", "wait", "hold", "drain"),
)
