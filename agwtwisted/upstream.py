"""Connections to backend servers: opened when needed, used again when nothing speaks against it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from secrets import token_bytes

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IAddress,
    IConnector,
    IHostResolution,
    IReactorTime,
    IResolutionReceiver,
)
from twisted.internet.posixbase import PosixReactorBase as Reactor
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from agwtwisted.core.affinity import KEY_BYTES, Affinity, cookie_value
from agwtwisted.core.balancing import Balancer, LeastConnections, Pool, RoundRobin
from agwtwisted.core.health import State
from agwtwisted.core.messages import ResponseHead
from agwtwisted.core.reading import Mark, ResponseReader
from agwtwisted.core.resources import BackendAddressPool, BackendHttpSettings, LoadDistributionAlgorithm
from agwtwisted.deadlines import Deadline
from agwtwisted.interfaces import UpstreamUser
from agwtwisted.streaming import TcpWire
from agwtwisted.targets import Target

MAX_IDLE = 128
"""Idle connections kept for one server at most."""

IDLE_TIMEOUT = 60.0
"""Seconds that an idle connection is kept; below the 75 that nginx and the product grant their clients."""


class UnreachableError(ConnectError):
    """No address of a server answered."""


class UpstreamConnection:
    """The receiver of one wire to a backend; one request at a time."""

    def __init__(self, server: Server, clock: IReactorTime) -> None:
        self.wire = TcpWire(clock, self)
        self.used = False  # whether a request went over it before the one under way
        self.begun = False  # whether a byte of the response came
        self.local_port = 0  # of the gateway's end
        self._server = server
        self._deadline = Deadline(clock, self._too_late)
        self._user: UpstreamUser | None = None
        self._reader: ResponseReader | None = None
        self._timeout = 0.0
        self._request_whole = False
        self._tunnel = False

    @property
    def full(self) -> bool:
        """Whether the backend takes bytes more slowly than they come."""
        return self.wire.full

    # -- what its user may ask

    def start(self, user: UpstreamUser, *, timeout: float, to_head_request: bool, max_header_bytes: int) -> None:
        """Takes the connection for one request; `timeout` bounds every silence of the backend, in seconds."""
        self._server.used(self)
        self._user = user
        self._timeout = timeout
        self._reader = ResponseReader(to_head_request=to_head_request, max_header_bytes=max_header_bytes)
        self._request_whole = self.begun = False
        self._watch()

    def write(self, data: bytes) -> None:
        """Sends a piece of the request."""
        self.wire.write(data)
        if self.wire.full or self._tunnel:
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
        if reader is not None and reader.held and user is not None:
            user.response_body(reader.held)

    def pause(self) -> None:
        """Stops the response."""
        self.wire.pause()
        self._watch()

    def resume(self) -> None:
        """Lets the response flow on."""
        self.wire.resume()
        self._watch()

    def cancel(self) -> None:
        """Nobody wants the response any more."""
        self._user = None
        self._deadline.stop()
        if self._tunnel:
            self.wire.close()
        else:
            self.wire.abort()

    def cut(self, reason: str) -> None:
        """Ends the request under way, and the connection."""
        self._lose(reason, timed_out=False)

    # -- from the wire

    def received(self, data: bytes) -> None:
        """Bytes of the backend; while the connection is idle they mean that it cannot be used again."""
        user, reader = self._user, self._reader
        if user is None or reader is None:
            self._server.forget(self)
            self.wire.abort()
            return
        self._watch()
        if self._tunnel:
            user.response_body(data)
        else:
            self.begun = True
            reader.feed(data)
            self._hand_on(user, reader)
        user.response_flush()

    def drained(self) -> None:
        """The backend takes bytes again."""
        self._watch()
        if self._user is not None:
            self._user.upstream_drained()

    def ended(self, reason: str) -> None:
        """The backend is gone."""
        self._deadline.stop()
        self._server.forget(self)
        self._server.ended(self)
        user, reader = self._user, self._reader
        if user is None or reader is None:
            return
        if self._tunnel:
            self._user = None
            user.response_end()
        else:
            reader.end()
            self._hand_on(user, reader)
        user.response_flush()

    # -- how

    def _watch(self) -> None:
        """Bounds the backend's silence while it is its turn to read or to answer; not while its own reader is slow."""
        if self._user is None:
            return
        if (self._request_whole or self.wire.full) and not self.wire.paused:
            self._deadline.set(self._timeout)
        else:
            self._deadline.clear()

    def _hand_on(self, user: UpstreamUser, reader: ResponseReader) -> None:
        events = reader.events
        while events and self._user is user:
            event = events.popleft()
            if isinstance(event, bytes):
                user.response_body(event)
            elif event is Mark.END:
                self._finished(user, reader)
            elif isinstance(event, ResponseHead):
                user.response_head(event)
        if reader.problem and self._user is user:
            self._lose(reader.problem, timed_out=False)

    def _finished(self, user: UpstreamUser, reader: ResponseReader) -> None:
        """The response is whole: the connection may serve again if nothing is left over on either side."""
        if self._tunnel:
            return
        self._user = self._reader = None
        if reader.clean and self._request_whole and not self.wire.busy:
            self.used = True
            self._deadline.set(IDLE_TIMEOUT)
            self._server.give_back(self)
        else:
            self._deadline.stop()
            self.wire.abort()
        user.response_end()

    def _too_late(self) -> None:
        if self._user is None:
            self._server.forget(self)
            self.wire.close()
        else:
            self._lose("the backend did not answer in time", timed_out=True)

    def _lose(self, reason: str, *, timed_out: bool) -> None:
        user, self._user = self._user, None
        self._deadline.stop()
        self.wire.abort()
        if user is not None:
            if self._tunnel:
                user.response_end()
            else:
                user.response_lost(reason, timed_out=timed_out)
            user.response_flush()


