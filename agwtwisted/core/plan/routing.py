"""Which site answers to a name, and what becomes of its requests.

One function decides for SNI and for Host, so that the TLS policy and the route of a request come from one decision.
Within a site the path decides, by the patterns of its URL path map in the order of the file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import attrs

from agwtwisted.core.http.messages import LONGEST_HOST
from agwtwisted.core.plan.redirects import Redirect
from agwtwisted.core.resources.resources import (
    BackendAddressPool,
    BackendHttpSettings,
    BackendSettings,
    CertificateHeaders,
    HttpListener,
    Listener,
    PathCertificate,
    RedirectConfiguration,
    RequestRoutingRule,
    RoutingRule,
    SslProfile,
    UrlPathMap,
)
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.path_patterns import is_prefix, text_of
from agwtwisted.core.rules.rewriting import RewriteRuleSet


@attrs.frozen(kw_only=True, eq=False)
class Action:
    """What becomes of a request: it goes to a pool, by some settings, or is answered with a redirect."""

    rule: str
    path_rule: str = ""  # none: the rule alone, or the defaults of its map
    pool: BackendAddressPool | None = None
    settings: BackendHttpSettings | None = None
    redirect: Redirect | None = None
    rewrite_rule_set: RewriteRuleSet | None = None
    deny_unless: tuple[Condition, ...] = ()  # of the rule; all must hold of the request as it came
    path_deny_unless: tuple[Condition, ...] = ()  # of the path rule; all must hold of the path that led to it, too
    client_certificate: PathCertificate = PathCertificate.NONE
    certificate_headers: frozenset[CertificateHeaders] = frozenset()  # that the servers get
    matched_prefix: bytes = b""  # of the path, in lower case: an override path stands in its place
    is_plain: bool = attrs.field(init=False)  # every request goes on as it came

    @is_plain.default
    def _is_plain(self) -> bool:
        asks = self.client_certificate is not PathCertificate.NONE or self.deny_unless or self.path_deny_unless
        rewrites = self.rewrite_rule_set is not None and self.rewrite_rule_set.rules
        changes = self.redirect or rewrites or (self.settings and self.settings.path)
        return not asks and not changes


class Route(NamedTuple):
    """A pool that some action leads to, and the settings for it."""

    pool: BackendAddressPool
    settings: BackendHttpSettings


class RelayRoute(NamedTuple):
    """The same of L4."""

    pool: BackendAddressPool
    settings: BackendSettings


class Actions:
    """The actions of a site, one for every path.

    Of those patterns that fit a path, the first of the file counts. That is found without trying them one by one: exact
    paths in a dictionary, prefixes in sorted order. In that order the last prefix that is not greater than a path has,
    among its own prefixes and itself, all that the path begins with; each knows the next shorter one, and which pattern
    of the file comes first for what begins with it.

    Args:
        default: of the paths that no pattern fits.
        patterns: with their actions, in the order of the file.
    """

    def __init__(self, default: Action, patterns: Iterable[tuple[str, Action]] = ()) -> None:
        self.default = default
        listed = list(patterns)
        self._all = tuple(dict.fromkeys([*(action for _, action in listed), default]))
        ranked = [action for _, action in listed] + [default]
        first: dict[bytes, int] = {b"": len(listed)}  # by prefix: the place in the file of the pattern that counts
        exact: dict[bytes, int] = {}
        for rank, (pattern, _) in enumerate(listed):
            (first if is_prefix(pattern) else exact).setdefault(text_of(pattern), rank)
        self._prefixes = sorted(first)
        self._shorter = _next_shorter(self._prefixes)
        for prefix, shorter in zip(self._prefixes[1:], self._shorter[1:], strict=True):
            first[prefix] = min(first[prefix], first[self._prefixes[shorter]])
        self._by_prefix = [ranked[first[prefix]] for prefix in self._prefixes]
        self._exact = {
            path: ranked[rank] for path, rank in exact.items() if rank < first[self._prefixes[self._longest(path)]]
        }

    def for_path(self, path: bytes) -> Action:
        """The action for a path without its query; ``*``, which asks about the server as a whole, is that of ``/``."""
        if len(self._all) == 1:
            return self.default
        path = b"/" if path == b"*" else path.lower()
        action = self._exact.get(path)
        return self._by_prefix[self._longest(path)] if action is None else action

    def all(self) -> tuple[Action, ...]:
        """Every action once, in the order of the file, the default last."""
        return self._all

    def routes(self) -> tuple[Route, ...]:
        """Every pool that requests may go to with the settings for it, each pair once."""
        routes = (Route(action.pool, action.settings) for action in self._all if action.pool and action.settings)
        return tuple(dict.fromkeys(routes))

    def _longest(self, path: bytes) -> int:
        """The index of the longest prefix that a path, in lower case, begins with."""
        index = bisect_right(self._prefixes, path) - 1
        while not path.startswith(self._prefixes[index]):
            index = self._shorter[index]
        return index


def _next_shorter(prefixes: list[bytes]) -> list[int]:
    """Of each of the sorted prefixes, the first being empty, the index of the longest other one that it begins with."""
    shorter = [0]
    above = [0]
    for index, prefix in enumerate(prefixes[1:], start=1):
        while not prefix.startswith(prefixes[above[-1]]):
            above.pop()
        shorter.append(above[-1])
        above.append(index)
    return shorter


def actions_of(rule: RequestRoutingRule) -> Actions:
    """The actions of a rule, compiled: once for each configuration, whose `Draft` and `Plan` have them."""
    url_path_map = rule.url_path_map
    if url_path_map is None:
        return Actions(
            Action(
                rule=rule.name,
                pool=rule.backend_address_pool,
                settings=rule.backend_http_settings,
                redirect=_redirect(rule.redirect_configuration),
                rewrite_rule_set=rule.rewrite_rule_set,
                deny_unless=rule.deny_unless,
                certificate_headers=_certificate_headers(rule, rule.backend_http_settings),
            )
        )
    default = Action(
        rule=rule.name,
        pool=url_path_map.default_backend_address_pool,
        settings=url_path_map.default_backend_http_settings,
        redirect=_redirect(url_path_map.default_redirect_configuration),
        rewrite_rule_set=url_path_map.default_rewrite_rule_set,
        deny_unless=rule.deny_unless,
        path_deny_unless=url_path_map.default_deny_unless,
        certificate_headers=_certificate_headers(rule, url_path_map.default_backend_http_settings),
    )
    return Actions(default, _of_patterns(rule, url_path_map))


def _of_patterns(rule: RequestRoutingRule, url_path_map: UrlPathMap) -> Iterator[tuple[str, Action]]:
    for path_rule in url_path_map.path_rules:
        redirect = _redirect(path_rule.redirect_configuration)
        for pattern in path_rule.paths:
            yield (
                pattern,
                Action(
                    rule=rule.name,
                    path_rule=path_rule.name,
                    pool=path_rule.backend_address_pool,
                    settings=path_rule.backend_http_settings,
                    redirect=redirect,
                    rewrite_rule_set=path_rule.rewrite_rule_set,
                    deny_unless=rule.deny_unless,
                    path_deny_unless=path_rule.deny_unless,
                    client_certificate=path_rule.client_certificate,
                    certificate_headers=_certificate_headers(rule, path_rule.backend_http_settings),
                    matched_prefix=text_of(pattern),
                ),
            )


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


def _certificate_headers(
    rule: RequestRoutingRule, settings: BackendHttpSettings | None
) -> frozenset[CertificateHeaders]:
    """The ready-made certificate headers; by default they are on wherever a certificate is asked for."""
    if settings is not None and settings.client_certificate_headers is not None:
        return settings.client_certificate_headers
    profile = rule.http_listener.ssl_profile
    asks = profile is not None and profile.asks
    return frozenset({CertificateHeaders.ON}) if asks else frozenset()


def _redirect(configuration: RedirectConfiguration | None) -> Redirect | None:
    return None if configuration is None else Redirect.of(configuration)


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
