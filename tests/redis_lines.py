"""A Redis server in the test's hand, on a network in memory: what it is sent as commands, what it replies as bytes."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from agwtwisted.backends.connecting import Dialer
from agwtwisted.backends.resolver import resolver_of
from agwtwisted.core.revocation.redis_replies import RedisProblem, RedisReplies, RedisReply
from agwtwisted.revocation.redis_link import Login
from agwtwisted.transport.connection import Connection
from tests.wires import Line, Network

PORT = 6379


class RedisInHand:
    """As redis_link.RedisServer says: connections to a port of the network."""

    name = "redis://127.0.0.1:6379/0"

    def __init__(self, network: Network, login: Login | None = None) -> None:
        self.network = network
        self.backend = network.backend(PORT)
        self.given = Login() if login is None else login
        self.error: Exception | None = None  # of its files

    def login(self) -> Login:
        """As given."""
        if self.error is not None:
            raise self.error
        return self.given

    def dial(self, timeout: float) -> Deferred[Connection]:
        """Connects."""
        network = self.network
        return Dialer(network, "127.0.0.1", PORT, resolver_of(network)).dial(timeout)  # type: ignore[arg-type]

    def line(self, number: int = -1) -> Line:
        """A connection that was made to it."""
        return self.backend.lines[number]


def commands(line: Line) -> list[list[bytes]]:
    """The commands that have come since they were last asked for; they are written as replies are."""
    found: list[list[bytes]] = []
    for each in RedisReplies().feed(line.take()):
        assert isinstance(each, list)
        found.append([word for word in each if isinstance(word, bytes)])
    return found


def replied(reply: RedisReply) -> bytes:
    """A reply as Redis sends it, strings as bulk strings."""
    match reply:
        case None:
            return b"$-1\r\n"
        case bytes():
            return b"$%d\r\n%s\r\n" % (len(reply), reply)
        case int():
            return b":%d\r\n" % reply
        case RedisProblem():
            return b"-%s\r\n" % reply.text.encode()
        case list():
            return b"*%d\r\n" % len(reply) + b"".join(map(replied, reply))
