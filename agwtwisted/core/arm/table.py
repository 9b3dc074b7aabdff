"""The table of every ARM property of an Application Gateway: what it means here, and which key it is.

The reader, the writer, the report of an import and the reference page are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agwtwisted.core.arm import (
    backend_properties,
    gateway_properties,
    listener_properties,
    routing_properties,
    tls_properties,
)
from agwtwisted.core.arm.gateway_properties import GATEWAY, RESOURCE
from agwtwisted.core.arm.properties import Collection, Property, Shape, read_only

COLLECTIONS: Final[Mapping[str, Collection]] = {
    each.name: each
    for each in (
        RESOURCE,
        GATEWAY,
        *gateway_properties.COLLECTIONS,
        *tls_properties.COLLECTIONS,
        *listener_properties.COLLECTIONS,
        *backend_properties.COLLECTIONS,
        *routing_properties.COLLECTIONS,
    )
}
"""By name, in the order of the reference page and of an imported file."""

BY_KIND: Final[Mapping[str, Collection]] = {
    each.kind: each
    for each in COLLECTIONS.values()
    if each.kind and each.name != "authenticationCertificates"  # of v1: written as trusted root certificates
}
"""The collection that a kind of section is written to."""

CHILD_MEMBERS: Final = (
    read_only("id", "Derived from the names."),
    read_only("type"),
    read_only("etag"),
    read_only("provisioningState"),
    read_only("resourceGroup", "Written by azure-cli."),
)
"""What every child has beside its name and its `properties`."""

BACK_REFERENCES: Final = frozenset(
    {
        "backendHttpSettings",
        "backendHttpSettingsCollection",
        "backendSettings",
        "backendSettingsCollection",
        "httpListeners",
        "listeners",
        "loadDistributionPolicies",
        "pathRules",
        "redirectConfigurations",
        "requestRoutingRules",
        "routingRules",
        "sslProfiles",
        "urlPathMaps",
    }
)
"""Members in answers of the service by which a child says who refers to it; no model has them."""


_REFERENCES: Final = (Shape.REFERENCE, Shape.REFERENCES)


def member(collection: Collection, name: str) -> Property | None:
    """What a member of a child means, whatever its case; None for one that nothing is known of."""
    found = collection.property(name)
    if found is not None or not collection.is_resource:
        return found
    folded = name.casefold()
    for each in CHILD_MEMBERS:
        if each.name.casefold() == folded:
            return each
    for back in BACK_REFERENCES:
        if back.casefold() == folded and not _refers_to(collection, back):
            return read_only(back, "Says who refers to it.")
    return None


def _refers_to(collection: Collection, back: str) -> bool:
    """Whether its children name one of those themselves: then it is the property, misspelt, and no answer."""
    return any(each.form.collection == back for each in collection.properties if each.form.shape in _REFERENCES)
