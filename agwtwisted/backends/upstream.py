"""Connections to backend servers: opened when needed, and reused when that is safe."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase as Reactor
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import Dialer
from agwtwisted.backends.failure_log import ConnectionFailureLog
from agwtwisted.backends.resolver import resolver_of
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.exchange.response_parser import ResponseParser
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.http.messages import END, ResponseHead, UnfitResponse
from agwtwisted.core.http.response_reader import ResponseReader, events_of
from agwtwisted.core.plan.server_identity import ServerIdentity
from agwtwisted.interfaces import UpstreamUser
from agwtwisted.tls.backend_contexts import BackendTls
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deadlines import Deadline

MAX_IDLE = 128  # connections kept for one server at most
IDLE_TIMEOUT = 60.0  # seconds that one is kept; below the 75 that nginx and the product grant their clients

_DOWN: Final = HealthState.DOWN  # before Python 3.12 each look at a member of an Enum costs a call


class IdleConnections(Protocol):
    """Where connections are that no request uses: at their server, or kept for one client."""

    def give_back(self, connection: UpstreamConnection) -> None:
        """A connection is idle again."""

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection is gone."""


class UpstreamConnection:
    """HTTP on one connection to a backend, whose receiver it is; one request at a time."""

    log = Logger()

    read_size = 0
    used = False  # whether a request went over it before the one in progress
    begun = False  # whether a byte of the response came
    _parser: ResponseParser  # of the request in progress, as the following are
    _user: UpstreamUser | None = None
    _reader: ResponseReader | None = None  # of a response that does not come whole
    _turn = 0  # in which it began

    def __init__(
        self,
        server: Server,
        clock: IReactorTime,
        transport: Connection,
        identity: ServerIdentity | None = None,
        idle: IdleConnections | None = None,
    ) -> None:
        """`transport` is open, `identity` proven, if one is required; between requests `idle` or the server has it."""
        self.transport = transport
        self.identity = identity
        self.local_port = transport.host().port  # of the gateway's end
        transport.receiver = self
        self.server = server
        self._idle: IdleConnections = idle or server
        self._deadline = Deadline(clock, self._too_late)
        self._to_head_request = self._request_whole = self._tunnel = False

    @property
    def full(self) -> bool:
        """Whether the backend takes bytes more slowly than they come."""
        return self.transport.full

    # -- what its user may ask

    def start(
        self, user: UpstreamUser, parser: ResponseParser, request: bytes, *, timeout: float, to_head_request: bool
    ) -> None:
        """Takes the connection for one request; `timeout` bounds every silence of the backend, in seconds.

        `request` is all of it, and is sent; empty: it comes by `write` and `request_complete`.
        """
        self.server.used(self)
        self._user = user
        self._turn = self.transport.turn
        self._timeout, self._parser, self._to_head_request = timeout, parser, to_head_request
        self._request_whole, self.begun = bool(request), False
        if request:
            self.transport.write(request)
        self._watch()

    def write(self, data: bytes) -> None:
        """Sends a piece of the request."""
        self.transport.write(data)
        if self.transport.full or self._tunnel:
            self._watch()

    def request_complete(self) -> None:
        """The request is whole: the backend's time to answer begins, unless it has begun."""
        if not self._request_whole:
            self._request_whole = True
            self._watch()

    def tunnel(self) -> None:
        """The backend has switched protocols: bytes are handed on as they come."""
        self._tunnel = True
        self._watch()
        reader, user = self._reader, self._user
        held = b"" if reader is None else reader.take_unread()
        if held and user is not None:
            user.response_body(held)

    def pause(self) -> None:
        """Stops the response."""
        self.transport.pause()
        self._watch()

    def resume(self) -> None:
        """Lets the response flow on."""
        self.transport.resume()
        self._watch()

    def bound_reads(self, size: int) -> None:
        """Has one read bring so many bytes at most; 0: as many as is usual."""
        self.read_size = size
        self.transport.bound_reads(size)

    def stay(self) -> None:
        """Keeps the idle connection for as long as the backend does."""
        self._deadline.clear()

    def cancel(self) -> None:
        """The response is no longer needed."""
        self._user = None
        self._deadline.stop()
        (self.transport.close if self._tunnel else self.transport.abort)()

    def cut(self, reason: str) -> None:
        """Ends the request in progress, and the connection."""
        self._lose(reason, timed_out=False)

    # -- from the transport

    def received(self, data: bytes) -> None:
        """Bytes of the backend; while the connection is idle they mean that it cannot be used again."""
        user = self._user
        if user is None:
            self._idle.forget(self)
            self.transport.abort()
            return
        try:
            if self.begun:
                self._read(user, data)
            elif self.transport.holds and self.transport.turn == self._turn:
                # It was read before the request was sent: as if it had come while the connection was idle.
                self._lose("the backend sent bytes before the request", timed_out=False)
            else:
                self.begun = True
                response = None if self._to_head_request else self._parser.whole(data)
                if response is None:
                    self._read(user, data)
                else:
                    self._finish(clean=True)
                    user.response_whole(response)
        except Exception:
            self._broken(user)

    def drained(self) -> None:
        """The backend takes bytes again."""
        user = self._user
        try:
            self._watch()
            if user is not None:
                user.upstream_drained()
        except Exception:
            self._broken(user)

    def finished(self) -> None:
        """The backend sends no more: so ends an answer without a length, and no connection is used in one direction."""
        self.transport.close_now()

    def ended(self, reason: str) -> None:
        """The backend is gone."""
        self._deadline.end()
        self._idle.forget(self)
        self.server.ended(self)
        user = self._user
        if user is None:
            return
        try:
            if self._tunnel:
                self._user = None
                user.response_end()
                user.response_flush()
            elif self.transport.cut:  # it is unknown whether the response is complete
                self._lose(reason, timed_out=False)
            else:
                self._read(user, b"", ended=True)
        except Exception:
            self._broken(user)

    # -- how

    def _watch(self) -> None:
        """Bounds the backend's silence while it is its turn to read or to answer; not while its own reader is slow."""
        if self._user is None:
            return
        if (self._request_whole or self.transport.full) and not self.transport.paused:
            self._deadline.set(self._timeout)
        else:
            self._deadline.clear()

    def _read(self, user: UpstreamUser, data: bytes, *, ended: bool = False) -> None:
        """Takes a piece of the response, or of what a tunnel carries; with `ended` there are no more."""
        if self._tunnel:
            self._watch()
            user.response_body(data)
        else:
            reader = self._reader = self._reader or self._parser.reader(to_head_request=self._to_head_request)
            reader.end() if ended else reader.feed(data)
            self._hand_on(user, reader)
            if self._reader is reader:
                self._watch()
        user.response_flush()

    def _hand_on(self, user: UpstreamUser, reader: ResponseReader) -> None:
        """Gives the user what the reader makes of what came."""
        for event in events_of(reader):
            if self._user is not user:
                return
            if event is END:
                if not self._tunnel:
                    self._finish(clean=reader.clean)
                    user.response_end()
            elif isinstance(event, bytes):
                user.response_body(event)
            elif isinstance(event, UnfitResponse):
                self._lose(event.problem, timed_out=False)
            elif isinstance(event, ResponseHead):
                user.response_head(event)

    def _finish(self, *, clean: bool) -> None:
        """The response is whole: the connection may serve again if nothing is left over on either side."""
        self._user = self._reader = None
        if clean and self._request_whole and not self.transport.busy:
            self.used = True
            self._deadline.set(IDLE_TIMEOUT)
            self._idle.give_back(self)
        else:
            self._deadline.stop()
            self.transport.abort()

    def _too_late(self) -> None:
        if self._user is None:
            self._idle.forget(self)
            self.transport.close()
        else:
            self._lose("the backend did not answer in time", timed_out=True)

    def _lose(self, reason: str, *, timed_out: bool) -> None:
        user, self._user = self._user, None
        self._deadline.stop()
        self.transport.abort()
        if user is None:
            return
        try:
            user.response_end() if self._tunnel else user.response_lost(reason, timed_out=timed_out)
            user.response_flush()
        except Exception:
            self._broken(user)

    def _broken(self, user: UpstreamUser | None) -> None:
        """After a defect of the gateway the connection ends, and its user is notified."""
        self.log.failure("Unexpected error while handling a response of {server}", server=self.server.name.decode())
        self._user = self._reader = None
        self._deadline.stop()
        self._idle.forget(self)
        self.transport.abort()
        if user is not None:
            user.broken()


