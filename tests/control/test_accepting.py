"""Accepting connections of the control API."""

from __future__ import annotations

import socket
import tempfile
from contextlib import closing
from errno import EMFILE
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from agwtwisted.control.accepting import AGAIN, Acceptor
from tests.control.sites import ClockedReactor
from tests.sockets import until


class AcceptingTests(TestCase):
    """One socket."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="agw-")  # its path is short enough for a socket
        self.addCleanup(temporary.cleanup)
        self.path = f"{temporary.name}/socket"
        self.reactor: Any = ClockedReactor()
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(self.path)
        bound.listen()
        bound.setblocking(False)
        self.factory = Factory.forProtocol(Protocol)
        self.acceptor = Acceptor(self.reactor, bound, self.factory)  # type: ignore[arg-type]
        self.acceptor.start()
        self.addCleanup(self.acceptor.stop)

    def connect(self) -> None:
        """A client comes and goes."""
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(self.path)

    async def accepted(self) -> None:
        """A connection gets a protocol."""
        protocols: list[Protocol] = []
        with mock.patch.object(self.factory, "buildProtocol", side_effect=protocols.append):
            self.connect()
            await until(lambda: protocols)

    async def test_no_descriptors(self) -> None:
        """Where there is none for a connection, the next ones wait for a moment, and are served then."""
        shortage = OSError(EMFILE, "too many open files")
        with mock.patch.object(reactor, "adoptStreamConnection", side_effect=shortage) as adopt:
            self.connect()
            await until(lambda: adopt.called)
            self.connect()
            await deferLater(reactor, 0, lambda: None)  # type: ignore[arg-type]
            self.assertEqual(adopt.call_count, 1)
        self.reactor.advance(AGAIN)
        await self.accepted()
        self.acceptor.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    async def test_accepts(self) -> None:
        """Each connection gets a protocol, and one that is gone already is none."""
        self.acceptor._accept()  # nothing waits
        await self.accepted()

    async def test_stops_while_it_pauses(self) -> None:
        """It may end while it accepts nothing, and leaves no timer."""
        with mock.patch.object(reactor, "adoptStreamConnection", side_effect=OSError(EMFILE, "x")) as adopt:
            self.connect()
            await until(lambda: adopt.called)
        self.acceptor.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
