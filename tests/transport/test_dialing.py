"""Dialling: connections to this machine or to nowhere, and how they fail."""

from __future__ import annotations

import socket
from errno import EMFILE
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.error import ConnectBindError, ConnectError, ConnectionRefusedError, TimeoutError, UserError
from twisted.internet.protocol import ClientFactory
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from agwtwisted.transport.dialing import Dialing
from agwtwisted.transport.sockets import StreamSocket
from tests.sockets import until
from tests.transport.test_sockets import Owner


class Factory(ClientFactory):
    """Notes how dialling ends."""

    noisy = False

    def __init__(self, owner: Owner | None) -> None:
        self.owner = owner
        self.failures: list[Failure] = []
        self.connector: Any = None

    def startedConnecting(self, connector: Any) -> None:
        """It has begun."""
        self.connector = connector

    def buildProtocol(self, addr: Any) -> Any:
        """It is connected."""
        return self.owner

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """It is not."""
        self.failures.append(reason)


class DialTests(TestCase):
    """Connections to this machine, or to nowhere."""

    def dial(self, port: int, owner: Owner | None = None, host: str = "127.0.0.1", seconds: float = 30) -> Factory:
        """Dials."""
        factory = Factory(owner)
        Dialing(reactor, host, port, factory, seconds).connect()
        return factory

    async def failed(self, factory: Factory) -> Exception:
        """Why it has failed; not before `connect` had returned."""
        self.assertEqual(factory.failures, [])
        await until(lambda: factory.failures)
        [failure] = factory.failures
        return failure.value

    async def test_connects(self) -> None:
        """The owner gets a socket; over IPv6, too."""
        for host in ("127.0.0.1", "::1"):
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.create_server((host, 0), family=family) as server:
                owner = Owner()
                self.dial(server.getsockname()[1], owner, host)
                await until(lambda owner=owner: owner.socket)
                accepted, _ = server.accept()
                self.assertIsInstance(owner.socket, StreamSocket)
                self.assertEqual(owner.socket.getHost().port, accepted.getpeername()[1])
                accepted.close()
                await until(lambda owner=owner: owner.finished)
                owner.socket.close_now()

    async def test_refused(self) -> None:
        """A server that refuses is known as one; it may be tried again with the same connector."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        factory = self.dial(port)
        self.assertIsInstance(await self.failed(factory), ConnectionRefusedError)
        factory.failures.clear()
        factory.connector.connect()
        self.assertIsInstance(await self.failed(factory), ConnectionRefusedError)

    async def test_no_descriptor(self) -> None:
        """Where there is no descriptor the error says so."""
        with mock.patch(
            "agwtwisted.transport.dialing.socket.socket", side_effect=OSError(EMFILE, "Too many open files")
        ):
            factory = self.dial(1)
        error = await self.failed(factory)
        self.assertIsInstance(error, ConnectBindError)
        self.assertEqual(error.osError, EMFILE)  # type: ignore[attr-defined]

    async def test_no_way(self) -> None:
        """So it does where the kernel knows no way."""
        with mock.patch("agwtwisted.transport.dialing.socket.socket") as made:
            made.return_value.connect_ex.return_value = 101
            factory = self.dial(1)
        self.assertIsInstance(await self.failed(factory), ConnectError)

    def test_too_late(self) -> None:
        """The attempt has its time, and no more; given up, it fails at once; neither leaves a timer."""
        for give_up, error in ((False, TimeoutError), (True, UserError)):
            clock: Any = Clock()
            clock.addWriter = clock.removeWriter = mock.Mock()
            factory = Factory(None)
            with socket.create_server(("127.0.0.1", 0)) as server:
                dialing = Dialing(clock, "127.0.0.1", server.getsockname()[1], factory, 5)
                dialing.connect()
                clock.advance(4.9)
                self.assertEqual(factory.failures, [])
                dialing.stopConnecting() if give_up else clock.advance(0.1)
                dialing.stopConnecting()
                [failure] = factory.failures
                self.assertIs(failure.type, error)
                self.assertEqual((dialing.fileno(), clock.getDelayedCalls()), (-1, []))

    async def test_nobody_takes_it(self) -> None:
        """A connection for which there is no owner is closed."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.dial(server.getsockname()[1])
            accepted, _ = server.accept()
            accepted.setblocking(False)
            await until(lambda: self.ended(accepted))
            accepted.close()

    @staticmethod
    def ended(accepted: socket.socket) -> bool:
        """Whether FIN has come."""
        try:
            return accepted.recv(1) == b""
        except BlockingIOError:
            return False
