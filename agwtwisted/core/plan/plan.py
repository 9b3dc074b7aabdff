"""One configuration in force, compiled: which sites are on each port, where requests go, and what all of it is made of.

`core.configuration.parsing.parse` makes a plan from a file, `Plan.of` from the values of a configuration. It is
compiled once; ports, exchanges and backends are made from what stands here, and nothing of it changes. Two plans are
equal where their fingerprints are, whatever file and run each comes from.

A plan is not pickled: it holds private keys and compiled patterns. What can be sent to another process is the bytes of
the files; parsed there, they make a plan with the same fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Generic, TypeAlias

import attrs

from agwtwisted.core.base.errors import Place, Problem, in_order
from agwtwisted.core.plan.actions import Actions, PolicyRoute, Route, actions_of
from agwtwisted.core.plan.fingerprints import Fingerprints
from agwtwisted.core.plan.routing import NamedSites, RelayRoute, RelaySite, S, Site
from agwtwisted.core.resources.backend_pools import BackendAddressPool, LoadDistributionPolicy
from agwtwisted.core.resources.certificates import SslCertificate, TrustedClientCertificate, TrustedRootCertificate
from agwtwisted.core.resources.gateway import Control, Gateway
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    BackendSettings,
    Config,
    HttpListener,
    Listener,
    Probe,
    Protocol,
    RedirectConfiguration,
    RequestRoutingRule,
    RoutingRule,
    SslProfile,
    StreamProtocol,
    UrlPathMap,
)
from agwtwisted.core.rules.rewriting import RewriteRuleSet, identifying_headers

Address: TypeAlias = tuple[str, int]
"""An IP address and a port."""


@attrs.frozen(kw_only=True)
class Origins:
    """Where the sections of a configuration stand, and their keys."""

    file: str = ""
    places: Mapping[str, Mapping[str, Place]] = attrs.Factory(dict)  # by section and key; that of "" is the section's

    def place(self, section: str, key: str = "") -> Place:
        """Where a key stands, or else its section (by its title, ``kind name``), or else the file as a whole."""
        places = self.places.get(section, {})
        return places.get(key) or places.get("") or Place(file=self.file)

    def in_order(self, sections: Iterable[str]) -> tuple[str, ...]:
        """Titles in the order of the configuration; those of sections that do not stand in it first, by their names."""
        order = {title: index for index, title in enumerate(self.places)}
        return tuple(sorted(sections, key=lambda title: (order.get(title, -1), title)))


@attrs.frozen(kw_only=True)
class PortPlan(Generic[S]):
    """One address and port to listen on."""

    address: Address = attrs.field(eq=False)
    sites: NamedSites[S] = attrs.field(eq=False, repr=False)
    encrypted: bool = attrs.field(eq=False)
    fingerprint: str  # of all that its clients meet: limits, listeners, rules and whatever these name
    handshake: str = attrs.field(eq=False)  # the fingerprint of that part from which its TLS contexts are made
    trust: Mapping[S, str] = attrs.field(eq=False, repr=False, factory=dict)
    """By site: the fingerprint of all by which its clients are judged, the SSL profile and the depth of chains.

    Empty where they are not.
    """

    @property
    def number(self) -> int:
        """The port's number."""
        return self.address[1]


