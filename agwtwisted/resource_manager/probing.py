"""Probes the servers of a pool once, as a client of the control plane asks.

It does so over connections of its own, by the settings that are in force and what the client says otherwise. Nothing
changes about the health that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.backends import http_probe as http
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.system_resolver import SystemResolver
from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.plan.probing import http_probe, relay_probe
from agwtwisted.core.resource_manager.messages import JsonObject, JsonValue, ProbeOnce
from agwtwisted.core.resources.backend_pools import BackendAddressPool
from agwtwisted.core.resources.resources import BackendHttpSettings, BackendSettings, Probe
from agwtwisted.core.sections.backend_keys import PROBE
from agwtwisted.relay import probe as relay
from agwtwisted.relay.backends import RelayBackends

MOST_SERVERS: Final = 100


class ProbesOnce:
    """Probes.

    Args:
        reactor: connects.
        plan: returns the configuration in force.
    """

    def __init__(self, reactor: PosixReactorBase, plan: Callable[[], Plan]) -> None:
        self._reactor = reactor
        self._plan = plan

    def probe(self, task: ProbeOnce) -> Deferred[JsonObject]:
        """The kind of the settings, and `servers`; none where no rule leads from a listener to the pool so."""
        return Deferred.fromCoroutine(self._probed(task))

    async def _probed(self, task: ProbeOnce) -> JsonObject:
        resolver = Resolver(self._reactor, SystemResolver(self._reactor).look_up)
        try:
            return await self._asked(task, resolver)
        finally:
            resolver.stop()

    async def _asked(self, task: ProbeOnce, resolver: Resolver) -> JsonObject:
        plan = self._plan()
        for pool, settings in plan.routes:
            if (pool.name.lower(), settings.name.lower()) == (task.pool.lower(), task.settings.lower()):
                return await _finding("backend_http_settings", self._of_http(pool, _http(settings, task), resolver))
        for pool, relayed in plan.relay_routes:
            if (pool.name.lower(), relayed.name.lower()) == (task.pool.lower(), task.settings.lower()):
                return await _finding("backend_settings", self._of_relay(pool, _relay(relayed, task), resolver))
        return {"kind": "backend_http_settings", "servers": []}

    def _of_http(
        self, pool: BackendAddressPool, settings: BackendHttpSettings, resolver: Resolver
    ) -> Iterator[tuple[str, Deferred[str]]]:
        backends = Backends(self._reactor, resolver)
        backends.prepare(settings)
        for server in backends.pool(pool, settings).servers[:MOST_SERVERS]:
            probe = http_probe(settings, server.host, server.port)
            at = backends.server_to_probe(server.host, probe.port, settings)
            yield server.host, http.ask(at, probe, self._reactor)

    def _of_relay(
        self, pool: BackendAddressPool, settings: BackendSettings, resolver: Resolver
    ) -> Iterator[tuple[str, Deferred[str]]]:
        backends = RelayBackends(self._reactor, resolver)
        backends.prepare(settings)
        for server in backends.pool(pool, settings).servers[:MOST_SERVERS]:
            probe = relay_probe(settings, server.port)
            yield server.host, relay.ask(backends.server(server.host, probe.port, settings), probe)


async def _finding(kind: str, asked: Iterator[tuple[str, Deferred[str]]]) -> JsonObject:
    servers = list(asked)
    problems: list[str] = await gatherResults([answer for _, answer in servers])
    shown: list[JsonValue] = [
        {"address": host, "health": "Down" if problem else "Up", "health_probe_log": _log(problem)}
        for (host, _), problem in zip(servers, problems, strict=True)
    ]
    return {"kind": kind, "servers": shown}


def _log(problem: Any) -> str:
    return getattr(problem, "log", None) or str(problem) or "Success."


def _http(settings: BackendHttpSettings, task: ProbeOnce) -> BackendHttpSettings:
    """The settings with the probe that a client asks for; what it leaves out is that of the settings."""
    own = settings.probe or Probe()
    given = {
        "host": task.host,
        "path": task.path,
        "match_body": task.body,
        "match_status_codes": ", ".join(task.status_codes),
    }
    values = {key: _converted(key, text) for key, text in given.items() if text}
    return attrs.evolve(settings, probe=attrs.evolve(own, timeout=task.timeout, **values))


def _relay(settings: BackendSettings, task: ProbeOnce) -> BackendSettings:
    own = settings.probe or Probe()
    values = {"host": _converted("host", task.host)} if task.host else {}
    return attrs.evolve(settings, probe=attrs.evolve(own, timeout=task.timeout, **values))


def _converted(key: str, text: str) -> Any:
    """A value by the rules of `[probe]`, so that no text of a client becomes a line of a request."""
    try:
        return PROBE.keys[key].convert(text)
    except UnacceptableError as error:
        raise UnacceptableError(f"{key} {error.message}", error.code) from error
