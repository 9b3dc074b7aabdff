"""Every section and key of the configuration file, one table for each kind, in the product's names.

Sections and keys of the configuration contract that this version does not carry are here too: they are refused rather
than passed over, but for the value that changes nothing.
"""

from __future__ import annotations

from agwtwisted.core import limits, rewrite_rules
from agwtwisted.core.affinity import cookie_name
from agwtwisted.core.conditions import Condition, access_condition
from agwtwisted.core.destinations import network, port_range, responder_url
from agwtwisted.core.errors import UnacceptableError, shown
from agwtwisted.core.health import match_body, status_range
from agwtwisted.core.host_names import (
    backend_host,
    host_and_port,
    host_header,
    listener_address,
    listener_host_name,
    server_name,
)
from agwtwisted.core.path_patterns import path_pattern, url_path
from agwtwisted.core.redirects import redirect_url
from agwtwisted.core.resources import (
    BackendAddress,
    BackendAddressPool,
    BackendHttpSettings,
    BackendSettings,
    CertificateHeaders,
    ClientAuth,
    ClientRevocation,
    CustomError,
    Gateway,
    HttpListener,
    Listener,
    LoadDistributionAlgorithm,
    MissingClientAuthEku,
    OcspScope,
    OcspUnavailable,
    OddHeaderNames,
    PathCertificate,
    PathRule,
    Probe,
    Protocol,
    RedirectConfiguration,
    RedirectType,
    Refusal,
    RequestRoutingRule,
    RoutingRule,
    RuleType,
    SslCertificate,
    SslProfile,
    StreamProtocol,
    TrustedClientCertificate,
    TrustedRootCertificate,
    UrlPathMap,
    WithoutNocheck,
)
from agwtwisted.core.rewriting import RewriteRule
from agwtwisted.core.settings import (
    Empty,
    Family,
    Key,
    Kind,
    boolean,
    choice,
    listed,
    numbered,
    only,
    path,
    reference,
    seconds,
    whole,
)
from agwtwisted.core.texts import one_line
from agwtwisted.core.tls_extensions import alpn_protocol, tls_group

_HEADER_WORDS: dict[str, frozenset[CertificateHeaders]] = {
    "off": frozenset(),
    **{member.value: frozenset({member}) for member in CertificateHeaders},
}
_EXCLUSIVE_WORDS = ("off", "on", "all")


def certificate_headers(text: str) -> frozenset[CertificateHeaders]:
    """``on``, ``off`` or ``all``, and/or ``rfc9440``, ``xfcc``; ``off`` is the empty set and stands alone."""
    words = listed(one_line, limits.Range(1, len(_HEADER_WORDS)))(text)
    unknown = [word for word in words if word not in _HEADER_WORDS]
    if unknown:
        raise UnacceptableError(f"has {shown(unknown[0])}, but must be one of on, off, all, and/or rfc9440, xfcc")
    if sum(word in _EXCLUSIVE_WORDS for word in words) > 1 or ("off" in words and len(words) > 1):
        raise UnacceptableError(f"is {shown(text)}: {' and '.join(words)} contradict each other")
    return frozenset().union(*(_HEADER_WORDS[word] for word in words))


def backend_address(text: str) -> BackendAddress:
    """A server of a pool."""
    host, port = host_and_port(text)
    return BackendAddress(host=host, port=port)


def header_value(text: str) -> str:
    """What may stand in a header of ours: printable ASCII."""
    if not all(" " <= each <= "~" for each in text):
        raise UnacceptableError(f"is {shown(text)}, but must be printable ASCII")
    return text


def probe_path(text: str) -> str:
    """The target of a probe's request: a path, with a query if it likes."""
    if not text.startswith("/") or not all("!" <= each <= "~" and each != "#" for each in text):
        raise UnacceptableError(f"is {shown(text)}, but must be a path: printable ASCII that begins with /")
    return text


def text_to_match(text: str) -> str:
    """What a healthy server's answer must have in its body."""
    return match_body(one_line(text))


DEFAULT_SSL_POLICY = "AppGwSslPolicy20220101"
"""The product's, for API versions from 2023-02-01 on."""

_SSL_POLICY = {
    "ssl_policy": Key(one_line, empty=Empty.REFUSED),
    "policy_type": Key(one_line, empty=Empty.REFUSED),
    "min_protocol_version": Key(one_line, empty=Empty.REFUSED),
    "cipher_suites": Key(listed(one_line, limits.CIPHER_SUITES), empty=Empty.REFUSED),
}

