"""One connection of the control plane, in memory: how long a body may be, and when it ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.control.channel import ANSWER_TIMEOUT, BODY, ControlRequest
from agwtwisted.resource_manager.channel import CONNECTIONS, LONGEST_BODY, ArmChannel, arm_connections


class ChannelTests(SynchronousTestCase):
    """Requests."""

    def setUp(self) -> None:
        self.clock: Any = Clock()
        self.requests: list[ControlRequest] = []
        self.proven = True
        self.connections = arm_connections(self.clock, self.requests.append, lambda _: self.proven)
        self.channel = self.connected()
        self.transport: Any = self.channel.transport

    def connected(self) -> ArmChannel:
        """One more connection."""
        channel = self.connections.buildProtocol(None)
        assert isinstance(channel, ArmChannel)
        channel.makeConnection(StringTransport())
        return channel

    def sent(self, length: int) -> ControlRequest:
        """The head of a PUT with a body of this length."""
        self.channel.dataReceived(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length)
        (request,) = self.requests
        return request

    def test_proven(self) -> None:
        """A body of a client that has proven who it is may be long."""
        self.channel.dataReceived(b"PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % LONGEST_BODY)
        self.assertEqual(self.requests, [])

    def test_unproven(self) -> None:
        """That of others is refused by its length, before it comes."""
        self.proven = False
        self.assertEqual(self.sent(BODY + 1).fault, (413, f"the body has {BODY + 1} bytes, of at most {BODY}"))

    def test_flood(self) -> None:
        """However many connections come that do not begin TLS, they break off no request and no answer."""
        asking = self.connected()
        for each in (self.channel, asking):
            each.handshakeCompleted()
        self.sent(0).answer(200, b"{}", {})  # its client still has to take it
        silent = [self.connected() for _ in range(2 * CONNECTIONS)]
        ended = [getattr(each.transport, "disconnected", False) for each in (self.channel, asking, *silent)]
        self.assertEqual(ended, [False, False, *[True] * (CONNECTIONS + 2), *[False] * (CONNECTIONS - 2)])

    def test_end(self) -> None:
        """Once it is answered the connection ends; a client that does not close it is cut off in time."""
        self.sent(0).answer(200, b"{}", {})
        self.assertIn(b"Connection: close", self.transport.value())
        self.assertTrue(self.transport.disconnecting)
        self.clock.advance(ANSWER_TIMEOUT)
        self.assertTrue(self.transport.disconnected)

    def test_deadline(self) -> None:
        """A request that does not come, of which the handshake is a part, is cut off."""
        self.clock.advance(59)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(self.transport.disconnected)
