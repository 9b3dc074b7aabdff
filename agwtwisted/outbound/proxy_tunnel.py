"""Asks a proxy for a tunnel to a server, over a connection to it (RFC 9110 section 9.3.6)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.http.messages import ResponseHead, UnfitResponse
from agwtwisted.core.http.response_reader import ResponseReader
from agwtwisted.core.http.service_urls import ProxyAddress
from agwtwisted.outbound.incoming import MAX_HEAD_BYTES
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.receiver import NO_RECEIVER


class ProxyError(AgwError):
    """A proxy cannot be reached, or passes nothing on."""


class ProxyTunnel:
    """Takes what the proxy answers, as the receiver of a connection; what comes after that is the server's."""

    def __init__(self, connection: Connection, proxy: ProxyAddress) -> None:
        self._connection = connection
        self._proxy = proxy
        self._reader = ResponseReader(to_head_request=False, max_header_bytes=MAX_HEAD_BYTES)
        self._opened: Deferred[None] = Deferred(lambda _: connection.abort())

    def open(self, request: bytes) -> Deferred[None]:
        """Fires once the tunnel is there; fails with ProxyError; cancelling ends the connection."""
        self._connection.receiver = self
        self._connection.write(request)
        return self._opened

    def received(self, data: bytes) -> None:
        """A part of the proxy's answer."""
        self._reader.feed(data)
        event = self._reader.next_event()
        while isinstance(event, ResponseHead) and event.status < 200 and event.status != 101:
            event = self._reader.next_event()
        if isinstance(event, ResponseHead):
            self._decide(event.status)
        elif isinstance(event, UnfitResponse):
            self._fail(event.problem)

    def drained(self) -> None:
        """The proxy takes bytes again; the request is short."""

    def finished(self) -> None:
        """There is no tunnel in one direction."""
        self._connection.close_now()

    def ended(self, reason: str) -> None:
        """The connection is gone."""
        self._fail("it closed the connection")

    def _decide(self, status: int) -> None:
        if status // 100 != 2:
            self._fail(f"it answers with HTTP status {status}")
        elif self._reader.take_unread():  # the server speaks only once it was spoken to
            self._fail("it sent bytes ahead of the server's")
        else:
            self._connection.receiver = NO_RECEIVER
            self._opened.callback(None)

    def _fail(self, reason: str) -> None:
        self._connection.receiver = NO_RECEIVER
        if not self._opened.called:
            self._opened.errback(ProxyError(f"outbound_proxy {self._proxy}: {reason}"))
            self._connection.abort()
