"""The routes of the control plane as one table: which request is answered by what.

Case does not count in paths. The first row whose pattern fits is taken: the rows of single providers come before those
of neighbours, which have any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.resource_manager import (
    catalogue,
    deployments,
    gateways,
    groups,
    health,
    neighbours,
    operations,
)
from agwtwisted.core.resource_manager.api_versions import missing_or_malformed, unknown_to_gateways
from agwtwisted.core.resource_manager.calls import Handler
from agwtwisted.core.resource_manager.messages import ArmRequest
from agwtwisted.core.resource_manager.service_errors import ServiceError

VersionRule: TypeAlias = Callable[[ArmRequest], ServiceError | None]


@attrs.frozen(kw_only=True)
class ArmRoute:
    """One method of one path.

    Args:
        method: of HTTP.
        path: its segments; one in braces stands for an argument of that name, and `*` for all that are left.
        handler: what answers.
        versions: which versions of the API are taken.
    """

    method: str
    path: str
    handler: Handler
    versions: VersionRule = missing_or_malformed

    @property
    def segments(self) -> tuple[str, ...]:
        """The pattern of the path."""
        return tuple(self.path[1:].split("/"))


@attrs.frozen(kw_only=True)
class RouteFound:
    """A row, and what stands in the path where its pattern leaves it open."""

    route: ArmRoute
    arguments: dict[str, str]
    rest: tuple[str, ...]


_S: Final = "/subscriptions/{subscription}"
_G: Final = f"{_S}/resourceGroups/{{group}}"
_NETWORK: Final = "providers/Microsoft.Network"
_GATEWAYS: Final = f"{_G}/{_NETWORK}/applicationGateways"
_GATEWAY: Final = f"{_GATEWAYS}/{{gateway}}"
_AVAILABLE: Final = f"{_S}/{_NETWORK}/applicationGatewayAvailable"
_OPERATIONS: Final = f"{_S}/providers/{{namespace}}/locations/{{location}}"
_DEPLOYMENTS: Final = f"{_G}/providers/Microsoft.Resources/deployments"
_DEPLOYMENT: Final = f"{_DEPLOYMENTS}/{{deployment}}"
_NEIGHBOUR: Final = f"{_G}/providers/{{namespace}}/*"


def _of_gateways(method: str, path: str, handler: Handler) -> ArmRoute:
    return ArmRoute(method=method, path=path, handler=handler, versions=unknown_to_gateways)


def _row(method: str, path: str, handler: Handler) -> ArmRoute:
    return ArmRoute(method=method, path=path, handler=handler)


ROUTES: Final[tuple[ArmRoute, ...]] = (
    _row("GET", "/tenants", catalogue.tenants),
    _row("GET", "/subscriptions", catalogue.subscriptions),
    _row("GET", _S, catalogue.subscription),
    _row("GET", f"{_S}/locations", catalogue.locations),
    _row("GET", f"{_S}/providers", catalogue.providers),
    _row("GET", f"{_S}/providers/{{namespace}}", catalogue.provider),
    _row("POST", f"{_S}/providers/{{namespace}}/register", catalogue.provider),
    _row("GET", f"{_S}/resources", groups.list_resources),
    _row("GET", f"{_S}/resourceGroups", groups.list_groups),
    _row("GET", _G, groups.get_group),
    _row("HEAD", _G, groups.head_group),
    _row("PUT", _G, groups.put_group),
    _row("PATCH", _G, groups.patch_group),
    _row("DELETE", _G, groups.delete_group),
    _row("GET", f"{_G}/resources", groups.list_resources),
    _row("GET", f"{_OPERATIONS}/operations/{{operation}}", operations.get_operation),
    _row("GET", f"{_OPERATIONS}/operationResults/{{operation}}", operations.get_operation_result),
    _of_gateways("GET", f"{_AVAILABLE}SslOptions/default", catalogue.ssl_options),
    _of_gateways("GET", f"{_AVAILABLE}SslOptions/default/predefinedPolicies", catalogue.predefined_policies),
    _of_gateways("GET", f"{_AVAILABLE}SslOptions/default/predefinedPolicies/{{policy}}", catalogue.predefined_policy),
    _of_gateways("GET", f"{_AVAILABLE}ServerVariables", catalogue.server_variables),
    _of_gateways("GET", f"{_AVAILABLE}RequestHeaders", catalogue.request_headers),
    _of_gateways("GET", f"{_AVAILABLE}ResponseHeaders", catalogue.response_headers),
    _of_gateways("GET", f"{_S}/{_NETWORK}/applicationGateways", gateways.list_gateways),
    _of_gateways("GET", _GATEWAYS, gateways.list_gateways),
    _of_gateways("GET", _GATEWAY, gateways.get_gateway),
    _of_gateways("HEAD", _GATEWAY, gateways.head_gateway),
    _of_gateways("PUT", _GATEWAY, gateways.put_gateway),
    _of_gateways("PATCH", _GATEWAY, gateways.patch_gateway),
    _of_gateways("DELETE", _GATEWAY, gateways.delete_gateway),
    _of_gateways("POST", f"{_GATEWAY}/start", gateways.start_gateway),
    _of_gateways("POST", f"{_GATEWAY}/stop", gateways.stop_gateway),
    _of_gateways("POST", f"{_GATEWAY}/backendhealth", health.ask_health),
    _of_gateways("POST", f"{_GATEWAY}/getBackendHealthOnDemand", health.probe_on_demand),
    _of_gateways("GET", f"{_GATEWAY}/privateLinkResources", gateways.no_private_links),
    _of_gateways("GET", f"{_GATEWAY}/privateEndpointConnections", gateways.no_private_links),
    _of_gateways("GET", f"{_GATEWAY}/*", gateways.get_child),
    _row("GET", _DEPLOYMENTS, deployments.list_deployments),
    _row("GET", _DEPLOYMENT, deployments.get_deployment),
    _row("HEAD", _DEPLOYMENT, deployments.head_deployment),
    _row("PUT", _DEPLOYMENT, deployments.put_deployment),
    _row("DELETE", _DEPLOYMENT, deployments.delete_deployment),
    _row("POST", f"{_DEPLOYMENT}/validate", deployments.validate_deployment),
    _row("POST", f"{_DEPLOYMENT}/whatIf", deployments.refuse_what_if),
    _row("GET", f"{_DEPLOYMENT}/operations", deployments.list_steps),
    _row("GET", f"{_DEPLOYMENT}/operationStatuses/{{operation}}", deployments.get_status),
    _row("GET", f"{_S}/providers/{{namespace}}/{{kind}}", neighbours.list_in_subscription),
    _row("GET", _NEIGHBOUR, neighbours.get_neighbour),
    _row("HEAD", _NEIGHBOUR, neighbours.head_neighbour),
    _row("PUT", _NEIGHBOUR, neighbours.put_neighbour),
    _row("PATCH", _NEIGHBOUR, neighbours.patch_neighbour),
    _row("DELETE", _NEIGHBOUR, neighbours.delete_neighbour),
)
"""All of them; requests about metadata and tokens are not among them."""


def found_routes(path: tuple[str, ...]) -> Iterator[RouteFound]:
    """The rows of the first pattern that fits a path, with one row for each method."""
    taken: str | None = None
    for route in ROUTES:
        if taken is not None and route.path != taken:
            continue
        found = _fitting(route, path)
        if found is not None:
            taken = route.path
            yield found


def _fitting(route: ArmRoute, path: tuple[str, ...]) -> RouteFound | None:
    pattern = route.segments
    is_open = pattern[-1] == "*"
    fixed = pattern[:-1] if is_open else pattern
    if len(path) < len(fixed) + is_open or (len(path) > len(fixed) and not is_open):
        return None
    arguments: dict[str, str] = {}
    for wanted, segment in zip(fixed, path, strict=False):
        if wanted.startswith("{"):
            arguments[wanted[1:-1]] = segment
        elif wanted.lower() != segment.lower():
            return None
    return RouteFound(route=route, arguments=arguments, rest=path[len(fixed) :])
