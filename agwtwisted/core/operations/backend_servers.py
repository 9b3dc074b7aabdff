"""Backend servers as `/backends` shows them, in the words of the product's backend health."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.operations.record_texts import cut
from agwtwisted.core.plan.plan import Plan

DRAINING: Final = "Draining"
"""The health of a server that an operator drains, and that is not down."""

PARTIAL: Final = "Partial"
"""The same where not all processes of the gateway drain it: for a moment, until all have heard of it."""


@attrs.frozen(kw_only=True)
class BackendServer:
    """One server under one settings, at one moment. Times are seconds since 1970; None: there is none."""

    address: str  # as the pool has it
    port: int
    state: HealthState  # that of its health, whether it is drained or not
    log: str = ""  # healthProbeLog
    last_probe: float | None = None
    since: float | None = None  # when the state began
    draining: bool = False  # by an operator
    kept: bool = False  # it counts as healthy all the same
    connections: int = 0  # in use
    idle_connections: int = 0
    requests: int = 0  # since the server is known; of L4, sessions

    @property
    def health(self) -> str:
        """Up, Down, Unknown or Draining."""
        return DRAINING if self.draining and self.state is not HealthState.DOWN else self.state.value

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        return {
            "address": self.address,
            "port": self.port,
            "health": self.health,
            "health_probe_log": cut(self.log),
            "last_probe": None if self.last_probe is None else utc_text(self.last_probe),
            "since": None if self.since is None else utc_text(self.since),
            "draining": self.draining,
            "counts_as_healthy": self.kept,
            "connections": self.connections,
            "idle_connections": self.idle_connections,
            "requests": self.requests,
        }


Servers = Mapping[tuple[str, str, str], Iterable[BackendServer]]
"""By the kind of the settings, the name of the pool, and that of the settings."""


def backend_members(plan: Plan, servers: Servers) -> Mapping[str, Any]:
    """The members of `/backends`: each pool that a rule leads to, with each of its settings, in the plan's order."""
    pools: dict[str, list[Mapping[str, Any]]] = {}
    for pool, settings in plan.routes:
        found = servers.get(("backend_http_settings", pool.name, settings.name), ())
        probe = None if settings.probe is None else settings.probe.name
        members = _settings("backend_http_settings", settings.name, settings.protocol.value, probe, found)
        pools.setdefault(pool.name, []).append(members)
    for pool, relay_settings in plan.relay_routes:
        found = servers.get(("backend_settings", pool.name, relay_settings.name), ())
        probe = None if relay_settings.probe is None else relay_settings.probe.name
        members = _settings("backend_settings", relay_settings.name, relay_settings.protocol.value, probe, found)
        pools.setdefault(pool.name, []).append(members)
    return {
        "backend_pools": [{"name": name, "backend_settings": settings} for name, settings in pools.items()],
        "load_distribution_policies": list(_policies(plan)),
    }


def _policies(plan: Plan) -> Iterator[Mapping[str, Any]]:
    """Each policy that a rule leads to, with its settings and targets."""
    for policy in dict.fromkeys(route.policy for route in plan.policy_routes):
        yield {
            "name": policy.name,
            "load_distribution_algorithm": policy.load_distribution_algorithm.value,
            "backend_http_settings": [route.settings.name for route in plan.policy_routes if route.policy is policy],
            "targets": [
                {
                    "name": target.name,
                    "backend_address_pool": target.backend_address_pool.name,
                    "weight_per_server": target.weight_per_server,
                }
                for target in policy.targets
            ],
        }


def _settings(
    kind: str, name: str, protocol: str, probe: str | None, servers: Iterable[BackendServer]
) -> Mapping[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "protocol": protocol,
        "probe": probe,
        "servers": [each.members() for each in servers],
    }
