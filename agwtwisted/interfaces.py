"""The seams of the shell: what a stage asks of the next, without knowing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.messages import RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.peer import Peer
from agwtwisted.core.operations.records import ClientFrame
from agwtwisted.core.plan.routing import Action, Sites
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.rules.variable_context import Client


class Session(Protocol):
    """What is the same for all requests of one client connection."""

    peer: Peer
    client: Client  # the peer, as server variables tell of it
    profile: SslProfile | None  # of the site that the connection selected
    sites: Sites  # of the port
    listener: str  # its name
    plain_text: bool  # HTTP is spoken where TLS is wanted
    draining: bool  # the next answer is to be the last on this connection
    expelled: bool  # and no request is to be begun before it, either
    address: bytes  # of the client, for X-Forwarded-For

    def required(self) -> Deferred[Peer]:
        """The client as a path that requires a certificate takes it; may be cancelled."""

    def frame_of(self, peer: Peer) -> ClientFrame:
        """What all records of the client have in common, with a verdict that may be that of a path."""

    def identity(self, action: Action, peer: Peer) -> bytes:
        """The request header lines that tell a backend who the client is; rendered once for each verdict."""


class Reply(Protocol):
    """The way back to the client, as an exchange sees it."""

    bytes_sent: int  # of this answer so far

    @property
    def full(self) -> bool:
        """Whether to stop sending until `Exchange.client_drained`."""

    def informational(self, status: int, reason: bytes, headers: Sequence[Header]) -> None:
        """Sends a 1xx other than 101 ahead of the response, where the client can take one."""

    def switch(self, headers: Sequence[Header]) -> None:
        """Sends a 101; from now on `body` and `Exchange.body` carry bytes of the new protocol."""

    def head(self, head: ResponseHead, *, close: bool = False) -> None:
        """Sends the head of the response; with `close` it is the connection's last."""

    def body(self, data: bytes) -> None:
        """Sends a piece of the body."""

    def end(self) -> None:
        """The response is whole: sends the rest of it."""

    def release(self) -> None:
        """The exchange is over: the connection takes the next request, or closes."""

    def abort(self) -> None:
        """The response cannot be completed: the connection ends so that the client sees it cut."""

    def flush(self) -> None:
        """Sends what was given since the last flush."""

    def pause_body(self) -> None:
        """Stops the request's body."""

    def resume_body(self) -> None:
        """Lets the request's body flow on."""


class Exchange(Protocol):
    """One request and its response, as a frontend sees it."""

    def begin(self) -> None:
        """The request's head is there; the answer may come before this returns."""

    def body(self, data: bytes) -> None:
        """A piece of the request's body, or of what a tunnel carries."""

    def body_complete(self) -> None:
        """The request's body is whole; not told for a request without one."""

    def flush(self) -> None:
        """Nothing else came with this read."""

    def refuse(self, status: int, error_info: ErrorInfo) -> None:
        """What came after the head is unfit, or did not come: the request is taken back."""

    def client_drained(self) -> None:
        """The client takes bytes again."""

    def client_lost(self) -> None:
        """The client is gone."""

    def broken(self) -> None:
        """An error of the gateway's own, which is in its log already: 500, or a cut where the answer has begun.

        Raises nothing; the connection ends.
        """


class Exchanges(Protocol):
    """Where a frontend takes its requests."""

    def exchange(self, request: RequestHead | UnfitRequest, reply: Reply, session: Session) -> Exchange:
        """One request's exchange, to be begun."""


class UpstreamUser(Protocol):
    """Who asked a backend something."""

    def response_head(self, head: ResponseHead) -> None:
        """A head came: of an interim response or of the response; after a 101 the body carries another protocol."""

    def response_body(self, data: bytes) -> None:
        """A piece of the body came."""

    def response_end(self) -> None:
        """The response is whole; the connection is no longer the user's."""

    def response_flush(self) -> None:
        """Nothing else came with this read."""

    def response_lost(self, reason: str, *, timed_out: bool) -> None:
        """There will be no response, or no rest of it; the connection is no longer the user's."""

    def upstream_drained(self) -> None:
        """The backend takes bytes again."""

    def broken(self) -> None:
        """An error of the gateway's own, which is in its log already; the connection is no longer the user's."""
