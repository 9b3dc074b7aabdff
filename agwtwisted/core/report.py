"""A configuration as an operator wants to see it before it runs: who listens, who is trusted, and where requests go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.errors import printable
from agwtwisted.core.policies import TlsPolicy
from agwtwisted.core.probing import question
from agwtwisted.core.resources import (
    BackendAddress,
    BackendHttpSettings,
    CertificateHeaders,
    ClientAuth,
    Config,
    HttpListener,
    RequestRoutingRule,
    SslProfile,
    TrustedClientCertificate,
)
from agwtwisted.core.tables import beside
from agwtwisted.core.tables import table as rendered
from agwtwisted.core.variables import CertificateVariables, certificate_variables

T = TypeVar("T")

ANY_HOST = "any host"
PICKED = "?"
"""In place of a server's host name, where that is sent."""


def table(config: Config, now: datetime) -> str:
    """The whole configuration in tables of plain text, at most 100 columns wide; days are counted from `now` (aware).

    A certificate has 0 days left on its last day, and fewer once it has expired.
    """
    return "\n".join(
        [
            _listeners(config),
            _server_certificates(config, now),
            *(_trusted(config, each, now) for each in _trusted_files(config)),
            _policies(config),
            _rules(config),
            _settings(config),
            _balancing(config),
            _probes(config),
        ]
    )


def mode(profile: SslProfile | None) -> str:
    """What a listener with this profile does about client certificates, in a few words."""
    if profile is None or profile.client_auth is ClientAuth.NONE:
        return "none"
    if profile.client_auth is ClientAuth.PASSTHROUGH:
        return str(profile.client_auth.value)
    return f"{profile.client_auth.value}, {profile.refusal.value}{', weak keys' if profile.allow_weak else ''}"


def place(listener: HttpListener) -> str:
    """``127.0.0.1:8443``."""
    return _address(listener.address, listener.port)


def _listeners(config: Config) -> str:
    heads = ("LISTENER", "ADDRESS", "PROTOCOL", "HOST NAMES", "SSL PROFILE", "MODE", "ISSUER DN")
    return rendered("Listeners", heads, [_listener_row(listener) for listener in config.http_listeners])


def _listener_row(listener: HttpListener) -> tuple[str, ...]:
    profile = listener.ssl_profile
    return (
        listener.name,
        place(listener),
        listener.protocol.value,
        "\n".join(listener.host_names) or ANY_HOST,
        profile.name if profile else "-",
        mode(profile),
        _issuer_dn(profile),
    )


def _issuer_dn(profile: SslProfile | None) -> str:
    if profile is None or profile.client_auth is not ClientAuth.STRICT:
        return "-"
    return "compared" if profile.verify_client_cert_issuer_dn else "any"


def _server_certificates(config: Config, now: datetime) -> str:
    used = _distinct(listener.ssl_certificate for listener in config.http_listeners)
    rows = [(each.name, *_certificate_row(certificate, now)) for each in used for certificate in each.certificates[:1]]
    return rendered("Server certificates", ("NAME", "SUBJECT", "DAYS LEFT", "FINGERPRINT (SHA-1)"), rows)


def _trusted_files(config: Config) -> tuple[TrustedClientCertificate, ...]:
    return _distinct(
        trusted
        for listener in config.http_listeners
        if listener.ssl_profile
        for trusted in listener.ssl_profile.trusted_client_certificates
    )


def _trusted(config: Config, trusted: TrustedClientCertificate, now: datetime) -> str:
    """One file of CA certificates, the root first."""
    chain = trusted.chain
    authorities = (chain.root, *(each for each in chain.authorities if each != chain.root))
    profiles = _distinct(listener.ssl_profile for listener in config.http_listeners)
    users = ", ".join(profile.name for profile in profiles if trusted in profile.trusted_client_certificates)
    title = "\n".join(
        [
            f"Trusted client certificate {trusted.name}",
            f"  file          {printable(chain.file)}",
            *beside("  SSL profiles  ", users),
            *beside("  issuer DN     ", _variables(chain.issuer).subject.decode()),
            "",
        ]
    )
    heads = ("SUBJECT, THE ROOT FIRST", "DAYS LEFT", "FINGERPRINT (SHA-1)")
    return rendered(title, heads, [_certificate_row(authority, now) for authority in authorities])


def _certificate_row(certificate: x509.Certificate, now: datetime) -> tuple[str, str, str]:
    days_left = (certificate.not_valid_after_utc - now) // timedelta(days=1)
    variables = _variables(certificate)
    return variables.subject.decode() or "(no subject)", str(days_left), variables.fingerprint.decode()


