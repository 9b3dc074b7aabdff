"""A sender of HTTP/2 and its client, who reads frames by hand and keeps an account of every stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import unpack_from
from typing import Any

from agwtwisted.core.http2.codes import DATA, DEFAULT_WINDOW, END_STREAM, HEADERS, RST_STREAM
from agwtwisted.http2.sending import Http2Sender


class Taker:
    """A connection that takes what is written, or is full after so many octets; its turns end when a test says so."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.room: float = float("inf")
        self.turn = 0
        self.at_end: list[Callable[[], None]] = []
        self.later: list[_Call] = []

    @property
    def full(self) -> bool:
        """Whether to stop."""
        return self.room <= 0

    def write(self, data: bytes) -> None:
        """Takes all."""
        self.written.append(data)
        self.room -= len(data)

    def at_end_of_turn(self, call: Callable[[], None]) -> None:
        """Calls it with `end_turn`."""
        self.at_end.append(call)

    def next_turn(self, call: Callable[[], None]) -> Any:
        """Calls it with `end_turn`, too."""
        self.later.append(made := _Call(call))
        return made

    def end_turn(self) -> None:
        """The turn is over, and the calls for the next one are made."""
        while self.at_end or self.later:
            calls = [*self.at_end, *(call.call for call in self.later if not call.cancelled)]
            self.at_end, self.later = [], []
            for call in calls:
                call()


class _Call:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """It is not made."""
        self.cancelled = True


class PlainEncoder:
    """Blocks that read as their fields."""

    def __init__(self) -> None:
        self.table_size = 4096

    def encode(self, fields: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The values, one behind the other."""
        return b",".join(value for _, value in fields)

    def resize(self, table_size: int) -> None:
        """Notes it."""
        self.table_size = table_size


class NotingOwner:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int]] = []

    def stream_drained(self, stream: int) -> None:
        """Noted."""
        self.heard.append(("drained", stream))

    def stream_sent(self, stream: int) -> None:
        """Noted."""
        self.heard.append(("sent", stream))

    def stream_stalled(self, stream: int) -> None:
        """Noted."""
        self.heard.append(("stalled", stream))

    def stream_flowing(self, stream: int) -> None:
        """Noted."""
        self.heard.append(("flowing", stream))

    def sending_broken(self) -> None:
        """Notes it."""
        self.heard.append(("broken", 0))

    def control_overflow(self) -> None:
        """Noted."""
        self.heard.append(("overflow", 0))


class Account:
    """The client: reads frames, and raises where one breaks the rules of flow control or comes after the end."""

    def __init__(self, initial: int = DEFAULT_WINDOW) -> None:
        self.initial = initial
        self.window = DEFAULT_WINDOW
        self.windows: dict[int, int] = {}
        self.bodies: dict[int, bytearray] = {}
        self.ended: dict[int, str] = {}
        self.frames: list[tuple[int, int, int, bytes]] = []  # type, flags, stream, payload

    def read(self, data: bytes) -> None:
        """What came; frames are whole."""
        at = 0
        while at < len(data):
            head, flags, stream = unpack_from(">IBI", data, at)
            size, kind = head >> 8, head & 255
            payload = data[at + 9 : at + 9 + size]
            assert len(payload) == size
            at += 9 + size
            self.frames.append((kind, flags, stream, payload))
            self._count(kind, flags, stream, payload)

    def _count(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == RST_STREAM:
            self.ended[stream] = self.ended.get(stream, "") + "reset"
            return
        if kind not in (DATA, HEADERS):
            return
        assert stream not in self.ended, f"a frame after the end of stream {stream}"
        if kind == DATA:
            self.window -= len(payload)
            self.windows[stream] = self.windows.get(stream, self.initial) - len(payload)
            assert not payload or (self.window >= 0 and self.windows[stream] >= 0), f"stream {stream} overdraws"
            self.bodies.setdefault(stream, bytearray()).extend(payload)
        if flags & END_STREAM:
            self.ended[stream] = "end"

    def allow(self, stream: int, octets: int) -> None:
        """A WINDOW_UPDATE was sent."""
        if stream:
            self.windows[stream] = self.windows.get(stream, self.initial) + octets
        else:
            self.window += octets

    def resize(self, streams: Sequence[int], initial: int) -> None:
        """SETTINGS_INITIAL_WINDOW_SIZE was sent while these streams were open."""
        for stream in streams:
            self.windows[stream] = self.windows.get(stream, self.initial) + initial - self.initial
        self.initial = initial


class Sending:
    """A sender with its connection, its owner and its client."""

    def __init__(self) -> None:
        self.connection, self.owner, self.client = Taker(), NotingOwner(), Account()
        self.encoder = PlainEncoder()
        self.sender = Http2Sender(self.connection, self.encoder, self.owner)  # type: ignore[arg-type]

    def end_turn(self) -> list[tuple[int, int, int, bytes]]:
        """The turn is over; returns the frames that the client got in it."""
        self.connection.end_turn()
        return self.read()

    def read(self) -> list[tuple[int, int, int, bytes]]:
        """The frames that the client got since this was asked last."""
        self.client.frames = []
        for data in self.connection.written:
            self.client.read(data)
        self.connection.written.clear()
        return self.client.frames

    def allow(self, stream: int, octets: int) -> bool:
        """The client sends WINDOW_UPDATE."""
        self.client.allow(stream, octets)
        return self.sender.window_update(stream, octets)

    def drain(self) -> None:
        """The connection takes all again."""
        self.connection.room = float("inf")
        self.sender.drained()

    def heard(self) -> list[tuple[str, int]]:
        """What the owner heard since this was asked last."""
        heard, self.owner.heard = self.owner.heard, []
        return heard
