"""Every section and key of the configuration file, one table for each kind, in the product's names.

Sections and keys of the configuration contract that this version does not carry are here too: they are refused rather
than passed over, but for the value that changes nothing.
"""

from __future__ import annotations

from agwtwisted.core import limits
from agwtwisted.core.affinity import cookie_name
from agwtwisted.core.destinations import network, port_range, responder_url
from agwtwisted.core.errors import UnacceptableError, shown
from agwtwisted.core.health import match_body, status_range
from agwtwisted.core.host_names import backend_host, host_and_port, host_header, listener_address, listener_host_name
from agwtwisted.core.resources import (
    BackendAddress,
    BackendAddressPool,
    BackendHttpSettings,
    CertificateHeaders,
    ClientAuth,
    ClientRevocation,
    Gateway,
    HeaderNames,
    HttpListener,
    LoadDistributionAlgorithm,
    OcspScope,
    OcspUnavailable,
    Probe,
    Protocol,
    Refusal,
    RequestRoutingRule,
    SslCertificate,
    SslProfile,
    TrustedClientCertificate,
)
from agwtwisted.core.settings import (
    Empty,
    Key,
    Kind,
    boolean,
    choice,
    listed,
    one_line,
    only,
    only_boolean,
    reference,
    seconds,
    unsupported,
    whole,
)

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
        "access_log": Key(one_line),
        "drain_timeout": Key(seconds(limits.DRAIN_TIMEOUT)),
        "state_directory": Key(one_line),
        "max_connections": Key(whole(limits.CONNECTIONS)),
        "max_connections_per_address": Key(whole(limits.CONNECTIONS_PER_ADDRESS)),
        "max_handshakes": Key(whole(limits.CONNECTIONS)),
        "handshake_timeout": Key(seconds(limits.TIMEOUT)),
        "header_timeout": Key(seconds(limits.TIMEOUT)),
        "body_timeout": Key(seconds(limits.TIMEOUT)),
        "idle_timeout": Key(seconds(limits.TIMEOUT)),
        "max_header_bytes": Key(whole(limits.HEADER_BYTES)),
        "max_body_bytes": Key(whole(limits.BODY_BYTES)),
        "max_client_chain_bytes": Key(whole(limits.CLIENT_CHAIN_BYTES)),
        "max_client_chain_depth": Key(whole(limits.CLIENT_CHAIN_DEPTH)),
        "header_names": Key(choice(*HeaderNames)),
        "log_query": Key(boolean),
        "server_header": Key(header_value, empty=Empty.CONVERTED),
        "allow_demo": Key(boolean),
        **_SSL_POLICY,
    },
)

SSL_CERTIFICATE = Kind(
    resource=SslCertificate,
    keys={
        "certificate_file": Key(one_line, required=True),
        "key_file": Key(one_line),
        "password_file": Key(one_line),
    },
)

TRUSTED_CLIENT_CERTIFICATE = Kind(
    resource=TrustedClientCertificate,
    keys={"file": Key(one_line, required=True)},
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
    },
)

BACKEND_ADDRESS_POOL = Kind(
    resource=BackendAddressPool,
    keys={"backend_addresses": Key(listed(backend_address, limits.TARGETS_PER_POOL))},
)

PROBE = Kind(
    resource=Probe,
    keys={
        "protocol": Key(choice(*Protocol), required=True),
        "host": Key(backend_host),
        "pick_host_name_from_backend_http_settings": Key(boolean),
        "pick_host_name_from_backend_settings": Key(only_boolean(False)),
        "path": Key(probe_path),
        "port": Key(whole(limits.PORT)),
        "interval": Key(seconds(limits.TIMEOUT)),
        "timeout": Key(seconds(limits.TIMEOUT)),
        "unhealthy_threshold": Key(whole(limits.UNHEALTHY_THRESHOLD)),
        "min_servers": Key(only("0")),
        "match_status_codes": Key(listed(status_range, limits.STATUS_RANGES)),
        "match_body": Key(text_to_match),
        "enable_probe_proxy_protocol_header": Key(only_boolean(False)),
    },
)

BACKEND_HTTP_SETTINGS = Kind(
    resource=BackendHttpSettings,
    keys={
        "port": Key(whole(limits.PORT)),
        "protocol": Key(choice(Protocol.HTTP, later=("Https",))),
        "request_timeout": Key(seconds(limits.TIMEOUT)),
        "host_name": Key(host_header),
        "pick_host_name_from_backend_address": Key(boolean),
        "client_certificate_headers": Key(certificate_headers),
        "cookie_based_affinity": Key(boolean),
        "affinity_cookie_name": Key(cookie_name),
        "path": Key(unsupported),
        "probe": Key(reference("probe")),
        "load_distribution_algorithm": Key(choice(*LoadDistributionAlgorithm)),
        "connection_draining_timeout": Key(seconds(limits.CONNECTION_DRAINING_TIMEOUT)),
        "trusted_root_certificates": Key(unsupported),
        "validate_cert_chain_and_expiry": Key(only_boolean(True)),
        "validate_sni": Key(only_boolean(True)),
        "sni_name": Key(unsupported),
        "client_ssl_certificate": Key(unsupported),
    },
)

REQUEST_ROUTING_RULE = Kind(
    resource=RequestRoutingRule,
    keys={
        "priority": Key(whole(limits.PRIORITY), required=True),
        "http_listener": Key(reference("http_listener"), required=True),
        "backend_address_pool": Key(reference("backend_address_pool"), required=True),
        "backend_http_settings": Key(reference("backend_http_settings"), required=True),
        "rule_type": Key(only("Basic", later=("PathBasedRouting", "AdvancedRouting"))),
        "rewrite_rule_set": Key(unsupported),
        "url_path_map": Key(unsupported),
        "redirect_configuration": Key(unsupported),
    },
)

KINDS = {
    "gateway": GATEWAY,
    "ssl_certificate": SSL_CERTIFICATE,
    "trusted_client_certificate": TRUSTED_CLIENT_CERTIFICATE,
    "ssl_profile": SSL_PROFILE,
    "http_listener": HTTP_LISTENER,
    "backend_address_pool": BACKEND_ADDRESS_POOL,
    "probe": PROBE,
    "backend_http_settings": BACKEND_HTTP_SETTINGS,
    "request_routing_rule": REQUEST_ROUTING_RULE,
}
"""The kinds of sections this version carries; one that is referred to stands before those that refer to it."""

LATER_KINDS = frozenset(
    {
        "trusted_root_certificate",
        "listener",
        "backend_settings",
        "routing_rule",
        "url_path_map",
        "path_rule",
        "rewrite_rule",
        "redirect_configuration",
        "custom_error",
    }
)
"""The kinds of the configuration contract that later versions carry."""