GATEWAY = Kind(
    resource=Gateway,
    named=False,
    keys={
        "access_log": Key(path),
        "drain_timeout": Key(seconds(limits.DRAIN_TIMEOUT)),
        "state_directory": Key(path),
        "max_connections": Key(whole(limits.CONNECTIONS)),
        "max_connections_per_address": Key(whole(limits.CONNECTIONS_PER_ADDRESS)),
        "max_handshakes": Key(whole(limits.CONNECTIONS)),
        "silent_timeout": Key(seconds(limits.TIMEOUT)),
        "handshake_timeout": Key(seconds(limits.TIMEOUT)),
        "header_timeout": Key(seconds(limits.TIMEOUT)),
        "body_timeout": Key(seconds(limits.TIMEOUT)),
        "min_body_rate": Key(whole(limits.RATE)),
        "min_response_rate": Key(whole(limits.RATE)),
        "idle_timeout": Key(seconds(limits.TIMEOUT)),
        "max_header_bytes": Key(whole(limits.HEADER_BYTES)),
        "max_header_lines": Key(whole(limits.HEADER_LINES)),
        "max_body_bytes": Key(whole(limits.BODY_BYTES)),
        "max_client_chain_bytes": Key(whole(limits.CLIENT_CHAIN_BYTES)),
        "max_client_chain_depth": Key(whole(limits.CLIENT_CHAIN_DEPTH)),
        "header_names": Key(choice(*OddHeaderNames)),
        "log_query": Key(boolean),
        "log_refused_certificates": Key(boolean),
        "server_header": Key(header_value, empty=Empty.CONVERTED, literal=True),
        "allow_demo": Key(boolean),
        **_SSL_POLICY,
    },
)

SSL_CERTIFICATE = Kind(
    resource=SslCertificate,
    keys={
        "certificate_file": Key(path, required=True),
        "key_file": Key(path),
        "password_file": Key(path),
    },
)

TRUSTED_CLIENT_CERTIFICATE = Kind(
    resource=TrustedClientCertificate,
    keys={"file": Key(path, required=True)},
)

TRUSTED_ROOT_CERTIFICATE = Kind(
    resource=TrustedRootCertificate,
    keys={"file": Key(path, required=True)},
)

SSL_PROFILE = Kind(
    resource=SslProfile,
    keys={
        "verify_client_auth_mode": Key(choice(ClientAuth.STRICT, ClientAuth.PASSTHROUGH), empty=Empty.REFUSED),
        "trusted_client_certificates": Key(
            listed(reference("trusted_client_certificate"), limits.CLIENT_CAS_PER_PROFILE), empty=Empty.REFUSED
        ),
        "verify_client_cert_issuer_dn": Key(boolean, empty=Empty.REFUSED),
        "allow_weak": Key(boolean, empty=Empty.REFUSED),
        "missing_client_auth_eku": Key(choice(*MissingClientAuthEku), empty=Empty.REFUSED),
        "advertise_ca_names": Key(boolean, empty=Empty.REFUSED),
        "tls_groups": Key(listed(tls_group, limits.TLS_GROUPS), empty=Empty.REFUSED),
        "refusal": Key(choice(*Refusal), empty=Empty.REFUSED),
        **_SSL_POLICY,
        "verify_client_revocation": Key(choice(*ClientRevocation), empty=Empty.REFUSED),
        "ocsp_responder_url": Key(responder_url),
        "ocsp_scope": Key(choice(*OcspScope)),
        "ocsp_unavailable": Key(choice(*OcspUnavailable)),
        "ocsp_timeout": Key(seconds(limits.OCSP_TIMEOUT)),
        "ocsp_clock_skew": Key(seconds(limits.OCSP_CLOCK_SKEW)),
        "ocsp_max_age": Key(seconds(limits.OCSP_AGE)),
        "ocsp_default_age": Key(seconds(limits.OCSP_AGE)),
        "ocsp_allowed_networks": Key(listed(network, limits.NETWORKS)),
        "ocsp_allowed_ports": Key(listed(port_range, limits.PORT_RANGES)),
        "ocsp_responder_without_nocheck": Key(choice(*WithoutNocheck)),
    },
)

HTTP_LISTENER = Kind(
    resource=HttpListener,
    keys={
        "address": Key(listener_address),
        "port": Key(whole(limits.PORT), required=True),
        "protocol": Key(choice(Protocol.HTTP, Protocol.HTTPS), required=True),
        "host_names": Key(listed(listener_host_name, limits.HOST_NAMES_PER_LISTENER)),
        "ssl_certificate": Key(reference("ssl_certificate")),
        # An empty profile would be a listener that asks nobody for a certificate.
        "ssl_profile": Key(reference("ssl_profile"), empty=Empty.REFUSED),
        "require_server_name_indication": Key(boolean),
        "accept_proxy_protocol": Key(listed(network, limits.NETWORKS), empty=Empty.REFUSED),
    },
)

