"""Real sockets on this machine, in a test that shares its thread with the reactor."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.task import deferLater

from agwtwisted.transport.sockets import BoundSocket, Owner, StreamSocket, begin

NONSENSE = b"nonsense\r\n\r\n"
"""Answered with a page, by nobody but the gateway."""

DEADLINE = 60.0
"""Seconds, not turns: idle turns are quickly over, and what is waited for may need another thread's."""


async def until(condition: Callable[[], object]) -> None:
    """Lets the reactor turn until the condition holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it never came"
        await deferLater(reactor, 0)  # type: ignore[arg-type]


def connected(address: tuple[str, int]) -> socket.socket:
    """A client in the kernel's backlog."""
    client = socket.create_connection(address)
    client.setblocking(False)
    return client


def read(client: socket.socket) -> bytes | None:
    """What has come; None: nothing yet."""
    try:
        return client.recv(1 << 16)
    except BlockingIOError:
        return None


def accepting(owner: Callable[[], Owner]) -> BoundSocket:
    """A port of this machine whose connections each get an owner."""

    def accept() -> None:
        accepted, client = port.socket.accept()
        accepted.setblocking(False)
        made = owner()
        begin(StreamSocket(reactor, accepted, made, client), made)  # type: ignore[arg-type]

    port = BoundSocket(reactor, socket.create_server(("127.0.0.1", 0)), accept)  # type: ignore[arg-type]
    port.start()
    return port
