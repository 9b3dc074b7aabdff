"""A backend of this process on a real socket, which counts what reaches it."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class CountedBackend(Factory):
    """Answers requests and probes; requests are held back while `holding`, probes get the status `health`."""

    noisy = False

    def __init__(self) -> None:
        self.connections: list[_Connection] = []  # that requests came over
        self.probes = 0
        self.health = 200
        self.holding = False
        self._port: Any = reactor.listenTCP(0, self, interface="127.0.0.1")  # type: ignore[attr-defined]

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._port.getHost().port
        return port

    def buildProtocol(self, addr: Any) -> Protocol:
        """One connection."""
        return _Connection(self)

    def release(self) -> None:
        """Answers what was held back."""
        self.holding = False
        for connection in self.connections:
            connection.answer()

    async def stop(self) -> None:
        """Listens no more."""
        await self._port.stopListening()


class _Connection(Protocol):
    def __init__(self, backend: CountedBackend) -> None:
        self.open = True
        self.requests = 0
        self._backend = backend
        self._received = b""
        self._waiting = 0

    def dataReceived(self, data: bytes) -> None:
        """A request, perhaps in pieces."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._asked(is_probe=b"(probe)" in head)

    def _asked(self, *, is_probe: bool) -> None:
        if is_probe:
            self._backend.probes += 1
            self.transport.write(b"HTTP/1.1 %d -\r\nContent-Length: 0\r\n\r\n" % self._backend.health)
            return
        if self not in self._backend.connections:
            self._backend.connections.append(self)
        self.requests += 1
        self._waiting += 1
        if not self._backend.holding:
            self.answer()

    def answer(self) -> None:
        """Answers all that waits."""
        self.transport.write(OK * self._waiting)
        self._waiting = 0

    def connectionLost(self, reason: Any = None) -> None:
        """The gateway has closed it."""
        self.open = False
