"""From the sections of a configuration to the body of an application gateway, by the table by which bodies are read.

The body is that of a request to create or update the resource: it has every member that the product needs, and none
that only its answers have. What it cannot say is left to an overlay: `core.arm.overlays`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.arm.child_bodies import Body, ReferenceTo, SecretText, child, numbered, properties
from agwtwisted.core.arm.properties import Collection, Shape
from agwtwisted.core.arm.table import BY_KIND, COLLECTIONS
from agwtwisted.core.sections.settings import Row

Rows: TypeAlias = Mapping[str, tuple[Row, ...]]
"""The sections of each kind, in the order of the file."""

WHOLE_GATEWAY: Final = "gateway"
"""In the name of a custom error, instead of a listener's."""

SUBNET: Final = "subnet"
PUBLIC_ADDRESS: Final = "publicIPAddress"
"""In place of a collection, in references to what is beside the gateway."""

_LISTENERS: Final = ("http_listener", "listener")


@attrs.frozen(kw_only=True)
class Frontends:
    """The names of frontend IP configurations by address, and of frontend ports by number."""

    addresses: Mapping[str, str]
    ports: Mapping[int, str]

    @classmethod
    def of(cls, rows: Rows) -> Frontends:
        """Those that the listeners need, each once."""
        listeners = [row for kind in _LISTENERS for row in rows.get(kind, ())]
        ports = sorted({row.get("port") for row in listeners})
        return cls(
            addresses=numbered((row.get("address") for row in listeners), "frontend-"),
            ports={port: f"port_{port}" for port in ports},
        )


def gateway_properties(rows: Rows, certificates: Mapping[str, str]) -> Body:
    """The `properties` of the gateway; references and secrets are marked in them.

    Args:
        rows: the sections.
        certificates: the content of trusted certificates, as base64, by the titles of their sections.
    """
    return _Writing(rows, certificates).body()


class _Writing:
    """One body as it is made."""

    def __init__(self, rows: Rows, certificates: Mapping[str, str]) -> None:
        self._rows = rows
        self._certificates = certificates
        self._frontends = Frontends.of(rows)

    def body(self) -> Body:
        """Every member, in the order of the table."""
        body: Body = {
            "sku": {"name": "Standard_v2", "tier": "Standard_v2"},
            "autoscaleConfiguration": {"minCapacity": 0, "maxCapacity": 10},
            "gatewayIPConfigurations": [{"name": "gateway", "properties": {"subnet": {"id": ReferenceTo(SUBNET, "")}}}],
        }
        for row in self._rows.get("gateway", ()):
            body |= properties(row, COLLECTIONS["properties"])
        for each in COLLECTIONS["properties"].properties:
            if each.form.shape is Shape.CHILDREN:
                found = list(self._children(each.form.collection))
                if found:
                    body[each.name] = found
        return body

    def _children(self, collection: str) -> Iterator[Body]:
        match collection:
            case "frontendIPConfigurations":
                yield from self._frontend_addresses()
            case "frontendPorts":
                for port, name in self._frontends.ports.items():
                    yield {"name": name, "properties": {"port": port}}
            case "customErrorConfigurations":
                yield from self._error_pages(WHOLE_GATEWAY)
            case "rewriteRuleSets":
                yield from self._rewrite_rule_sets()
            case "authenticationCertificates":
                return
            case _:
                for row in self._rows.get(COLLECTIONS[collection].kind, ()):
                    yield self._child(row, row.name)

    def _frontend_addresses(self) -> Iterator[Body]:
        """The first one is public; the product takes a private one beside it."""
        for number, name in enumerate(self._frontends.addresses.values()):
            public = {"publicIPAddress": {"id": ReferenceTo(PUBLIC_ADDRESS, name)}}
            private = {"privateIPAllocationMethod": "Dynamic", "subnet": {"id": ReferenceTo(SUBNET, "")}}
            yield {"name": name, "properties": private if number == 1 else public}

    def _child(self, row: Row, name: str) -> Body:
        collection = BY_KIND[row.kind.name]
        body = properties(row, collection)
        match row.kind.name:
            case "http_listener" | "listener":
                body = self._placed(row) | body
                pages = list(self._error_pages(row.name)) if row.kind.name == "http_listener" else []
                body |= {"customErrorConfigurations": pages} if pages else {}
            case "ssl_certificate":
                body = {"data": SecretText(row.name), "password": SecretText(row.name, is_password=True)}
            case "trusted_client_certificate" | "trusted_root_certificate":
                body = {"data": self._certificates[row.section.title]}
            case _:
                body |= self._inner(row, collection)
        return child(name, collection, body)

    def _inner(self, row: Row, collection: Collection) -> Body:
        """The children of a child, each in a section of its own: path rules."""
        found: Body = {}
        for each in collection.properties:
            inner = COLLECTIONS.get(each.form.collection)
            if each.form.shape is Shape.CHILDREN and inner and inner.kind and inner.within == collection.name:
                found[each.name] = [self._child(part, name) for name, part in self._parts(inner.kind, row.name)]
        return found

    def _parts(self, kind: str, name: str) -> Iterator[tuple[str, Row]]:
        """The sections of a kind whose names begin with that of another, and what follows."""
        for row in self._rows.get(kind, ()):
            beginning, _, rest = row.name.partition("/")
            if beginning == name:
                yield rest, row

    def _rewrite_rule_sets(self) -> Iterator[Body]:
        """Those that have a section of their own, and those that exist by their rules."""
        own = [row.name for row in self._rows.get("rewrite_rule_set", ())]
        names = [row.name.partition("/")[0] for row in self._rows.get("rewrite_rule", ())]
        for name in dict.fromkeys((*own, *names)):
            rules = [self._child(row, rest) for rest, row in self._parts("rewrite_rule", name)]
            yield {"name": name, "properties": {"rewriteRules": rules}}

    def _placed(self, row: Row) -> Body:
        """Where a listener listens."""
        address = self._frontends.addresses[row.get("address")]
        port = self._frontends.ports[row.get("port")]
        return {
            "frontendIPConfiguration": {"id": ReferenceTo("frontendIPConfigurations", address)},
            "frontendPort": {"id": ReferenceTo("frontendPorts", port)},
        }

    def _error_pages(self, scope: str) -> Iterator[Body]:
        """The pages that have a URL: the product takes no others."""
        for status, row in self._parts("custom_error", scope):
            url = row.values.get("custom_error_page_url")
            if url:
                yield {"statusCode": f"HttpStatus{status}", "customErrorPageUrl": url}


def rows_by_kind(rows: Iterable[Row]) -> Rows:
    """Sections by their kind."""
    found: dict[str, tuple[Row, ...]] = {}
    for row in rows:
        found[row.kind.name] = (*found.get(row.kind.name, ()), row)
    return found
