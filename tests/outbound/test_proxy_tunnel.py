"""What a proxy answers to CONNECT."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.service_urls import proxy_address
from agwtwisted.outbound.proxy_tunnel import ProxyError, ProxyTunnel
from agwtwisted.transport.receiver import NO_RECEIVER


class ProxyTunnelTests(SynchronousTestCase):
    """A connection without a socket."""

    def setUp(self) -> None:
        self.done: list[str] = []
        self.connection: Any = SimpleNamespace(
            receiver=None,
            write=lambda data: self.done.append(data.decode()),
            abort=lambda: self.done.append("abort"),
            close_now=lambda: self.done.append("close"),
        )

    def opened(self) -> Deferred[None]:
        """A tunnel that is asked for."""
        proxy = proxy_address("http://u:secret@proxy.example:3128")
        return ProxyTunnel(self.connection, proxy).open(b"CONNECT")

    def say(self, data: bytes) -> None:
        """The proxy says something, byte by byte."""
        for at in range(len(data)):
            self.connection.receiver.received(data[at : at + 1])

    def test_opened(self) -> None:
        """Any 2xx opens it, whatever length it announces; interim responses are passed over."""
        for answer in (
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.0 200 Connection established\r\nContent-Length: 5\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 Yes\r\n\r\n",
        ):
            opened = self.opened()
            self.say(answer)
            self.successResultOf(opened)
            self.assertIs(self.connection.receiver, NO_RECEIVER)
        self.assertEqual(self.done, ["CONNECT"] * 3)

    def test_refused(self) -> None:
        """Anything else is said, without credentials, and ends the connection."""
        for answer, words in (
            (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "status 407"),
            (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "status 101"),
            (b"SOCKS\r\n\r\n", "status line"),
        ):
            opened = self.opened()
            self.say(answer)
            reason = str(self.failureResultOf(opened, ProxyError).value)
            self.assertIn(words, reason)
            self.assertIn("outbound_proxy http://proxy.example:3128: ", reason)
            self.assertNotIn("secret", reason)
            self.assertEqual(self.done.pop(), "abort")

    def test_bytes_ahead(self) -> None:
        """A server speaks only once it was spoken to: bytes behind the answer are the proxy's own."""
        opened = self.opened()
        self.connection.receiver.received(b"HTTP/1.1 200 OK\r\n\r\n\x16")
        self.assertIn("ahead", str(self.failureResultOf(opened, ProxyError).value))

    def test_closed(self) -> None:
        """A proxy that closes opens nothing."""
        opened = self.opened()
        self.connection.receiver.drained()
        self.connection.receiver.finished()
        self.connection.receiver.ended("closed")
        self.assertIn("closed the connection", str(self.failureResultOf(opened, ProxyError).value))
        self.assertEqual(self.done, ["CONNECT", "close", "abort"])