LISTENER = Kind(
    resource=Listener,
    keys={
        "address": Key(listener_address),
        "port": Key(whole(limits.PORT), required=True),
        "protocol": Key(choice(*StreamProtocol), required=True),
        "host_names": Key(listed(listener_host_name, limits.HOST_NAMES_PER_LISTENER)),
        "ssl_certificate": Key(reference("ssl_certificate")),
        "ssl_profile": Key(reference("ssl_profile"), empty=Empty.REFUSED),
        "alpn_protocols": Key(listed(alpn_protocol, limits.ALPN_PROTOCOLS), empty=Empty.REFUSED),
        "accept_proxy_protocol": Key(listed(network, limits.NETWORKS), empty=Empty.REFUSED),
    },
)

BACKEND_ADDRESS_POOL = Kind(
    resource=BackendAddressPool,
    keys={"backend_addresses": Key(listed(backend_address, limits.TARGETS_PER_POOL))},
)

PROBE = Kind(
    resource=Probe,
    keys={
        "protocol": Key(choice(*Protocol, *StreamProtocol), required=True),
        "host": Key(backend_host),
        "pick_host_name_from_backend_http_settings": Key(boolean),
        "pick_host_name_from_backend_settings": Key(boolean),
        "path": Key(probe_path),
        "port": Key(whole(limits.PORT)),
        "interval": Key(seconds(limits.TIMEOUT)),
        "timeout": Key(seconds(limits.TIMEOUT)),
        "unhealthy_threshold": Key(whole(limits.UNHEALTHY_THRESHOLD)),
        "min_servers": Key(only("0")),
        "match_status_codes": Key(listed(status_range, limits.STATUS_RANGES)),
        "match_body": Key(text_to_match, literal=True),
        "enable_probe_proxy_protocol_header": Key(boolean),
    },
)

BACKEND_HTTP_SETTINGS = Kind(
    resource=BackendHttpSettings,
    keys={
        "port": Key(whole(limits.PORT)),
        "protocol": Key(choice(Protocol.HTTP, Protocol.HTTPS)),
        "request_timeout": Key(seconds(limits.TIMEOUT)),
        "host_name": Key(host_header),
        "pick_host_name_from_backend_address": Key(boolean),
        "client_certificate_headers": Key(certificate_headers),
        "cookie_based_affinity": Key(boolean),
        "affinity_cookie_name": Key(cookie_name),
        "path": Key(url_path),
        "probe": Key(reference("probe")),
        "load_distribution_algorithm": Key(choice(*LoadDistributionAlgorithm)),
        "connection_draining_timeout": Key(seconds(limits.CONNECTION_DRAINING_TIMEOUT)),
        "trusted_root_certificates": Key(
            listed(reference("trusted_root_certificate"), limits.ROOT_CAS_PER_SETTINGS), empty=Empty.REFUSED
        ),
        "validate_cert_chain_and_expiry": Key(boolean, empty=Empty.REFUSED),
        "validate_sni": Key(boolean, empty=Empty.REFUSED),
        "sni_name": Key(server_name),
        "client_ssl_certificate": Key(reference("ssl_certificate"), empty=Empty.REFUSED),
    },
)

ACCESS = {"deny_unless": numbered(Key(access_condition, empty=Empty.REFUSED, literal=True))}
"""Who may come in: of rules, and of what else requests are led by."""
BACKEND_SETTINGS = Kind(
    resource=BackendSettings,
    keys={
        "port": Key(whole(limits.PORT), required=True),
        "protocol": Key(choice(*StreamProtocol)),
        "timeout": Key(seconds(limits.TIMEOUT)),
        "trusted_root_certificates": Key(
            listed(reference("trusted_root_certificate"), limits.ROOT_CAS_PER_SETTINGS), empty=Empty.REFUSED
        ),
        "host_name": Key(server_name),
        "pick_host_name_from_backend_address": Key(boolean),
        "enable_l4_client_ip_preservation": Key(boolean),
        "proxy_protocol_tls": Key(boolean),
        "probe": Key(reference("probe")),
    },
)

REDIRECT_CONFIGURATION = Kind(
    resource=RedirectConfiguration,
    keys={
        "redirect_type": Key(choice(*RedirectType), required=True),
        "target_listener": Key(reference("http_listener"), empty=Empty.REFUSED),
        "target_url": Key(redirect_url, empty=Empty.REFUSED),
        "include_path": Key(boolean),
        "include_query_string": Key(boolean),
    },
)

