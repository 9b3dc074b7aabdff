"""The room that a client has for DATA, of its connection and of its streams: used up as it comes, given back as it is
handed on.
"""

from __future__ import annotations

from agwtwisted.core.http2 import frames
from agwtwisted.core.http2.request_bodies import RequestBody
from agwtwisted.core.http2.windows import CONNECTION_WINDOW, ReceiveWindow
from agwtwisted.http2.sending import Http2Sender


class Credit:
    """That of one connection: all its streams together have no more than its window, whatever each one has.

    Args:
        sender: of WINDOW_UPDATE.
    """

    __slots__ = ("_sender", "_window")

    def __init__(self, sender: Http2Sender) -> None:
        self._sender = sender
        self._window = ReceiveWindow(CONNECTION_WINDOW)

    def take(self, size: int) -> bool:
        """DATA came with so many octets, padding included; whether there was room for them."""
        return self._window.take(size)

    def dropped(self, size: int) -> None:
        """So many octets are not kept, and their stream gets no more."""
        increment = self._window.consumed(size)
        if increment:
            self._sender.control(frames.window_update(0, increment))

    def consumed(self, stream: int, body: RequestBody, size: int) -> None:
        """So many octets of a stream's body were handed on, and it may send as many more."""
        self.dropped(size)
        increment = body.window.consumed(size)
        if increment:
            self._sender.control(frames.window_update(stream, increment))

    def forgotten(self, body: RequestBody) -> None:
        """What was kept of a body is not wanted any more."""
        if body.held:
            self.dropped(len(body.take()))
