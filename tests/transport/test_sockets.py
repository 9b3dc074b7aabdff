"""Sockets: what their owners may rely on beside the contract of `test_wires`, and how dialling fails."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

import agwtwisted
from agwtwisted.transport.sockets import LONG_READ, READ, BoundSocket, address_of
from tests.sockets import accepting, until


class Owner:
    """Notes what its socket calls."""

    def __init__(self) -> None:
        self.socket: Any = None
        self.data = b""
        self.finished = 0
        self.writable_count = 0
        self.reasons: list[Failure] = []
        self.fails = False

    def makeConnection(self, transport: Any) -> None:
        """The socket."""
        self.socket = transport
        if self.fails:
            raise KeyError("a defect")

    def dataReceived(self, data: bytes) -> None:
        """Bytes."""
        self.data += data

    def writable(self) -> None:
        """Room."""
        self.writable_count += 1
        self.socket.stop_writing()

    def readConnectionLost(self) -> None:
        """FIN."""
        self.finished += 1

    def connectionLost(self, reason: Failure) -> None:
        """The end."""
        self.reasons.append(reason)


def taken(owner: Owner, data: bytes) -> int:
    """How much the kernel takes, as a send queue asks."""
    try:
        return owner.socket.send(data)
    except OSError as error:
        owner.socket.took_none(error)
        return 0


class InsideTests(SynchronousTestCase):
    """Who knows Twisted from inside."""

    def test_modules(self) -> None:
        """No module uses Twisted's own transports, and one alone extends one of its reactors."""
        package = Path(agwtwisted.__file__).parent
        texts = {path.name: path.read_text() for path in package.rglob("*.py")}
        ours = {"reactor.py"}
        for inside, users in (("internet.tcp ", set()), ("internet.epollreactor", ours), ("._selectables", ours)):
            self.assertEqual({name for name, text in texts.items() if inside in text}, users, inside)


