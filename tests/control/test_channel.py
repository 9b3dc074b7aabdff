"""One connection of the control API, in memory: its request in pieces of any size."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.control.channel import BODY, ChannelState, ControlChannel, ControlRequest


class Transport(StringTransport):
    """One that can be closed for writing."""

    half_closed = False

    def loseWriteConnection(self) -> None:
        """Sends the end."""
        self.half_closed = True


class ChannelTests(SynchronousTestCase):
    """Requests."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.requests: list[ControlRequest] = []
        self.transport: Any = Transport()
        owner: Any = self
        self.channel = ControlChannel(owner)
        self.channel.makeConnection(self.transport)

    # -- the owner

    def respond(self, request: ControlRequest) -> None:
        """A request is complete."""
        self.requests.append(request)

    def closed(self, channel: ControlChannel) -> None:
        """A connection is gone."""

    def call_later(self, seconds: float, call: Any) -> Any:
        """Has something called."""
        return self.clock.callLater(seconds, call)

    def test_byte_by_byte(self) -> None:
        """A request is the same in whatever pieces it comes."""
        data = b"POST /x?y=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        for at in range(len(data)):
            self.assertEqual(self.requests, [])
            self.channel.dataReceived(data[at : at + 1])
        (request,) = self.requests
        self.assertEqual((request.method, request.uri, request.path), (b"POST", b"/x?y=1", b"/x"))
        self.assertEqual((request.body, request.header("host"), request.header("Origin")), (b"abc", "h", None))

    def test_header_twice(self) -> None:
        """A header that is there twice has no value that any rule accepts."""
        self.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")
        self.assertEqual(self.requests[0].header("Host"), "")

    def test_one_request(self) -> None:
        """Bytes behind the request are dropped, in the same piece and later; the answer says that it is the last."""
        self.channel.dataReceived(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        self.channel.dataReceived(b"GET /3 HTTP/1.1\r\n\r\n")
        self.requests[0].answer(200, b"x", {})
        self.channel.dataReceived(b"GET /4 HTTP/1.1\r\n\r\n")
        self.assertEqual([each.uri for each in self.requests], [b"/1"])
        self.assertIn(b"Connection: close\r\n", self.transport.value())
        self.assertEqual((self.transport.half_closed, self.transport.disconnecting), (True, False))
        self.assertIs(self.channel.state, ChannelState.CLOSING)

    def test_faults(self) -> None:
        """A body that is too long makes the request complete by its head, without `100 Continue`."""
        self.channel.dataReceived(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (BODY + 1))
        self.assertEqual(self.requests[0].fault, (413, f"the body has {BODY + 1} bytes, of at most {BODY}"))
        self.assertEqual(self.transport.value(), b"")

    def test_continue(self) -> None:
        """One that is short enough gets it."""
        self.channel.dataReceived(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        self.assertEqual(self.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_wrong_header_ends_it(self) -> None:
        """No line behind a wrong one counts: there is one answer, and no request."""
        self.channel.dataReceived(b"GET / HTTP/1.1\r\nno header\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        self.assertEqual((self.requests, self.transport.value().count(b"HTTP/1.1 400")), ([], 1))
