"""The ARM properties of rules, URL path maps, redirects and rewrite rule sets."""

from __future__ import annotations

from typing import Final

from agwtwisted.core.arm.gateway_properties import WAF_IGNORED
from agwtwisted.core.arm.properties import (
    BOOLEAN,
    INTEGER,
    OBJECT,
    TEXT,
    TEXTS,
    Collection,
    children,
    enum,
    error,
    read_only,
    reference,
    warn,
    works,
)

_POOL = "The pool that requests go to."
_SETTINGS = "The backend settings."
_REDIRECT = "A redirect, instead of both."
_REWRITES = "The rewrite rules that apply."
_POLICY = "How requests are shared out among several pools, instead of the pool."
_DROPPED = " Dropped with a note beside PathBasedRouting, where the URL path map decides."
_TOKENS = "Tokens are not validated yet, and without it the backends were open."

REQUEST_ROUTING_RULES: Final = Collection(
    name="requestRoutingRules",
    kind="request_routing_rule",
    remark="What happens to the requests of an HTTP listener.",
    properties=(
        works(
            "ruleType",
            enum("Basic", "PathBasedRouting", "AdvancedRouting"),
            "rule_type",
            "Absent: `Basic`. `AdvancedRouting` is refused.",
        ),
        works(
            "priority",
            INTEGER,
            "priority",
            "Where no rule has one, in documents older than API version 2021-08-01 or with a v1 SKU, rules get 10, 20"
            " and so on in their order, with a note. Some with and some without are refused.",
        ),
        works("httpListener", reference("httpListeners"), "http_listener", "The listener."),
        works("backendAddressPool", reference("backendAddressPools"), "backend_address_pool", _POOL + _DROPPED),
        works(
            "backendHttpSettings",
            reference("backendHttpSettingsCollection"),
            "backend_http_settings",
            _SETTINGS + _DROPPED,
        ),
        works("urlPathMap", reference("urlPathMaps"), "url_path_map", "With PathBasedRouting."),
        works(
            "redirectConfiguration",
            reference("redirectConfigurations"),
            "redirect_configuration",
            _REDIRECT + _DROPPED,
        ),
        works(
            "rewriteRuleSet",
            reference("rewriteRuleSets"),
            "rewrite_rule_set",
            _REWRITES + " Dropped with a warning beside PathBasedRouting: those of the URL path map apply.",
        ),
        works(
            "loadDistributionPolicy",
            reference("loadDistributionPolicies"),
            "load_distribution_policy",
            _POLICY + _DROPPED,
        ),
        error("entraJWTValidationConfig", _TOKENS, "id"),
        error("authConfigs", _TOKENS, "name", "authenticationPolicy"),
        error("advancedRoutingMap", "Not supported yet: requests would reach other servers.", "id"),
    ),
)

ROUTING_RULES: Final = Collection(
    name="routingRules",
    kind="routing_rule",
    remark="What happens to the connections of an L4 listener.",
    properties=(
        works("ruleType", enum("Basic"), "rule_type", "Always `Basic`."),
        works("priority", INTEGER, "priority", "Needed in every API version."),
        works("listener", reference("listeners"), "listener", "The listener."),
        works("backendAddressPool", reference("backendAddressPools"), "backend_address_pool", "The pool."),
        works("backendSettings", reference("backendSettingsCollection"), "backend_settings", _SETTINGS),
    ),
)

URL_PATH_MAPS: Final = Collection(
    name="urlPathMaps",
    kind="url_path_map",
    remark="Path rules, and what happens to all other paths.",
    properties=(
        works("defaultBackendAddressPool", reference("backendAddressPools"), "default_backend_address_pool", _POOL),
        works(
            "defaultBackendHttpSettings",
            reference("backendHttpSettingsCollection"),
            "default_backend_http_settings",
            _SETTINGS,
        ),
        works(
            "defaultRedirectConfiguration",
            reference("redirectConfigurations"),
            "default_redirect_configuration",
            _REDIRECT,
        ),
        works("defaultRewriteRuleSet", reference("rewriteRuleSets"), "default_rewrite_rule_set", _REWRITES),
        works(
            "defaultLoadDistributionPolicy",
            reference("loadDistributionPolicies"),
            "default_load_distribution_policy",
            _POLICY,
        ),
        works("pathRules", children("pathRules"), "", "In their order: the first that matches applies."),
        error("defaultAuthConfigs", _TOKENS, "name", "authenticationPolicy"),
    ),
)

PATH_RULES: Final = Collection(
    name="pathRules",
    kind="path_rule",
    within="urlPathMaps",
    remark="Paths of a URL path map.",
    properties=(
        works("paths", TEXTS, "paths", "Patterns; a comma in one is refused, because the key is a list."),
        works("backendAddressPool", reference("backendAddressPools"), "backend_address_pool", _POOL),
        works("backendHttpSettings", reference("backendHttpSettingsCollection"), "backend_http_settings", _SETTINGS),
        works("redirectConfiguration", reference("redirectConfigurations"), "redirect_configuration", _REDIRECT),
        works("rewriteRuleSet", reference("rewriteRuleSets"), "rewrite_rule_set", _REWRITES),
        works("loadDistributionPolicy", reference("loadDistributionPolicies"), "load_distribution_policy", _POLICY),
        error("authConfigs", _TOKENS, "name", "authenticationPolicy"),
        warn(
            "firewallPolicy",
            "There is no web application firewall here: requests reach the servers unfiltered.",
            "id",
            warning=WAF_IGNORED,
        ),
    ),
)

