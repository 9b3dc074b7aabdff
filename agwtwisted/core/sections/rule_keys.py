"""The sections about what becomes of requests and connections: rules, paths, redirects, rewrites, error pages.

One table for each kind: its keys, what each means, and what must fit together within one section.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem, shown
from agwtwisted.core.base.texts import one_line
from agwtwisted.core.plan.redirects import redirect_url
from agwtwisted.core.resources.resources import (
    CustomError,
    PathCertificate,
    PathRule,
    RedirectConfiguration,
    RedirectType,
    RequestRoutingRule,
    RoutingRule,
    RuleType,
    UrlPathMap,
)
from agwtwisted.core.rules.conditions import Condition, access_condition
from agwtwisted.core.rules.path_patterns import path_pattern
from agwtwisted.core.rules.rewriting import RewriteRule, RewriteRuleSet
from agwtwisted.core.sections import rewrite_rules
from agwtwisted.core.sections.settings import (
    Empty,
    Family,
    Key,
    Kind,
    Row,
    boolean,
    choice,
    listed,
    numbered,
    only,
    path,
    reference,
    whole,
)

_REDIRECT_TYPES = tuple(f"`{each.value}` ({each.status})" for each in RedirectType)

_POOL = Key(reference("backend_address_pool"), "The pool that requests go to.")
_POLICY = Key(
    reference("load_distribution_policy"),
    "Instead of the pool: the policy whose targets have the servers.",
)
_SETTINGS = Key(reference("backend_http_settings"), "The backend settings.")
_REDIRECT = Key(reference("redirect_configuration"), "A redirect, instead of both.")
_REWRITES = Key(reference("rewrite_rule_set"), "The set of rewrite rules.")
_PRIORITY = Key(whole(limits.PRIORITY), "1 to 20000, unique; smaller numbers first.", required=True)
_ACCESS = numbered(
    Key(
        access_condition,
        "A condition; unless all of them hold, the request gets 403. N is any whole number. A condition on the "
        "path normalizes all paths.",
        empty=Empty.REFUSED,
        literal=True,
    )
)

END_KEYS = ("backend_address_pool", "load_distribution_policy", "backend_http_settings", "redirect_configuration")
"""Of a section that says where requests go."""


def _end(row: Row, prefix: str = "") -> Iterator[Problem]:
    """Requests go to a pool, or to those of a policy, by some settings, or they are redirected."""
    pool, policy, settings, redirect = (prefix + key for key in END_KEYS)
    rewrites = f"{prefix}rewrite_rule_set"
    for key in (pool, settings) if row.unset(redirect) else ():
        if row.unset(key) and (key == settings or row.unset(policy)):
            yield row.problem(f"{key} is missing")
    for key in () if row.unset(redirect) else (pool, policy, settings):
        if not row.unset(key):
            yield row.problem(f"{key} cannot be used with {redirect}: requests are forwarded or redirected", key=key)
    if not row.unset(pool) and not row.unset(policy):
        yield row.note(f"{pool} has no effect: {policy} decides which servers get the requests", key=pool)
    if not row.unset(redirect) and not row.unset(rewrites):
        yield row.warning(f"{rewrites} has no effect: redirects are not rewritten", key=rewrites)


def _redirect_configuration(row: Row) -> Iterator[Problem]:
    if row.unset("target_listener") and row.unset("target_url"):
        yield row.problem("needs target_listener or target_url")
    if not row.unset("target_listener") and not row.unset("target_url"):
        yield row.problem("target_listener and target_url exclude each other", key="target_url")


REDIRECT_CONFIGURATION = Kind(
    name="redirect_configuration",
    meaning="A redirect.",
    resource=RedirectConfiguration,
    keys={
        "redirect_type": Key(
            choice(*RedirectType),
            f"{', '.join(_REDIRECT_TYPES[:-1])} or {_REDIRECT_TYPES[-1]}.",
            required=True,
        ),
        "target_listener": Key(reference("http_listener"), "Redirect to this `http_listener`.", empty=Empty.REFUSED),
        "target_url": Key(redirect_url, "Or redirect to this URL.", empty=Empty.REFUSED),
        "include_path": Key(boolean, "Whether the path is kept."),
        "include_query_string": Key(boolean, "Whether the query is kept."),
    },
    check=_redirect_configuration,
)

PATH_RULE = Kind(
    name="path_rule",
    meaning="Paths of a URL path map: `[path_rule MAP/NAME]`. The first in the file that matches applies.",
    resource=PathRule,
    keys={
        "paths": Key(
            listed(path_pattern, limits.PATHS_PER_RULE),
            "Patterns such as `/images/*`; `*` only at the end; case is ignored.",
            required=True,
        ),
        "backend_address_pool": _POOL,
        "load_distribution_policy": _POLICY,
        "backend_http_settings": _SETTINGS,
        "redirect_configuration": _REDIRECT,
        "rewrite_rule_set": _REWRITES,
        "client_certificate": Key(
            choice(PathCertificate.REQUIRE, PathCertificate.IGNORE),
            "For Passthrough listeners: `Require` makes these paths Strict, with a page with status 400; `Ignore`:"
            " certificates do not count there, and no header describes them.",
            empty=Empty.REFUSED,
        ),
    },
    families={"deny_unless": _ACCESS},
    check=_end,
)


def _url_path_map(row: Row) -> Iterator[Problem]:
    yield from _end(row, "default_")


URL_PATH_MAP = Kind(
    name="url_path_map",
    meaning="Path rules, and what happens to all other paths.",
    resource=UrlPathMap,
    keys={
        "default_backend_address_pool": _POOL,
        "default_load_distribution_policy": _POLICY,
        "default_backend_http_settings": _SETTINGS,
        "default_redirect_configuration": _REDIRECT,
        "default_rewrite_rule_set": _REWRITES,
    },
    families={"default_deny_unless": _ACCESS},
    check=_url_path_map,
)

CUSTOM_ERROR_STATUSES = ("400", "403", "404", "405", "408", "500", "502", "503", "504")
"""Those of the product's enumeration of custom error pages."""

