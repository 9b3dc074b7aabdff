"""What becomes of the requests of a rule: an action for every path, by the patterns of its URL path map.

The first pattern of the file that fits a path counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import attrs

from agwtwisted.core.plan.redirects import Redirect
from agwtwisted.core.resources.backend_pools import BackendAddressPool, LoadDistributionPolicy
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    CertificateHeaders,
    PathCertificate,
    RedirectConfiguration,
    RequestRoutingRule,
    UrlPathMap,
)
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.path_patterns import is_prefix, text_of
from agwtwisted.core.rules.rewriting import RewriteRuleSet
from agwtwisted.core.tls.policies import TLS_1_3


@attrs.frozen(kw_only=True, eq=False)
class Action:
    """What becomes of a request: it goes to a pool, by some settings, or is answered with a redirect."""

    rule: str
    path_rule: str = ""  # none: the rule alone, or the defaults of its map
    pool: BackendAddressPool | None = None  # None where a policy distributes requests over several
    policy: LoadDistributionPolicy | None = None
    settings: BackendHttpSettings | None = None
    redirect: Redirect | None = None
    rewrite_rule_set: RewriteRuleSet | None = None
    deny_unless: tuple[Condition, ...] = ()  # of the rule; all must hold of the request as it came
    path_deny_unless: tuple[Condition, ...] = ()  # of the path rule; all must hold of the path that led to it, too
    client_certificate: PathCertificate = PathCertificate.NONE
    certificate_headers: frozenset[CertificateHeaders] = frozenset()  # that the servers get
    fingerprinted: bool = False  # whether these get the fingerprint of the client's TLS, too
    matched_prefix: bytes = b""  # of the path, in lower case: an override path stands in its place
    is_plain: bool = attrs.field(init=False)  # every request goes on as it came

    @is_plain.default
    def _is_plain(self) -> bool:
        asks = self.client_certificate is not PathCertificate.NONE or self.deny_unless or self.path_deny_unless
        rewrites = self.rewrite_rule_set is not None and self.rewrite_rule_set.rules
        changes = self.redirect or rewrites or (self.settings and self.settings.path)
        return not asks and not changes

    @property
    def pools(self) -> tuple[BackendAddressPool, ...]:
        """Every pool whose servers get requests, each once."""
        if self.policy is not None:
            return tuple(dict.fromkeys(target.backend_address_pool for target in self.policy.targets))
        return () if self.pool is None else (self.pool,)


class Route(NamedTuple):
    """A pool that some action leads to, and the settings for it."""

    pool: BackendAddressPool
    settings: BackendHttpSettings


class PolicyRoute(NamedTuple):
    """A policy that some action leads to, and the settings for the servers of all its pools."""

    policy: LoadDistributionPolicy
    settings: BackendHttpSettings


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
        self.only = default if len(self._all) == 1 else None  # that of all paths
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
        if self.only is not None:
            return self.only
        path = b"/" if path == b"*" else path.lower()
        action = self._exact.get(path)
        return self._by_prefix[self._longest(path)] if action is None else action

    def all(self) -> tuple[Action, ...]:
        """Every action once, in the order of the file, the default last."""
        return self._all

    def routes(self) -> tuple[Route, ...]:
        """Every pool that requests may go to with the settings for it, each pair once."""
        routes = (Route(pool, each.settings) for each in self._all if each.settings for pool in each.pools)
        return tuple(dict.fromkeys(routes))

    def policy_routes(self) -> tuple[PolicyRoute, ...]:
        """Every policy that distributes requests with the settings for it, each pair once."""
        routes = (PolicyRoute(each.policy, each.settings) for each in self._all if each.policy and each.settings)
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
                pool=None if rule.load_distribution_policy else rule.backend_address_pool,
                policy=rule.load_distribution_policy,
                settings=rule.backend_http_settings,
                redirect=_redirect(rule.redirect_configuration),
                rewrite_rule_set=rule.rewrite_rule_set,
                deny_unless=rule.deny_unless,
                certificate_headers=_certificate_headers(rule, rule.backend_http_settings),
                fingerprinted=_fingerprinted(rule),
            )
        )
    default = Action(
        rule=rule.name,
        pool=None if url_path_map.default_load_distribution_policy else url_path_map.default_backend_address_pool,
        policy=url_path_map.default_load_distribution_policy,
        settings=url_path_map.default_backend_http_settings,
        redirect=_redirect(url_path_map.default_redirect_configuration),
        rewrite_rule_set=url_path_map.default_rewrite_rule_set,
        deny_unless=rule.deny_unless,
        path_deny_unless=url_path_map.default_deny_unless,
        certificate_headers=_certificate_headers(rule, url_path_map.default_backend_http_settings),
        fingerprinted=_fingerprinted(rule),
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
                    pool=None if path_rule.load_distribution_policy else path_rule.backend_address_pool,
                    policy=path_rule.load_distribution_policy,
                    settings=path_rule.backend_http_settings,
                    redirect=redirect,
                    rewrite_rule_set=path_rule.rewrite_rule_set,
                    deny_unless=rule.deny_unless,
                    path_deny_unless=path_rule.deny_unless,
                    client_certificate=path_rule.client_certificate,
                    certificate_headers=_certificate_headers(rule, path_rule.backend_http_settings),
                    fingerprinted=_fingerprinted(rule),
                    matched_prefix=text_of(pattern),
                ),
            )


def _certificate_headers(
    rule: RequestRoutingRule, settings: BackendHttpSettings | None
) -> frozenset[CertificateHeaders]:
    """The ready-made certificate headers; by default they are on wherever a certificate is asked for."""
    if settings is not None and settings.client_certificate_headers is not None:
        return settings.client_certificate_headers
    profile = rule.http_listener.ssl_profile
    asks = profile is not None and profile.asks
    return frozenset({CertificateHeaders.ON}) if asks else frozenset()


def _fingerprinted(rule: RequestRoutingRule) -> bool:
    """As in the product: with the predefined TLS policies of 2022 and later, and with CustomV2."""
    policy = rule.http_listener.ssl_policy
    return policy is not None and policy.max_version == TLS_1_3


def _redirect(configuration: RedirectConfiguration | None) -> Redirect | None:
    return None if configuration is None else Redirect.of(configuration)
