"""A configuration as an operator wants to see it before it runs: who listens, who is trusted, and where requests go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import attrs
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import beside, table_if_any
from agwtwisted.core.base.tables import table as rendered
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.configuration.coherence import AnyListener
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.plan.plan import Plan, PortPlan
from agwtwisted.core.plan.probing import http_probe
from agwtwisted.core.plan.resumption import why_not_resumed
from agwtwisted.core.plan.server_identity import IdentityRule
from agwtwisted.core.reports import gateway_report, route_report, stapling_report
from agwtwisted.core.reports.route_report import address_and_port, distinct, server_place
from agwtwisted.core.resources.certificates import TrustedClientCertificate
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    BackendSettings,
    CertificateHeaders,
    ClientAuth,
    Config,
    HttpListener,
    MissingClientAuthEku,
    Protocol,
    Refusal,
    RevocationUnavailable,
    RoutingRule,
    SslProfile,
    sources_text,
)
from agwtwisted.core.tls.policies import TlsPolicy

ANY_HOST = "any host"
NOT_BOUND = "NOT BOUND: no rule"
PICKED = "?"
"""In place of a server's host name, where that is sent."""

Used: TypeAlias = tuple[BackendHttpSettings, ...]
"""The settings that rules lead to."""


def table(plan: Plan, now: datetime) -> str:
    """The whole configuration in tables of plain text, at most 100 columns wide; days are counted from `now` (aware).

    A certificate has 0 days left on its last day, and fewer once it has expired.
    """
    config, used = plan.config, distinct(settings for _, settings in plan.routes)
    return "\n".join(
        part
        for part in [
            _listeners(config),
            _server_certificates(config, now),
            *(_trusted(config, each, now) for each in _trusted_files(config)),
            _policies(config),
            _sessions(plan),
            *route_report.tables(config),
            *((_settings(used), _balancing(used), _probes(used)) if used else ()),
            *_backend_tls(used, now),
            *_relays(config),
            *gateway_report.tables(plan),
        ]
        if part
    )


def every_listener(config: Config) -> tuple[AnyListener, ...]:
    """HTTP listeners first, then those of L4."""
    return (*config.http_listeners, *config.listeners)


def mode(profile: SslProfile | None) -> str:
    """What an HTTP listener with this profile does about client certificates, in a few words."""
    if profile is None or not profile.asks:
        return "none"
    words = [str(profile.client_auth.value)]
    if profile.client_auth is ClientAuth.PASSTHROUGH:
        return ", ".join(words + _revocation(profile))
    words += [str(profile.refusal.value), *_revocation(profile)]
    words += ["weak keys"] if profile.allow_weak else []
    words += ["any purpose"] if profile.missing_client_auth_eku is MissingClientAuthEku.ALLOW else []
    words += [] if profile.advertise_ca_names else ["no CA names"]
    return ", ".join(words)


def _revocation(profile: SslProfile) -> list[str]:
    """What it asks about revocation, if anything; of a Passthrough profile that is for paths that require."""
    unavailable = {RevocationSource.OCSP: profile.ocsp_unavailable, RevocationSource.CRL: profile.crl_unavailable}
    sources = profile.verify_client_revocation
    if not sources:
        return []
    words = sources_text(sources)
    is_optional = all(unavailable[each] is RevocationUnavailable.ALLOW for each in sources)
    return [f"{words} if available" if is_optional else words]


def place(listener: AnyListener) -> str:
    """``127.0.0.1:8443``."""
    return address_and_port(listener.address, listener.port)


def _listeners(config: Config) -> str:
    heads = ("LISTENER", "ADDRESS", "PROTOCOL", "HOST NAMES", "SSL PROFILE", "MODE", "ISSUER DN")
    served = frozenset(config.served)
    rows = [_listener_row(listener, is_bound=listener in served) for listener in every_listener(config)]
    return table_if_any("Listeners", heads, rows)


def _listener_row(listener: AnyListener, *, is_bound: bool) -> tuple[str, ...]:
    profile = listener.ssl_profile
    return (
        listener.name,
        place(listener) if is_bound else f"{place(listener)}\n{NOT_BOUND}",
        spoken(listener).replace(", ", "\n"),
        "\n".join(listener.host_names) or ANY_HOST,
        profile.name if profile else "-",
        mode(as_used(listener)),
        _issuer_dn(profile),
    )


def spoken(listener: AnyListener) -> str:
    """What clients may speak: ``Https, HTTP/2``."""
    word = listener.protocol.value
    return f"{word}, HTTP/2" if isinstance(listener, HttpListener) and listener.http2 else word