REDIRECT_CONFIGURATIONS: Final = Collection(
    name="redirectConfigurations",
    kind="redirect_configuration",
    remark="Redirects.",
    properties=(
        works(
            "redirectType",
            enum("Permanent", "Found", "SeeOther", "Temporary"),
            "redirect_type",
            "301, 302, 303 or 307.",
        ),
        works(
            "targetListener",
            reference("httpListeners"),
            "target_listener",
            "To this listener: its local port is in the Location.",
        ),
        works("targetUrl", TEXT, "target_url", "Or to this URL."),
        works("includePath", BOOLEAN, "include_path", "Whether the path is kept."),
        works("includeQueryString", BOOLEAN, "include_query_string", "Whether the query is kept."),
        read_only("requestRoutingRules", "The rules that refer to it say so themselves."),
        read_only("urlPathMaps", "The maps that refer to it say so themselves."),
        read_only("pathRules", "The path rules that refer to it say so themselves."),
    ),
)

LOAD_DISTRIBUTION_POLICIES: Final = Collection(
    name="loadDistributionPolicies",
    kind="load_distribution_policy",
    remark="How requests are shared out among several pools.",
    properties=(
        works(
            "loadDistributionAlgorithm",
            enum("RoundRobin", "LeastConnections", "IpHash"),
            "load_distribution_algorithm",
            "Whose turn it is.",
        ),
        works("loadDistributionTargets", children("loadDistributionTargets"), "", "The pools."),
    ),
)

LOAD_DISTRIBUTION_TARGETS: Final = Collection(
    name="loadDistributionTargets",
    kind="load_distribution_target",
    within="loadDistributionPolicies",
    remark="One pool of a policy.",
    properties=(
        works("weightPerServer", INTEGER, "weight_per_server", "Its weight, 1 to 100."),
        works("backendAddressPool", reference("backendAddressPools"), "backend_address_pool", "The pool."),
    ),
)

REWRITE_RULE_SETS: Final = Collection(
    name="rewriteRuleSets",
    kind="rewrite_rule_set",
    remark="Rewrite rules by the name that rules refer to; a set may be empty.",
    properties=(works("rewriteRules", children("rewriteRules"), "", "The rules."),),
)

REWRITE_RULES: Final = Collection(
    name="rewriteRules",
    kind="rewrite_rule",
    within="rewriteRuleSets",
    is_resource=False,
    remark="One rule of a set.",
    properties=(
        works("name", TEXT, "", "Any text without `]`; the section is `[rewrite_rule SET/NAME]`."),
        works("ruleSequence", INTEGER, "rule_sequence", "Rules of a set run in the order of this number."),
        works("conditions", children("conditions"), "condition", "The rule applies if all of them hold."),
        works("actionSet", OBJECT, "", "What the rule does."),
        works(
            "actionSet.requestHeaderConfigurations",
            children("requestHeaderConfigurations"),
            "request_header",
            "Request headers.",
        ),
        works(
            "actionSet.responseHeaderConfigurations",
            children("responseHeaderConfigurations"),
            "response_header",
            "Response headers.",
        ),
        works("actionSet.urlConfiguration", OBJECT, "", "The URL."),
        works("actionSet.urlConfiguration.modifiedPath", TEXT, "url_path", "The new path."),
        works("actionSet.urlConfiguration.modifiedQueryString", TEXT, "url_query_string", "The new query."),
        works("actionSet.urlConfiguration.reroute", BOOLEAN, "reroute", "Whether the map is searched again."),
    ),
)

CONDITIONS: Final = Collection(
    name="conditions",
    within="rewriteRules",
    is_resource=False,
    remark="`condition.N = VARIABLE OPERATOR PATTERN`.",
    properties=(
        works("variable", TEXT, "condition", "The variable."),
        works("pattern", TEXT, "condition", "A regular expression (`~`); absent: the variable has a value (`exists`)."),
        works("ignoreCase", BOOLEAN, "condition", "`~*`."),
        works("negate", BOOLEAN, "condition", "`!~`."),
    ),
)


def _header_configurations(name: str, key: str, matcher: str) -> Collection:
    return Collection(
        name=name,
        within="rewriteRules",
        is_resource=False,
        remark=f"`{key}.NAME = VALUE`.",
        properties=(
            works("headerName", TEXT, key, "The name."),
            works("headerValue", TEXT, key, "The new value; absent or empty: the header is deleted."),
            works("headerValueMatcher", OBJECT, "", matcher),
            *(
                works(f"headerValueMatcher.{each}", form, f"{key}_matcher", "As of a condition.")
                for each, form in (("pattern", TEXT), ("ignoreCase", BOOLEAN), ("negate", BOOLEAN))
            ),
        ),
    )


REQUEST_HEADER_CONFIGURATIONS: Final = _header_configurations(
    "requestHeaderConfigurations", "request_header", "Refused: request headers are not distinguished by their values."
)
RESPONSE_HEADER_CONFIGURATIONS: Final = _header_configurations(
    "responseHeaderConfigurations", "response_header", "Which lines of Set-Cookie are changed."
)

COLLECTIONS: Final = (
    LOAD_DISTRIBUTION_POLICIES,
    LOAD_DISTRIBUTION_TARGETS,
    REQUEST_ROUTING_RULES,
    ROUTING_RULES,
    URL_PATH_MAPS,
    PATH_RULES,
    REDIRECT_CONFIGURATIONS,
    REWRITE_RULE_SETS,
    REWRITE_RULES,
    CONDITIONS,
    REQUEST_HEADER_CONFIGURATIONS,
    RESPONSE_HEADER_CONFIGURATIONS,
)
