"""HTTP/1.1 on one connection of the gateway's own: one request at a time, and between them it is idle."""

from __future__ import annotations

from typing import Final, Protocol

from twisted.internet.defer import Deferred

from agwtwisted.outbound.fetching import Fetched, FetchProblem, NotFetched
from agwtwisted.outbound.incoming import IncomingResponse
from agwtwisted.transport.connection import Connection

IDLE_TIMEOUT: Final = 60.0
"""Seconds that a connection is kept without a request; below the 75 that nginx grants."""


class Keeper(Protocol):
    """Where connections are that no request uses."""

    def keep(self, connection: OutboundConnection) -> None:
        """A connection is idle."""

    def forget(self, connection: OutboundConnection) -> None:
        """A connection is gone."""


class OutboundConnection:
    """Sends requests over one connection, whose receiver it is.

    Args:
        transport: open, with its TLS handshake done where there is one.
        address: that it leads to, as it was checked; empty: a proxy has it from there.
        keeper: has it between requests.
    """

    def __init__(self, transport: Connection, address: str, place: tuple[str, str, int], keeper: Keeper) -> None:
        self.address = address
        self.place = place  # by which the keeper finds it
        self.transport = transport
        self._keeper = keeper
        self._response: IncomingResponse | None = None
        self._outcome: Deferred[Fetched | NotFetched] | None = None
        self._turn = 0  # in which the request began
        self._deadline = transport.deadline(self._too_long_idle)
        transport.receiver = self

    def ask(self, request: bytes, response: IncomingResponse) -> Deferred[Fetched | NotFetched]:
        """Sends a request, and has its response read; may be cancelled, which ends the connection."""
        self._deadline.clear()
        self._response = response
        outcome = self._outcome = Deferred(self._leave)
        self._turn = self.transport.turn
        self.transport.write(request)
        return outcome

    def close(self) -> None:
        """Closes it, while it is idle."""
        self._keeper.forget(self)
        self._deadline.stop()
        self.transport.close()

    # -- from the transport

    def received(self, data: bytes) -> None:
        """Bytes of the server; while the connection is idle they mean that it cannot be used again."""
        response = self._response
        if response is None:
            self._keeper.forget(self)
            self.transport.abort()
        elif not response.begun and self.transport.holds and self.transport.turn == self._turn:
            # They were read before the request was sent: as if they had come while the connection was idle.
            response.fail(FetchProblem.CLOSED, "the server sent bytes before the request")
            self._settle(response)
        else:
            response.take(data)
            self._settle(response)

    def drained(self) -> None:
        """The server takes bytes again; requests are short."""

    def finished(self) -> None:
        """The server sends no more: so ends a response without a length."""
        self.transport.close_now()

    def ended(self, reason: str) -> None:
        """The connection is gone."""
        self._keeper.forget(self)
        response = self._response
        if response is not None:
            response.end(cut=self.transport.cut)
            self._settle(response)

    # -- how

    def _settle(self, response: IncomingResponse) -> None:
        """Where the outcome is known: gives the connection back, or ends it; then the caller goes on."""
        if response.result is None:
            return
        outcome, self._outcome, self._response = self._outcome, None, None
        if response.reusable and not self.transport.busy and not self.transport.closing:
            self._deadline.set(IDLE_TIMEOUT)
            self._keeper.keep(self)
        elif not self.transport.closing:
            self.transport.abort()
        if outcome is not None:
            outcome.callback(response.result)

    def _leave(self, _: Deferred[Fetched | NotFetched]) -> None:
        self._outcome = self._response = None
        self._deadline.stop()
        self.transport.abort()

    def _too_long_idle(self) -> None:
        self.close()