PATH_RULE = Kind(
    resource=PathRule,
    keys={
        "paths": Key(listed(path_pattern, limits.PATHS_PER_RULE), required=True),
        "backend_address_pool": Key(reference("backend_address_pool")),
        "backend_http_settings": Key(reference("backend_http_settings")),
        "redirect_configuration": Key(reference("redirect_configuration")),
        "rewrite_rule_set": Key(reference("rewrite_rule_set")),
        "client_certificate": Key(choice(PathCertificate.REQUIRE, PathCertificate.IGNORE), empty=Empty.REFUSED),
    },
    families=ACCESS,
)

URL_PATH_MAP = Kind(
    resource=UrlPathMap,
    keys={
        "default_backend_address_pool": Key(reference("backend_address_pool")),
        "default_backend_http_settings": Key(reference("backend_http_settings")),
        "default_redirect_configuration": Key(reference("redirect_configuration")),
        "default_rewrite_rule_set": Key(reference("rewrite_rule_set")),
    },
    families={f"default_{family}": how for family, how in ACCESS.items()},
)

CUSTOM_ERROR = Kind(
    resource=CustomError,
    keys={"file": Key(path, required=True)},
)

REQUEST_ROUTING_RULE = Kind(
    resource=RequestRoutingRule,
    keys={
        "priority": Key(whole(limits.PRIORITY), required=True),
        "http_listener": Key(reference("http_listener"), required=True),
        "backend_address_pool": Key(reference("backend_address_pool")),
        "backend_http_settings": Key(reference("backend_http_settings")),
        "rule_type": Key(choice(RuleType.BASIC, RuleType.PATH_BASED_ROUTING, later=("AdvancedRouting",))),
        "rewrite_rule_set": Key(reference("rewrite_rule_set")),
        "url_path_map": Key(reference("url_path_map")),
        "redirect_configuration": Key(reference("redirect_configuration")),
    },
    families=ACCESS,
)

REWRITE_RULE = Kind(
    resource=RewriteRule,
    keys={
        "rule_sequence": Key(whole(limits.RULE_SEQUENCE)),
        "url_path": Key(one_line, empty=Empty.REFUSED, literal=True),
        "url_query_string": Key(one_line, empty=Empty.CONVERTED, literal=True),  # empty: no query
        "reroute": Key(boolean),
    },
    families={
        "condition": numbered(Key(Condition.of, empty=Empty.REFUSED, literal=True)),
        "request_header": Family(
            key=Key(one_line, empty=Empty.CONVERTED, literal=True),
            suffix=rewrite_rules.request_target,
            placeholder="NAME",
        ),
        "response_header": Family(
            key=Key(one_line, empty=Empty.CONVERTED, literal=True),
            suffix=rewrite_rules.response_target,
            placeholder="NAME",
        ),
        "response_header_matcher": Family(
            key=Key(rewrite_rules.value_matcher, empty=Empty.REFUSED, literal=True),
            suffix=rewrite_rules.matched_target,
            placeholder="Set-Cookie",
        ),
    },
)

ROUTING_RULE = Kind(
    resource=RoutingRule,
    keys={
        "priority": Key(whole(limits.PRIORITY), required=True),
        "listener": Key(reference("listener"), required=True),
        "backend_address_pool": Key(reference("backend_address_pool"), required=True),
        "backend_settings": Key(reference("backend_settings"), required=True),
        "rule_type": Key(only("Basic")),
    },
)

KINDS = {
    "gateway": GATEWAY,
    "ssl_certificate": SSL_CERTIFICATE,
    "trusted_client_certificate": TRUSTED_CLIENT_CERTIFICATE,
    "trusted_root_certificate": TRUSTED_ROOT_CERTIFICATE,
    "ssl_profile": SSL_PROFILE,
    "http_listener": HTTP_LISTENER,
    "listener": LISTENER,
    "backend_address_pool": BACKEND_ADDRESS_POOL,
    "probe": PROBE,
    "backend_http_settings": BACKEND_HTTP_SETTINGS,
    "rewrite_rule": REWRITE_RULE,
    "backend_settings": BACKEND_SETTINGS,
    "redirect_configuration": REDIRECT_CONFIGURATION,
    "path_rule": PATH_RULE,
    "url_path_map": URL_PATH_MAP,
    "custom_error": CUSTOM_ERROR,
    "request_routing_rule": REQUEST_ROUTING_RULE,
    "routing_rule": ROUTING_RULE,
}
"""The kinds of sections this version carries; one that is referred to stands before those that refer to it."""
