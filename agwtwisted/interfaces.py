"""The interfaces between the stages of the shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.messages import RequestHead, ResponseHead, UnfitRequest, WholeResponse
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Admitted, Client
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.listening.stream_places import StreamPlaces
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.routing import Sites
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import SslProfile

if TYPE_CHECKING:  # thirty modules, which a gateway runs without that speaks no HTTP/2
    from agwtwisted.core.http2.requests import RequestTranslator
    from agwtwisted.core.http2.responses import ResponseBlocks


class KeptForClient(Protocol):
    """Connections to servers that are kept for the requests of one client connection."""

    def close(self) -> None:
        """The client is gone."""


class Session(Protocol):
    """What is the same for all requests of one client connection."""

    client: Client  # replaced as a whole when the client is judged again
    profile: SslProfile | None  # of the site that the connection selected
    sites: Sites  # of the port
    listener: str  # its name
    draining: bool  # the next answer is to be the last on this connection
    expelled: bool  # and no request is to be begun before it, either
    address: bytes  # of the client, for X-Forwarded-For
    requests: int  # that have begun
    host: bytes  # of the last one, as it came
    dedicated: KeptForClient | None  # closed with the connection; None: no request has asked for any

    def strict_client(self) -> Deferred[Client]:
        """The client as a path that requires a certificate takes it; may be cancelled."""

    def identity(self, action: Action, client: Admitted) -> bytes:
        """The request header lines that identify the client to a backend; rendered once for each client."""


class ConnectionSession(Session, Protocol):
    """A session as the client protocol of its connection knows it."""

    def settled(self) -> bool:
        """Asked between two requests after a `ClientProtocol.hold`: whether the next one may be begun now."""

    def misused(self, kind: str, reason: str) -> None:
        """The protocol ends the connection for what the client did: a label of a metric, and what the log says."""


class ResponseWriter(Protocol):
    """What a client protocol offers an exchange: the way back to the client, and a hold on the request's body.

    Nothing here is of one HTTP version. A writer has one exchange; the protocol gives the next request one of its own,
    or the same again.
    """

    bytes_sent: int  # of this answer so far

    @property
    def full(self) -> bool:
        """Whether to stop sending until `Exchange.client_drained`."""

    @property
    def read_size(self) -> int:
        """The most that one read of a backend may bring for this client, in bytes; 0: as much as is usual."""

    def misleads(self, head: ResponseHead) -> bool:
        """Whether the client, which asks for an upgrade, would take a response for something that it is not."""

    def informational(self, status: int, reason: bytes, headers: Sequence[Header]) -> None:
        """Sends a 1xx other than 101 ahead of the response, where the client can take one."""

    def switch(self, protocol: bytes, headers: Sequence[Header]) -> None:
        """Lets the client speak `protocol`; from now on `body` and `Exchange.body` carry bytes of it."""

    def head(self, head: ResponseHead, *, last: bool = False) -> None:
        """Sends the head of the response; the `last` one ends a connection that serves one request at a time."""

    def body(self, data: bytes) -> None:
        """Sends a piece of the body."""

    def whole(self, head: ResponseHead, response: WholeResponse) -> None:
        """Sends this head, mostly that of the response, and the body of the response."""

    def end(self) -> None:
        """The response is whole: sends the rest of it."""

    def release(self) -> None:
        """The exchange is over: the next request may be begun."""

    def abort(self) -> None:
        """The response cannot be completed: it ends so that the client sees it cut, and the exchange is over."""

    def flush(self) -> None:
        """Sends what was given since the last flush."""

    def pause_body(self) -> None:
        """Stops the request's body."""

    def resume_body(self) -> None:
        """Lets the request's body flow on."""


class Exchange(Protocol):
    """What a client protocol asks of an exchange: one request and its response. No method raises."""

    @property
    def backend(self) -> bytes:
        """The server that is asked, as host:port; empty: none is."""

    def begin(self, body: bytes | None) -> None:
        """The request's head is there; the answer may come before this returns.

        Args:
            body: all of the request's body, where that is there, too, or there is none; None: it comes by the next two.
        """

    def body(self, data: bytes) -> None:
        """A piece of the request's body, or of what a tunnel carries."""

    def body_complete(self) -> None:
        """The request's body is complete; not called where all of it came with the head."""

    def flush(self) -> None:
        """Nothing else came with this read."""

    def refuse(self, status: int, error_info: ErrorInfo) -> None:
        """What came after the head is unfit, or did not come: the request is taken back."""

    def client_drained(self) -> None:
        """The client takes bytes again."""

    def client_lost(self) -> None:
        """The client is gone."""

    def broken(self) -> None:
        """An error of the client protocol's own, which is in the log: 500, or a cut where the answer has begun."""


