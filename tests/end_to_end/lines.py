"""One TCP or TLS connection with HTTP/1.1 on it, read by hand: for clients and for backends that say what they like."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs

DEADLINE = 60.0
"""Seconds after which whoever waits for something gives up, which fails the test; a busy machine takes its time."""

T = TypeVar("T")


def _kernel_buffers() -> int:
    """Bytes that the system holds for one connection at most, at both its ends; it grows them as it likes (tcp(7))."""
    limits = Path("/proc/sys/net/ipv4")
    return sum(int((limits / name).read_text().split()[-1]) for name in ("tcp_rmem", "tcp_wmem"))


HELD = 2 * _kernel_buffers() + (2 << 20)
"""Bytes that may be under way between two ends of which one does not read: the system's buffers, and the gateway's."""


def wait_until(found: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
    """Ask again and again until the answer is true; AssertionError when it does not come to that."""
    never = threading.Event()
    for _ in range(int(deadline / 0.01)):
        if answer := found():
            return answer
        never.wait(0.01)
    raise AssertionError(f"waited in vain until {what}")


@attrs.frozen
class Message:
    """A request or a response: its start line, its header lines in order, its body without framing."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.start.split()[1])

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def get(self, name: str) -> str:
        """The values of a header, joined; empty when there is none."""
        return ", ".join(self.all(name))


class Line:
    """One connection. `received` keeps every byte that came, in order, for tests that need all of it."""

    def __init__(self, connected: socket.socket, deadline: float = DEADLINE) -> None:
        connected.settimeout(deadline)
        self.socket = connected
        self.received = bytearray()
        self.ended = threading.Event()  # the other side has closed
        self._at = 0  # how much of it was read as messages

    def send(self, *data: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(b"".join(data))

    def more(self) -> bool:
        """Receive once; whether anything came. A reset is an end."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        self.received += data
        if not data:
            self.ended.set()
        return bool(data)

    def rest(self) -> bytes:
        """Everything to the end of the connection that was not read as a message."""
        while self.more():
            pass
        return self._take(len(self.received) - self._at)

    def head(self) -> Message | None:
        """The next head; None when the connection ends before it."""
        while (end := self.received.find(b"\r\n\r\n", self._at)) < 0:
            if not self.more():
                return None
        start, *lines = self._take(end + 4 - self._at)[:-4].decode("latin-1").split("\r\n")
        pairs = (line.partition(":")[::2] for line in lines)
        return Message(start, tuple((name, value.strip()) for name, value in pairs))

    def response(self, *, to_head: bool = False) -> Message:
        """The next response with its body; AssertionError when the connection ends before it is whole."""
        head = self.head()
        assert head, f"no response, but {bytes(self.received[self._at :])!r}"
        if to_head or head.status in (204, 304) or head.status < 200:
            return head
        if head.get("content-length") or head.get("transfer-encoding"):
            return attrs.evolve(head, body=self.body(head))
        return attrs.evolve(head, body=self.rest())

    def body(self, head: Message) -> bytes:
        """The body that a head announces, none where it announces none."""
        if head.get("transfer-encoding") == "chunked":
            return b"".join(iter(self.chunk, b""))
        return self.exactly(int(head.get("content-length") or 0))

    def exactly(self, size: int) -> bytes:
        """So many bytes; AssertionError when the connection ends before."""
        while len(self.received) - self._at < size:
            assert self.more(), f"{size} bytes are not there, but {bytes(self.received[self._at :])[:100]!r}"
        return self._take(size)

    def chunk(self) -> bytes:
        """The data of the next chunk; none: it was the last one."""
        while (end := self.received.find(b"\r\n", self._at)) < 0:
            assert self.more(), "cut within a chunked body"
        size = int(self._take(end + 2 - self._at), 16)
        return self.exactly(size + 2)[:-2]

    def close(self) -> None:
        """Close it."""
        self.socket.close()

    def _take(self, size: int) -> bytes:
        taken = bytes(self.received[self._at : self._at + size])
        self._at += size
        return taken
