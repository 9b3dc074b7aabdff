"""The names of a configuration that are values of the metrics' labels."""

from __future__ import annotations

from collections.abc import Iterator

from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.plan.actions import Route
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.plan.routing import RelayRoute


def names_of(plan: Plan) -> Iterator[tuple[str, str]]:
    """Each label with each of its values, as far as the plan has it in force."""
    for port in plan.ports:
        yield "address", f"{bracketed(port.address[0])}:{port.number}"
        for site in port.sites.all():
            yield "listener", site.listener.name
            yield "rule", site.rule.name
    routes: tuple[Route | RelayRoute, ...] = (*plan.routes, *plan.relay_routes)
    for pool, settings in routes:
        yield "backend_pool", pool.name
        yield "backend_settings", settings.name
        for server in pool.backend_addresses:
            yield "server", f"{bracketed(server.host)}:{server.port or settings.port}"