PAGE_WITHOUT_FILE: Final = "error-page-without-file"
"""The name of a warning."""


def _custom_error(row: Row) -> Iterator[Problem]:
    status = row.name.partition("/")[2]
    if status not in CUSTOM_ERROR_STATUSES:
        most = CUSTOM_ERROR_STATUSES
        yield row.problem(f"{shown(status)} cannot have a custom page: {', '.join(most[:-1])} and {most[-1]} may have")
    if not row.unset("file"):
        if "file" not in row.refused and not row.get("file").lower().endswith((".htm", ".html")):
            yield row.problem(f"file is {shown(row.get('file'))}, but must end in .htm or .html", key="file")
    elif row.unset("custom_error_page_url"):
        yield row.problem("file is missing")
    else:
        message = (
            "has no file, so the gateway's own page is shown: the page at custom_error_page_url is never fetched; of an"
            " ARM document --page URL=FILE gives its file"
        )
        yield row.warning(message, key="custom_error_page_url", name=PAGE_WITHOUT_FILE)


CUSTOM_ERROR = Kind(
    name="custom_error",
    meaning="A page that replaces the gateway's own: `[custom_error gateway/502]` or `[custom_error LISTENER/502]`.",
    resource=CustomError,
    keys={
        "file": Key(path, "An .htm or .html file of less than 1 MB; needed for the page to be shown."),
        "custom_error_page_url": Key(
            one_line, "Where the product has the page, kept for an export; it is never fetched.", empty=Empty.REFUSED
        ),
    },
    check=_custom_error,
)


def _request_routing_rule(row: Row) -> Iterator[Problem]:
    if "rule_type" in row.refused:
        return
    if row.get("rule_type") is RuleType.BASIC:
        if not row.unset("url_path_map"):
            yield row.problem("url_path_map needs rule_type = PathBasedRouting", key="url_path_map")
        else:
            yield from _end(row)
        return
    if row.unset("url_path_map"):
        yield row.problem("PathBasedRouting needs url_path_map", key="rule_type")
    for key in END_KEYS:
        if not row.unset(key):
            yield row.note(f"{key} has no effect in a rule with PathBasedRouting: the url_path_map decides", key=key)
    key = "rewrite_rule_set"
    if not row.unset(key):
        yield row.problem(f"{key} is not allowed in a rule with PathBasedRouting: set it in the url_path_map", key=key)


