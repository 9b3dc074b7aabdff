"""Responses as bytes of HTTP/1.1 (and 1.0), one after the other on one connection.

Called by exchanges, as `interfaces.ResponseWriter` says. What an answer means for the connection (what is read next, or
whether it ends) is its `WriterOwner`'s business: the frontend.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agwtwisted.core.exchange.forwarding import (
    LAST_CHUNK,
    chunk,
    client_framing,
    informational_bytes,
    response_bytes,
)
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead, UnfitRequest, WholeResponse
from agwtwisted.transport.connection import Connection

# Before Python 3.12 each look at a member of an Enum costs a call.
_NONE, _LENGTH, _CHUNKED, _CLOSE = Framing.NONE, Framing.LENGTH, Framing.CHUNKED, Framing.CLOSE


class WriterOwner(Protocol):
    """What a writer asks of the connection that its responses go to."""

    def may_continue(self) -> bool:
        """Whether another request may follow the answer whose head is sent now."""

    def switched(self) -> None:
        """The client got 101: another protocol begins."""

    def answered(self) -> None:
        """The exchange in progress is over, and its answer whole."""

    def cut(self) -> None:
        """The exchange in progress is over, and its answer not whole."""

    def pause_body(self) -> None:
        """Stops the request's body."""

    def resume_body(self) -> None:
        """Lets the request's body flow on."""


class Http1ResponseWriter:
    """The way back to one client.

    Args:
        connection: the connection to it.
        owner: gets the events of the responses; forgotten with `detach`.
    """

    __slots__ = ("_connection", "_framing", "_out", "_owner", "_request", "bytes_sent", "head_sent", "keep_alive")

    read_size = 0  # as much as is usual: the connection has this one answer
    _owner: WriterOwner

    def __init__(self, connection: Connection, owner: WriterOwner) -> None:
        self.bytes_sent = 0  # of the response in progress
        self.head_sent: ResponseHead | None = None  # of the response in progress
        self.keep_alive = True  # whether another request may follow it
        self._connection = connection
        self._owner = owner
        self._request: RequestHead | UnfitRequest | None = None
        self._framing = _NONE
        self._out: list[bytes] = []

    def begin(self, request: RequestHead | UnfitRequest) -> None:
        """What is sent from now on answers this request."""
        self.bytes_sent = 0
        self.keep_alive = request.keep_alive
        self._request = request

    def detach(self) -> None:
        """The connection is gone: leads no longer back to its owner, which is free at once then."""
        del self._owner

    @property
    def full(self) -> bool:
        """Whether the client takes bytes more slowly than they come."""
        return self._connection.full

    def misleads(self, head: ResponseHead) -> bool:
        """Never: the client itself looks whether its upgrade was understood."""
        return False

    def informational(self, status: int, reason: bytes, headers: Sequence[Header]) -> None:
        """Sends a 1xx other than 101 ahead of the response; HTTP/1.0 knows none (RFC 9110 section 15.2)."""
        if self._request is not None and self._request.version == b"1.1":
            self._out.append(informational_bytes(status, reason, headers))
            self.flush()

    def head(self, head: ResponseHead, *, last: bool = False) -> None:
        """Sends the head of the response; the `last` one ends the connection."""
        request = self._request
        if request is None:
            return
        framing = client_framing(head, version=request.version, to_head_request=request.method == b"HEAD")
        if last or framing is _CLOSE or not self._owner.may_continue():
            self.keep_alive = False
        self._framing, self.head_sent = framing, head
        self._out.append(response_bytes(head, framing, keep_alive=self.keep_alive, version=request.version))

    def body(self, data: bytes) -> None:
        """Sends a piece of the body, or of what a tunnel carries."""
        if self._framing is _CHUNKED:
            data = chunk(data)
        self._out.append(data)

    def whole(self, head: ResponseHead, response: WholeResponse) -> None:
        """Sends this head, and the body of the response: as they came, where nothing has to be changed."""
        request = self._request
        stays = self.keep_alive and request is not None and request.version == b"1.1"
        if stays and head is response.head and self._owner.may_continue():
            self._framing, self.head_sent = _LENGTH, head
            self._out.append(response.message)
        else:
            self.head(head)
            self._out.append(response.body)

    def flush(self) -> None:
        """Sends what was given since the last flush."""
        out = self._out
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            self._out = []
            self.bytes_sent += len(data)
            self._connection.write(data)

    def end(self) -> None:
        """The response is whole: sends the rest of it."""
        if self._framing is _CHUNKED:
            self._out.append(LAST_CHUNK)
        self.flush()

    def release(self) -> None:
        """The exchange is over: the connection takes the next request, or closes."""
        self._request = self.head_sent = None
        self._framing = _NONE
        self._owner.answered()

    def abort(self) -> None:
        """The response cannot be completed: the connection ends so that the client sees it cut."""
        try:
            self.flush()
        finally:
            self._owner.cut()

    def switch(self, protocol: bytes, headers: Sequence[Header]) -> None:
        """Sends a 101; from now on both directions carry bytes of the new protocol."""
        lines = [*headers, (b"Connection", b"upgrade"), (b"Upgrade", protocol)]
        self._out.append(informational_bytes(101, b"Switching Protocols", lines))
        self.flush()
        self._owner.switched()

    def pause_body(self) -> None:
        """Stops the request's body."""
        self._owner.pause_body()

    def resume_body(self) -> None:
        """Lets the request's body flow on."""
        self._owner.resume_body()