class StreamTests(TestCase):
    """An accepted socket and a client."""

    async def pair(self) -> tuple[Owner, socket.socket]:
        """Both ends."""
        owner = Owner()
        port = accepting(lambda: owner)
        client = socket.create_connection(port.socket.getsockname())
        self.addCleanup(client.close)
        await until(lambda: owner.socket is not None)
        port.close()
        port.close()
        self.addCleanup(lambda: owner.socket.close_now())
        return owner, client

    async def test_addresses(self) -> None:
        """It knows both ends, of either family, and says whose it is."""
        owner, client = await self.pair()
        self.assertEqual(owner.socket.getPeer(), IPv4Address("TCP", *client.getsockname()))
        self.assertEqual(owner.socket.getHost(), IPv4Address("TCP", *client.getpeername()))
        self.assertEqual((repr(owner.socket), owner.socket.logPrefix()), ("<connection 0 of 127.0.0.1>", "agwgateway"))
        self.assertEqual(address_of(("::1", 7, 0, 0)), IPv6Address("TCP", "::1", 7))

    async def test_finished(self) -> None:
        """FIN is reported once, and the owner may still send."""
        owner, client = await self.pair()
        client.send(b"last")
        client.shutdown(socket.SHUT_WR)
        await until(lambda: owner.finished)
        self.assertEqual((owner.data, taken(owner, b"answer")), (b"last", 6))
        owner.socket.shut_down_output()
        self.assertEqual((client.recv(100), client.recv(100)), (b"answer", b""))

    async def test_broken(self) -> None:
        """A send that fails takes nothing; the end follows once the owner asks for room, and is reported as one."""
        owner, client = await self.pair()
        owner.socket.pause()
        owner.socket.shut_down_output()
        self.assertEqual(taken(owner, b"too late"), 0)  # EPIPE
        owner.socket.start_writing()
        await until(lambda: owner.reasons)
        self.assertEqual((owner.writable_count, len(owner.reasons)), (0, 1))
        client.close()

    async def test_reset(self) -> None:
        """An abort resets the connection, in the next turn; what is done with the socket after it changes nothing."""
        owner, client = await self.pair()
        self.assertFalse(owner.socket.is_reset())
        owner.socket.abort()
        owner.socket.abort()
        for step in ("resume", "pause", "start_writing", "stop_writing", "close_later"):
            getattr(owner.socket, step)()
        self.assertEqual(owner.reasons, [])
        await until(lambda: owner.reasons)
        with self.assertRaises(ConnectionResetError):
            client.recv(1)
        owner.socket.close_now()
        self.assertEqual((len(owner.reasons), owner.socket.fileno(), owner.socket.has_unread()), (1, -1, False))
        self.assertEqual((owner.socket.round_trip_time(), taken(owner, b"x")), (b"", 0))

    async def test_read_ahead_of_the_end(self) -> None:
        """What was read ahead of an abort, or of the end, is not handed on after it."""
        for end in ("abort", "close_now"):
            owner, _ = await self.pair()
            getattr(owner.socket, end)()
            self.assertEqual((owner.socket.hand_on(b"late"), owner.socket.hand_on(b"")), (None, None))
            await until(lambda owner=owner: owner.reasons)
            self.assertEqual((owner.data, owner.finished), (b"", 0))

    async def test_peer_that_resets(self) -> None:
        """A reset is reported as a lost connection; a socket that is not read finds it when asked."""
        owner, client = await self.pair()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        owner.socket.pause()
        client.close()
        await until(owner.socket.is_reset)
        self.assertEqual(owner.reasons, [])
        owner.socket.resume()
        await until(lambda: owner.reasons)
        self.assertEqual(owner.reasons[0].type.__name__, "ConnectionLost")

    async def test_long_reads(self) -> None:
        """After a read that was full the next may be a long one."""
        owner, client = await self.pair()
        self.assertEqual(owner.socket.read_size, READ)
        client.setblocking(False)
        sent = client.send(bytes(2 * READ))
        await until(lambda: len(owner.data) == sent)
        self.assertEqual(owner.socket.read_size, LONG_READ)

    async def test_bounded_reads(self) -> None:
        """A read brings no more than what it is bounded to, however much there is, until that is lifted."""
        owner, client = await self.pair()
        client.setblocking(False)
        for bound, longest in ((1000, 1000), (0, LONG_READ), (READ, READ)):
            owner.socket.bound_reads(bound)
            owner.socket.read_size = min(owner.socket.read_size, longest)
            before = len(owner.data)
            sent = client.send(bytes(2 * READ))
            await until(lambda whole=before + sent: len(owner.data) == whole)
            self.assertEqual(owner.socket.read_size, longest)

    async def test_bounded_unsent(self) -> None:
        """The kernel takes little beyond what is under way to a peer; a closed socket is left alone."""
        owner, client = await self.pair()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        owner.socket.bound_unsent(READ)
        bounded = 0
        while count := taken(owner, bytes(READ)):
            bounded += count
        more, other = await self.pair()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        usual = 0
        while count := taken(more, bytes(READ)):
            usual += count
        self.assertLessEqual(bounded, usual)  # by how much less depends on the system's own bounds
        unsent = owner.socket.connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
        self.assertEqual(unsent, READ)
        owner.socket.close_now()
        owner.socket.bound_unsent(READ)

    async def test_defect_of_the_owner(self) -> None:
        """An owner that raises at FIN, or when it gets its socket, loses the connection."""
        owner, client = await self.pair()
        owner.readConnectionLost = mock.Mock(side_effect=KeyError("a defect"))  # type: ignore[method-assign]
        client.shutdown(socket.SHUT_WR)
        await until(lambda: owner.reasons)
        owner = Owner()
        owner.fails = True
        port = accepting(lambda: owner)
        self.addCleanup(port.close)
        with socket.create_connection(port.socket.getsockname()) as client:
            await until(lambda: owner.reasons)
            with self.assertRaises(ConnectionResetError):
                client.recv(1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    async def test_given_up(self) -> None:
        """A listening socket that the reactor gives up is closed."""
        port = BoundSocket(reactor, socket.create_server(("127.0.0.1", 0)), lambda: None)  # type: ignore[arg-type]
        port.start()
        port.connectionLost(Failure(KeyError()))
        self.assertEqual((port.fileno(), port.logPrefix()), (-1, "agwgateway"))
