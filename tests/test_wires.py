"""The connection's contract: what holds for a `Connection` on real sockets holds for one on a `Line` in memory."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import ClientFactory, Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from agwtwisted.transport.connection import Connection
from agwtwisted.transport.dialing import connect
from agwtwisted.transport.outbox import NO_OUTBOX
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from tests.sockets import accepting
from tests.wires import Network, Recorder

LARGE = 4 * 1024 * 1024
"""More than the kernel takes for a peer that does not read."""


class Peer(Protocol):
    """The other end of a connection."""

    received: bytes | bytearray
    eof: bool
    reset: bool

    def send(self, data: bytes) -> None:
        """Sends."""

    def stall(self) -> None:
        """Reads no more."""

    def read(self) -> None:
        """Reads on."""

    def hang_up(self) -> None:
        """Closes."""


class _SocketPeer(TwistedProtocol):
    """The other end, on a real socket."""

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.eof = False
        self.reset = False
        self.there: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Connected."""
        self.there.callback(None)

    def dataReceived(self, data: bytes) -> None:
        """Keeps the bytes."""
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Notes how it ended."""
        self.eof = True
        self.reset = reason.check(ConnectionDone) is None

    def send(self, data: bytes) -> None:
        """Sends."""
        self.transport.write(data)

    def stall(self) -> None:
        """Reads no more."""
        self.transport.pauseProducing()

    def read(self) -> None:
        """Reads on."""
        self.transport.resumeProducing()

    def hang_up(self) -> None:
        """Closes."""
        self.transport.loseConnection()


class _Contract:
    """The tests; `connect` gives the two ends, `turn` lets what is due happen."""

    async def connect(self, connection: Connection) -> Peer:
        """The peer of a connection that is connected."""
        raise NotImplementedError

    async def turn(self) -> None:
        """Lets what is due happen."""
        raise NotImplementedError

    def clock(self) -> Any:
        """The connection's clock."""
        raise NotImplementedError

    async def _pair(self) -> tuple[Connection, Recorder, Peer]:
        recorder = Recorder()
        connection = Connection(self.clock(), NO_OUTBOX, recorder)
        recorder.on_finished = connection.close_now  # as receivers do that have nothing more to say
        return connection, recorder, await self.connect(connection)

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self.turn()

    async def test_bytes_arrive(self) -> None:
        """Bytes arrive in order, both ways, and are counted."""
        connection, recorder, peer = await self._pair()
        peer.send(b"ab")
        peer.send(b"c")
        await self._until(lambda: recorder.data == b"abc")
        connection.write(b"12")
        connection.write(b"3")
        await self._until(lambda: peer.received == b"123")
        assert (connection.bytes_in, connection.bytes_out, connection.busy) == (3, 3, False)
        before = connection.acknowledged()
        connection.write(b"4567")
        await self._until(lambda: connection.acknowledged() == before + 4)
        peer.hang_up()
        await self._until(lambda: bool(recorder.reasons))

    async def test_pause(self) -> None:
        """A paused connection reads nothing, not even the end; resumed it reads all of it."""
        connection, recorder, peer = await self._pair()
        connection.pause()
        assert connection.paused
        peer.send(b"abc")
        peer.hang_up()
        for _ in range(10):
            await self.turn()
        assert (recorder.data, recorder.reasons) == (b"", [])
        connection.resume()
        await self._until(lambda: bool(recorder.reasons))
        assert recorder.data == b"abc"

    async def test_back_pressure(self) -> None:
        """A connection to a peer that does not read becomes full, and reports once when it is drained."""
        connection, recorder, peer = await self._pair()
        peer.stall()
        connection.write(bytes(LARGE))
        assert connection.busy
        connection.write(bytes(QUEUE_LIMIT))
        assert not connection.full
        connection.write(b"x")
        assert (connection.full, recorder.drained_count) == (True, 0)
        peer.read()
        await self._until(lambda: recorder.drained_count == 1)
        assert not connection.full
        await self._until(lambda: len(peer.received) == LARGE + QUEUE_LIMIT + 1)
        await self._until(lambda: not connection.busy)
        assert recorder.drained_count == 1
        peer.hang_up()
        await self._until(lambda: bool(recorder.reasons))

    async def test_close_sends_what_was_written(self) -> None:
        """Everything written before `close` arrives, then the end; the receiver is notified once."""
        connection, recorder, peer = await self._pair()
        peer.stall()
        connection.write(bytes(LARGE))
        connection.close()
        connection.close()
        assert connection.closing
        peer.read()
        await self._until(lambda: peer.eof and len(recorder.reasons) > 0)
        assert (len(peer.received), peer.reset, len(recorder.reasons)) == (LARGE, False, 1)

    async def test_lingering(self) -> None:
        """Closing with `linger` ends the sending side at once and throws input away until the peer has closed."""
        connection, recorder, peer = await self._pair()
        connection.pause()
        connection.write(b"last")
        connection.close(linger=True)
        peer.send(bytes(100_000))
        await self._until(lambda: peer.received == b"last")
        assert (recorder.data, recorder.reasons) == (b"", [])
        peer.hang_up()
        await self._until(lambda: bool(recorder.reasons))
        assert recorder.data == b""

    async def test_lingering_sends_what_was_written(self) -> None:
        """A lingering close, too, sends everything first."""
        connection, recorder, peer = await self._pair()
        peer.stall()
        connection.write(bytes(LARGE))
        connection.close(linger=True)
        peer.read()
        await self._until(lambda: len(peer.received) == LARGE)
        peer.hang_up()
        await self._until(lambda: bool(recorder.reasons))

    async def test_abort(self) -> None:
        """`abort` ends it for both, and the receiver is not notified before `abort` has returned."""
        connection, recorder, peer = await self._pair()
        peer.stall()
        connection.write(bytes(LARGE))
        connection.abort()
        connection.abort()
        assert (recorder.reasons, connection.closing) == ([], True)
        await self._until(lambda: bool(recorder.reasons))
        peer.read()
        await self._until(lambda: peer.reset)
        assert len(recorder.reasons) == 1

    async def test_peer_leaves(self) -> None:
        """The receiver is notified once that the peer has left, the owner after it; writing is harmless then."""
        connection, recorder, peer = await self._pair()
        order: list[str] = []
        connection.when_closed = lambda: order.append(f"closed after {len(recorder.reasons)}")
        peer.hang_up()
        await self._until(lambda: bool(order))
        assert (order, connection.closing) == (["closed after 1"], True)
        connection.pause()
        connection.resume()
        connection.close()
        connection.abort()
        await self.turn()
        assert len(recorder.reasons) == 1

    async def test_receiver_is_exchanged(self) -> None:
        """A receiver that puts another in its place gets nothing more."""
        connection, first, peer = await self._pair()
        second = Recorder()
        second.on_finished = connection.close_now

        def replace(data: bytes) -> None:
            connection.receiver = second

        first.on_received = replace
        peer.send(b"a")
        await self._until(lambda: first.data == b"a")
        peer.send(b"b")
        peer.hang_up()
        await self._until(lambda: bool(second.reasons))
        assert (first.data, first.reasons, second.data) == (b"a", [], b"b")


