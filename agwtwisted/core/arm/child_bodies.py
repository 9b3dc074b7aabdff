"""From a section to the properties of an ARM resource: by the table, and what the table cannot say of a value.

References and secrets stay marked in what comes out: a resource and a template write them in different ways.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs

from agwtwisted.core.arm import rewrite_bodies
from agwtwisted.core.arm.properties import Collection, Meaning, Property, Shape
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.backend_pools import BackendAddress
from agwtwisted.core.resources.resources import ClientAuth, Protocol, sources_text
from agwtwisted.core.sections.backend_keys import backend_port
from agwtwisted.core.sections.settings import Row, SectionReference
from agwtwisted.core.sections.tls_keys import client_auth

Body: TypeAlias = dict[str, Any]
"""The members of a JSON object; leaves may be `ReferenceTo` and `SecretText`."""


@attrs.frozen
class ReferenceTo:
    """In place of the id of a child, or of a resource beside the gateway."""

    collection: str
    name: str


@attrs.frozen
class SecretText:
    """In place of the content of a certificate with its key, or of its password."""

    certificate: str
    is_password: bool = False


ENABLED: Final = ("Enabled", "Disabled")

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "http_listener": ("require_server_name_indication",),
    "backend_http_settings": ("port", "protocol", "cookie_based_affinity", "request_timeout"),
    "backend_settings": ("port", "protocol", "timeout"),
    "probe": ("protocol", "interval", "timeout", "unhealthy_threshold"),
    "request_routing_rule": ("rule_type",),
    "redirect_configuration": ("include_path", "include_query_string"),
}
"""Keys whose value is written where it is the default, too: the product wants it, or has another default."""


def properties(row: Row, collection: Collection) -> Body:
    """The properties of the resource that a section is, without the children of other sections."""
    body: Body = {}
    for each in collection.properties:
        if each.meaning is Meaning.WORKS and each.form.shape is not Shape.CHILDREN and _is_written(each, collection):
            value = _given(row, each.key)
            if value is not None:
                put(body, each.name, _MAKERS.get((row.kind.name, each.key), _made)(value, each))
    _COMPLETIONS.get(row.kind.name, lambda row, body: None)(row, body)
    return body


def _is_written(each: Property, collection: Collection) -> bool:
    """Whether a property is the one that says a key: the first one, of several that are read for it."""
    return bool(each.key) and collection.keyed(each.key) is each


def _given(row: Row, key: str) -> Any:
    """A key's value, or the default that has to be written; None where there is nothing to write."""
    if row.kind.name == "backend_http_settings" and key == "port":
        return backend_port(row)
    if key in row.values:
        return row.values[key]
    return row.get(key) if key in _NEEDED.get(row.kind.name, ()) else None


def put(body: Body, name: str, value: Any) -> None:
    """Sets a member by its dotted name; None is left out."""
    if value is None:
        return
    *outer, last = name.split(".")
    for each in outer:
        body = body.setdefault(each, {})
    body[last] = value


def _made(value: Any, form: Property) -> Any:
    """A value in the form of its property; None where that cannot be said in it."""
    match form.form.shape:
        case Shape.REFERENCE:
            return _reference(value, form.form.collection)
        case Shape.REFERENCES:
            return [_reference(each, form.form.collection) for each in value]
        case Shape.TEXTS:
            return [_text(each) for each in value]
        case Shape.INTEGER:
            return whole(value)
        case Shape.BOOLEAN:
            return bool(value)
        case _ if isinstance(value, bool):
            return ENABLED[0] if value else ENABLED[1]
        case _:
            return _text(value)


def whole(value: float) -> int:
    """Seconds as the product has them, none of which becomes nothing."""
    return math.ceil(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value.value if isinstance(value, Enum) else value)


def _reference(value: SectionReference, collection: str) -> Body:
    return {"id": ReferenceTo(collection, value.name)}


def _server_header(value: str, form: Property) -> Any:
    """The product has two states of it: its own name, and none."""
    return True if value == "" else None


def _revocation(value: tuple[RevocationSource, ...], form: Property) -> Any:
    """The product knows OCSP alone."""
    known = tuple(each for each in value if each is RevocationSource.OCSP)
    return sources_text(known)


def _left_out(value: Any, form: Property) -> Any:
    """What is made of several sections together."""
    return None


_MAKERS: Final[Mapping[tuple[str, str], Callable[[Any, Property], Any]]] = {
    ("gateway", "server_header"): _server_header,
    ("ssl_profile", "verify_client_revocation"): _revocation,
    **{
        (kind, key): _left_out
        for kind, keys in (
            ("http_listener", ("address", "port")),
            ("listener", ("address", "port")),
            ("ssl_certificate", ("certificate_file", "password_file")),
            ("trusted_client_certificate", ("file",)),
            ("trusted_root_certificate", ("file",)),
            ("custom_error", ("file",)),
        )
        for key in keys
    },
}
"""How keys are written whose value alone does not say it, by kind and key."""


def _policy_type(row: Row, body: Body) -> None:
    """A predefined policy has its type beside its name."""
    policy = body.get("sslPolicy")
    if policy:
        body["sslPolicy"] = {"policyType": policy.get("policyType", "Predefined"), **policy}


def _ssl_profile(row: Row, body: Body) -> None:
    """Of a Passthrough profile, what counts on single paths alone is ours: the product has it with Strict."""
    _policy_type(row, body)
    if client_auth(row) is ClientAuth.PASSTHROUGH:
        body["clientAuthConfiguration"] = {"verifyClientAuthMode": ClientAuth.PASSTHROUGH.value}


def _draining(row: Row, body: Body) -> None:
    draining = body.get("connectionDraining")
    if draining:
        body["connectionDraining"] = {"enabled": True, **draining}


def _probe(row: Row, body: Body) -> None:
    if isinstance(row.get("protocol"), Protocol):
        body["path"] = row.get("path")


def _addresses(row: Row, body: Body) -> None:
    body["backendAddresses"] = [backend_address(each) for each in row.get("backend_addresses")]


def backend_address(address: BackendAddress) -> Body:
    """One server of a pool, which has no port of its own there."""
    host = address.host
    numeric = ":" in host or all(part.isdigit() for part in host.split("."))
    return {"ipAddress" if numeric else "fqdn": host}


def _rewrite_rule(row: Row, body: Body) -> None:
    rule = rewrite_bodies.rule(row, body)
    body.clear()  # for the order of its members
    body.update(rule)


_COMPLETIONS: Final[Mapping[str, Callable[[Row, Body], None]]] = {
    "gateway": _policy_type,
    "ssl_profile": _ssl_profile,
    "backend_http_settings": _draining,
    "probe": _probe,
    "backend_address_pool": _addresses,
    "rewrite_rule": _rewrite_rule,
}
"""What makes the properties of a kind of section complete."""


def child(name: str, collection: Collection, body: Mapping[str, Any]) -> Body:
    """A child as the product has it: plain values have no `properties`."""
    return {"name": name, "properties": body} if collection.is_resource else {"name": name, **body}


def numbered(names: Iterable[str], beginning: str) -> dict[str, str]:
    """Names of their own for texts, in their order: `frontend-1`."""
    return {name: f"{beginning}{number}" for number, name in enumerate(dict.fromkeys(names), start=1)}
