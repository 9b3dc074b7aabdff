"""Gets one request to a backend server: over an idle connection or a new one, and to another server where that fails.

`core.exchange.attempts` says which server is next and what may be repeated; this module connects, and sends.
"""

from __future__ import annotations

from typing import Final, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.dedicated import DedicatedConnections
from agwtwisted.backends.upstream import Server, UpstreamConnection
from agwtwisted.core.backends.balancing import Order
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.exchange.attempts import NO_BODY, KeptBody, ServerChoice
from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.http.messages import Framing, RequestHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.interfaces import AttemptsUser
from agwtwisted.operations.counters import BackendCounters
from agwtwisted.transport.deferreds import log_failure

_NO_BODY: Final = Framing.NONE  # before Python 3.12 each look at a member of an Enum costs a call


class Counting(Protocol):
    """Whose servers are counted: `record.ExchangeRecord`."""

    def backend(self, server: Server) -> BackendCounters:
        """What counts the servers of the pool that a server is asked for."""


class Attempts:
    """One request on its way: what a backend gets of it. Subclasses render its head.

    Args:
        request: its head.
        body: all of its body; None: that comes by `body` and `body_complete`.
        servers: the servers to ask, in this order; closed at the end.
        parser: of the response.
        timeout: for connecting, and for every silence of a backend, in seconds.
        user: gets the connection and what comes over it, or the status to answer with where there is none.
        counting: has the counters of the pool; None: nothing is counted.
    """

    log = Logger()

    server: Server | None = None  # that was asked last
    connection: UpstreamConnection | None = None  # None before, and once the response is whole
    stays = False  # whether another attempt stays at its server, as long as that can be connected to
    dedicated: DedicatedConnections | None = None  # that it may use, and then nothing else does; None: any idle one
    _choice: ServerChoice[Server] | None = None  # None until the first server fails
    _connecting: Deferred[UpstreamConnection] | None = None
    _unsent: tuple[bytes, ...] = ()

    def __init__(
        self,
        request: RequestHead,
        body: bytes | None,
        servers: Order[Server],
        parser: ResponseParser,
        timeout: float,
        user: AttemptsUser,
        counting: Counting | None = None,
    ) -> None:
        self._request = request
        self._body = NO_BODY if request.framing is _NO_BODY else KeptBody(request.framing, body)
        self._servers = servers
        self._parser = parser
        self._timeout = timeout
        self._user = user
        self._counting = counting

    def head_for(self, server: Server) -> bytes:
        """The head that a server gets."""
        raise NotImplementedError

    def start(self) -> UpstreamConnection | None:
        """Asks the first server: returns the connection where an idle one is used, else the user gets it later."""
        return self._ask(next(self._servers, None))

    def again(self, *, timed_out: bool) -> Server | None:
        """The server that gets the request once more after its connection was lost; None: it is not repeated."""
        connection, server = self.connection, self.server
        self.connection = None
        if connection is None or connection.begun or not self._body.may_be_sent_again(self._request):
            return None
        if server is None or not (timed_out or connection.used):
            return None
        return self._choice_after(server).again(timed_out=timed_out)

    def repeat(self, server: Server) -> None:
        """Sends the request to this server, over a new connection: another idle one may be as dead as the first."""
        self._count_retry(server)
        self._connect(server)

    def _choice_after(self, server: Server) -> ServerChoice[Server]:
        """The choice of further servers, after one that failed."""
        if self._choice is None:
            self._choice = ServerChoice(self._servers, server, stays=self.stays)
        return self._choice

    def body(self, data: bytes) -> bool:
        """A piece of the request's body; returns whether more may come before `UpstreamUser.upstream_drained`."""
        connection = self.connection
        piece = self._body.add(data, sent=connection is not None)
        if connection is None:
            return self._body.has_room
        self._unsent += (piece,)
        self.flush()
        return not connection.full

    def body_complete(self) -> None:
        """The request's body is whole."""
        end = self._body.end(sent=self.connection is not None)
        if end and self.connection is not None:
            self._unsent += (end,)

    def flush(self) -> None:
        """Sends what was given since the last time."""
        connection = self.connection
        if connection is None:
            return
        if self._unsent:
            data = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
            self._unsent = ()
            connection.write(data)
        if self._body.whole:
            connection.request_complete()

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        self._servers.close()

    # -- how

    def _ask(self, server: Server | None) -> UpstreamConnection | None:
        """Sends the request to a server; returns the idle connection where there is one. None: no server is left."""
        if server is None:
            self._user.failed(502, ErrorInfo.UPSTREAM_NO_LIVE)
            return None
        self.server = server
        dedicated, host = self.dedicated, self._request.host
        connection = server.take(host) if dedicated is None else dedicated.take(server, host)
        if connection is None:
            self._connect(server)
        else:
            self._take(connection, server)
        return connection

    def _connect(self, server: Server) -> None:
        self.server = server
        began = server.seconds()
        connecting = self._connecting = server.connect(self._timeout, self._request.host, self.dedicated)
        answered = connecting.addCallbacks(
            self._connected, self._not_connected, callbackArgs=(server, began), errbackArgs=(server,)
        )
        log_failure(answered.addErrback(self._broken), self.log, "forwarding a request")

    def _connected(self, connection: UpstreamConnection, server: Server, began: float) -> None:
        self._connecting = None
        if self._counting is not None:
            self._counting.backend(server).connects.observe(server.seconds() - began)
        if server.state is HealthState.DOWN:
            server.reached()
        self._take(connection, server)
        self._go_on(connection)

    def _not_connected(self, failure: Failure, server: Server) -> Failure | None:
        self._connecting = None
        if failure.check(ConnectError, TimeoutError, DNSLookupError) is None:
            return failure  # cancelled, or a defect
        server.complain(failure)
        if self._counting is not None:
            self._counting.backend(server).server(server.name).connect_failures += 1
        refused = failure.check(ConnectionRefusedError) is not None
        if refused:
            server.refused()
        following = self._choice_after(server).after_failed_connection(refused=refused)
        if following is not None:
            self._count_retry(following)
        connection = self._ask(following)
        if connection is not None:
            self._go_on(connection)
        return None

    def _broken(self, failure: Failure) -> Failure | None:
        """A defect of ours: the client is not left waiting."""
        if failure.check(CancelledError):
            return failure
        self.log.failure("Unexpected error while forwarding a request", failure)
        self._user.broken()
        return None

    def _count_retry(self, server: Server) -> None:
        if self._counting is not None:
            self._counting.backend(server).retries += 1

    def _take(self, connection: UpstreamConnection, server: Server) -> None:
        """Sends the request, if it is whole; else what there is of it goes with what follows, or the next flush."""
        self.connection = connection
        request, body = self.head_for(server), self._body
        if body is not NO_BODY:
            request += body.so_far()
        connection.start(
            self._user,
            self._parser,
            request if body.whole else b"",
            timeout=self._timeout,
            to_head_request=self._request.method == b"HEAD",
        )
        self._unsent = () if body.whole else (request,)

    def _go_on(self, connection: UpstreamConnection) -> None:
        """Sends what has waited for this connection, and lets the body flow on."""
        self._user.connected(connection)
        self.flush()
        if self.connection is not None and not connection.full:
            self._user.upstream_drained()
