"""Where requests go, as an operator wants to see it: rules, their maps and redirects, access, rewrite rule sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import table as rendered
from agwtwisted.core.base.tables import table_if_any
from agwtwisted.core.operations.masking import masked, masked_condition
from agwtwisted.core.plan.actions import actions_of
from agwtwisted.core.plan.routing import redirects_of
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool, LoadDistributionPolicy
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    BackendSettings,
    Config,
    PathCertificate,
    RedirectConfiguration,
    RequestRoutingRule,
    UrlPathMap,
)
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.rewriting import RewriteRule, RewriteRuleSet

T = TypeVar("T")


def tables(config: Config) -> Iterator[str]:
    """The tables, those that would be empty left out."""
    maps = distinct(rule.url_path_map for rule in config.request_routing_rules)
    yield _rules(config)
    yield from map(_url_path_map, maps)
    yield from _policies(config)
    yield from _redirects(config)
    yield from _custom_errors(config)
    yield from _access(config)
    yield from _rewrite_rule_sets(config)


def server_place(backend: BackendAddress, settings: BackendHttpSettings | BackendSettings) -> str:
    """Where a server of a pool is asked."""
    return address_and_port(backend.host, settings.port if backend.port is None else backend.port)


def address_and_port(host: str, port: int) -> str:
    """``127.0.0.1:80``, ``[::1]:80``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def distinct(values: Iterable[T | None]) -> tuple[T, ...]:
    """Each value once, in order, without None."""
    return tuple(dict.fromkeys(_without_none(values)))


def _without_none(values: Iterable[T | None]) -> Iterator[T]:
    return (value for value in values if value is not None)


def _rules(config: Config) -> str:
    heads = ("PRIORITY", "RULE", "LISTENER", "POOL", "BACKEND ADDRESSES", "SETTINGS")
    rules = sorted(config.request_routing_rules, key=lambda rule: rule.priority)
    return table_if_any("Request routing rules", heads, [_rule_row(rule) for rule in rules])


def _rule_row(rule: RequestRoutingRule) -> tuple[str, ...]:
    url_path_map = rule.url_path_map
    if url_path_map is not None:
        end: tuple[str, ...] = (f"URL path map {url_path_map.name}", "", "")
    else:
        end = _end(
            rule.backend_address_pool,
            rule.load_distribution_policy,
            rule.backend_http_settings,
            rule.redirect_configuration,
        )
    return (str(rule.priority), rule.name, rule.http_listener.name, *end)


def _end(
    pool: BackendAddressPool | None,
    policy: LoadDistributionPolicy | None,
    settings: BackendHttpSettings | None,
    redirect: RedirectConfiguration | None,
) -> tuple[str, str, str]:
    """Where requests go: three cells."""
    if settings is None or (pool is None and policy is None):
        return (f"redirect {redirect.name}" if redirect else "-", "", "")
    if policy is not None:
        pools = [target.backend_address_pool for target in policy.targets]
        name = f"load distribution policy {policy.name}"
    else:
        pools, name = ([], "") if pool is None else ([pool], pool.name)
    servers = dict.fromkeys(server_place(each, settings) for each_pool in pools for each in each_pool.backend_addresses)
    return name, "\n".join(servers) or "(none: 502)", settings.name


def _policies(config: Config) -> Iterator[str]:
    """The policies that are used, with their targets."""
    routes = [route for rule in config.request_routing_rules for route in actions_of(rule).policy_routes()]
    heads = ("POLICY", "ALGORITHM", "TARGET", "POOL", "WEIGHT PER SERVER")
    rows = [
        (
            policy.name,
            policy.load_distribution_algorithm.value,
            target.name,
            target.backend_address_pool.name,
            str(target.weight_per_server),
        )
        for policy in distinct(route.policy for route in routes)
        for target in policy.targets
    ]
    if rows:
        yield rendered("Load distribution policies", heads, rows)


