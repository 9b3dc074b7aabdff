"""One operation of a gateway in memory, many times over: what ``benchmarks.instructions`` counts.

A script of its own, since the gateway that it imports is the one of the working copy to be looked at (PYTHONPATH). What
clients and backend do is prepared before the count begins and checked after it has ended, so that only the gateway is
counted. An operation has phases: each is done for all of a batch before the next one begins.
"""

from __future__ import annotations

import cProfile
import ctypes
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from typing import Any
from unittest.mock import patch

import hpack
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from agwtwisted.backends.pools import Backends
from agwtwisted.listening.ports import PortEnvironment
from agwtwisted.transport.outbox import Outbox
from benchmarks.micro.stand import BODY, REQUEST, RESPONSE, Stand
from tests import clients, configurations

POST = (
    b"POST /v1/devices/7/readings HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.9\r\nAccept: */*\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + BODY
)
PIECE = 1 << 16
LARGE_HEAD = RESPONSE[: -len(BODY)].replace(b"1024", b"1048576")
LARGE = [LARGE_HEAD + bytes(PIECE - len(LARGE_HEAD)), *[bytes(PIECE)] * 15, bytes(len(LARGE_HEAD))]
FIELDS = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/v1/devices/7/readings?limit=20"),
    ("user-agent", "curl/8.9"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip"),
    ("authorization", "Bearer 0123456789abcdef"),
]
WINDOW = (1 << 31) - 1

OUTBOX = Outbox()
"""Of the reactor, whose turns begin and end here as `_turn` says."""

Counting = Callable[[], AbstractContextManager[None]]
"""What happens in the block that it opens is counted."""


def _turn(event: Callable[[bytes], None], data: bytes) -> None:
    """A turn of the reactor that brings one event."""
    OUTBOX.open = True
    event(data)
    OUTBOX.close()


class Transport(clients.Transport):
    """Takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def send(self, data: bytes | memoryview) -> int:
        """Keeps it."""
        self.pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was sent since."""
        data = b"".join(self.pieces)
        self.pieces.clear()
        return data


class Backend:
    """The gateway's backend, which has one connection at a time."""

    def __init__(self, stand: Stand) -> None:
        self._reactor = stand.gateway.reactor
        self._lines = stand.gateway.log.lines
        self._made = 0

    def connected(self) -> None:
        """Lets the connection come about that the gateway opens, where it opens one."""
        if len(self._reactor.tcpClients) > self._made:
            self._made = len(self._reactor.tcpClients)
            factory: Any = self._reactor.tcpClients[-1][2]
            self._connection = factory.buildProtocol(None)
            self._connection.makeConnection(Transport())

    def answer(self, pieces: Sequence[bytes]) -> None:
        """Sends an answer."""
        for piece in pieces:
            _turn(self._connection.dataReceived, piece)
        self._lines.clear()


class Client:
    """A client of the gateway, of which only what the gateway does for it is counted."""

    def __init__(self, stand: Stand, context: SSL.Context, session: Any = None) -> None:
        self._stand = stand
        self.transport = Transport()
        self.tls = SSL.Connection(context, None)
        if session is not None:
            self.tls.set_session(session)
        self.tls.set_connect_state()

    def outgoing(self) -> bytes:
        """The bytes that TLS would send now."""
        try:
            return self.tls.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""

    def hello(self) -> bytes:
        """What a connection begins with."""
        with suppress(SSL.WantReadError):
            self.tls.do_handshake()
        return self.outgoing()

    def connect(self, address: str, hello: bytes) -> None:
        """The gateway takes the connection, and what it begins with."""
        connection: Any = self._stand.port.accept(address, 50000)
        self.connection = connection
        self.connection.makeConnection(self.transport)
        _turn(self.connection.dataReceived, hello)

    def give(self, data: bytes) -> None:
        """The gateway reads this."""
        _turn(self.connection.dataReceived, data)

    def finished(self, data: bytes) -> bytes:
        """The end of the handshake, with the first bytes of what is inside."""
        self.tls.bio_write(self.transport.take())
        self.tls.do_handshake()
        return self.sealed(data)

    def sealed(self, data: bytes) -> bytes:
        """The record of some bytes."""
        self.tls.sendall(data)
        return self.outgoing()

    def opened(self) -> bytes:
        """What the gateway has sent since."""
        self.tls.bio_write(self.transport.take())
        found = bytearray()
        with suppress(SSL.WantReadError, SSL.ZeroReturnError):
            while True:
                found += self.tls.recv(1 << 16)
        return bytes(found)

    def end(self, data: bytes) -> None:
        """The gateway reads this, and that nothing follows."""
        _turn(self.connection.dataReceived, data)
        self.connection.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]


def _connected(stand: Stand, context: SSL.Context, first: bytes) -> Client:
    client = Client(stand, context)
    client.connect("192.0.2.7", client.hello())
    client.give(client.finished(first))
    stand.gateway.reactor.advance(0)  # what waits for the reactor's next turn
    return client


def _stand(*keys: str) -> Stand:
    """A gateway whose reactor has turns, which the one of the tests has not."""
    text = clients.text("basic strict", gateway="\n".join(["log_query = true", *keys, ""]))
    stand = Stand()
    with (
        patch.object(clients, "PortEnvironment", partial(PortEnvironment, outbox=OUTBOX)),
        patch.object(clients, "Backends", partial(Backends, outbox=OUTBOX)),
    ):
        stand.gateway = clients.Gateway(text)
    stand.port = stand.gateway.port
    return stand


