"""Checks across sections for load distribution policies: their targets, who uses them, and what contradicts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.configuration.coherence import Draft
from agwtwisted.core.plan.actions import PolicyRoute
from agwtwisted.core.resources.backend_pools import BackendAddress, LoadDistributionPolicy
from agwtwisted.core.sections.settings import Row

ALGORITHM = "load_distribution_algorithm"


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def _policies_without_targets(draft: Draft) -> Iterator[Problem]:
    served = {row.name.partition("/")[0] for row in draft.of("load_distribution_target")}
    for row in draft.of("load_distribution_policy"):
        if row.name not in served:
            yield row.warning("has no load_distribution_target: its requests get 502")


def _unused_policies(draft: Draft) -> Iterator[Problem]:
    key = "load_distribution_policy"
    used = {
        getattr(row.get(each), "name", "")
        for kind, each in (("request_routing_rule", key), ("path_rule", key), ("url_path_map", f"default_{key}"))
        for row in draft.of(kind)
    }
    for row in draft.of(key):
        if row.name not in used:
            yield row.warning("no rule uses this policy, so it has no effect")


def _routes(draft: Draft) -> dict[PolicyRoute, None]:
    """Every policy that is used, with each of its settings."""
    return {route: None for rule in draft.rules for route in draft.actions[rule.value].policy_routes()}


def _servers_of_several_targets(draft: Draft) -> Iterator[Problem]:
    rows = {row.name: row for row in draft.of("load_distribution_target")}
    for policy in dict.fromkeys(route.policy for route in _routes(draft)):
        yield from _repeated_servers(policy, rows)


def _repeated_servers(policy: LoadDistributionPolicy, rows: dict[str, Row]) -> Iterator[Problem]:
    first: dict[BackendAddress, str] = {}
    for target in policy.targets:
        found = [each for each in target.backend_address_pool.backend_addresses if each in first]
        if found:
            earlier = rows[f"{policy.name}/{first[found[0]]}"]
            yield rows[f"{policy.name}/{target.name}"].warning(
                f"the server {found[0].host} is also one of {earlier.section.title}: it counts for that pool, with"
                " the sum of both weights",
                key="backend_address_pool",
            )
        for each in target.backend_address_pool.backend_addresses:
            first.setdefault(each, target.name)


def _other_algorithms(draft: Draft) -> Iterator[Problem]:
    rows = {row.name: row for row in draft.of("backend_http_settings", ALGORITHM) if not row.unset(ALGORITHM)}
    for policy, settings in _routes(draft):
        row = rows.get(settings.name)
        if row is not None and settings.load_distribution_algorithm is not policy.load_distribution_algorithm:
            yield row.warning(
                f"{ALGORITHM} = {settings.load_distribution_algorithm.value} has no effect on requests by"
                f" load_distribution_policy {policy.name}, which has {policy.load_distribution_algorithm.value}",
                key=ALGORITHM,
            )


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _policies_without_targets,
    _unused_policies,
    _servers_of_several_targets,
    _other_algorithms,
)
