"""The addresses of a name from this system's sources: the hosts file, the name servers of resolv.conf, its own
resolver.

Answers are not kept here: `Resolver` does that. Callers: what puts the gateway together, and the resource.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.posixbase import PosixReactorBase
from twisted.names.hosts import searchFileForAll
from twisted.python.filepath import FilePath

from agwtwisted.backends.dns_client import ResolutionError, ResolvedName, look_up
from agwtwisted.backends.reactor_resolver import TTL, resolve_by_reactor
from agwtwisted.core.backends.resolv_conf import ResolvConf, parse

MAX_THREADS: Final = 4
"""Threads that wait for the system's own resolver at once."""


class SystemResolver:
    """Looks names up in the hosts file, else at the name servers of resolv.conf, else by the system's own resolver.

    Args:
        reactor: the lookups run on it.
        hosts: hosts(5), read at each lookup.
        resolv_conf: resolv.conf(5), read at each lookup.
        port: of the name servers.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        *,
        hosts: str = "/etc/hosts",
        resolv_conf: str = "/etc/resolv.conf",
        port: int = 53,
    ) -> None:
        self._reactor = reactor
        self._hosts = hosts
        self._resolv_conf = resolv_conf
        self._port = port
        self._threads = DeferredSemaphore(MAX_THREADS)

    def look_up(self, name: str) -> Deferred[ResolvedName]:
        """The addresses of a name; fails with ResolutionError; may be cancelled."""
        return Deferred.fromCoroutine(self._look_up(name))

    async def _look_up(self, name: str) -> ResolvedName:
        addresses = tuple(searchFileForAll(FilePath(self._hosts), name.encode()))
        if addresses:
            return ResolvedName(addresses=addresses, ttl=TTL)
        conf = self._conf()
        if conf.servers:
            try:
                return await self._by_name_servers(conf, name)
            except ResolutionError as error:
                if not error.is_final:  # the system's resolver would ask the same servers
                    raise
        return await self._by_system(name)

    def _conf(self) -> ResolvConf:
        try:
            return parse(Path(self._resolv_conf).read_bytes())
        except OSError:
            return ResolvConf()

    async def _by_name_servers(self, conf: ResolvConf, name: str) -> ResolvedName:
        """The addresses of the first full name that has any, of those that the search list makes of `name`."""
        servers = [(server, self._port) for server in conf.servers]
        none = ResolutionError("it is too long", is_final=True)
        for candidate in conf.candidates(name):
            try:
                return await look_up(self._reactor, servers, candidate)
            except ResolutionError as error:
                if not error.is_final:
                    raise
                none = error
        raise none

    async def _by_system(self, name: str) -> ResolvedName:
        await self._threads.acquire()
        return await resolve_by_reactor(self._reactor, name, self._threads.release)