def _variables(certificate: x509.Certificate) -> CertificateVariables:
    """What requests, logs and this report call it."""
    return certificate_variables(certificate.public_bytes(Encoding.DER))


def _policies(config: Config) -> str:
    used = _distinct(listener.ssl_policy for listener in config.http_listeners)
    heads = ("TLS POLICY", "LISTENERS", "VERSIONS", "CIPHER SUITES, THE PREFERRED FIRST")
    return rendered("TLS policies", heads, [_policy_row(config, policy) for policy in used])


def _policy_row(config: Config, policy: TlsPolicy) -> tuple[str, ...]:
    users = (listener.name for listener in config.http_listeners if listener.ssl_policy == policy)
    versions = dict.fromkeys((policy.min_version, policy.max_version))
    suites = (*policy.tls13_cipher_suites, *policy.tls12_cipher_suites)
    return policy.name, "\n".join(users), "\n".join(versions), "\n".join(suites)


def _rules(config: Config) -> str:
    heads = ("PRIORITY", "RULE", "LISTENER", "POOL", "BACKEND ADDRESSES", "SETTINGS")
    rules = sorted(config.request_routing_rules, key=lambda rule: rule.priority)
    return rendered("Request routing rules", heads, [_rule_row(rule) for rule in rules])


def _rule_row(rule: RequestRoutingRule) -> tuple[str, ...]:
    pool, settings = rule.backend_address_pool, rule.backend_http_settings
    return (
        str(rule.priority),
        rule.name,
        rule.http_listener.name,
        pool.name,
        "\n".join(_backend(each, settings) for each in pool.backend_addresses) or "(none: 502)",
        settings.name,
    )


def _backend(backend: BackendAddress, settings: BackendHttpSettings) -> str:
    return _address(backend.host, settings.port if backend.port is None else backend.port)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _settings(config: Config) -> str:
    used = _distinct(rule.backend_http_settings for rule in config.request_routing_rules)
    heads = ("SETTINGS", "PROTOCOL", "PORT", "TIMEOUT", "HOST SENT", "CERTIFICATE HEADERS")
    return rendered("Backend settings", heads, [_settings_row(settings) for settings in used])


def _settings_row(settings: BackendHttpSettings) -> tuple[str, ...]:
    return (
        settings.name,
        settings.protocol.value,
        str(settings.port),
        f"{settings.request_timeout:g} s",
        settings.host_name or _host(settings),
        _headers(settings.client_certificate_headers),
    )


def _balancing(config: Config) -> str:
    used = _distinct(rule.backend_http_settings for rule in config.request_routing_rules)
    heads = ("SETTINGS", "ALGORITHM", "AFFINITY COOKIE", "DRAINING")
    return rendered("Balancing", heads, [_balancing_row(settings) for settings in used])


def _balancing_row(settings: BackendHttpSettings) -> tuple[str, ...]:
    return (
        settings.name,
        settings.load_distribution_algorithm.value,
        settings.affinity_cookie_name if settings.cookie_based_affinity else "-",
        f"{settings.connection_draining_timeout:g} s",
    )


def _probes(config: Config) -> str:
    """What servers are asked, by their settings."""
    used = _distinct(rule.backend_http_settings for rule in config.request_routing_rules)
    heads = ("SETTINGS", "PROBE", "PORT", "HOST SENT", "PATH", "EVERY", "TIMEOUT", "DOWN AFTER", "HEALTHY")
    return rendered("Probes", heads, [_probe_row(settings) for settings in used])


def _probe_row(settings: BackendHttpSettings) -> tuple[str, ...]:
    asked = question(settings, PICKED, settings.port)
    own_port = settings.probe is not None and settings.probe.port is not None
    return (
        settings.name,
        "(default)" if settings.probe is None else settings.probe.name,
        str(asked.port) if own_port else "the server's",
        "the backend's" if asked.host == PICKED else asked.host,
        printable(asked.path),
        f"{asked.interval:g} s",
        f"{asked.timeout:g} s",
        str(asked.unhealthy_threshold),
        ", ".join(map(str, asked.match.statuses)) + (" and match_body" if asked.match.body else ""),
    )


def _host(settings: BackendHttpSettings) -> str:
    return "the backend's" if settings.pick_host_name_from_backend_address else "the client's"


def _headers(wanted: frozenset[CertificateHeaders] | None) -> str:
    if wanted is None:
        return "on where certificates are asked for"
    return ", ".join(each.value for each in CertificateHeaders if each in wanted) or "off"


def _distinct(values: Iterable[T | None]) -> tuple[T, ...]:
    """Each value once, in order, without None."""
    return tuple(dict.fromkeys(_without_none(values)))


def _without_none(values: Iterable[T | None]) -> Iterator[T]:
    return (value for value in values if value is not None)