def _exchanges(request: bytes, answer: Sequence[bytes]) -> Callable[[int, Counting], None]:
    """Requests one after the other on an open connection."""

    def run(count: int, counting: Counting) -> None:
        stand = _stand()
        backend = Backend(stand)
        client = _connected(stand, clients.client_context(clients.device()), request)
        backend.connected()
        backend.answer(answer)
        body = _body(client.opened())
        for number, block in ((count // 2, nullcontext), (count, counting)):
            records = [client.sealed(request) for _ in range(number)]
            with block():
                for record in records:
                    client.give(record)
                    backend.answer(answer)
            found = client.opened()
            _require(found.count(b"HTTP/1.1 200 ") == number and len(found) > number * len(body), "answers")

    return run


def _body(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    _require(head.startswith(b"HTTP/1.1 200 ") and len(body) in (len(BODY), 1 << 20), "the first answer")
    return body


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"not as they should be: {what}")


def _streams(count: int, counting: Counting) -> None:
    """Requests one after the other on an open connection of HTTP/2."""
    stand = _stand("enable_http2 = true", "http2_max_requests = 1000000000")
    backend = Backend(stand)
    encoder = hpack.Encoder()
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b"\x00\x04" + WINDOW.to_bytes(4))
    preface += _frame(8, 0, 0, (WINDOW - 65_535).to_bytes(4))
    client = _connected(stand, clients.client_context(clients.device(), protocols=(b"h2",)), preface)
    stream = 1
    for number, block in ((1, nullcontext), (count // 2, nullcontext), (count, counting)):
        records = [client.sealed(_frame(1, 5, stream + 2 * each, encoder.encode(FIELDS))) for each in range(number)]
        stream += 2 * number
        with block():
            for record in records:
                client.give(record)
                backend.connected()
                backend.answer([RESPONSE])
        _require(client.opened().count(BODY) == number, "answers")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def _handshakes(contexts: Callable[[int], list[SSL.Context]], *, resumed: bool = False) -> Any:
    """Connections with a handshake, a request, and an end."""

    def run(count: int, counting: Counting) -> None:
        stand = _stand()
        backend = Backend(stand)
        sessions: list[Any] = [None] * count
        made = contexts(2 * count)
        for each, block in ((made[:count], nullcontext), (made[count:], counting)):
            sessions = _batch(stand, backend, each, sessions if resumed else [None] * count, block)

    def _batch(
        stand: Stand, backend: Backend, contexts: list[SSL.Context], sessions: list[Any], counting: Counting
    ) -> list[Any]:
        ones = [Client(stand, context, session) for context, session in zip(contexts, sessions, strict=True)]
        hellos = [(each, f"192.0.{2 + number // 250}.{number % 250}", each.hello()) for number, each in enumerate(ones)]
        with counting():
            for each, address, hello in hellos:
                each.connect(address, hello)
        requests = [(each, each.finished(REQUEST)) for each in ones]
        with counting():
            for each, request in requests:
                each.give(request)
                backend.connected()
                backend.answer([RESPONSE])
        for each in ones:
            _require(len(_body(each.opened())) == len(BODY), "answers")
        if resumed and sessions[0] is not None:
            _require(all(SSL._lib.SSL_session_reused(each.tls._ssl) for each in ones), "sessions")
        kept = [each.tls.get_session() for each in ones]
        ends = []
        for each in ones:
            each.tls.shutdown()
            ends.append((each, each.outgoing()))
        with counting():
            for each, data in ends:
                each.end(data)
        return kept

    return run


def _known(count: int) -> list[SSL.Context]:
    return [clients.client_context(clients.device())] * count


def _new(**options: Any) -> Callable[[int], list[SSL.Context]]:
    def contexts(count: int) -> list[SSL.Context]:
        return [
            clients.client_context(configurations.clients_root().issue(f"device {number}", **options))
            for number in range(count)
        ]

    return contexts


OPERATIONS: dict[str, tuple[Callable[[int, Counting], None], int]] = {
    "request": (_exchanges(REQUEST, [RESPONSE]), 200),
    "post": (_exchanges(POST, [RESPONSE]), 200),
    "http2": (_streams, 200),
    "download": (_exchanges(REQUEST, LARGE), 10),
    "handshake": (_handshakes(_known), 20),
    "handshake-fresh": (_handshakes(_new()), 20),
    "handshake-resumed": (_handshakes(_known, resumed=True), 20),
}
"""How each is done so many times, and how many times it is."""


@contextmanager
def _collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def under_valgrind(library: str) -> Counting:
    """Counts by callgrind, which the ``library`` talks to (``counted.c``)."""
    valgrind = ctypes.CDLL(library)

    @contextmanager
    def counting() -> Iterator[None]:
        with _collector_off():
            valgrind.begin()
            yield
            valgrind.end()

    return counting


def by_profile(profile: cProfile.Profile) -> Counting:
    """Counts calls of functions."""

    @contextmanager
    def counting() -> Iterator[None]:
        with _collector_off():
            profile.enable()
            yield
            profile.disable()

    return counting


def _calls(profile: cProfile.Profile) -> list[tuple[str, int]]:
    """The functions, and how often each was called."""
    profile.create_stats()
    stats: Any = profile
    return [(f"{file}:{line}:{name}", calls) for (file, line, name), (calls, *_) in stats.stats.items()]


def main(name: str, library: str = "") -> None:
    """Does the operation; prints its count, and without a ``library`` the calls of functions that it took."""
    operation, count = OPERATIONS[name]
    profile = cProfile.Profile(builtins=True)
    operation(count, under_valgrind(library) if library else by_profile(profile))
    print(json.dumps({"count": count, "calls": [] if library else _calls(profile)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
