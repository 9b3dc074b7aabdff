"""The health of backend servers in the words of the product's API: `backendhealth`, and its probe on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agwtwisted.core.resource_manager.calls import Call, Reply
from agwtwisted.core.resource_manager.gateway_shown import TYPE, shown_children
from agwtwisted.core.resource_manager.groups import is_gateway
from agwtwisted.core.resource_manager.ids import gateway_child
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmRequest,
    ArmState,
    AskHealth,
    JsonObject,
    JsonValue,
    ProbeOnce,
    Stored,
    Work,
)
from agwtwisted.core.resource_manager.plain_json import object_in
from agwtwisted.core.resource_manager.service_errors import ServiceError, invalid_format, resource_not_found
from agwtwisted.core.resource_manager.writing import json_answer

_WORDS: Final[Mapping[str, str]] = {"Up": "Healthy", "Down": "Unhealthy"}
"""As the service says them; its other words are those of the gateway."""

_COLLECTIONS: Final[Mapping[str, str]] = {
    "backend_http_settings": "backendHttpSettingsCollection",
    "backend_settings": "backendSettingsCollection",
}

_TIMEOUT: Final = 30
"""Seconds, unless the request says otherwise."""

_LONGEST: Final = 60
"""Seconds. The product takes up to a day, which no client waits for an answer."""


def ask_health(call: Call) -> Reply:
    """The health of all servers that rules lead to."""
    stored = _gateway(call)
    if isinstance(stored, ServiceError):
        return stored
    if not call.state.running:
        return json_answer(200, {"backendAddressPools": []})
    return Work(task=AskHealth(), answer=json_answer(200, {"backendAddressPools": []}))


def probe_on_demand(call: Call) -> Reply:
    """Probe the servers of one pool once, by what the request says."""
    stored, body = _gateway(call), object_in(call.request.body)
    if isinstance(stored, ServiceError):
        return stored
    if isinstance(body, ServiceError):
        return body
    asked = _asked(stored, {name.lower(): value for name, value in body.items()})
    return asked if isinstance(asked, ServiceError) else Work(task=asked, answer=json_answer(200, {}))


def health_answer(request: ArmRequest, state: ArmState, task: AskHealth | ProbeOnce, found: JsonObject) -> ArmAnswer:
    """The response with the servers that were found.

    Args:
        request: that asked.
        state: whose gateway it is.
        task: that was done.
        found: for AskHealth the members of `/backends` of the control API; for ProbeOnce `kind`, that of the section of
            the settings, and `servers`, each with `address`, `health` and `health_probe_log`.
    """
    stored = next((each for each in state.records.values() if is_gateway(each)), None)
    if stored is None:
        return json_answer(200, {"backendAddressPools": []})
    expanded = "backendaddresspool" in request.query.get("$expand", "").lower()
    if isinstance(task, ProbeOnce):
        return json_answer(200, _probed(stored, task, found))
    pools: list[JsonValue] = [_pool(stored, each, expanded=expanded) for each in _objects(found.get("backend_pools"))]
    return json_answer(200, {"backendAddressPools": pools})


def _pool(stored: Stored, pool: JsonObject, *, expanded: bool) -> dict[str, JsonValue]:
    settings: list[JsonValue] = [
        {
            "backendHttpSettings": _named(stored, _collection(each), str(each["name"]), expanded=expanded),
            "servers": _servers(each.get("servers")),
        }
        for each in _objects(pool.get("backend_settings"))
    ]
    return {
        "backendAddressPool": _named(stored, "backendAddressPools", str(pool["name"]), expanded=expanded),
        "backendHttpSettingsCollection": settings,
    }


def _probed(stored: Stored, task: ProbeOnce, found: JsonObject) -> dict[str, JsonValue]:
    settings = _named(stored, _collection(found), task.settings, expanded=False)
    return {
        "backendAddressPool": _named(stored, "backendAddressPools", task.pool, expanded=False),
        "backendHealthHttpSettings": {"backendHttpSettings": settings, "servers": _servers(found.get("servers"))},
    }


def _collection(settings: JsonObject) -> str:
    return _COLLECTIONS.get(str(settings.get("kind")), "backendHttpSettingsCollection")


def _servers(servers: JsonValue) -> list[JsonValue]:
    return [
        {
            "address": each.get("address"),
            "health": _WORDS.get(str(each.get("health")), each.get("health")),
            "healthProbeLog": each.get("health_probe_log") or "",
        }
        for each in _objects(servers)
    ]


def _objects(value: Any) -> Sequence[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, Sequence) else []


def _named(stored: Stored, collection: str, name: str, *, expanded: bool) -> JsonValue:
    if expanded:
        child = shown_children(stored, (collection, name))
        if child is not None:
            return child
    return {"id": f"{stored.id}/{collection}/{name}"}


def _gateway(call: Call) -> Stored | ServiceError:
    identity = call.resource("Microsoft.Network", "applicationGateways", call.arguments["gateway"])
    return call.found(identity) or call.group_problem() or resource_not_found(TYPE, identity.name, call.group)


def _asked(stored: Stored, body: Mapping[str, JsonValue]) -> ProbeOnce | ServiceError:
    pool = _child(stored, body.get("backendaddresspool"), "backendAddressPools")
    settings = _child(stored, body.get("backendhttpsettings"), "backendHttpSettingsCollection")
    if isinstance(pool, ServiceError):
        return pool
    if isinstance(settings, ServiceError):
        return settings
    timeout = body.get("timeout")
    matched = body.get("match")
    match = {name.lower(): value for name, value in matched.items()} if isinstance(matched, dict) else {}
    codes = match.get("statuscodes")
    return ProbeOnce(
        pool=pool,
        settings=settings,
        protocol=_text(body.get("protocol")),
        host=_text(body.get("host")),
        path=_text(body.get("path")),
        timeout=min(float(timeout), _LONGEST) if isinstance(timeout, int) and timeout > 0 else _TIMEOUT,
        body=_text(match.get("body")),
        status_codes=tuple(str(each) for each in codes[:100]) if isinstance(codes, list) else (),
    )


def _child(stored: Stored, reference: JsonValue, collection: str) -> str | ServiceError:
    """The name of the child that a reference leads to, as it was declared."""
    identity = reference.get("id") if isinstance(reference, dict) else None
    if not isinstance(identity, str):
        path = "backendAddressPool" if collection == "backendAddressPools" else "backendHttpSettings"
        message = f"Value for reference id is missing. Path {path}."
        return invalid_format(ServiceError(code="MissingJsonReferenceId", message=message))
    parts = gateway_child(identity)
    settings = len(parts) == 2 and parts[0].lower() == "backendsettingscollection"
    found = shown_children(stored, (parts[0] if settings else collection, *parts[1:2]))
    if isinstance(found, dict) and len(parts) == 2:
        return str(found["name"])
    message = (
        f"Resource {identity} referenced by resource {stored.id} was not found. Please make sure that the referenced"
        " resource exists, and that both resources are in the same region."
    )
    return ServiceError(code="InvalidResourceReference", message=message)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