class _NoExchange:
    """Where no request is in progress: nothing is done about what comes."""

    backend = b""

    def begin(self, body: bytes | None) -> None:
        """Never called."""

    def body(self, data: bytes) -> None:
        """Belongs to no request."""

    def body_complete(self) -> None:
        """Belongs to no request."""

    def flush(self) -> None:
        """There is nothing to send."""

    def refuse(self, status: int, error_info: ErrorInfo) -> None:
        """There is nothing to take back."""

    def client_drained(self) -> None:
        """There is nothing to go on with."""

    def client_lost(self) -> None:
        """There is nothing to give up."""

    def broken(self) -> None:
        """There is nothing to answer."""


NO_EXCHANGE: Final[Exchange] = _NoExchange()


@attrs.frozen(eq=False)
class RequestHandling:
    """How the requests of a port are read and answered: what a client protocol takes from its port."""

    exchanges: Exchanges
    gateway: Gateway  # limits and deadlines
    parser: RequestParser  # of heads of HTTP/1
    translator: Callable[[], RequestTranslator]  # of header lists of HTTP/2; always the same
    blocks: Callable[[], ResponseBlocks]  # the same of responses
    places: StreamPlaces = attrs.Factory(StreamPlaces)  # for several requests of one connection at once


class ClientProtocol(Protocol):
    """What a session asks of the protocol that its client speaks; the receiver of the client's connection, too.

    One request at a time is under way on a connection, or several.
    """

    @property
    def under_way(self) -> Sequence[Exchange]:
        """Those that have begun and are not over, in the order in which they began."""

    @property
    def endless(self) -> bool:
        """Whether anything under way may go on for ever: another protocol, or server-sent events."""

    @property
    def may_go_over(self) -> bool:
        """Whether `serve_by` may be called now: where one request follows the other, between two of them."""

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """What the client keeps the gateway waiting for, and since when."""

    def drain(self, now: float, quiet: float) -> None:
        """The gateway stops. A request that has come, or comes before the client was `quiet` for so long, is answered.

        The last answer says that it is that, or the client learns before which of its requests were taken. May be
        called from within `Session.settled`, and more than once.
        """

    def finish(self) -> None:
        """No further request, not even one that has come: what may go on for ever is cut, the connection closes after
        the answers under way, or now if there is none. May be called more than once.
        """

    def hold(self) -> None:
        """No further request is begun until `go_on`, or the session has `settled`; those under way go on."""

    def go_on(self) -> None:
        """Requests are begun again."""

    def serve_by(self, handling: RequestHandling) -> None:
        """The next requests are read and answered by this, one whose head has begun included.

        Those under way end as they began. Called while it `may_go_over`, from within `Session.settled`, too.
        """


class Exchanges(Protocol):
    """Where a client protocol takes its requests."""

    def exchange(self, request: RequestHead | UnfitRequest, writer: ResponseWriter, session: Session) -> Exchange:
        """One request's exchange, to be begun."""


class UpstreamUser(Protocol):
    """Who asked a backend something."""

    def response_whole(self, response: WholeResponse) -> None:
        """The response came whole, and nothing of it before; the connection is no longer the user's."""

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
        """A defect of the gateway, which is in its log already; the connection is no longer the user's."""


class BackendConnection(Protocol):
    """The connection that carries one request, as its exchange sees it."""

    local_port: int  # of the gateway's end
    read_size: int  # the most that one read of it brings, in bytes; 0: as much as is usual

    @property
    def full(self) -> bool:
        """Whether to stop sending until `UpstreamUser.upstream_drained`."""

    def write(self, data: bytes) -> None:
        """Sends bytes of a tunnel."""

    def tunnel(self) -> None:
        """The backend has switched protocols: bytes are handed on as they come."""

    def pause(self) -> None:
        """Stops the response."""

    def resume(self) -> None:
        """Lets the response flow on."""

    def bound_reads(self, size: int) -> None:
        """Has one read bring so many bytes at most; 0: as many as is usual."""


class AttemptsUser(UpstreamUser, Protocol):
    """Whose request `attempts.Attempts` brings to a backend."""

    def connected(self, connection: BackendConnection) -> None:
        """A server gets the request over this connection, which took a while to come."""

    def failed(self, status: int, error_info: ErrorInfo) -> None:
        """No server can be connected to."""


class ExchangeDriver(AttemptsUser, Protocol):
    """What the actions of an exchange lead back to, with answers that come later."""

    def judged(self, strict: Client) -> None:
        """The client as a Strict profile takes it."""

    def not_judged(self, failure: Failure) -> None:
        """An error while the client was judged."""

    def no_chunk(self) -> None:
        """A held head has waited long enough."""


class Siblings(Protocol):
    """The other processes of the same gateway: its workers, and their parent. No method waits or raises."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Has all others hear this, each in the order in which it was published here."""

    def subscribe(self, topic: str, heard: Callable[[bytes], None]) -> None:
        """Has `heard` called, in a turn of the reactor, with what others publish on this topic."""


class _NoSiblings:
    """Of a gateway in one process."""

    def publish(self, topic: str, payload: bytes) -> None:
        """No other process is there to hear it."""

    def subscribe(self, topic: str, heard: Callable[[bytes], None]) -> None:
        """No other process publishes anything."""


NO_SIBLINGS: Final[Siblings] = _NoSiblings()
