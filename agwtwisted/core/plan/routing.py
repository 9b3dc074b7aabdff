"""Which site answers to a name, and what becomes of its requests.

One function decides for SNI and for Host, so that the TLS policy and the route of a request come from one decision.
Within a site the path decides, by the patterns of its URL path map in the order of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import attrs

from agwtwisted.core.http.messages import LONGEST_HOST
from agwtwisted.core.plan.actions import Actions, actions_of
from agwtwisted.core.resources.backend_pools import BackendAddressPool
from agwtwisted.core.resources.resources import (
    BackendSettings,
    HttpListener,
    Listener,
    PathCertificate,
    RedirectConfiguration,
    RequestRoutingRule,
    RoutingRule,
    SslProfile,
)


class RelayRoute(NamedTuple):
    """The same of L4."""

    pool: BackendAddressPool
    settings: BackendSettings


def decides_by_path(rule: RequestRoutingRule) -> bool:
    """Whether access depends on the path: by a condition on it, or by the requirements of single path rules."""
    if any(condition.reference.of_path for condition in rule.deny_unless):
        return True
    url_path_map = rule.url_path_map
    return url_path_map is not None and (
        bool(url_path_map.default_deny_unless)
        or any(
            each.deny_unless or each.client_certificate is not PathCertificate.NONE for each in url_path_map.path_rules
        )
    )


def redirects_of(rule: RequestRoutingRule) -> tuple[RedirectConfiguration, ...]:
    """Every redirect that requests of a rule may be answered with, each once."""
    url_path_map = rule.url_path_map
    if url_path_map is None:
        used = [rule.redirect_configuration]
    else:
        used = [each.redirect_configuration for each in url_path_map.path_rules]
        used.append(url_path_map.default_redirect_configuration)
    return tuple(dict.fromkeys(each for each in used if each is not None))


@attrs.frozen(kw_only=True, eq=False)
class Site:
    """What one host name on one port selects: a listener, and the rule that says what becomes of its requests."""

    listener: HttpListener
    rule: RequestRoutingRule
    actions: Actions = attrs.field()  # of the rule
    profile: SslProfile | None = attrs.field(init=False)  # of the listener
    normalises: bool = attrs.field(init=False)  # paths, before they are looked at: `core.http.paths`

    @profile.default
    def _profile(self) -> SslProfile | None:
        return self.listener.ssl_profile

    @actions.default
    def _compiled(self) -> Actions:
        return actions_of(self.rule)

    @normalises.default
    def _decided_by_path(self) -> bool:
        return decides_by_path(self.rule)

    @property
    def requires_name(self) -> bool:
        """Whether only a handshake with its server name (SNI) selects it."""
        return self.listener.require_server_name_indication


@attrs.frozen(kw_only=True, eq=False)
class RelaySite:
    """What one server name on one port of an L4 listener selects."""

    listener: Listener
    rule: RoutingRule

    @property
    def route(self) -> RelayRoute:
        """Where its clients go."""
        return RelayRoute(self.rule.backend_address_pool, self.rule.backend_settings)

    @property
    def profile(self) -> SslProfile | None:
        """The SSL profile, None where the listener has none."""
        return self.listener.ssl_profile

    @property
    def requires_name(self) -> bool:
        """Whether only a handshake with its server name (SNI) selects it: on L4 nothing else distinguishes them."""
        return bool(self.listener.host_names)


AnySite: TypeAlias = Site | RelaySite
S = TypeVar("S", bound=AnySite)


@attrs.frozen
class _Wildcard(Generic[S]):
    pattern: re.Pattern[str]
    ending: str | None  # of a name with one star, in front
    site: S


@attrs.frozen(eq=False)
class NamedSites(Generic[S]):
    """The sites of one address and port."""

    exact: dict[str, S]
    wildcards: tuple[_Wildcard[S], ...]  # the one that counts first comes first
    basic: S | None
    unnamed: S | None  # of a handshake without server name: the basic one, else the first that requires none
    _endings: dict[str, int] = attrs.field(init=False, repr=False)  # of names with one star, in front: their places
    _lengths: tuple[int, ...] = attrs.field(init=False, repr=False)  # of these, the longest first
    _others: tuple[int, ...] = attrs.field(init=False, repr=False)  # the places of the other names

    @_endings.default
    def _places_by_ending(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for place, wildcard in enumerate(self.wildcards):
            if wildcard.ending is not None:
                places.setdefault(wildcard.ending, place)
        return places

    @_lengths.default
    def _lengths_of_endings(self) -> tuple[int, ...]:
        return tuple(sorted({len(ending) for ending in self._endings}, reverse=True))

    @_others.default
    def _places_without_ending(self) -> tuple[int, ...]:
        return tuple(place for place, wildcard in enumerate(self.wildcards) if wildcard.ending is None)

    @classmethod
    def of(cls, sites: Iterable[S]) -> NamedSites[S]:
        """Sorts sites, which come in the order of their priority; longer wildcards come before shorter ones."""
        exact: dict[str, S] = {}
        wildcards: list[tuple[int, _Wildcard[S]]] = []
        basic = unnamed = None
        for site in sites:
            if unnamed is None and not site.requires_name:
                unnamed = site
            if not site.listener.host_names:
                basic = site
            for name in site.listener.host_names:
                if "*" in name or "?" in name:
                    wildcards.append((-len(name), _Wildcard(_wildcard_pattern(name), _ending(name), site)))
                else:
                    exact[name] = site
        wildcards.sort(key=lambda entry: entry[0])  # stable: of equal length, the first of the file
        return cls(exact, tuple(wildcard for _, wildcard in wildcards), basic, basic or unnamed)

    def all(self) -> tuple[S, ...]:
        """Every site once, the basic one first."""
        named = [*self.exact.values(), *(wildcard.site for wildcard in self.wildcards)]
        return tuple(dict.fromkeys([self.basic, *named] if self.basic else named))

    def select(self, name: str) -> S | None:
        """The site for a host name: exact name, then longest wildcard, then the basic listener.

        The name may be in any case and end in a dot; "" stands for no name.
        """
        name = name.lower().removesuffix(".")
        site = self.exact.get(name)
        if site is not None:
            return site
        fit = self.wildcards and len(name) <= LONGEST_HOST and "\n" not in name
        place = self._place(name) if fit else None
        return self.basic if place is None else self.wildcards[place].site

    def of_handshake(self, name: str) -> S | None:
        """The site for the server name of a handshake (SNI); empty where it had none."""
        return self.select(name) if name else self.unnamed

    def _place(self, name: str) -> int | None:
        """The first wildcard that a name fits. Nearly all have one star, in front: they are found by how names end."""
        size = len(name)
        found = None
        for length in self._lengths:
            if length <= size:
                found = self._endings.get(name[size - length :])
                if found is not None:
                    break
        for place in self._others:
            if found is not None and place > found:
                break
            if self.wildcards[place].pattern.fullmatch(name):
                return place
        return found


def _ending(name: str) -> str | None:
    """What follows the star of ``*.contoso.com``, None for a wildcard of another form."""
    ending = name.removeprefix("*")
    return None if ending == name or "*" in ending or "?" in ending else ending


Sites: TypeAlias = NamedSites[Site]


def _wildcard_pattern(name: str) -> re.Pattern[str]:
    """``*`` stands for any characters, ``?`` for one; as at the product ``*.contoso.com`` takes ``a.b.contoso.com``.

    What stands between two stars is looked for once, from the left: where the rest fits behind a later place, it fits
    behind the first one too. So nothing is tried again, and the time is linear in the name.
    """
    first, *others = ["".join("." if each == "?" else re.escape(each) for each in part) for part in name.split("*")]
    if not others:
        return re.compile(first)
    between = "".join(f"(?>.*?{part})" for part in others[:-1])
    return re.compile(f"{first}{between}.*{others[-1]}")