def as_used(listener: AnyListener) -> SslProfile | None:
    """The profile as it is in force: on L4 every refusal is in the handshake."""
    profile = listener.ssl_profile
    if profile is None or isinstance(listener, HttpListener):
        return profile
    return attrs.evolve(profile, refusal=Refusal.HANDSHAKE)


def _issuer_dn(profile: SslProfile | None) -> str:
    if profile is not None and profile.verify_client_cert_issuer_dn:
        return "compared"
    return "any" if profile is not None and profile.client_auth is ClientAuth.STRICT else "-"


def _server_certificates(config: Config, now: datetime) -> str:
    used = distinct(listener.ssl_certificate for listener in every_listener(config))
    rows = [
        (each.name, *_certificate_row(leaf.public_bytes(Encoding.DER), leaf.not_valid_after_utc, now))
        for each in used
        for leaf in each.certificates[:1]
    ]
    heads = ("NAME", "SUBJECT", "DAYS LEFT", "FINGERPRINT (SHA-1)")
    parts = (table_if_any("Server certificates", heads, rows), stapling_report.table(used))
    return "\n".join(filter(None, parts))


def _trusted_files(config: Config) -> tuple[TrustedClientCertificate, ...]:
    return distinct(
        trusted
        for listener in every_listener(config)
        if listener.ssl_profile
        for trusted in listener.ssl_profile.trusted_client_certificates
    )


def _trusted(config: Config, trusted: TrustedClientCertificate, now: datetime) -> str:
    """One file of CA certificates, the root first."""
    chain = trusted.chain
    authorities = (chain.root, *(each for each in chain.authorities if each.der != chain.root.der))
    profiles = distinct(listener.ssl_profile for listener in every_listener(config))
    users = ", ".join(profile.name for profile in profiles if trusted in profile.trusted_client_certificates)
    title = "\n".join(
        [
            f"Trusted client certificate {trusted.name}",
            f"  file          {printable(chain.file)}",
            *beside("  SSL profiles  ", users),
            *beside("  issuer DN     ", certificate_variables(chain.issuer.der).subject.decode()),
            "",
        ]
    )
    heads = ("SUBJECT, ROOT FIRST", "DAYS LEFT", "FINGERPRINT (SHA-1)")
    return rendered(title, heads, [_certificate_row(each.der, each.not_after, now) for each in authorities])


def _certificate_row(der: bytes, not_after: datetime, now: datetime) -> tuple[str, str, str]:
    days_left = (not_after - now) // timedelta(days=1)
    variables = certificate_variables(der)
    return variables.subject.decode() or "(no subject)", str(days_left), variables.fingerprint.decode()


def _policies(config: Config) -> str:
    used = distinct(listener.ssl_policy for listener in every_listener(config))
    heads = ("TLS POLICY", "LISTENERS", "VERSIONS", "CIPHER SUITES, PREFERRED FIRST")
    return table_if_any("TLS policies", heads, [_policy_row(config, policy) for policy in used])


def _policy_row(config: Config, policy: TlsPolicy) -> tuple[str, ...]:
    users = (listener.name for listener in every_listener(config) if listener.ssl_policy == policy)
    versions = dict.fromkeys((policy.min_version, policy.max_version))
    suites = (*policy.tls13_cipher_suites, *policy.tls12_cipher_suites)
    return policy.name, "\n".join(users), "\n".join(versions), "\n".join(suites)


def _sessions(plan: Plan) -> str:
    """Whether clients may resume TLS sessions, by port."""
    heads = ("ADDRESS", "TLS SESSIONS")
    rows = [(address_and_port(*port.address), _resumption(port)) for port in plan.ports if port.encrypted]
    return table_if_any("Resumption", heads, rows)


def _resumption(port: PortPlan[Any]) -> str:
    reason = why_not_resumed(port.sites.all())
    return f"not resumed: {reason}" if reason else "resumed, certificates are judged again"


def _backend_tls(every: Used, now: datetime) -> Iterator[str]:
    """Two tables, if any servers use TLS: how they are connected to, and how they are verified."""
    used = [settings for settings in every if settings.protocol is Protocol.HTTPS]
    if not used:
        return
    heads = ("SETTINGS", "TRUSTED ROOTS", "CHAIN", "SERVER NAME", "NAME", "OWN CERTIFICATE")
    yield rendered("TLS to backends", heads, [_backend_tls_row(settings) for settings in used])
    roots = distinct(root for settings in used for root in settings.trusted_root_certificates)
    if roots:
        rows = [
            (root.name, *_certificate_row(each.der, each.not_after, now))
            for root in roots
            for each in root.certificates
        ]
        yield rendered("Trusted root certificates", ("NAME", "SUBJECT", "DAYS LEFT", "FINGERPRINT (SHA-1)"), rows)


