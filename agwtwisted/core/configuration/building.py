"""From rows to resources: resolves references, and reads TLS policies and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import Place, Problem, shown
from agwtwisted.core.base.texts import did_you_mean
from agwtwisted.core.configuration.coherence import Built, Draft
from agwtwisted.core.resources.backend_pools import BackendAddressPool, LoadDistributionPolicy, LoadDistributionTarget
from agwtwisted.core.resources.certificates import CrlFile
from agwtwisted.core.resources.gateway import Control, Gateway
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    BackendSettings,
    CustomError,
    HttpListener,
    Listener,
    PathRule,
    Probe,
    Protocol,
    RedirectConfiguration,
    RequestRoutingRule,
    RoutingRule,
    SslProfile,
    StreamProtocol,
    UrlPathMap,
)
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.rewriting import RewriteRuleSet
from agwtwisted.core.sections import rewrite_rules
from agwtwisted.core.sections.backend_keys import backend_port, probe_fields
from agwtwisted.core.sections.control_keys import OFF
from agwtwisted.core.sections.ini import Section
from agwtwisted.core.sections.names import WHOLE_GATEWAY
from agwtwisted.core.sections.revocation_keys import STORE_FILES
from agwtwisted.core.sections.rule_keys import CUSTOM_ERROR_STATUSES, END_KEYS
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.settings import Row, SectionReference, beside
from agwtwisted.core.sections.sources import Sources
from agwtwisted.core.sections.tls_keys import client_auth, tls_policy
from agwtwisted.core.tls import policies
from agwtwisted.core.tls.policies import TlsPolicy


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
    _default_http2: bool = False

    def build(self, system_roots: Callable[[], frozenset[bytes]] = frozenset) -> Draft:
        """Every resource, each kind after those it refers to; `system_roots` as `config.parse` has them."""
        gateway = self._gateway()
        self._default_policy = gateway.ssl_policy if gateway else None
        self._default_http2 = gateway is not None and gateway.enable_http2
        built = {kind: tuple(self._built(kind, make)) for kind, make in self._makers().items()}
        return Draft(
            gateway=gateway,
            rows={kind: tuple(rows.values()) for kind, rows in self.rows.items()},
            profiles=built["ssl_profile"],
            listeners=built["http_listener"],
            rules=built["request_routing_rule"],
            redirects=built["redirect_configuration"],
            custom_errors=built["custom_error"],
            rewrite_rule_sets=tuple(filter(None, map(self._rewrite_rule_set, self._names("rewrite_rule_set")))),
            relayed_listeners=built["listener"],
            relay_rules=built["routing_rule"],
            system_roots=cache(system_roots),  # to read them takes its time
            now=self.sources.now,
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
            "trusted_root_certificate": self.sources.trusted_root_certificate,
            "ssl_profile": self._ssl_profile,
            "http_listener": self._http_listener,
            "listener": self._listener,
            "backend_address_pool": lambda row: BackendAddressPool(name=row.name, **row.fields()),
            "load_distribution_target": self._load_distribution_target,
            "load_distribution_policy": self._load_distribution_policy,
            "probe": lambda row: Probe(name=row.name, **probe_fields(row)),
            "backend_http_settings": self._backend_http_settings,
            "rewrite_rule": rewrite_rules.rewrite_rule,
            "rewrite_rule_set": lambda row: self._rewrite_rule_set(row.name),
            "backend_settings": self._backend_settings,
            "redirect_configuration": self._redirect_configuration,
            "path_rule": self._path_rule,
            "url_path_map": self._url_path_map,
            "custom_error": self._custom_error,
            "request_routing_rule": self._request_routing_rule,
            "routing_rule": self._routing_rule,
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
        policy = tls_policy(row) or policies.predefined(policies.DEFAULT)
        if isinstance(policy, str):
            return None
        fields = row.fields() | {"ssl_policy": policy}
        for key in ("access_log", "state_directory", *STORE_FILES):
            if fields.get(key, "-") != "-":
                fields[key] = row.file_at(key)
        return Gateway(**fields) if self.sources.store_files(row) else None

    def control(self) -> Control | None:
        """The section [control], where there is one."""
        row = next(iter(self.rows["control"].values()), None)
        if row is None:
            return None
        fields = row.fields()
        if fields.get("socket", OFF) != OFF:
            fields["socket"] = row.file_at("socket")
        if "token_file" in fields:
            fields["token_file"] = row.file_at("token_file")
        return Control(**fields)

    def _ssl_profile(self, row: Row) -> SslProfile | None:
        policy = tls_policy(row) or self._default_policy
        references = row.get("trusted_client_certificates")
        trusted = tuple(self._resource(row, "trusted_client_certificates", each) for each in references)
        if policy is None or isinstance(policy, str) or _LOST in trusted:
            return None
        fields = row.fields() | {"trusted_client_certificates": trusted, "ssl_policy": policy}
        fields["crl_files"] = tuple(
            CrlFile(path=beside(row.place("crl_files").file, each)) for each in row.get("crl_files")
        )
        return SslProfile(name=row.name, client_auth=client_auth(row), **fields)

    def _http_listener(self, row: Row) -> HttpListener | None:
        fields = self._listener_fields(row)
        if fields is None:
            return None
        if row.get("protocol") is Protocol.HTTP or row.unset("host_names"):
            fields.pop("require_server_name_indication", None)
        http2 = row.get("protocol") is Protocol.HTTPS and fields.get("enable_http2", self._default_http2)
        return HttpListener(name=row.name, http2=http2, **fields)

    def _listener(self, row: Row) -> Listener | None:
        fields = self._listener_fields(row)
        return None if fields is None else Listener(name=row.name, **fields)

    def _listener_fields(self, row: Row) -> dict[str, Any] | None:
        certificate, profile = self._found(row, "ssl_certificate"), self._found(row, "ssl_profile")
        if row.refused or _LOST in (certificate, profile):
            return None
        policy = profile.ssl_policy if profile else self._default_policy
        if row.get("protocol") in (Protocol.HTTP, StreamProtocol.TCP):
            policy = None
        elif policy is None:
            return None
        return row.fields() | {"ssl_certificate": certificate, "ssl_profile": profile, "ssl_policy": policy}

    def _load_distribution_target(self, row: Row) -> LoadDistributionTarget | None:
        found = self._all_found(row, "backend_address_pool")
        policy, _, name = row.name.partition("/")
        if not self._exists(row, "", SectionReference(kind="load_distribution_policy", name=policy)) or found is None:
            return None
        return LoadDistributionTarget(name=name, **found)

    def _load_distribution_policy(self, row: Row) -> LoadDistributionPolicy | None:
        targets = self._parts("load_distribution_target", row)
        return None if _LOST in targets else LoadDistributionPolicy(name=row.name, targets=targets, **row.fields())

    def _parts(self, kind: str, row: Row) -> tuple[Any, ...]:
        """What the sections ``[kind NAME/...]`` describe, in the order of the file; _LOST where one is none."""
        names = [name for name in self.rows[kind] if name.partition("/")[0] == row.name]
        return tuple(self._resources.get((kind, name), _LOST) for name in names)

    def _backend_http_settings(self, row: Row) -> BackendHttpSettings | None:
        roots = self._roots(row)
        certificate, probe = self._found(row, "client_ssl_certificate"), self._found(row, "probe")
        if row.refused or _LOST in (certificate, probe, *roots):
            return None
        fields = row.fields() | {
            "trusted_root_certificates": roots,
            "client_ssl_certificate": certificate,
            "probe": probe,
        }
        return BackendHttpSettings(name=row.name, **{"port": backend_port(row)} | fields)

    def _redirect_configuration(self, row: Row) -> RedirectConfiguration | None:
        found = self._all_found(row, "target_listener")
        if found is None or row.unset("target_listener") == row.unset("target_url"):
            return None
        names = found["target_listener"].host_names if found["target_listener"] else ()
        if len(names) > 1 or any(each in name for name in names for each in "*?"):
            message = (
                f"http_listener {found['target_listener'].name} has several host names or a wildcard, so the host of"
                " the redirect is ambiguous: use target_url"
            )
            self.problems.append(row.problem(message, key="target_listener"))
            return None
        return RedirectConfiguration(name=row.name, **found)

    def _path_rule(self, row: Row) -> PathRule | None:
        found = self._all_found(row, *END_KEYS, "rewrite_rule_set")
        map_name, _, name = row.name.partition("/")
        if not self._exists(row, "", SectionReference(kind="url_path_map", name=map_name)) or found is None:
            return None
        return PathRule(name=name, deny_unless=_conditions(row, "deny_unless"), **found)

    def _url_path_map(self, row: Row) -> UrlPathMap | None:
        found = self._all_found(row, *(f"default_{key}" for key in (*END_KEYS, "rewrite_rule_set")))
        path_rules = self._parts("path_rule", row)
        if found is None or _LOST in path_rules:
            return None
        conditions = _conditions(row, "default_deny_unless")
        return UrlPathMap(name=row.name, path_rules=path_rules, default_deny_unless=conditions, **found)

    def _custom_error(self, row: Row) -> CustomError | None:
        page = self.sources.custom_error(row) if row.get("file") else b""
        scope, _, status = row.name.partition("/")
        listener = "" if scope == WHOLE_GATEWAY else scope
        exists = not listener or self._exists(row, "", SectionReference(kind="http_listener", name=listener))
        if page is None or not exists or status not in CUSTOM_ERROR_STATUSES:
            return None
        return CustomError(listener=listener, status=int(status), page=page)

    def _request_routing_rule(self, row: Row) -> RequestRoutingRule | None:
        found = self._all_found(row, "http_listener", "url_path_map", "rewrite_rule_set", *END_KEYS)
        if found is None:
            return None
        if found["url_path_map"] is not None:
            found |= dict.fromkeys(END_KEYS)
        return RequestRoutingRule(name=row.name, deny_unless=_conditions(row, "deny_unless"), **found)

    def _all_found(self, row: Row, *keys: str) -> dict[str, Any] | None:
        """The section's values with, for these keys, the resources that they name; None where one of them is lost."""
        found = {key: self._found(row, key) for key in keys}
        return None if row.refused or _LOST in found.values() else row.fields() | found

    def _rewrite_rule_set(self, name: str) -> RewriteRuleSet | None:
        """The rules of one set; None, with problems about the rules, where one of them could not be built."""
        place = ("rewrite_rule_set", name)
        if place not in self._resources:
            names = [row.name for row in self.rows["rewrite_rule"].values() if rewrite_rules.set_name(row) == name]
            rules = [self._resources.get(("rewrite_rule", each)) for each in names]
            self._resources[place] = None if None in rules else RewriteRuleSet.of(name, filter(None, rules))
        found: RewriteRuleSet | None = self._resources[place]
        return found

    def _roots(self, row: Row) -> tuple[Any, ...]:
        """The roots that backend settings trust, _LOST in the place of one that is none."""
        key = "trusted_root_certificates"
        return tuple(self._resource(row, key, each) for each in row.get(key))

    def _backend_settings(self, row: Row) -> BackendSettings | None:
        roots, probe = self._roots(row), self._found(row, "probe")
        if row.refused or _LOST in (probe, *roots):
            return None
        return BackendSettings(name=row.name, **row.fields() | {"trusted_root_certificates": roots, "probe": probe})

    def _routing_rule(self, row: Row) -> RoutingRule | None:
        ends = {key: self._found(row, key) for key in ("listener", "backend_address_pool", "backend_settings")}
        if row.refused or _LOST in ends.values():
            return None
        return RoutingRule(name=row.name, **row.fields() | ends)

    def _found(self, row: Row, key: str) -> Any:
        """The resource that a key names; None where the key is unset, _LOST where there is none."""
        reference = row.get(key)
        return None if reference is None else self._resource(row, key, reference)

    def _resource(self, row: Row, key: str, reference: SectionReference) -> Any:
        if not self._exists(row, key, reference):
            return _LOST
        if reference.kind == "rewrite_rule_set":
            return self._rewrite_rule_set(reference.name) or _LOST
        return self._resources.get((reference.kind, reference.name), _LOST)

    def _exists(self, row: Row, key: str, reference: SectionReference) -> bool:
        """Whether there is such a section; if not, a problem says so."""
        names = self._names(reference.kind)
        if reference.name not in names:
            message = f"there is no {reference.kind} {shown(reference.name)}{_instead(reference.name, names)}"
            self.problems.append(row.problem(message, key=key, code="InvalidResourceReference"))
        return reference.name in names

    def _names(self, kind: str) -> Iterable[str]:
        """What can be referred to: sections, and sets of them."""
        if kind == "rewrite_rule_set":
            sets = map(rewrite_rules.set_name, self.rows["rewrite_rule"].values())
            return dict.fromkeys([*self.rows["rewrite_rule_set"], *sets])
        return self.rows[kind]


MOST_NAMES: Final = 10
"""Names that a message lists."""


def _instead(name: str, names: Iterable[str]) -> str:
    """The end of a message about a name that no section has: a similar one, and which there are."""
    every = list(names)
    if not every:
        return ": there are none"
    near = did_you_mean(name, every)
    if near and len(every) == 1:
        return near
    rest = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    there = "there is only" if len(every) == 1 else "there are"
    return f"{near}; {there} {', '.join(every[:MOST_NAMES])}{rest}"


def _conditions(row: Row, family: str) -> tuple[Condition, ...]:
    """The conditions of a section that a request must meet."""
    return tuple(row.family(family).values())


def _no_gateway(file: str) -> Row:
    """The section [gateway] of a file that has none."""
    section = Section(kind="gateway", place=Place(file=file))
    return Row(section=section, kind=KINDS["gateway"], values={}, refused=frozenset())
