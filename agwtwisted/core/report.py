"""A configuration as an operator wants to see it before it runs: who listens, who is trusted, and where requests go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.coherence import AnyListener
from agwtwisted.core.conditions import Condition
from agwtwisted.core.errors import printable
from agwtwisted.core.policies import TlsPolicy
from agwtwisted.core.probing import question
from agwtwisted.core.resources import (
    BackendAddress,
    BackendAddressPool,
    BackendHttpSettings,
    BackendSettings,
    CertificateHeaders,
    ClientAuth,
    Config,
    HttpListener,
    PathCertificate,
    Protocol,
    RedirectConfiguration,
    Refusal,
    RequestRoutingRule,
    RoutingRule,
    SslProfile,
    TrustedClientCertificate,
    UrlPathMap,
)
from agwtwisted.core.rewriting import RewriteRule, RewriteRuleSet
from agwtwisted.core.routing import backends_of, redirects_of
from agwtwisted.core.server_identity import IdentityRule
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
        part
        for part in [
            _listeners(config),
            _server_certificates(config, now),
            *(_trusted(config, each, now) for each in _trusted_files(config)),
            _policies(config),
            _rules(config),
            *(_url_path_map(each) for each in _distinct(rule.url_path_map for rule in config.request_routing_rules)),
            *_redirects(config),
            *_custom_errors(config),
            _settings(config),
            _balancing(config),
            _probes(config),
            *_backend_tls(config, now),
            _access(config),
            _rewrite_rule_sets(config),
            *_relays(config),
        ]
        if part
    )


def every_listener(config: Config) -> tuple[AnyListener, ...]:
    """HTTP listeners first, then those of L4."""
    return (*config.http_listeners, *config.listeners)


def mode(profile: SslProfile | None) -> str:
    """What an HTTP listener with this profile does about client certificates, in a few words."""
    if profile is None or profile.client_auth is ClientAuth.NONE:
        return "none"
    if profile.client_auth is ClientAuth.PASSTHROUGH:
        return str(profile.client_auth.value)
    return f"{profile.client_auth.value}, {profile.refusal.value}{', weak keys' if profile.allow_weak else ''}"


def place(listener: AnyListener) -> str:
    """``127.0.0.1:8443``."""
    return _address(listener.address, listener.port)


def _listeners(config: Config) -> str:
    heads = ("LISTENER", "ADDRESS", "PROTOCOL", "HOST NAMES", "SSL PROFILE", "MODE", "ISSUER DN")
    return rendered("Listeners", heads, [_listener_row(listener) for listener in every_listener(config)])


def _listener_row(listener: AnyListener) -> tuple[str, ...]:
    profile = listener.ssl_profile
    return (
        listener.name,
        place(listener),
        listener.protocol.value,
        "\n".join(listener.host_names) or ANY_HOST,
        profile.name if profile else "-",
        mode(_as_used(listener)),
        _issuer_dn(profile),
    )


def _as_used(listener: AnyListener) -> SslProfile | None:
    """The profile as it is in force: on L4 everybody is refused in the handshake."""
    profile = listener.ssl_profile
    if profile is None or isinstance(listener, HttpListener):
        return profile
    return attrs.evolve(profile, refusal=Refusal.HANDSHAKE)


def _issuer_dn(profile: SslProfile | None) -> str:
    if profile is None or profile.client_auth is not ClientAuth.STRICT:
        return "-"
    return "compared" if profile.verify_client_cert_issuer_dn else "any"


def _server_certificates(config: Config, now: datetime) -> str:
    used = _distinct(listener.ssl_certificate for listener in every_listener(config))
    rows = [(each.name, *_certificate_row(certificate, now)) for each in used for certificate in each.certificates[:1]]
    return rendered("Server certificates", ("NAME", "SUBJECT", "DAYS LEFT", "FINGERPRINT (SHA-1)"), rows)


def _trusted_files(config: Config) -> tuple[TrustedClientCertificate, ...]:
    return _distinct(
        trusted
        for listener in every_listener(config)
        if listener.ssl_profile
        for trusted in listener.ssl_profile.trusted_client_certificates
    )


def _trusted(config: Config, trusted: TrustedClientCertificate, now: datetime) -> str:
    """One file of CA certificates, the root first."""
    chain = trusted.chain
    authorities = (chain.root, *(each for each in chain.authorities if each != chain.root))
    profiles = _distinct(listener.ssl_profile for listener in every_listener(config))
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
    used = _distinct(listener.ssl_policy for listener in every_listener(config))
    heads = ("TLS POLICY", "LISTENERS", "VERSIONS", "CIPHER SUITES, THE PREFERRED FIRST")
    return rendered("TLS policies", heads, [_policy_row(config, policy) for policy in used])


def _policy_row(config: Config, policy: TlsPolicy) -> tuple[str, ...]:
    users = (listener.name for listener in every_listener(config) if listener.ssl_policy == policy)
    versions = dict.fromkeys((policy.min_version, policy.max_version))
    suites = (*policy.tls13_cipher_suites, *policy.tls12_cipher_suites)
    return policy.name, "\n".join(users), "\n".join(versions), "\n".join(suites)


def _rules(config: Config) -> str:
    heads = ("PRIORITY", "RULE", "LISTENER", "POOL", "BACKEND ADDRESSES", "SETTINGS")
    rules = sorted(config.request_routing_rules, key=lambda rule: rule.priority)
    return rendered("Request routing rules", heads, [_rule_row(rule) for rule in rules])


def _rule_row(rule: RequestRoutingRule) -> tuple[str, ...]:
    url_path_map = rule.url_path_map
    if url_path_map is not None:
        end: tuple[str, ...] = (f"URL path map {url_path_map.name}", "", "")
    else:
        end = _end(rule.backend_address_pool, rule.backend_http_settings, rule.redirect_configuration)
    return (str(rule.priority), rule.name, rule.http_listener.name, *end)


def _end(
    pool: BackendAddressPool | None, settings: BackendHttpSettings | None, redirect: RedirectConfiguration | None
) -> tuple[str, str, str]:
    """Where requests go: three cells."""
    if pool is None or settings is None:
        return (f"redirect {redirect.name}" if redirect else "-", "", "")
    servers = "\n".join(_backend(each, settings) for each in pool.backend_addresses) or "(none: 502)"
    return pool.name, servers, settings.name


def _url_path_map(url_path_map: UrlPathMap) -> str:
    """The path rules of a map in the order in which they are looked at."""
    heads = ("PATHS", "PATH RULE", "POOL", "BACKEND ADDRESSES", "SETTINGS", "REWRITES", "CLIENT CERTIFICATE")
    rows = [
        (
            "\n".join(rule.paths),
            rule.name,
            *_end(rule.backend_address_pool, rule.backend_http_settings, rule.redirect_configuration),
            _name(rule.rewrite_rule_set),
            "-" if rule.client_certificate is PathCertificate.NONE else rule.client_certificate.value,
        )
        for rule in url_path_map.path_rules
    ]
    default = _end(
        url_path_map.default_backend_address_pool,
        url_path_map.default_backend_http_settings,
        url_path_map.default_redirect_configuration,
    )
    rewrites = _name(url_path_map.default_rewrite_rule_set)
    return rendered(f"URL path map {url_path_map.name}", heads, [*rows, ("any other", "", *default, rewrites, "-")])


def _name(rewrite_rule_set: RewriteRuleSet | None) -> str:
    return rewrite_rule_set.name if rewrite_rule_set else "-"


def _redirects(config: Config) -> Iterator[str]:
    heads = ("REDIRECT", "STATUS", "TARGET", "PATH", "QUERY")
    used = _distinct(redirect for rule in config.request_routing_rules for redirect in redirects_of(rule))
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


def _backend(backend: BackendAddress, settings: BackendHttpSettings | BackendSettings) -> str:
    return _address(backend.host, settings.port if backend.port is None else backend.port)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _used_settings(config: Config) -> tuple[BackendHttpSettings, ...]:
    return _distinct(settings for rule in config.request_routing_rules for _, settings in backends_of(rule))


def _backend_tls(config: Config, now: datetime) -> Iterator[str]:
    """Two tables, where any servers are spoken to in TLS: how they are, and whom they are believed for."""
    used = [settings for settings in _used_settings(config) if settings.protocol is Protocol.HTTPS]
    if not used:
        return
    heads = ("SETTINGS", "TRUSTED ROOTS", "CHAIN", "SERVER NAME", "NAME", "OWN CERTIFICATE")
    yield rendered("TLS to backends", heads, [_backend_tls_row(settings) for settings in used])
    roots = _distinct(root for settings in used for root in settings.trusted_root_certificates)
    if roots:
        rows = [(root.name, *_certificate_row(each, now)) for root in roots for each in root.certificates]
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


def _settings(config: Config) -> str:
    used = _used_settings(config)
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


def _balancing(config: Config) -> str:
    used = _used_settings(config)
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
    used = _used_settings(config)
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


def _access(config: Config) -> str:
    rows = [
        (name, "\n".join(printable(condition.text) for condition in conditions))
        for name, conditions in _conditions(config)
        if conditions
    ]
    return rendered("Who may come in", ("RULE", "403 UNLESS"), rows) if rows else ""


def _conditions(config: Config) -> Iterator[tuple[str, Sequence[Condition]]]:
    """Rules, path rules and the defaults of maps, with what is asked of those who come in."""
    for rule in config.request_routing_rules:
        yield rule.name, rule.deny_unless
    for url_path_map in _distinct(rule.url_path_map for rule in config.request_routing_rules):
        for path_rule in url_path_map.path_rules:
            yield f"{url_path_map.name}/{path_rule.name}", path_rule.deny_unless
        yield f"{url_path_map.name}, any other path", url_path_map.default_deny_unless


def _rewrite_rule_sets(config: Config) -> str:
    heads = ("SEQUENCE", "SET/RULE", "WHERE", "DOES")
    rows = [_rewrite_rule_row(rule) for rule_set in config.rewrite_rule_sets for rule in rule_set.rules]
    return rendered("Rewrite rule sets, rules in their order", heads, rows) if rows else ""


def _rewrite_rule_row(rule: RewriteRule) -> tuple[str, ...]:
    conditions = "\n".join(printable(condition.text) for condition in rule.conditions)
    actions = "\n".join(map(printable, _actions(rule)))
    return str(rule.rule_sequence), rule.name, conditions or "always", actions


def _actions(rule: RewriteRule) -> Iterator[str]:
    """What a rule does, in the words of the file."""
    for kind, actions in (("request_header", rule.request_headers), ("response_header", rule.response_headers)):
        for action in actions:
            name = f"{kind}.{action.name.decode()}"
            matched = " where it matches" if action.matcher else ""
            yield f"{name} = {action.value.text}{matched}" if action.value else f"{name} deleted{matched}"
    if rule.url_path is not None:
        yield f"url_path = {rule.url_path.text}"
    if rule.url_query_string is not None:
        yield f"url_query_string = {rule.url_query_string.text}"
    if rule.reroute:
        yield "reroute"


def _relays(config: Config) -> Iterator[str]:
    """The rules of L4 listeners and their settings, where there are any."""
    if not config.routing_rules:
        return
    heads = ("PRIORITY", "RULE", "LISTENER", "POOL", "BACKEND ADDRESSES", "SETTINGS")
    rules = sorted(config.routing_rules, key=lambda rule: rule.priority)
    yield rendered("Routing rules (L4)", heads, [_relay_row(rule) for rule in rules])
    used = _distinct(rule.backend_settings for rule in rules)
    words = ("SETTINGS", "PROTOCOL", "PORT", "TIMEOUT", "PROXY PROTOCOL HEADER")
    yield rendered("Backend settings (L4)", words, [_relay_settings_row(settings) for settings in used])


def _relay_row(rule: RoutingRule) -> tuple[str, ...]:
    pool, settings = rule.backend_address_pool, rule.backend_settings
    return (
        str(rule.priority),
        rule.name,
        rule.listener.name,
        pool.name,
        "\n".join(_backend(each, settings) for each in pool.backend_addresses) or "(none: closed)",
        settings.name,
    )


def _relay_settings_row(settings: BackendSettings) -> tuple[str, ...]:
    header = "-"
    if settings.enable_l4_client_ip_preservation:
        header = "v2, with TLS" if settings.proxy_protocol_tls else "v2"
    return settings.name, settings.protocol.value, str(settings.port), f"{settings.timeout:g} s", header


def _distinct(values: Iterable[T | None]) -> tuple[T, ...]:
    """Each value once, in order, without None."""
    return tuple(dict.fromkeys(_without_none(values)))


def _without_none(values: Iterable[T | None]) -> Iterator[T]:
    return (value for value in values if value is not None)