@attrs.frozen(kw_only=True)
class Plan:
    """A configuration, compiled. All values in it are its own: they are found by identity, too."""

    fingerprint: str
    config: Config = attrs.field(eq=False, repr=False)
    http_ports: Mapping[Address, PortPlan[Site]] = attrs.field(eq=False, repr=False)
    relay_ports: Mapping[Address, PortPlan[RelaySite]] = attrs.field(eq=False, repr=False)
    routes: tuple[Route, ...] = attrs.field(eq=False, repr=False)
    """Every pool that some rule of HTTP leads to with the settings for it, each pair once."""
    policy_routes: tuple[PolicyRoute, ...] = attrs.field(eq=False, repr=False)
    """The same of load distribution policies, whose pools are among `routes`."""
    relay_routes: tuple[RelayRoute, ...] = attrs.field(eq=False, repr=False)
    """The same of L4."""
    identifying_headers: frozenset[bytes] = attrs.field(eq=False, repr=False)
    """The canonical names of headers by which rewrite rules identify the client to backends."""
    fingerprints: Mapping[str, str] = attrs.field(eq=False, repr=False)
    """Of everything that is in use, by the title of its section: ``ssl_profile devices``.

    That of a thing has those of all that it names in it: that of a rule is the fingerprint of its site.
    """
    origins: Origins = attrs.field(eq=False, repr=False)

    @classmethod
    def of(
        cls,
        config: Config,
        actions: Mapping[RequestRoutingRule, Actions] | None = None,
        origins: Origins = Origins(),
    ) -> Plan:
        """Compiles a valid configuration; `actions` are those of its rules where they are compiled already."""
        compiled = {rule: actions_of(rule) for rule in config.request_routing_rules} if actions is None else actions
        fingerprints = Fingerprints()
        sites = [
            Site(listener=rule.http_listener, rule=rule, actions=compiled[rule])
            for rule in sorted(config.request_routing_rules, key=lambda rule: rule.priority)
        ]
        relay_sites = [
            RelaySite(listener=rule.listener, rule=rule)
            for rule in sorted(config.routing_rules, key=lambda rule: rule.priority)
        ]
        identifying = identifying_headers(config.rewrite_rule_sets)
        ports = _Ports(config, identifying, fingerprints)
        named = {title: fingerprints.of(value) for title, value in in_use(config).items()}
        routes = [route for rule in config.request_routing_rules for route in compiled[rule].routes()]
        policies = [route for rule in config.request_routing_rules for route in compiled[rule].policy_routes()]
        return cls(
            fingerprint=fingerprints.of(frozenset((*named.items(), *config.custom_errors))),
            config=config,
            http_ports=ports.of(sites),
            relay_ports=ports.of(relay_sites),
            routes=tuple({(pool.name, settings.name): Route(pool, settings) for pool, settings in routes}.values()),
            policy_routes=tuple({(each.policy.name, each.settings.name): each for each in policies}.values()),
            relay_routes=tuple(dict.fromkeys(site.route for site in relay_sites)),
            identifying_headers=identifying,
            fingerprints=named,
            origins=origins,
        )

    @property
    def gateway(self) -> Gateway:
        """The section [gateway]."""
        return self.config.gateway

    @property
    def ports(self) -> tuple[PortPlan[Any], ...]:
        """Those of HTTP, and then those of L4."""
        return (*self.http_ports.values(), *self.relay_ports.values())

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every address and port to be bound."""
        return (*self.http_ports, *self.relay_ports)

    def warned_of(self, warnings: Iterable[Problem]) -> Plan:
        """The same plan, with further warnings."""
        found = in_order((*self.config.warnings, *warnings), self.origins.file)
        return attrs.evolve(self, config=attrs.evolve(self.config, warnings=found))

    def listener_at(self, address: Address) -> str:
        """The title of the first section that wants this address and port; empty where none does."""
        served = self.config.served
        return next((title_of(each) for each in served if (each.address, each.port) == address), "")


class _Ports:
    """Puts sites together that share an address and port."""

    def __init__(self, config: Config, identifying: frozenset[bytes], fingerprints: Fingerprints) -> None:
        self._gateway = config.gateway
        self._pages = config.custom_errors
        self._identifying = identifying
        self._fingerprints = fingerprints

    def of(self, sites: Iterable[S]) -> dict[Address, PortPlan[S]]:
        """The ports of sites that come in the order of their priority."""
        found: dict[Address, list[S]] = {}
        for site in sites:
            found.setdefault((site.listener.address, site.listener.port), []).append(site)
        return {address: self._port(address, sites) for address, sites in found.items()}

    def _port(self, address: Address, sites: list[S]) -> PortPlan[S]:
        names = {"", *(site.listener.name for site in sites)}
        pages = frozenset(page for page in self._pages if page.listener in names)
        all_of_it = (*address, self._gateway, self._identifying, pages, *((site.listener, site.rule) for site in sites))
        depth = self._gateway.max_client_chain_depth
        return PortPlan(
            address=address,
            sites=NamedSites.of(sites),
            encrypted=sites[0].listener.protocol in (Protocol.HTTPS, StreamProtocol.TLS),
            fingerprint=self._fingerprints.of(all_of_it),
            handshake=self._fingerprints.of((depth, *(site.listener for site in sites))),
            trust={site: self._fingerprints.of((depth, site.profile)) if site.profile else "" for site in sites},
        )


def in_use(config: Config) -> dict[str, Any]:
    """Every resource that something in force is made of, by the title of its section."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    left: list[Any] = [config]
    while left:
        value = left.pop()
        if isinstance(value, tuple):
            left += value
        elif attrs.has(type(value)) and id(value) not in seen:
            seen.add(id(value))
            if title := title_of(value):
                found[title] = value
            left += (getattr(value, field.name) for field in attrs.fields(type(value)))
    return found


def title_of(value: Any) -> str:
    """What stands between the brackets of a resource's section; empty for what is no resource with one of its own."""
    kind = _KINDS.get(type(value))
    return "" if kind is None else f"{kind} {getattr(value, 'name', '')}".rstrip()


_KINDS: Final[Mapping[type, str]] = {
    Gateway: "gateway",
    Control: "control",
    SslCertificate: "ssl_certificate",
    TrustedClientCertificate: "trusted_client_certificate",
    TrustedRootCertificate: "trusted_root_certificate",
    SslProfile: "ssl_profile",
    HttpListener: "http_listener",
    Listener: "listener",
    BackendAddressPool: "backend_address_pool",
    LoadDistributionPolicy: "load_distribution_policy",
    Probe: "probe",
    BackendHttpSettings: "backend_http_settings",
    BackendSettings: "backend_settings",
    RewriteRuleSet: "rewrite_rule_set",
    RedirectConfiguration: "redirect_configuration",
    UrlPathMap: "url_path_map",
    RequestRoutingRule: "request_routing_rule",
    RoutingRule: "routing_rule",
}
"""Resources with fingerprints of their own. Path rules, rewrite rules and targets of policies are parts of others."""
