"""From rows to resources: references are resolved, TLS policies and files read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core import policies, sections
from agwtwisted.core.coherence import Built, Draft
from agwtwisted.core.errors import Problem, shown
from agwtwisted.core.ini import Section
from agwtwisted.core.policies import TlsPolicy
from agwtwisted.core.resources import (
    BackendAddressPool,
    BackendHttpSettings,
    Gateway,
    HttpListener,
    Probe,
    Protocol,
    RequestRoutingRule,
    SslProfile,
)
from agwtwisted.core.schema import DEFAULT_SSL_POLICY, KINDS
from agwtwisted.core.settings import Reference, Row, did_you_mean
from agwtwisted.core.sources import Sources, beside


class _Lost:
    """In place of a resource that a key names and that could not be built."""


_LOST: Final = _Lost()


@attrs.define(kw_only=True)
class Builder:
    """Builds what it can; each section it cannot build has a problem, here or from an earlier step."""

    file: str
    rows: Mapping[str, Mapping[str, Row]]  # by kind and name
    sources: Sources
    problems: list[Problem] = attrs.Factory(list)
    _resources: dict[tuple[str, str], Any] = attrs.Factory(dict)
    _default_policy: TlsPolicy | None = None

    def build(self) -> Draft:
        """Every resource, each kind after those it refers to."""
        gateway = self._gateway()
        self._default_policy = gateway.ssl_policy if gateway else None
        built = {kind: tuple(self._built(kind, make)) for kind, make in self._makers().items()}
        return Draft(
            gateway=gateway,
            rows={kind: tuple(rows.values()) for kind, rows in self.rows.items()},
            profiles=built["ssl_profile"],
            listeners=built["http_listener"],
            rules=built["request_routing_rule"],
        )

    def unbuilt(self) -> Iterator[Row]:
        """The sections that did not become a resource; call `build` first."""
        for kind in self._makers():
            for name, row in self.rows[kind].items():
                if (kind, name) not in self._resources:
                    yield row

    def _makers(self) -> Mapping[str, Callable[[Row], Any]]:
        return {
            "ssl_certificate": self.sources.ssl_certificate,
            "trusted_client_certificate": self.sources.trusted_client_certificate,
            "ssl_profile": self._ssl_profile,
            "http_listener": self._http_listener,
            "backend_address_pool": lambda row: BackendAddressPool(name=row.name, **row.fields()),
            "probe": lambda row: Probe(name=row.name, **row.fields()),
            "backend_http_settings": self._backend_http_settings,
            "request_routing_rule": self._request_routing_rule,
        }

    def _built(self, kind: str, make: Callable[[Row], Any]) -> Iterator[Built[Any]]:
        """The sections of one kind whose keys were all accepted; of the others, files are read all the same."""
        for row in self.rows[kind].values():
            resource = make(row)
            if resource is not None and not row.refused:
                self._resources[kind, row.name] = resource
                yield Built(row, resource)

    def _gateway(self) -> Gateway | None:
        row = next(iter(self.rows["gateway"].values()), _no_gateway(self.file))
        policy = sections.tls_policy(row) or policies.predefined(DEFAULT_SSL_POLICY)
        if isinstance(policy, str):
            return None
        fields = row.fields() | {"ssl_policy": policy}
        for key in ("access_log", "state_directory"):
            if fields.get(key, "-") != "-":
                fields[key] = beside(self.file, fields[key])
        return Gateway(**fields)

    def _ssl_profile(self, row: Row) -> SslProfile | None:
        policy = sections.tls_policy(row) or self._default_policy
        references = row.get("trusted_client_certificates")
        trusted = tuple(self._resource(row, "trusted_client_certificates", each) for each in references)
        if policy is None or isinstance(policy, str) or _LOST in trusted:
            return None
        fields = row.fields() | {"trusted_client_certificates": trusted, "ssl_policy": policy}
        return SslProfile(name=row.name, client_auth=sections.client_auth(row), **fields)

    def _http_listener(self, row: Row) -> HttpListener | None:
        certificate, profile = self._found(row, "ssl_certificate"), self._found(row, "ssl_profile")
        if row.refused or _LOST in (certificate, profile):
            return None
        policy = profile.ssl_policy if profile else self._default_policy
        if row.get("protocol") is Protocol.HTTP:
            policy = None
        elif policy is None:
            return None
        fields = row.fields() | {"ssl_certificate": certificate, "ssl_profile": profile, "ssl_policy": policy}
        return HttpListener(name=row.name, **fields)

    def _backend_http_settings(self, row: Row) -> BackendHttpSettings | None:
        probe = self._found(row, "probe")
        if row.refused or probe is _LOST:
            return None
        return BackendHttpSettings(name=row.name, **row.fields() | {"probe": probe})

    def _request_routing_rule(self, row: Row) -> RequestRoutingRule | None:
        keys = ("http_listener", "backend_address_pool", "backend_http_settings")
        ends = {key: self._found(row, key) for key in keys}
        if row.refused or _LOST in ends.values():
            return None
        return RequestRoutingRule(name=row.name, **row.fields() | ends)

    def _found(self, row: Row, key: str) -> Any:
        """The resource that a key names; None where the key is unset, _LOST where there is none."""
        reference = row.get(key)
        return None if reference is None else self._resource(row, key, reference)

    def _resource(self, row: Row, key: str, reference: Reference) -> Any:
        names = self.rows[reference.kind]
        if reference.name not in names:
            message = f"there is no {reference.kind} {shown(reference.name)}{did_you_mean(reference.name, names)}"
            self.problems.append(row.problem(message, key=key, code="InvalidResourceReference"))
        return self._resources.get((reference.kind, reference.name), _LOST)


def _no_gateway(file: str) -> Row:
    """The section [gateway] of a file that has none."""
    section = Section(kind="gateway", line=0)
    return Row(file=file, section=section, kind=KINDS["gateway"], values={}, refused=frozenset())
