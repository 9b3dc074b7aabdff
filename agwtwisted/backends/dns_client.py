"""The addresses of one full name from name servers (twisted.names): A and AAAA at once, aliases followed.

twisted.names sends each query from a random port with a random identifier, and accepts only answers
from the address that it asked. In an answer, only records for the name and its aliases count. Caller: the system
resolver; all resolvers give a `ResolvedName` or fail with `ResolutionError`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import inf
from typing import Any, Final, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError
from twisted.internet.error import CannotListenError, ConnectError, ConnectionClosed
from twisted.internet.interfaces import IConnector, IDelayedCall
from twisted.internet.posixbase import PosixReactorBase
from twisted.names import client, dns
from twisted.names.error import DNSNameError, DomainError
from twisted.python.failure import Failure

from agwtwisted.core.base.errors import AgwError
from agwtwisted.transport.datagrams import listen_quietly

TIMEOUTS: Final = (1, 2, 4)
"""Seconds that each server has; when all of them were silent they are asked once more, with more time."""

FAMILY_TIMEOUT: Final = 8.0
"""Seconds for the addresses of one family: those of the other are not lost with them."""

MAX_ALIASES: Final = 8
"""How many names a name may lead to."""

MAX_ADDRESSES: Final = 32
"""Of one family; further ones are left out."""

NameServer: TypeAlias = tuple[str, int]
"""Address and port."""

_Records: TypeAlias = Sequence[dns.RRHeader]
_Query: TypeAlias = Callable[[str], Deferred[tuple[_Records, _Records, _Records]]]


@attrs.frozen(kw_only=True)
class ResolvedName:
    """The addresses of a name, those of IPv4 first, and how long they hold: any resolver's answer."""

    addresses: tuple[str, ...]
    ttl: float  # seconds


class ResolutionError(AgwError):
    """No address was found; `is_final`: because there is none."""

    def __init__(self, reason: str, *, is_final: bool) -> None:
        super().__init__(reason)
        self.is_final = is_final


def look_up(reactor: PosixReactorBase, servers: Sequence[NameServer], name: str) -> Deferred[ResolvedName]:
    """The addresses of a full name; fails with ResolutionError; may be cancelled, and leaves nothing behind then."""
    return Deferred.fromCoroutine(_look_up(reactor, servers, name))


async def _look_up(reactor: PosixReactorBase, servers: Sequence[NameServer], name: str) -> ResolvedName:
    lookup = _Lookup(reactor)
    try:
        families = [
            Deferred.fromCoroutine(lookup.follow(servers, name, kind)).addTimeout(FAMILY_TIMEOUT, reactor)
            for kind in (dns.A, dns.AAAA)
        ]
        outcomes = await DeferredList(families, consumeErrors=True)
    finally:
        lookup.end()
    found = [result for _, result in outcomes if isinstance(result, ResolvedName) and result.addresses]
    if not found:
        raise _no_answer(result for _, result in outcomes if isinstance(result, Failure))
    addresses = tuple(address for answer in found for address in answer.addresses)
    return ResolvedName(addresses=addresses, ttl=min(answer.ttl for answer in found))


def _no_answer(failures: Iterable[Failure]) -> Exception:
    """Why there is no address; a defect of ours is not hidden behind it."""
    errors = [failure.value for failure in failures if failure.check(DNSNameError) is None]
    for error in errors:
        if not isinstance(error, _FAILURES):
            return error if isinstance(error, Exception) else CancelledError()
        if isinstance(error, TimeoutError):
            return ResolutionError("the name servers do not answer", is_final=False)
        return ResolutionError(f"the name servers fail ({type(error).__name__})", is_final=False)
    return ResolutionError("there is no such name, or no address", is_final=True)


_FAILURES = (TimeoutError, DomainError, ConnectError, ConnectionClosed, CannotListenError, OSError, EOFError)
_NEXT_SERVER = (DomainError,)
"""A server that cannot or will not answer; one that says that there is no such name has answered."""


class _Lookup:
    """What `twisted.names` needs of a reactor, and an end: timers and connections that it left are removed."""

    def __init__(self, reactor: PosixReactorBase) -> None:
        self.seconds = reactor.seconds
        self.listenUDP = partial(listen_quietly, reactor)
        self._reactor = reactor
        self._calls: list[IDelayedCall] = []
        self._connectors: list[IConnector] = []

    async def follow(self, servers: Sequence[NameServer], name: str, kind: int) -> ResolvedName:
        """The addresses of one family, whatever names the name leads to."""
        ttl = inf
        for _ in range(MAX_ALIASES):
            answer, alias = _read(await self._ask(servers, name, kind), name, kind)
            ttl = min(ttl, answer.ttl)
            if answer.addresses or alias == name.lower():
                return attrs.evolve(answer, ttl=ttl)
            name = alias
        raise DomainError(name)

    async def _ask(self, servers: Sequence[NameServer], name: str, kind: int) -> _Records:
        """The answer of the first server that has one."""
        for at in range(len(servers)):
            resolver = client.Resolver(servers=[*servers[at:]], timeout=TIMEOUTS, reactor=self)
            query: _Query = resolver.lookupAddress if kind == dns.A else resolver.lookupIPV6Address
            try:
                answers, _, _ = await query(name)
            except DNSNameError:
                raise
            except _NEXT_SERVER:
                if at + 1 == len(servers):
                    raise
            else:
                return answers
        return ()

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **options: Any) -> IDelayedCall:  # noqa: N802
        """IReactorTime."""
        later: IDelayedCall = self._reactor.callLater(delay, call, *args, **options)
        self._calls.append(later)
        return later

    def connectTCP(self, *args: Any, **options: Any) -> IConnector:  # noqa: N802
        """IReactorTCP: for answers that are too long for a datagram."""
        connector: IConnector = self._reactor.connectTCP(*args, **options)
        self._connectors.append(connector)
        return connector

    def end(self) -> None:
        """Cancels every timer and closes every connection."""
        for call in self._calls:
            if call.active():
                call.cancel()
        for connector in self._connectors:
            connector.disconnect()


def _read(records: _Records, name: str, kind: int) -> tuple[ResolvedName, str]:
    """The addresses of a name that an answer holds, and the name that it leads to; its own where it leads nowhere."""
    wanted = name.lower()
    ttl = inf
    for _ in range(MAX_ALIASES):
        of_name = [each for each in records if each.cls == dns.IN and _name(each.name) == wanted]
        found = [each for each in of_name if each.type == kind][:MAX_ADDRESSES]
        if found:
            payloads: Iterable[Any] = (each.payload for each in found)
            addresses = tuple(str(ipaddress.ip_address(payload.address)) for payload in payloads)
            return ResolvedName(addresses=addresses, ttl=min(ttl, *(each.ttl for each in found))), wanted
        alias: Any = next((each for each in of_name if each.type == dns.CNAME), None)
        if alias is None:
            break
        ttl, wanted = min(ttl, alias.ttl), _name(alias.payload.name)
    return ResolvedName(addresses=(), ttl=ttl), wanted


def _name(name: dns.Name) -> str:
    return bytes(name.name).decode("ascii", "backslashreplace").lower()
