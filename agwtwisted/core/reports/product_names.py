"""What sections and keys of the configuration file are called in the product, as far as it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COLLECTIONS: Final[Mapping[str, str]] = {
    "ssl_certificate": "sslCertificates",
    "trusted_client_certificate": "trustedClientCertificates",
    "trusted_root_certificate": "trustedRootCertificates",
    "ssl_profile": "sslProfiles",
    "http_listener": "httpListeners",
    "listener": "listeners",
    "backend_address_pool": "backendAddressPools",
    "load_distribution_policy": "loadDistributionPolicies",
    "probe": "probes",
    "backend_http_settings": "backendHttpSettingsCollection",
    "backend_settings": "backendSettingsCollection",
    "rewrite_rule_set": "rewriteRuleSets",
    "redirect_configuration": "redirectConfigurations",
    "url_path_map": "urlPathMaps",
    "request_routing_rule": "requestRoutingRules",
    "routing_rule": "routingRules",
    "custom_error": "customErrorConfigurations",
}
"""The product's collections by kinds of sections."""

_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "path_rule": ("urlPathMaps", "pathRules"),
    "rewrite_rule": ("rewriteRuleSets", "rewriteRules"),
    "load_distribution_target": ("loadDistributionPolicies", "loadDistributionTargets"),
}
"""The collections of sections whose name has two parts: of the first and of the second one."""

_PROPERTIES: Final[Mapping[str, str]] = {
    "client_auth": "clientAuthConfiguration.verifyClientAuthMode",
    "verify_client_cert_issuer_dn": "clientAuthConfiguration.verifyClientCertIssuerDN",
    "verify_client_revocation": "clientAuthConfiguration.verifyClientRevocation",
    "connection_draining_timeout": "connectionDraining.drainTimeoutInSec",
    "validate_sni": "validateSNI",
    "match_body": "match.body",
    "match_status_codes": "match.statusCodes",
}
"""Fields that the rule does not spell as the product does."""

_OURS: Final = frozenset(
    {
        *("accept_proxy_protocol", "advertise_ca_names", "allow_weak", "alpn_protocols", "client_certificate"),
        *("client_certificate_headers", "client_ssl_certificate", "default_deny_unless", "deny_unless"),
        *("missing_client_auth_eku", "proxy_protocol_tls", "refusal", "session_resumption", "tls_groups"),
    }
)
"""Fields that the product does not have; those whose names begin with `ocsp_` are others."""

_OURS_OF_KINDS: Final = frozenset({("backend_http_settings", "load_distribution_algorithm")})
"""Fields that the product has in other kinds only."""

_OUR_KINDS: Final = frozenset({"gateway", "control"})

_ORDERED: Final = frozenset({"tls_groups", "alpn_protocols", "trusted_client_certificates", "certificates", "chain"})
"""Fields whose values have an order that matters."""


def path_of(kind: str, name: str) -> str:
    """``httpListeners/public``, ``urlPathMaps/MAP/pathRules/RULE``; a kind of ours alone is as in the file."""
    if kind in _PARTS:
        (outer, inner), (first, _, second) = _PARTS[kind], name.partition("/")
        return f"{outer}/{first}/{inner}/{second}"
    return f"{COLLECTIONS.get(kind, kind)}/{name}" if name else kind


def property_of(kind: str, field: str) -> str:
    """``sslProfile`` of ``ssl_profile``; what the product does not have is as in the file."""
    ours = (
        field in _OURS
        or (kind, field) in _OURS_OF_KINDS
        or field.startswith("ocsp_")
        or (kind in _OUR_KINDS and field != "ssl_policy")
    )
    return field if ours else _PROPERTIES.get(field) or _camel_case(field)


def is_ordered(field: str) -> bool:
    """Whether the values of a field are others in another order."""
    return field in _ORDERED


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(f"{each[:1].upper()}{each[1:]}" for each in others)
