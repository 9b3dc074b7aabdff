"""Which site answers to a name, and where its requests go.

One function decides for SNI and for Host, so that the TLS policy and the route of a request come from one decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from agwtwisted.core.resources import (
    BackendAddressPool,
    BackendHttpSettings,
    Config,
    HttpListener,
    RequestRoutingRule,
    SslProfile,
)


@attrs.frozen(kw_only=True, eq=False)
class Site:
    """What one host name on one port selects: a listener, and the rule that routes its requests."""

    listener: HttpListener
    rule: RequestRoutingRule

    @property
    def profile(self) -> SslProfile | None:
        """The SSL profile, None where the listener has none."""
        return self.listener.ssl_profile

    @property
    def pool(self) -> BackendAddressPool:
        """Where requests go."""
        return self.rule.backend_address_pool

    @property
    def settings(self) -> BackendHttpSettings:
        """How requests go there."""
        return self.rule.backend_http_settings


@attrs.frozen
class _Wildcard:
    pattern: re.Pattern[str]
    site: Site


@attrs.frozen(eq=False)
class Sites:
    """The sites of one address and port."""

    exact: dict[str, Site]
    wildcards: tuple[_Wildcard, ...]
    basic: Site | None

    @classmethod
    def of(cls, sites: Iterable[Site]) -> Sites:
        """Sorts sites for `select`; those with longer wildcards come before shorter ones."""
        exact: dict[str, Site] = {}
        wildcards: list[tuple[int, _Wildcard]] = []
        basic = None
        for site in sites:
            if not site.listener.host_names:
                basic = site
            for name in site.listener.host_names:
                if "*" in name or "?" in name:
                    wildcards.append((-len(name), _Wildcard(_wildcard_pattern(name), site)))
                else:
                    exact[name] = site
        wildcards.sort(key=lambda entry: entry[0])  # stable: of equal length, the first of the file
        return cls(exact, tuple(wildcard for _, wildcard in wildcards), basic)

    def all(self) -> tuple[Site, ...]:
        """Every site once, the basic one first."""
        named = [*self.exact.values(), *(wildcard.site for wildcard in self.wildcards)]
        return tuple(dict.fromkeys([self.basic, *named] if self.basic else named))

    def select(self, name: str) -> Site | None:
        """The site for a host name: exact name, then longest wildcard, then the basic listener.

        The name may be in any case and end in a dot; "" stands for no name.
        """
        name = name.lower().removesuffix(".")
        site = self.exact.get(name)
        if site is not None:
            return site
        for wildcard in self.wildcards:
            if wildcard.pattern.fullmatch(name):
                return wildcard.site
        return self.basic


def _wildcard_pattern(name: str) -> re.Pattern[str]:
    """``*`` stands for any characters, ``?`` for one; as at the product ``*.contoso.com`` takes ``a.b.contoso.com``."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character, re.escape(character)) for character in name))


def ports_of(config: Config) -> dict[tuple[str, int], Sites]:
    """The sites of every address and port that a configuration listens on."""
    ports: dict[tuple[str, int], list[Site]] = {}
    for rule in sorted(config.request_routing_rules, key=lambda rule: rule.priority):
        listener = rule.http_listener
        ports.setdefault((listener.address, listener.port), []).append(Site(listener=listener, rule=rule))
    return {port: Sites.of(sites) for port, sites in ports.items()}


def ways_of(config: Config) -> tuple[tuple[BackendAddressPool, BackendHttpSettings], ...]:
    """Every pool with the backend settings under which some rule leads to it, each pair once."""
    ways = {
        (pool.name, settings.name): (pool, settings)
        for pool, settings in (
            (rule.backend_address_pool, rule.backend_http_settings) for rule in config.request_routing_rules
        )
    }
    return tuple(ways.values())
