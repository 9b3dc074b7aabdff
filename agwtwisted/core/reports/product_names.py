"""What sections and keys are called in the product, by the table by which its documents are read and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agwtwisted.core.arm.table import BY_KIND, COLLECTIONS

_KEYS: Final[Mapping[str, str]] = {"client_auth": "verify_client_auth_mode"}
"""Keys that have another name as fields of resources, by these."""

_NAMES: Final[Mapping[tuple[str, str], str]] = {
    ("gateway", "ssl_policy"): "sslPolicy",
    ("ssl_profile", "ssl_policy"): "sslPolicy",
    ("gateway", "server_header"): "server_header",
    ("http_listener", "address"): "address",
    ("http_listener", "port"): "port",
    ("listener", "address"): "address",
    ("listener", "port"): "port",
}
"""Fields that are not one property of the product, by kind and field."""

_ORDERED: Final = frozenset({"tls_groups", "alpn_protocols", "trusted_client_certificates", "certificates", "chain"})
"""Fields whose values have an order that matters."""


def path_of(kind: str, name: str) -> str:
    """``httpListeners/public``, ``urlPathMaps/MAP/pathRules/RULE``; a kind of ours alone is as in the file."""
    collection = BY_KIND.get(kind)
    if collection is None or not name:
        return f"{kind}/{name}" if name else kind
    if collection.within in COLLECTIONS and COLLECTIONS[collection.within].kind:
        outer, _, inner = name.partition("/")
        return f"{collection.within}/{outer}/{collection.name}/{inner}"
    return f"{collection.name}/{name}"


def property_of(kind: str, field: str) -> str:
    """``sslProfile`` of ``ssl_profile``; what the product does not have is as in the file."""
    if (kind, field) in _NAMES:
        return _NAMES[kind, field]
    collection = BY_KIND.get(kind)
    found = None if collection is None else collection.keyed(_KEYS.get(field, field))
    return field if found is None else found.name


def is_ordered(field: str) -> bool:
    """Whether the values of a field are others in another order."""
    return field in _ORDERED
