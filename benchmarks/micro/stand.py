"""A gateway in memory, and a client and a backend that cost next to nothing beside it."""

from __future__ import annotations

from functools import cache
from typing import Any

from OpenSSL import SSL

from agwtwisted.http.port import HttpPort
from tests import clients

REQUEST = (
    b"GET /v1/devices/7/readings?limit=20 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.9\r\n"
    b"Accept: application/json\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n"
)
BODY = b"x" * 1024
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jun 2026 12:00:00 GMT\r\nServer: backend\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n" + BODY
)


class Transport(clients.Transport):
    """The end of a connection: keeps what was sent last, and takes everything."""

    def send(self, data: bytes | memoryview) -> int:
        """Takes all of it."""
        self.sent = bytes(data)
        return len(data)


class Stand:
    """A gateway of one strict site whose backend connection stands."""

    def __init__(self) -> None:
        self.gateway = clients.Gateway(clients.text("basic strict", gateway="log_query = true\n"))
        self.port: HttpPort = self.gateway.port

    def connect_backend(self) -> None:
        """Lets the connection that the gateway opens to its backend come about."""
        factory: Any = self.gateway.reactor.tcpClients[-1][2]
        self.to_backend = Transport()
        self.backend = factory.buildProtocol(None)
        self.backend.makeConnection(self.to_backend)

    def answered(self) -> None:
        """The backend answers."""
        self.backend.dataReceived(RESPONSE)
        self.gateway.log.lines.clear()


@cache
def _context() -> SSL.Context:
    return clients.client_context(clients.device())


class TlsClient:
    """A client whose handshake is through."""

    def __init__(self, port: HttpPort) -> None:
        self.tls = SSL.Connection(_context(), None)
        self.tls.set_connect_state()
        self.transport = Transport()
        connection = port.accept("192.0.2.7", 50000)
        assert connection is not None
        self.connection = connection
        connection.makeConnection(self.transport)  # type: ignore[arg-type]
        for _ in range(3):
            try:
                self.tls.do_handshake()
                break
            except SSL.WantReadError:
                self._send_and_take()
        self._send_and_take()

    def _send_and_take(self) -> None:
        self.transport.sent = b""
        self.connection.dataReceived(self.tls.bio_read(1 << 16))
        if self.transport.sent:
            self.tls.bio_write(self.transport.sent)

    def send(self, data: bytes) -> None:
        """Sends one record."""
        self.tls.send(data)
        self.connection.dataReceived(self.tls.bio_read(1 << 16))

    def take(self) -> bytes:
        """What the record that came last says."""
        self.tls.bio_write(self.transport.sent)
        return self.tls.recv(1 << 16)
