"""What the service refuses of a gateway before anything is made of it, with its codes and messages.

What is wrong only for serving, such as a listener without a rule, is not refused here; what the gateway itself cannot
serve is found when the configuration is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from agwtwisted.core.resource_manager.api_versions import PRIORITY_REQUIRED
from agwtwisted.core.resource_manager.children import Child, all_children, references_of
from agwtwisted.core.resource_manager.gateway_bodies import GatewayBody, children, properties_of
from agwtwisted.core.resource_manager.messages import JsonObject
from agwtwisted.core.resource_manager.service_errors import ServiceError

LIMITS: Final[Mapping[str, tuple[str, int]]] = {
    "backendAddressPools": ("BackendAddressPool", 100),
    "backendHttpSettingsCollection": ("BackendHttpSettings", 100),
    "frontendPorts": ("FrontendPort", 100),
    "httpListeners": ("HttpListener", 200),
    "probes": ("Probe", 100),
    "requestRoutingRules": ("RequestRoutingRule", 400),
    "sslCertificates": ("SslCertificate", 200),
    "sslProfiles": ("SslProfile", 100),
    "trustedClientCertificates": ("TrustedClientCertificate", 200),
    "trustedRootCertificates": ("TrustedRootCertificate", 100),
    "urlPathMaps": ("UrlPathMap", 200),
}
"""How many of a collection the product takes ("Application Gateway limits"), with their name in messages."""

_LAST_PORT: Final = 65199
"""Of version 2: the product keeps the ports above it."""

_CHILD_NAME: Final = re.compile(r"\w[\w.-]{0,79}", re.ASCII)
_GATEWAY_NAME: Final = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?", re.ASCII)


def problems_of(body: GatewayBody, gateway_id: str, version: str) -> tuple[ServiceError, ...]:
    """Everything that the service would refuse, in the order in which its users look for it."""
    found = tuple(all_children(body.properties))
    return (
        *_names(found, gateway_id),
        *_references(found, gateway_id),
        *_limits(body.properties),
        *_priorities(body.properties, gateway_id, version),
        *_ports(body.properties, gateway_id),
        *_shared_ports(body.properties, gateway_id),
    )


def name_problem(name: str) -> ServiceError | None:
    """Why a gateway cannot have this name."""
    return None if _GATEWAY_NAME.fullmatch(name) else _invalid_name(name)


def _invalid_name(name: str) -> ServiceError:
    message = (
        f"Resource name {name[:100]} is invalid. The name can be up to 80 characters long. It must begin with a word"
        " character, and it must end with a word character or with '_'. The name may contain word characters or '.',"
        " '-', '_'."
    )
    return ServiceError(code="InvalidResourceName", message=message)


def _names(found: tuple[Child, ...], gateway_id: str) -> Iterator[ServiceError]:
    known: set[tuple[str, ...]] = set()
    for child in found:
        if not _CHILD_NAME.fullmatch(child.name):
            yield _invalid_name(child.name)
        if child.key in known:
            parent = "/".join((gateway_id, *child.path[:-2]))
            message = f"Resource {parent} has two child resources with the same name ({child.name})."
            yield ServiceError(code="DuplicateResourceName", message=message, target=child.where)
        known.add(child.key)


def _references(found: tuple[Child, ...], gateway_id: str) -> Iterator[ServiceError]:
    known = {child.key for child in found}
    for child in found:
        for reference in references_of(child):
            if reference.key not in known:
                source = "/".join((gateway_id, *child.path))
                yield ServiceError(
                    code="InvalidResourceReference", message=_dangling(reference.text, source), target=reference.where
                )


def _dangling(text: str, source: str) -> str:
    return (
        f"Resource {text} referenced by resource {source} was not found. Please make sure that the referenced resource"
        " exists, and that both resources are in the same region."
    )


def _limits(properties: JsonObject) -> Iterator[ServiceError]:
    for collection, (word, most) in LIMITS.items():
        count = len(children(properties, collection))
        if count > most:
            message = (
                f"The number of {word}s exceeds the maximum allowed value. The number of {word}s is {count} and the"
                f" maximum allowed is {most}."
            )
            yield ServiceError(code=f"ApplicationGateway{word}LimitReached", message=message)


def _priorities(properties: JsonObject, gateway_id: str, version: str) -> Iterator[ServiceError]:
    rules = children(properties, "requestRoutingRules")
    without = [each for each in rules if "priority" not in properties_of(each)]
    if not without:
        return
    if len(without) < len(rules):
        yield ServiceError(
            code="ApplicationGatewayRequestRoutingRulePartialPriorityDefined",
            message="Either all or no rule should have the priority specified.",
        )
    elif version >= PRIORITY_REQUIRED and not _is_first_generation(properties):
        for each in without:
            yield _without_priority(f"{gateway_id}/requestRoutingRules/{each['name']}")


def _without_priority(rule: str) -> ServiceError:
    message = (
        f"Priority for the request routing rule {rule} cannot be empty. All request routing rules should have a"
        f" priority defined starting from api-version {PRIORITY_REQUIRED}"
    )
    return ServiceError(code="ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty", message=message)


def _is_first_generation(properties: JsonObject) -> bool:
    sku = properties.get("sku")
    tier = sku.get("tier", "") if isinstance(sku, dict) else ""
    return str(tier).lower() in ("standard", "waf")


def _ports(properties: JsonObject, gateway_id: str) -> Iterator[ServiceError]:
    for each in children(properties, "frontendPorts"):
        port = properties_of(each).get("port")
        if not isinstance(port, int) or not 1 <= port <= _LAST_PORT:
            message = (
                f"Port specified for FrontendPort {gateway_id}/frontendPorts/{each['name']} is not valid. Supported"
                f" range is [1, {_LAST_PORT}]."
            )
            yield ServiceError(code="ApplicationGatewayFrontendPortInvalidPortNumber", message=message)


def _shared_ports(properties: JsonObject, gateway_id: str) -> Iterator[ServiceError]:
    """Two HTTP listeners without host names on one port of one frontend."""
    taken: set[tuple[str, str]] = set()
    for each in children(properties, "httpListeners"):
        held = properties_of(each)
        port, frontend = (_name_in(held.get(name)) for name in ("frontendPort", "frontendIPConfiguration"))
        if held.get("hostName") or held.get("hostNames") or not port:
            continue
        if (port.lower(), frontend.lower()) in taken:
            message = (
                f"Two Http Listeners of Application Gateway {gateway_id} are using the same Frontend Port"
                f" {gateway_id}/frontendPorts/{port}."
            )
            yield ServiceError(code="ApplicationGatewayHttpListenersUsingSameFrontendPort", message=message)
        taken.add((port.lower(), frontend.lower()))


def _name_in(reference: object) -> str:
    identity = reference.get("id") if isinstance(reference, dict) else None
    return identity.rstrip("/").rsplit("/", 1)[-1] if isinstance(identity, str) else ""
