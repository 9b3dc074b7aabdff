"""Keeps one connection to Redis: connects, logs in, and after each end connects again, later each time.

While there is none, nothing waits for one. A server that answers no command although it takes connections is given time
like one that is gone. Callers: the store, with a link for commands and one for news.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Final, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from agwtwisted.core.revocation.redis_replies import RedisProblem
from agwtwisted.revocation.redis_connection import RedisConnection
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deferreds import log_failure

CONNECT_SECONDS: Final = 2.0
"""For a connection: name lookup, TCP, TLS."""

LOGIN_SECONDS: Final = 1.0
"""For each reply before the connection is used; nothing waits for it."""

FIRST_DELAY: Final = 0.2
LAST_DELAY: Final = 5.0
"""Seconds until the next attempt: doubled after each connection on which no command had a reply."""


@attrs.frozen(kw_only=True)
class Login:
    """What is said first on a connection."""

    user: str = ""  # empty: the default one
    password: bytes = attrs.field(default=b"", repr=False)  # empty: none is sent
    database: int = 0

    def commands(self) -> Iterator[tuple[bytes, ...]]:
        """Each has to be answered without an error."""
        if self.password:
            user = (self.user.encode(),) if self.user else ()
            yield (b"AUTH", *user, self.password)
        if self.database:
            yield (b"SELECT", b"%d" % self.database)
        yield (b"PING",)


class RedisServer(Protocol):
    """Where connections come from: `redis_server.RedisServerFiles`."""

    @property
    def name(self) -> str:
        """For people, without a secret."""

    def login(self) -> Login:
        """As its files say now. Raises OSError, ValueError."""

    def dial(self, timeout: float) -> Deferred[Connection]:
        """A new connection; may be cancelled. Raises ConnectError, DNSLookupError, ValueError: for its files."""


class RedisLink:
    """One connection, or none for the time being.

    Args:
        clock: monotonic.
        server: is connected to.
        random: spreads attempts of gateways that have lost the same server.
        work: is awaited with each new connection, which is ended after it.
        heard: is called when there is a connection (empty), and when there is none (why not).
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        server: RedisServer,
        random: Random,
        work: Callable[[RedisConnection], Awaitable[object]],
        heard: Callable[[str], None],
    ) -> None:
        self.connection: RedisConnection | None = None
        self._clock = clock
        self._server = server
        self._random = random
        self._work = work
        self._heard = heard
        self._running: Deferred[None] | None = None
        self._is_running = False
        self._delay = FIRST_DELAY

    def start(self) -> None:
        """Connects, now and again."""
        self._is_running = True
        self._running = Deferred.fromCoroutine(self._run())
        log_failure(self._running, self.log, "keeping a connection to Redis")

    def stop(self) -> None:
        """Ends the connection, and makes no other."""
        running, self._running, self._is_running = self._running, None, False
        if running is not None:
            running.cancel()

    async def _run(self) -> None:
        while True:
            try:
                reason = await self._use_one()
            except Exception as error:  # of one attempt, perhaps: the next one may go well
                if not self._is_running:
                    raise
                self.log.failure("Unexpected error while connecting to Redis")
                reason = type(error).__name__
            self._heard(reason)
            await deferLater(self._clock, self._delay * self._random.uniform(0.5, 1.0))
            self._delay = min(2 * self._delay, LAST_DELAY)

    async def _use_one(self) -> str:
        """Makes a connection, and works with it until its end; returns why it has ended, or there was none."""
        try:
            login = self._server.login()
            transport = await self._server.dial(CONNECT_SECONDS)
        except (OSError, ValueError, ConnectError, DNSLookupError) as error:
            return str(error) or type(error).__name__
        connection = RedisConnection(self._clock, transport)
        try:
            return await self._log_in(connection, login) or await self._use(connection)
        finally:
            self.connection = None
            connection.close()

    async def _log_in(self, connection: RedisConnection, login: Login) -> str:
        """Why the connection cannot be used; empty where it can."""
        for words in login.commands():
            reply = await connection.ask(*words, seconds=LOGIN_SECONDS)
            if isinstance(reply, RedisProblem):
                return connection.end_reason or reply.text
        return ""

    async def _use(self, connection: RedisConnection) -> str:
        connection.has_replied = False
        self.connection = connection
        self._heard("")
        try:
            await self._work(connection)
        except CancelledError:
            raise
        except Exception:  # of what was found out by it, perhaps: the next connection may go well
            self.log.failure("Unexpected error while working with Redis")
        if connection.has_replied:
            self._delay = FIRST_DELAY
        return connection.end_reason or "the work with it is over"