class _Connecting(ClientFactory):
    """Makes one connection and tells when it is there."""

    noisy = False

    def __init__(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        self.outcome: Deferred[UpstreamConnection] = Deferred(self._stop)
        self._connector: IConnector | None = None
        connection.wire.when_open = self._opened

    def startedConnecting(self, connector: IConnector) -> None:
        """Keeps the connector, to be able to stop it."""
        self._connector = connector

    def buildProtocol(self, addr: IAddress | None) -> TcpWire:
        """The wire that waits for its transport."""
        return self._connection.wire

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """Nobody answered at this address."""
        if not self.outcome.called:
            self.outcome.errback(reason)

    def _opened(self) -> None:
        self._connection.local_port = self._connection.wire.transport.getHost().port
        self.outcome.callback(self._connection)

    def _stop(self, outcome: Deferred[UpstreamConnection]) -> None:
        outcome.errback(CancelledError())  # stopping fails with a ConnectError, as if nobody had answered
        if self._connector is not None:
            self._connector.stopConnecting()


@implementer(IResolutionReceiver)
class _Resolution:
    """Collects the addresses of a name."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.complete: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N802, N803
        """Nothing to do yet."""

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        """One more address."""
        self.addresses.append(address.host)  # type: ignore[attr-defined]

    def resolutionComplete(self) -> None:  # noqa: N802
        """That was all; a name that does not resolve has none."""
        if not self.complete.called:
            self.complete.callback(self.addresses)


class Backends:
    """The servers behind the gateway, shared by all rules that name them.

    A server is one for each backend settings under which it is spoken to, as at the product: so are its connections
    and its health.

    Args:
        reactor: connects.
        affinity_key: of the cookies that stand for servers; without one, none outlives these Backends.
    """

    def __init__(self, reactor: Reactor, affinity_key: bytes = b"") -> None:
        self._reactor = reactor
        self._affinity_key = affinity_key or token_bytes(KEY_BYTES)
        self._servers: dict[tuple[str, str, int], Server] = {}
        self._pools: dict[tuple[str, str], Pool[Server]] = {}

    def pool(self, pool: BackendAddressPool, settings: BackendHttpSettings) -> Pool[Server]:
        """The servers of a pool under these settings."""
        found = self._pools.get((pool.name, settings.name))
        if found is None:
            found = self._pools[pool.name, settings.name] = self._new_pool(pool, settings)
        return found

    def server(self, host: str, port: int, settings: BackendHttpSettings) -> Server:
        """A server under these settings."""
        key = (settings.name, host, port)
        server = self._servers.get(key)
        if server is None:
            server = self._servers[key] = Server(self._reactor, host, port, settings.connection_draining_timeout)
        return server

    def close_idle(self) -> None:
        """Closes the connections that no exchange uses, at the end."""
        for server in self._servers.values():
            server.close_idle()
            server.stop()

    def _new_pool(self, pool: BackendAddressPool, settings: BackendHttpSettings) -> Pool[Server]:
        addresses = [(each.host, each.port or settings.port) for each in pool.backend_addresses]
        servers = dict.fromkeys(self.server(*address, settings) for address in addresses)
        least = settings.load_distribution_algorithm is LoadDistributionAlgorithm.LEAST_CONNECTIONS
        balancer: Balancer[Server] = LeastConnections() if least else RoundRobin()
        made = Pool(tuple(servers), balancer, self._affinity(tuple(servers), settings))
        for server in servers:
            server.subscribe(made.changed)
        return made

    def _affinity(self, servers: Sequence[Server], settings: BackendHttpSettings) -> Affinity[Server] | None:
        if not settings.cookie_based_affinity:
            return None
        key = self._affinity_key
        values = {server: cookie_value(key, settings.name, server.host, str(server.port)) for server in servers}
        return Affinity(settings.affinity_cookie_name, values)


class Server(Target):
    """One backend server: its idle connections, the last used first, and the way to new ones."""

    def __init__(self, reactor: Reactor, host: str, port: int, drain_timeout: float = 30.0) -> None:
        super().__init__(reactor, drain_timeout)
        self.name = f"{host}:{port}".encode()
        self.host = host
        self.port = port
        self._reactor = reactor
        self._idle: deque[UpstreamConnection] = deque()

    def take(self) -> UpstreamConnection | None:
        """An idle connection, None when there is none."""
        return self._idle.pop() if self._idle else None

    def give_back(self, connection: UpstreamConnection) -> None:
        """A connection is idle again; beyond `MAX_IDLE` the oldest goes, and with a server that is down each."""
        if self.state is State.DOWN:
            connection.wire.close()
            return
        self._idle.append(connection)
        if len(self._idle) > MAX_IDLE:
            self._idle.popleft().wire.close()

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection is gone."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close_idle(self) -> None:
        """Closes what is not in use."""
        while self._idle:
            self._idle.pop().wire.close()

    def connect(self, timeout: float) -> Deferred[UpstreamConnection]:
        """A new connection within `timeout` seconds; fails with ConnectError or `defer.TimeoutError`; cancellable."""
        return Deferred.fromCoroutine(self._connect(timeout)).addTimeout(timeout, self._reactor)

    async def _connect(self, timeout: float) -> UpstreamConnection:
        error: Exception = UnreachableError(string=f"{self.host} has no address")
        for address in await self._addresses():
            factory = _Connecting(UpstreamConnection(self, self._reactor))
            self._reactor.connectTCP(address, self.port, factory, timeout=timeout)
            try:
                return await factory.outcome
            except ConnectError as refused:
                error = refused
        raise error

    async def _addresses(self) -> Sequence[str]:
        if isIPAddress(self.host) or isIPv6Address(self.host):
            return (self.host,)
        resolution = _Resolution()
        self._reactor.nameResolver.resolveHostName(resolution, self.host, self.port)
        return await resolution.complete
