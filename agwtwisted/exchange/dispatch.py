"""Gets one request to a backend: which server is asked, and what is kept to ask another one."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.upstream import Server, UpstreamConnection
from agwtwisted.core.backends.balancing import Order
from agwtwisted.core.backends.health import State
from agwtwisted.core.exchange.forwarding import LAST_CHUNK, chunk
from agwtwisted.core.http.heads import MAX_HEADER_LINES
from agwtwisted.core.http.messages import IDEMPOTENT, Framing, RequestHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.interfaces import UpstreamUser
from agwtwisted.transport.deferreds import log_failure

KEPT_BODY = 65536
"""Bytes of a request's body that are kept to send them once more; further ones are sent and forgotten."""


class Dispatch:
    """One request on its way.

    A server that cannot be connected to has got nothing: the next one is asked, every server of the pool once. One
    that is down is asked right after a refusal only: what waited for a silent server waits for no other such. A
    request that was sent is sent again at most once, if its method allows that and all of its body is still there.

    Args:
        request: what is asked.
        servers: whom to ask, in this order; closed at the end.
        head_for: renders the head that a server gets.
        timeout: for connecting, and for every silence of a backend, in seconds.
        max_header_bytes, max_header_lines: of a response.
        stays: whether another attempt stays at its server, as long as that can be connected to.
        user: who is told what the backend says.
        failed: is told the status and the access log's code when nobody is left to ask.
    """

    log = Logger()

    server: Server | None = None
    connection: UpstreamConnection | None = None
    _connecting: Deferred[UpstreamConnection] | None = None
    _spare: Server | None = None  # a server that is down, whose turn it is once no other is left
    _retried = False

    def __init__(
        self,
        request: RequestHead,
        servers: Order[Server],
        head_for: Callable[[Server], bytes],
        *,
        timeout: float,
        max_header_bytes: int,
        max_header_lines: int = MAX_HEADER_LINES,
        stays: bool = False,
        user: UpstreamUser,
        failed: Callable[[int, ErrorInfo], None],
    ) -> None:
        self._request = request
        self._servers = servers
        self._head_for = head_for
        self._timeout = timeout
        self._max_header_bytes = max_header_bytes
        self._max_header_lines = max_header_lines
        self._stays = stays
        self._user = user
        self._failed = failed
        self._chunked = request.framing is Framing.CHUNKED
        self._whole = request.framing is Framing.NONE
        self._kept: bytearray | None = bytearray()  # the body so far, as it is sent; None once it is too large
        self._unsent: list[bytes] = []

    def start(self) -> None:
        """Asks the first server, over an idle connection where there is one."""
        self._ask(next(self._servers, None), fresh=False)

    def body(self, data: bytes) -> bool:
        """A piece of the request's body; returns whether more may come before `UpstreamUser.upstream_drained`."""
        self._add(chunk(data) if self._chunked else data)
        if self.connection is None:
            return self._kept is not None and len(self._kept) <= KEPT_BODY
        self.flush()
        return not self.connection.full

    def body_complete(self) -> None:
        """The request's body is whole."""
        if self._chunked:
            self._add(LAST_CHUNK)
        self._whole = True

    def flush(self) -> None:
        """Sends what was given since the last time."""
        connection = self.connection
        if connection is None:
            return
        if self._unsent:
            data = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
            self._unsent = []
            connection.write(data)
        if self._whole:
            connection.request_complete()

    def lost(self, *, timed_out: bool) -> bool:
        """The backend failed; returns whether another attempt is under way."""
        connection, self.connection = self.connection, None
        if connection is None or connection.begun or self._retried or not self._may_repeat():
            return False
        if not timed_out and not connection.used:
            return False
        # Asking a server that is too slow once more would only double its load.
        again = None if timed_out or self.server is None or self.server.state is State.DOWN else self.server
        server = again if self._stays else None
        server = server or self._next(down=False) or again
        if server is None and not timed_out:
            server = self._next(down=True)
        if server is None:
            return False
        self._retried = True
        self._ask(server, fresh=True)
        return True

    def cancel(self) -> None:
        """Nobody wants the answer any more."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        self._servers.close()

    def _next(self, *, down: bool) -> Server | None:
        """The next server, which is a `down` one only where that is said."""
        server, self._spare = self._spare or next(self._servers, None), None
        if server is not None and server.state is State.DOWN and not down:
            server, self._spare = None, server
        return server

    def _may_repeat(self) -> bool:
        return self._request.method in IDEMPOTENT and self._kept is not None and not self._request.upgrade

    def _add(self, piece: bytes) -> None:
        if self.connection is not None:
            self._unsent.append(piece)
        if self._kept is not None:
            self._kept += piece
            if len(self._kept) > KEPT_BODY and self.connection is not None:
                self._kept = None

    def _ask(self, server: Server | None, *, fresh: bool) -> None:
        """Sends the request to a server, over a new connection if it has to be a `fresh` one; None: nobody is left."""
        if server is None:
            self._failed(502, ErrorInfo.UPSTREAM_NO_LIVE)
            return
        self.server = server
        connection = None if fresh else server.take(self._request.host)
        if connection is not None:
            self._take(connection, server)
            return
        connecting = self._connecting = server.connect(self._timeout, self._request.host)
        answered = connecting.addCallbacks(
            self._connected, self._not_connected, callbackArgs=(server,), errbackArgs=(server,)
        )
        log_failure(answered.addErrback(self._broken), self.log, "forwarding a request")

    def _connected(self, connection: UpstreamConnection, server: Server) -> None:
        self._connecting = None
        if server.state is State.DOWN:
            server.reached()
        self._take(connection, server)
        self._go_on()

    def _not_connected(self, failure: Failure, server: Server) -> Failure | None:
        self._connecting = None
        if failure.check(ConnectError, TimeoutError, DNSLookupError) is None:
            return failure  # cancelled, or a defect
        server.complain(failure)
        refused = failure.check(ConnectionRefusedError) is not None
        if refused:
            server.refused()
        self._ask(self._next(down=refused), fresh=False)
        self._go_on()
        return None

    def _broken(self, failure: Failure) -> Failure | None:
        """A defect of ours: the client is not left waiting."""
        if failure.check(CancelledError):
            return failure
        self.log.failure("Unexpected error while forwarding a request", failure)
        self._user.broken()
        return None

    def _go_on(self) -> None:
        """Sends what has waited for a connection, and lets the body flow on."""
        if self.connection is not None:
            self.flush()
        if self.connection is not None and not self.connection.full:
            self._user.upstream_drained()

    def _take(self, connection: UpstreamConnection, server: Server) -> None:
        self.connection = connection
        connection.start(
            self._user,
            timeout=self._timeout,
            to_head_request=self._request.method == b"HEAD",
            max_header_bytes=self._max_header_bytes,
            max_header_lines=self._max_header_lines,
        )
        head = self._head_for(server)
        self._unsent = [head, bytes(self._kept)] if self._kept else [head]