class Server(Target):
    """One backend server: its idle connections, the last used first, and the way to new ones."""

    def __init__(
        self,
        reactor: Reactor,
        host: str,
        port: int,
        dialer: Dialer | None = None,
        failures: ConnectionFailureLog | None = None,
        *,
        drain_timeout: float = 30.0,
    ) -> None:
        """`dialer` opens connections, in plain text by default; `failures` logs those that fail."""
        super().__init__(reactor, drain_timeout)
        self.name = f"{bracketed(host)}:{port}".encode()
        self.host = host
        self.port = port
        self.seconds = reactor.seconds  # the time by which it is waited for
        self._reactor = reactor
        self._dialer = dialer or Dialer(reactor, host, port, resolver_of(reactor))
        self._failures = failures or ConnectionFailureLog(reactor.seconds)
        self._idle: deque[UpstreamConnection] = deque()
        self._of_clients: set[UpstreamConnection] = set()  # idle, too, each kept for one client
        self._max_idle = MAX_IDLE

    def trusts(self, tls: BackendTls) -> bool:
        """Whether this is how TLS is spoken with the server."""
        return self._dialer.trusts(tls)

    def take(self, requested: str = "") -> UpstreamConnection | None:
        """An idle connection for a request to the host `requested`, None when there is none."""
        idle = self._idle
        identity = self._dialer.identity(requested) if idle else None
        if idle and idle[-1].identity == identity and not idle[-1].transport.closing:
            return idle.pop()
        for connection in reversed(idle):
            # One that is closing has got close_notify or FIN of its server: its end comes with the next turn.
            if connection.identity == identity and not connection.transport.closing:
                idle.remove(connection)
                return connection
        return None

    def give_back(self, connection: UpstreamConnection) -> None:
        """A connection is idle again; beyond `MAX_IDLE` the oldest goes, of a server that is down or retired each."""
        if self.state is _DOWN:
            connection.transport.close()
            return
        self._idle.append(connection)
        if len(self._idle) > self._max_idle:
            self._idle.popleft().transport.close()

    def keep_for_client(self, connection: UpstreamConnection) -> bool:
        """A connection is idle again that only one client uses; returns whether it may be kept for it."""
        if self._retired or (self.state is _DOWN and not self.draining):
            return False
        self._of_clients.add(connection)
        connection.stay()
        return True

    def proves(self, connection: UpstreamConnection, requested: str) -> bool:
        """Whether an idle connection is one for requests to the host `requested`: by the name proven on it."""
        return connection.identity == self._dialer.identity(requested)

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection is gone."""
        self._of_clients.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    @property
    def idle_connections(self) -> int:
        """How many connections are not in use."""
        return len(self._idle) + len(self._of_clients)

    def close_idle(self) -> None:
        """Closes what is not in use."""
        while self._idle:
            self._idle.pop().transport.close()

    def retire(self, *, drain: bool) -> None:
        """As Target says; no connection is pooled again, or kept for a client."""
        self._max_idle = 0
        for connection in tuple(self._of_clients):
            connection.transport.close()
        super().retire(drain=drain)

    def connect(
        self, timeout: float, requested: str = "", idle: IdleConnections | None = None
    ) -> Deferred[UpstreamConnection]:
        """A new connection within `timeout` seconds, for a request to the host `requested`; may be cancelled.

        Between requests it will be where `idle` has it. Fails with ConnectError or DNSLookupError.
        """
        return self._connect(timeout, self._dialer.identity(requested), idle)

    def connect_to_probe(self, timeout: float, host: str) -> Deferred[UpstreamConnection]:
        """The same for a probe, which may name a host of its own."""
        return self._connect(timeout, self._dialer.identity_for_probe(host))

    def _connect(
        self, timeout: float, identity: ServerIdentity | None, idle: IdleConnections | None = None
    ) -> Deferred[UpstreamConnection]:
        made = partial(UpstreamConnection, self, self._reactor, identity=identity, idle=idle)
        return self._dialer.dial(timeout, identity).addCallback(made)

    def complain(self, failure: Failure) -> None:
        """Logs why there is no connection."""
        self._failures.add(self.name.decode(), failure)
