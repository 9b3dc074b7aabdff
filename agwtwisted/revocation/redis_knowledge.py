"""Knowledge shared over Redis: values with an end, leases, and news in a stream.

Redis is given a fraction of a second for each command. A command that it does not answer ends the connection, and while
there is none everything is answered at once as if there were nothing: a frozen Redis costs one wait, not one a client.
Callers: what puts the gateway together; the sources of revocation status ask it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.operations.shared_store_state import SharedStoreState
from agwtwisted.core.revocation import redis_news
from agwtwisted.core.revocation.redis_news import BEFORE_ALL
from agwtwisted.core.revocation.redis_replies import ProtocolError, RedisProblem, RedisReply
from agwtwisted.operations.counters import SharedStoreCounters
from agwtwisted.revocation.redis_connection import BUSY, GONE, RedisConnection
from agwtwisted.revocation.redis_link import RedisLink, RedisServer
from agwtwisted.revocation.shared_knowledge import MAX_NEWS, MAX_VALUE
from agwtwisted.revocation.unsent_news import UnsentNews, ValueWithNews
from agwtwisted.transport.deferreds import log_failure

NEWS_SECONDS: Final = 5.0
"""For which Redis waits for news; then it is asked again, which shows that it is there."""

REPLY_SECONDS: Final = 2.0
"""For a reply that no client waits for."""

MIN_TTL, MAX_TTL = 0.001, 400 * 86400.0
"""Bounds in seconds of the life of a value: Redis takes no shorter one."""

MAX_LEASES: Final = 10_000
"""Leases of this gateway that are known; those beyond are not given back, and end by themselves."""

PAUSE: Final = 0.02
"""Seconds after a batch of news in which none is asked for, so that a flood of them leaves time for clients."""

PAUSE_EACH: Final = 0.001
"""Seconds more for each piece of news that was worth a look."""

AGAIN: Final = 0.25
"""Seconds until news are read again that could not be looked up."""

MAX_LOOKS: Final = 20
"""At one piece of news while Redis answers: one whose value it cannot give must not hold up those behind it."""


class RedisKnowledge:
    """As SharedKnowledge says, by one server.

    Args:
        clock: monotonic.
        server: is connected to.
        random: spreads attempts to connect.
        prefix: what all keys begin with.
        seconds: for a reply.
        counters: of commands.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        server: RedisServer,
        random: Random,
        *,
        prefix: str,
        seconds: float,
        counters: SharedStoreCounters,
    ) -> None:
        self._clock = clock
        self._name = server.name
        self._prefix = prefix.encode()
        self._stream = self._prefix + b"news"
        self._seconds = seconds
        self._counters = counters
        self._limiter = LogRateLimiter(clock.seconds)
        self._heard: dict[bytes, Callable[[bytes], Deferred[None] | None]] = {}
        self._leases: Expiring[str, bool] = Expiring(MAX_LEASES)  # of this gateway
        self._seen = BEFORE_ALL
        self._unanswered = 0  # commands that Redis has not replied to
        self._looks = 0  # at the piece of news after the last one that was seen
        self._problem = "not connected yet"  # empty: there is none
        self._last_error = ""
        self._unsent = UnsentNews(clock, self._announced)
        self._commands = RedisLink(clock, server, random, _until_its_end, self._said)
        self._news = RedisLink(clock, server, random, self._follow, self._said_of_news)

    def start(self) -> None:
        """As SharedKnowledge says."""
        self._commands.start()
        self._news.start()

    def stop(self) -> Deferred[None]:
        """As SharedKnowledge says."""
        self._unsent.stop()
        self._commands.stop()
        self._news.stop()
        return succeed(None)

    @property
    def is_usable(self) -> bool:
        """As SharedKnowledge says."""
        return self._commands.connection is not None

    @property
    def state(self) -> SharedStoreState:
        """What is shown of it."""
        return SharedStoreState(
            url=self._name,
            is_connected=self.is_usable,
            answers=dict(self._counters.answers),
            commands=dict(self._counters.commands),
            last_error=self._last_error,
        )

    # -- what is shared

    def get(self, key: str) -> Deferred[bytes | None]:
        """As SharedKnowledge says."""
        return self._ask("get", b"GET", self._key(key)).addCallback(_value)

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[bool]:
        """As SharedKnowledge says."""
        if len(value) > MAX_VALUE or ttl < MIN_TTL:
            return succeed(False)
        milliseconds = b"%d" % (min(ttl, MAX_TTL) * 1000)
        return self._ask("put", b"SET", self._key(key), value, b"PX", milliseconds).addCallback(_is_done)

    def lease(self, key: str, seconds: float) -> Deferred[bool]:
        """As SharedKnowledge says."""
        milliseconds = b"%d" % (max(seconds, MIN_TTL) * 1000)
        asked = self._ask("lease", b"SET", self._lease(key), b"1", b"NX", b"PX", milliseconds)
        return asked.addCallback(self._leased, key, self._clock.seconds() + seconds)

    def release(self, key: str) -> Deferred[None]:
        """As SharedKnowledge says; a lease that the server has not given, or that is over, may be another's."""
        if self._leases.get(key, self._clock.seconds()) is None:
            return succeed(None)
        self._leases.discard(key)
        return self._ask("release", b"DEL", self._lease(key)).addCallback(lambda _: None)

    def announce(self, key: str, value: bytes, ttl: float, *, topic: str, news: bytes) -> None:
        """As SharedKnowledge says."""
        until = self._clock.seconds() + ttl
        self._unsent.add(ValueWithNews(key=key, value=value, until=until, topic=topic, news=news))

    def publish(self, topic: str, news: bytes) -> None:
        """As SharedKnowledge says."""
        if len(news) <= MAX_NEWS:
            log_failure(self._published(topic, news), self.log, "publishing news")

    def subscribe(self, topic: str, heard: Callable[[bytes], Deferred[None] | None]) -> None:
        """As SharedKnowledge says."""
        self._heard[topic.encode()] = heard

    # -- asking

    def _published(self, topic: str, news: bytes) -> Deferred[bool]:
        asked = self._ask("publish", *redis_news.adding(self._stream, topic.encode(), news))
        return asked.addCallback(lambda reply: isinstance(reply, bytes))

    def _announced(self, each: ValueWithNews) -> Deferred[bool]:
        """Sends both commands at once: a gateway that stops now has sent them."""
        stored = self.put(each.key, each.value, each.until - self._clock.seconds())
        sent = gatherResults([stored, self._published(each.topic, each.news)], consumeErrors=True)
        return sent.addCallback(all)

    def _leased(self, reply: RedisReply, key: str, until: float) -> bool:
        if _is_done(reply):
            self._leases.put(key, True, until)
        return reply is not None

    def _key(self, key: str) -> bytes:
        return self._prefix + key.encode()

    def _lease(self, key: str) -> bytes:
        return self._prefix + b"lease:" + key.encode()

    def _ask(self, what: str, *words: bytes) -> Deferred[RedisReply]:
        connection = self._commands.connection
        if connection is None:
            self._unanswered += 1
            self._counters.asked(what, "not_connected")
            return succeed(GONE)
        return connection.ask(*words, seconds=self._seconds).addCallback(self._counted, what)

    def _counted(self, reply: RedisReply, what: str) -> RedisReply:
        match reply:
            case RedisProblem():
                outcome = "error"
                self._unanswered += reply in (GONE, BUSY)
                self._complain(reply)
            case None:
                outcome = "none"  # no such value, or another has the lease
            case _:
                outcome = "done"
        self._counters.asked(what, outcome)
        return reply

    def _complain(self, problem: RedisProblem) -> None:
        if problem is GONE:  # why it is is said once
            return
        self._last_error = problem.text
        omitted = self._limiter.admit(problem.word)
        if omitted is not None:
            more = f" ({omitted} more like it since)" if omitted else ""
            message = "{store} answers with an error: {text}{more}"
            self.log.warn(message, store=self._name, text=problem.text, more=more)

    def _said(self, problem: str) -> None:
        """There is a connection, or none."""
        if not problem and self._problem:
            self.log.info("Revocation is shared over {store}", store=self._name)
        elif problem and problem != self._problem:
            self._last_error = problem
            message = "Revocation is not shared over {store}, and this gateway asks for itself: {problem}"
            if self._limiter.admit(problem) is not None:
                self.log.warn(message, store=self._name, problem=problem)
        self._problem = problem

    def _said_of_news(self, problem: str) -> None:
        """Of the second link, where the first one goes well: its user may not read the stream, perhaps."""
        if problem and self.is_usable:
            self._last_error = problem
            message = "News of revocations cannot be read from {store}: {problem}"
            if self._limiter.admit(f"news {problem}") is not None:
                self.log.warn(message, store=self._name, problem=problem)

    # -- news

    async def _follow(self, connection: RedisConnection) -> None:
        """Reads news until the connection ends."""
        try:
            await self._begin(connection)
            while not connection.end_reason:
                await self._read_some(connection)
        except ProtocolError as error:
            connection.end(str(error))

    async def _begin(self, connection: RedisConnection) -> None:
        """Of a stream that was made anew since, everything is news."""
        reply = await connection.ask(*redis_news.asking_for_last(self._stream), seconds=REPLY_SECONDS)
        if isinstance(reply, RedisProblem):
            raise ProtocolError(reply.text)
        if redis_news.last_of(reply) < self._seen:
            self._seen = BEFORE_ALL

    async def _read_some(self, connection: RedisConnection) -> None:
        words = redis_news.waiting_after(self._stream, self._seen, NEWS_SECONDS)
        reply = await connection.ask(*words, seconds=NEWS_SECONDS + REPLY_SECONDS)
        if isinstance(reply, RedisProblem):
            raise ProtocolError(reply.text)
        if reply is None:  # the stream may be another one, whose clock is behind
            await self._begin(connection)
        count = 0
        for entry in redis_news.entries_of(reply, self._seen):
            unanswered, usable = self._unanswered, self.is_usable
            heard = self._heard.get(entry.topic)
            waiting = None if heard is None else heard(entry.news)
            if waiting is not None:
                count += 1
                await waiting
                self._looks += usable
                if self._unanswered != unanswered and self._looks < MAX_LOOKS:
                    await deferLater(self._clock, AGAIN)  # Redis did not say what it is about: it is read again
                    return
            self._seen, self._looks = entry.identifier, 0
        await deferLater(self._clock, PAUSE + count * PAUSE_EACH)


def _until_its_end(connection: RedisConnection) -> Deferred[None]:
    return connection.over


def _value(reply: RedisReply) -> bytes | None:
    return reply if isinstance(reply, bytes) and len(reply) <= MAX_VALUE else None


def _is_done(reply: RedisReply) -> bool:
    return reply == b"OK"