REQUEST_ROUTING_RULE = Kind(
    name="request_routing_rule",
    meaning="Says what happens to the requests of an `http_listener`.",
    resource=RequestRoutingRule,
    keys={
        "priority": _PRIORITY,
        "http_listener": Key(reference("http_listener"), "The listener; each has one rule.", required=True),
        "backend_address_pool": _POOL,
        "load_distribution_policy": _POLICY,
        "backend_http_settings": _SETTINGS,
        "rule_type": Key(
            choice(RuleType.BASIC, RuleType.PATH_BASED_ROUTING, later=("AdvancedRouting",)),
            "`Basic` or `PathBasedRouting`.",
        ),
        "rewrite_rule_set": _REWRITES,
        "url_path_map": Key(reference("url_path_map"), "The `url_path_map`, with `PathBasedRouting`."),
        "redirect_configuration": _REDIRECT,
    },
    families={"deny_unless": _ACCESS},
    check=_request_routing_rule,
)

REWRITE_RULE_SET = Kind(
    name="rewrite_rule_set",
    meaning="A set of rewrite rules; needed for one without rules, which changes nothing.",
    resource=RewriteRuleSet,
    keys={},
)

REWRITE_RULE = Kind(
    name="rewrite_rule",
    meaning="One rule of a rewrite rule set: `[rewrite_rule SET/NAME]`. The name of the rule is free text.",
    resource=RewriteRule,
    keys={
        "rule_sequence": Key(whole(limits.RULE_SEQUENCE), "Rules of a set run in the order of this number."),
        "url_path": Key(one_line, "The new path, a template.", empty=Empty.REFUSED, literal=True),
        "url_query_string": Key(
            one_line, "The new query, a template; empty: none.", empty=Empty.CONVERTED, literal=True
        ),
        "reroute": Key(boolean, "Whether the gateway searches the URL path map again with the new path."),
    },
    families={
        "condition": numbered(
            Key(Condition.of, "A condition; the rule applies if all of them hold.", empty=Empty.REFUSED, literal=True)
        ),
        "request_header": Family(
            key=Key(
                one_line,
                "The new value of a request header, a template; empty: deleted. `request_header.NAME.2` is a second"
                " action on the same header, which sees what the first made of it.",
                empty=Empty.CONVERTED,
                literal=True,
            ),
            suffix=rewrite_rules.request_target,
            placeholder="NAME",
        ),
        "response_header": Family(
            key=Key(
                one_line,
                "The new value of a response header, a template; empty: deleted. `response_header.NAME.2` as above.",
                empty=Empty.CONVERTED,
                literal=True,
            ),
            suffix=rewrite_rules.response_target,
            placeholder="NAME",
        ),
        "response_header_matcher": Family(
            key=Key(
                rewrite_rules.value_matcher,
                "Which lines of Set-Cookie `response_header.Set-Cookie` changes; `.Set-Cookie.2` is that of a second"
                " action.",
                empty=Empty.REFUSED,
                literal=True,
            ),
            suffix=rewrite_rules.matched_target,
            placeholder="Set-Cookie",
        ),
    },
    check=rewrite_rules.problems,
)

ROUTING_RULE = Kind(
    name="routing_rule",
    meaning="Binds an L4 `listener` to a pool.",
    resource=RoutingRule,
    keys={
        "priority": _PRIORITY,
        "listener": Key(reference("listener"), "The listener; each has one rule.", required=True),
        "backend_address_pool": Key(reference("backend_address_pool"), "The pool.", required=True),
        "backend_settings": Key(
            reference("backend_settings"), "How the gateway connects to its servers.", required=True
        ),
        "rule_type": Key(only("Basic"), "`Basic`."),
    },
)
