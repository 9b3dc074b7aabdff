"""A real DNS server on loopback, over UDP and TCP, whose answers a test may change at any time."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.names import common, dns, server
from twisted.names.error import DNSNameError, DNSServerError

REACTOR: Any = reactor


class SlowReactor(Clock):
    """Real sockets, and a time that passes when a test says so."""

    listenUDP = staticmethod(REACTOR.listenUDP)  # noqa: N815
    connectTCP = staticmethod(REACTOR.connectTCP)  # noqa: N815


class Zone(common.ResolverBase):
    """What the server knows, by name and type."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, list[dns.IRecord]] = {}
        self.asked: list[tuple[str, int]] = []
        self.failing = False  # SERVFAIL
        self.silent: set[int] = set()  # the types for which no answer comes

    def put(self, name: str, *addresses: str, ttl: int = 60, alias: str = "") -> None:
        """The records of a name, in place of others."""
        records = [(dns.Record_AAAA if ":" in address else dns.Record_A)(address, ttl) for address in addresses]
        self.records[name] = records + ([dns.Record_CNAME(alias, ttl)] if alias else [])

    def count(self, name: str) -> int:
        """How often the IPv4 addresses of a name were asked for."""
        return self.asked.count((name, dns.A))

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> Deferred[Any]:
        text = name.decode().lower()
        self.asked.append((text, kind))
        if kind in self.silent:
            return Deferred()
        if self.failing:
            return fail(DNSServerError(name))
        if text not in self.records:
            return fail(DNSNameError(name))
        return succeed((self._answers(text, kind), [], []))

    def _answers(self, name: str, kind: int) -> list[dns.RRHeader]:
        return [
            dns.RRHeader(name.encode(), record.TYPE, dns.IN, record.ttl, record)
            for record in self.records[name]
            if record.TYPE in (kind, dns.CNAME)
        ]


class _Factory(server.DNSServerFactory):
    """Distinguishes a failure from a name that does not exist."""

    def gotResolverError(self, failure: Any, protocol: Any, message: Any, address: Any) -> None:  # noqa: N802
        """The zone has no answer."""
        code = dns.ENAME if failure.check(DNSNameError) else dns.ESERVER
        self.sendReply(protocol, self._responseFromMessage(message, rCode=code), address)

    def sendReply(self, protocol: Any, message: Any, address: Any) -> None:  # noqa: N802
        """A datagram has room for 512 bytes (RFC 1035 section 4.2.1)."""
        message.maxSize = 512 if address is not None else 0
        super().sendReply(protocol, message, address)


class NameServer:
    """One server that listens; `stop` it."""

    def __init__(self, interface: str = "127.0.0.1") -> None:
        self.zone = Zone()
        self._factory = _Factory(clients=[self.zone])
        self._factory.noisy = False
        self.datagrams = dns.DNSDatagramProtocol(self._factory)
        self.datagrams.noisy = False
        self._tcp, self._udp = self._listen(interface)
        self.address: tuple[str, int] = (interface, self._tcp.getHost().port)
        self.accepted = 0  # connections over TCP
        self._factory.connectionMade = self._connected  # type: ignore[method-assign]

    def _listen(self, interface: str) -> tuple[Any, Any]:
        """One port for both; another one where its UDP half is in use."""
        for _ in range(10):
            tcp = REACTOR.listenTCP(0, self._factory, interface=interface)
            try:
                return tcp, REACTOR.listenUDP(tcp.getHost().port, self.datagrams, interface=interface)
            except CannotListenError:
                tcp.stopListening()
        raise AssertionError("no port is free for TCP and UDP")

    def _connected(self, protocol: Any) -> None:
        self.accepted += 1
        self._factory.connections.append(protocol)

    def stop(self) -> Deferred[None]:
        """Listens no more; fires when that is done."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for connection in tuple(self._factory.connections):
            connection.transport.loseConnection()
        await self._udp.stopListening()
        await self._tcp.stopListening()
