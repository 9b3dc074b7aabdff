"""Servers that an operator has taken out: which they are, over reloads and in all processes of a gateway.

A server is known by the names that the operator sees: its settings, host and port. It stays out for as long as the
configurations in force have it under these, whatever else about its settings changes; nothing of it is stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, TypeAlias

from twisted.logger import Logger

from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.interfaces import Siblings

DRAINED: Final = "drained"
"""Published by the parent: all servers that are drained, as JSON."""

DrainKey: TypeAlias = tuple[str, str, str, int]
"""The kind of the settings (`backend_http_settings` or `backend_settings`), their name, the server's host and port."""


class PlacedPools(Protocol):
    """The pools of a configuration: `pools.Backends`, and those of L4."""

    def placed(self) -> Iterable[tuple[tuple[str, str], Pool[Any]]]:
        """Every pool, by its name and that of the settings."""


KINDS: Final = ("backend_http_settings", "backend_settings")
"""Of the settings of HTTP, and of those of L4."""


def pools_in_force(http: PlacedPools, relay: PlacedPools) -> Mapping[str, PlacedPools]:
    """Those of a configuration, by the kind of their settings."""
    return dict(zip(KINDS, (http, relay), strict=True))


def _servers(pools: Mapping[str, PlacedPools]) -> Iterator[tuple[DrainKey, Target]]:
    for kind, placed in pools.items():
        for (_, settings), pool in placed.placed():
            for server in pool.servers:
                yield (kind, settings, server.host, server.port), server


class OperatorDrains:
    """Keeps them.

    Args:
        siblings: the other processes of the gateway; the parent alone publishes.
        publishes: whether this is the parent.
    """

    _log = Logger()

    def __init__(self, siblings: Siblings, *, publishes: bool = False) -> None:
        self._siblings = siblings
        self._publishes = publishes
        self._drained: set[DrainKey] = set()
        self._servers: Mapping[DrainKey, Target] = {}
        self.changed: Callable[[str, HealthState, bool], object] = _not_published
        """Is called with a server's name, its state, and whether an operator has it out from now on."""
        if not publishes:
            siblings.subscribe(DRAINED, self._heard)

    def __contains__(self, key: DrainKey) -> bool:
        return key in self._drained

    def use(self, pools: Mapping[str, PlacedPools]) -> None:
        """These pools are in force, by the kind of their settings; drained servers that they lack are forgotten."""
        self._servers = dict(_servers(pools))
        self._set(self._drained & self._servers.keys())

    def drain(self, key: DrainKey) -> bool:
        """Takes a server out. Returns whether it was not out before. Raises KeyError: there is none of these names."""
        return self._change(key, drained=True)

    def undrain(self, key: DrainKey) -> bool:
        """Takes it in again. The rest as `drain`."""
        return self._change(key, drained=False)

    def present(self) -> Iterator[tuple[str, bytes]]:
        """The topic and payload with all of them: for a worker that begins."""
        yield DRAINED, json.dumps(sorted(self._drained)).encode()

    def _change(self, key: DrainKey, *, drained: bool) -> bool:
        target = self._servers[key]
        keys = {each for each, server in self._servers.items() if server is target}
        before = self._drained
        after = before | keys if drained else before - keys
        if after == before:
            return False
        self._set(after)
        self._say(key, drained=drained)
        if self._publishes:
            for topic, payload in self.present():
                self._siblings.publish(topic, payload)
        return True

    def _set(self, drained: Iterable[DrainKey]) -> None:
        self._drained = set(drained)
        out = {id(self._servers[key]) for key in self._drained if key in self._servers}
        for target in self._servers.values():
            target.drain_for_operator(id(target) in out)

    def _heard(self, payload: bytes) -> None:
        """Before there are pools in force, what is heard is kept for them."""
        heard: set[DrainKey] = {(kind, name, host, port) for kind, name, host, port in json.loads(payload)}
        self._set(heard)

    def _say(self, key: DrainKey, *, drained: bool) -> None:
        _, settings, host, port = key
        self.changed(f"{bracketed(host)}:{port} ({settings})", self._servers[key].health.state, drained)
        self._log.info(
            "Backend server {host}:{port} ({settings}) is {what} by an operator",
            host=host,
            port=port,
            settings=settings,
            what="drained" if drained else "taken in again",
        )


def _not_published(server: str, state: HealthState, drained: bool) -> None:
    """Where nothing hears of it."""