def _url_path_map(url_path_map: UrlPathMap) -> str:
    """The path rules of a map in the order in which they are looked at."""
    heads = ("PATHS", "PATH RULE", "POOL", "BACKEND ADDRESSES", "SETTINGS", "REWRITES", "CLIENT CERTIFICATE")
    rows = [
        (
            "\n".join(rule.paths),
            rule.name,
            *_end(
                rule.backend_address_pool,
                rule.load_distribution_policy,
                rule.backend_http_settings,
                rule.redirect_configuration,
            ),
            _name(rule.rewrite_rule_set),
            "-" if rule.client_certificate is PathCertificate.NONE else rule.client_certificate.value,
        )
        for rule in url_path_map.path_rules
    ]
    default = _end(
        url_path_map.default_backend_address_pool,
        url_path_map.default_load_distribution_policy,
        url_path_map.default_backend_http_settings,
        url_path_map.default_redirect_configuration,
    )
    rewrites = _name(url_path_map.default_rewrite_rule_set)
    return rendered(f"URL path map {url_path_map.name}", heads, [*rows, ("any other", "", *default, rewrites, "-")])


def _name(rewrite_rule_set: RewriteRuleSet | None) -> str:
    return rewrite_rule_set.name if rewrite_rule_set else "-"


def _redirects(config: Config) -> Iterator[str]:
    heads = ("REDIRECT", "STATUS", "TARGET", "PATH", "QUERY")
    used = distinct(redirect for rule in config.request_routing_rules for redirect in redirects_of(rule))
    if used:
        yield rendered("Redirects", heads, [_redirect_row(redirect) for redirect in used])


def _redirect_row(redirect: RedirectConfiguration) -> tuple[str, ...]:
    listener = redirect.target_listener
    return (
        redirect.name,
        str(redirect.redirect_type.status),
        redirect.target_url if listener is None else f"listener {listener.name}",
        "kept" if redirect.include_path else "dropped",
        "kept" if redirect.include_query_string else "dropped",
    )


def _custom_errors(config: Config) -> Iterator[str]:
    rows = [(each.listener or "(the gateway)", str(each.status), str(len(each.page))) for each in config.custom_errors]
    if rows:
        yield rendered("Custom error pages", ("LISTENER", "STATUS", "BYTES"), rows)


def _access(config: Config) -> Iterator[str]:
    rows = [
        (name, "\n".join(printable(masked_condition(condition)) for condition in conditions))
        for name, conditions in _conditions(config)
        if conditions
    ]
    if rows:
        yield rendered("Access control", ("RULE", "403 UNLESS"), rows)


def _conditions(config: Config) -> Iterator[tuple[str, Sequence[Condition]]]:
    """Rules, path rules and the defaults of maps, with their access control."""
    for rule in config.request_routing_rules:
        yield rule.name, rule.deny_unless
    for url_path_map in distinct(rule.url_path_map for rule in config.request_routing_rules):
        for path_rule in url_path_map.path_rules:
            yield f"{url_path_map.name}/{path_rule.name}", path_rule.deny_unless
        yield f"{url_path_map.name}, any other path", url_path_map.default_deny_unless


def _rewrite_rule_sets(config: Config) -> Iterator[str]:
    heads = ("SEQUENCE", "SET/RULE", "WHERE", "DOES")
    rows = [_rewrite_rule_row(rule) for rule_set in config.rewrite_rule_sets for rule in rule_set.rules]
    if rows:
        yield rendered("Rewrite rule sets, rules in their order", heads, rows)


def _rewrite_rule_row(rule: RewriteRule) -> tuple[str, ...]:
    conditions = "\n".join(printable(masked_condition(condition)) for condition in rule.conditions)
    actions = "\n".join(map(printable, map(masked, rewrite_actions(rule))))
    return str(rule.rule_sequence), rule.name, conditions or "always", actions


def rewrite_actions(rule: RewriteRule) -> Iterator[str]:
    """What a rule does, in the words of the file."""
    for kind, actions in (("request_header", rule.request_headers), ("response_header", rule.response_headers)):
        for action in actions:
            name = f"{kind}.{action.key}"
            matched = " where it matches" if action.matcher else ""
            yield f"{name} = {action.value.text}{matched}" if action.value else f"{name} deleted{matched}"
    if rule.url_path is not None:
        yield f"url_path = {rule.url_path.text}"
    if rule.url_query_string is not None:
        yield f"url_query_string = {rule.url_query_string.text}"
    if rule.reroute:
        yield "reroute"