class MemoryTests(_Contract, TestCase):
    """The contract in memory."""

    def setUp(self) -> None:
        self.network = Network()

    def clock(self) -> Any:
        """The network's."""
        return self.network

    async def connect(self, connection: Connection) -> Peer:
        """A line."""
        return self.network.dial(connection)

    async def turn(self) -> None:
        """What is due has happened already; a condition that does not hold then never will."""
        before = self.network.turns
        self.network.advance(0)
        self.network.turns += 1
        assert before < 1000, "nothing more will happen"


class _OnSockets(_Contract):
    """On the loopback interface."""

    timeout = 30
    addCleanup: Callable[..., Any]

    def clock(self) -> Any:
        """The reactor."""
        return reactor

    async def turn(self) -> None:
        """One turn of the reactor."""
        await deferLater(reactor, 0, lambda: None)

    async def until_open(self, connection: Connection) -> None:
        """Waits for the connection."""
        opened: Deferred[None] = Deferred()
        connection.when_open = lambda: opened.callback(None)
        await opened


class AcceptedTests(_OnSockets, TestCase):
    """The contract of a connection that was accepted."""

    async def connect(self, connection: Connection) -> Peer:
        """The peer connects."""
        port = accepting(lambda: connection)
        self.addCleanup(port.close)
        peer = _SocketPeer()
        plain = socket.create_connection(port.socket.getsockname())
        plain.setblocking(False)
        reactor.adoptStreamConnection(plain.fileno(), socket.AF_INET, Factory.forProtocol(lambda: peer))
        plain.close()
        await self.until_open(connection)
        return peer


class DialledTests(_OnSockets, TestCase):
    """The contract of a connection that was dialled."""

    async def connect(self, connection: Connection) -> Peer:
        """The peer accepts."""
        peer = _SocketPeer()
        port = reactor.listenTCP(0, Factory.forProtocol(lambda: peer), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        factory = ClientFactory()
        factory.noisy = False
        factory.buildProtocol = lambda _: connection  # type: ignore[method-assign]
        connect(reactor, "127.0.0.1", port.getHost().port, factory, 30)
        await self.until_open(connection)
        await peer.there
        return peer