def _backend_tls_row(settings: BackendHttpSettings) -> tuple[str, ...]:
    fixed = IdentityRule.of(settings, "").fixed
    name = "the pool's, else the client's"
    if settings.pick_host_name_from_backend_address and not settings.sni_name:
        name = "the pool's"
    elif fixed is not None:
        name = str(fixed)
    own = settings.client_ssl_certificate
    return (
        settings.name,
        "\n".join(root.name for root in settings.trusted_root_certificates) or "the system's",
        "checked" if settings.validate_cert_chain_and_expiry else "NOT CHECKED",
        name,
        "checked" if settings.validate_sni else "NOT CHECKED",
        own.name if own else "-",
    )


def _settings(used: Used) -> str:
    heads = ("SETTINGS", "PROTOCOL", "PORT", "TIMEOUT", "HOST SENT", "CERTIFICATE HEADERS")
    return rendered("Backend settings", heads, [_settings_row(settings) for settings in used])


def _settings_row(settings: BackendHttpSettings) -> tuple[str, ...]:
    return (
        settings.name,
        settings.protocol.value,
        str(settings.port),
        f"{settings.request_timeout:g} s",
        f"{settings.host_name or _host(settings)} {settings.path}".rstrip(),
        _headers(settings.client_certificate_headers),
    )


def _balancing(used: Used) -> str:
    heads = ("SETTINGS", "ALGORITHM", "AFFINITY COOKIE", "CONNECTIONS", "DRAINING")
    return rendered("Balancing", heads, [_balancing_row(settings) for settings in used])


def _balancing_row(settings: BackendHttpSettings) -> tuple[str, ...]:
    return (
        settings.name,
        settings.load_distribution_algorithm.value,
        settings.affinity_cookie_name if settings.cookie_based_affinity else "-",
        "one for each client's" if settings.dedicated_backend_connection else "shared",
        f"{settings.connection_draining_timeout:g} s",
    )


def _probes(used: Used) -> str:
    """What servers are asked, by their settings."""
    heads = ("SETTINGS", "PROBE", "PORT", "HOST SENT", "PATH", "EVERY", "TIMEOUT", "DOWN AFTER", "HEALTHY")
    return rendered("Probes", heads, [_probe_row(settings) for settings in used])


def _probe_row(settings: BackendHttpSettings) -> tuple[str, ...]:
    asked = http_probe(settings, PICKED, settings.port)
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
        return "on for listeners that ask for certificates"
    return ", ".join(each.value for each in CertificateHeaders if each in wanted) or "off"


def _relays(config: Config) -> Iterator[str]:
    """The rules of L4 listeners and their settings, where there are any."""
    if not config.routing_rules:
        return
    heads = ("PRIORITY", "RULE", "LISTENER", "POOL", "BACKEND ADDRESSES", "SETTINGS")
    rules = sorted(config.routing_rules, key=lambda rule: rule.priority)
    yield rendered("Routing rules (L4)", heads, [_relay_row(rule) for rule in rules])
    used = distinct(rule.backend_settings for rule in rules)
    words = ("SETTINGS", "PROTOCOL", "PORT", "TIMEOUT", "PROXY PROTOCOL HEADER", "PROBE")
    yield rendered("Backend settings (L4)", words, [_relay_settings_row(settings) for settings in used])


def _relay_row(rule: RoutingRule) -> tuple[str, ...]:
    pool, settings = rule.backend_address_pool, rule.backend_settings
    return (
        str(rule.priority),
        rule.name,
        rule.listener.name,
        pool.name,
        "\n".join(server_place(each, settings) for each in pool.backend_addresses) or "(none: closed)",
        settings.name,
    )


def _relay_settings_row(settings: BackendSettings) -> tuple[str, ...]:
    header = "-"
    if settings.enable_l4_client_ip_preservation:
        header = "v2, with TLS" if settings.proxy_protocol_tls else "v2"
    probe = "(default)" if settings.probe is None else settings.probe.name
    return settings.name, settings.protocol.value, str(settings.port), f"{settings.timeout:g} s", header, probe
