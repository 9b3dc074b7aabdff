"""What must fit together within one section, once each of its keys is fine by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from agwtwisted.core import policies, rewrite_rules
from agwtwisted.core.errors import Problem, shown
from agwtwisted.core.policies import TlsPolicy
from agwtwisted.core.resources import (
    ClientAuth,
    ClientRevocation,
    MissingClientAuthEku,
    Protocol,
    RuleType,
    StreamProtocol,
    WithoutNocheck,
)
from agwtwisted.core.server_certificates import is_pfx
from agwtwisted.core.settings import Row

_POLICY_KEYS = ("ssl_policy", "policy_type", "min_protocol_version", "cipher_suites")


def problems(row: Row) -> Iterator[Problem]:
    """Every problem about keys that do not go together."""
    check = _CHECKS.get(row.section.kind)
    return iter(()) if check is None else check(row)


def client_auth(row: Row) -> ClientAuth:
    """What a profile asks of clients: Strict where it names trusted client certificates and no mode."""
    mode = row.values.get("verify_client_auth_mode")
    if isinstance(mode, ClientAuth):
        return mode
    return ClientAuth.NONE if row.unset("trusted_client_certificates") else ClientAuth.STRICT


def tls_policy(row: Row) -> TlsPolicy | str | None:
    """The TLS policy that a section names or spells out, or why that is none; None where it says nothing of it."""
    given = {key: row.values[key] for key in _POLICY_KEYS if key in row.values}
    return _policy(**given) if given else None


def policy_key(row: Row) -> str:
    """The first of the section's keys about its TLS policy; empty where it has none."""
    return next((key for key in _POLICY_KEYS if not row.unset(key)), "")


def _policy(
    *,
    ssl_policy: str = "",
    policy_type: str = "",
    min_protocol_version: str = "",
    cipher_suites: tuple[str, ...] = (),
) -> TlsPolicy | str:
    if policy_type in ("", "Predefined"):
        if min_protocol_version or cipher_suites:
            return "min_protocol_version and cipher_suites need policy_type = Custom or CustomV2"
        return policies.predefined(ssl_policy) if ssl_policy else "policy_type = Predefined needs ssl_policy"
    if ssl_policy:
        return "ssl_policy names a predefined policy: it does not go with policy_type = Custom or CustomV2"
    if policy_type in ("Custom", "CustomV2") and not min_protocol_version:
        return f"policy_type = {policy_type} needs min_protocol_version"
    return policies.custom(policy_type, min_protocol_version, cipher_suites)


def _ssl_policy(row: Row) -> Iterator[Problem]:
    policy = tls_policy(row)
    if isinstance(policy, str) and not row.refused & {*_POLICY_KEYS}:
        yield row.problem(policy, key=policy_key(row))


def _ssl_certificate(row: Row) -> Iterator[Problem]:
    if "certificate_file" in row.refused:
        return
    if is_pfx(row.get("certificate_file")):
        if "key_file" in row.values:
            yield row.problem("key_file does not go with a .pfx, which holds the key itself", key="key_file")
        return
    if "password_file" in row.values:
        yield row.problem("password_file goes with a .pfx only: store the key without passphrase", key="password_file")
    if row.unset("key_file"):
        yield row.problem("key_file is missing")


def _ssl_profile(row: Row) -> Iterator[Problem]:
    yield from _ssl_policy(row)
    if "verify_client_auth_mode" in row.refused:
        return
    mode = client_auth(row)
    if mode is ClientAuth.STRICT and row.unset("trusted_client_certificates"):
        yield row.problem("Strict needs trusted_client_certificates", key="verify_client_auth_mode")
    for key in ("verify_client_cert_issuer_dn", "allow_weak", "missing_client_auth_eku"):
        if mode is ClientAuth.NONE and row.get(key) not in (None, False, MissingClientAuthEku.REFUSE):
            yield row.problem(f"{key} needs Strict", key=key)
    if mode is ClientAuth.STRICT:
        yield from weak_key_warnings(row)
    if mode is not ClientAuth.STRICT and "advertise_ca_names" in row.values:
        message = "advertise_ca_names has no effect without Strict: no names are sent"
        yield row.warning(message, key="advertise_ca_names")
    if mode is not ClientAuth.STRICT and "refusal" in row.values:
        yield row.warning("refusal has no effect without Strict: nobody is refused", key="refusal")
    yield from _revocation(row, mode)
    if mode is ClientAuth.NONE and not policy_key(row):
        # The product: "must specify either SslPolicy or TrustedClientCertificates".
        yield row.problem("says nothing: it must specify either a TLS policy or trusted_client_certificates")


VERIFYING_KEYS = ("verify_client_cert_issuer_dn", "allow_weak", "missing_client_auth_eku", "verify_client_revocation")
"""What a profile says about verifying certificates; of one that is Passthrough it depends on other sections."""


def weak_key_warnings(row: Row) -> Iterator[Problem]:
    """What is said where a profile that verifies certificates lets in weak ones, or those that are for others."""
    if row.get("allow_weak"):
        yield row.warning(
            "allow_weak takes keys that can be broken and signatures that can be forged: better issue new certificates",
            key="allow_weak",
        )
    if row.get("missing_client_auth_eku") is MissingClientAuthEku.ALLOW:
        yield row.warning(
            "missing_client_auth_eku = Allow lets in certificates that are not for clients: whoever has a server's"
            " certificate of a trusted CA is a client, too",
            key="missing_client_auth_eku",
        )


def _revocation(row: Row, mode: ClientAuth) -> Iterator[Problem]:
    key = "verify_client_revocation"
    asked = row.get(key) is ClientRevocation.OCSP
    if asked and mode is ClientAuth.NONE:
        yield row.problem(f"{key} = OCSP needs Strict", key=key)
    if row.get("ocsp_responder_without_nocheck") is WithoutNocheck.ALLOW and asked:
        yield row.warning(
            "ocsp_responder_without_nocheck = Allow believes a responder although its own certificate may have been"
            " revoked: better have it issued with id-pkix-ocsp-nocheck",
            key="ocsp_responder_without_nocheck",
        )
    unheard = next((each for each in row.values if each.startswith("ocsp_")), "")
    if unheard and not asked and key not in row.refused:
        yield row.warning(f"{unheard} has no effect without {key} = OCSP", key=unheard)


def _http_listener(row: Row) -> Iterator[Problem]:
    protocol = row.get("protocol")
    if protocol is Protocol.HTTPS and row.unset("ssl_certificate"):
        yield row.problem("an Https listener needs ssl_certificate")
    if protocol is Protocol.HTTP:
        for key in ("ssl_certificate", "ssl_profile", "require_server_name_indication"):
            if row.get(key):
                yield row.problem(f"{key} has no place on an Http listener", key=key)
    elif row.get("require_server_name_indication") and row.unset("host_names"):
        key = "require_server_name_indication"
        yield row.problem(f"{key} needs host_names to compare the client's with", key=key)
    yield from _proxies(row)


def _listener(row: Row) -> Iterator[Problem]:
    protocol = row.get("protocol")
    if protocol is StreamProtocol.TLS and row.unset("ssl_certificate"):
        yield row.problem("a Tls listener needs ssl_certificate")
    if protocol is StreamProtocol.TCP:
        for key in ("ssl_certificate", "ssl_profile", "host_names", "alpn_protocols"):
            if row.get(key):
                yield row.problem(f"{key} has no place on a Tcp listener", key=key)
    yield from _proxies(row)


def _proxies(row: Row) -> Iterator[Problem]:
    key = "accept_proxy_protocol"
    for network in row.get(key):
        if not network.prefixlen:
            yield row.warning(f"{key} has {network}: anybody may say that he comes from anywhere", key=key)


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
    for key in (*_END_KEYS, "rewrite_rule_set"):
        if not row.unset(key):
            yield row.problem(
                f"{key} has no place in a rule with PathBasedRouting: say it in its url_path_map", key=key
            )


_END_KEYS = ("backend_address_pool", "backend_http_settings", "redirect_configuration")


def _end(row: Row, prefix: str = "") -> Iterator[Problem]:
    """Requests go to a pool by some settings, or they are redirected."""
    pool, settings, redirect = (prefix + key for key in _END_KEYS)
    rewrites = f"{prefix}rewrite_rule_set"
    for key in (pool, settings):
        if row.unset(redirect) and row.unset(key):
            yield row.problem(f"{key} is missing")
        elif not row.unset(redirect) and not row.unset(key):
            yield row.problem(f"{key} does not go with {redirect}: requests are forwarded or redirected", key=key)
    if not row.unset(redirect) and not row.unset(rewrites):
        yield row.warning(f"{rewrites} has no effect: redirects are not rewritten", key=rewrites)


def _url_path_map(row: Row) -> Iterator[Problem]:
    yield from _end(row, "default_")


def _redirect_configuration(row: Row) -> Iterator[Problem]:
    if row.unset("target_listener") and row.unset("target_url"):
        yield row.problem("needs target_listener or target_url")
    if not row.unset("target_listener") and not row.unset("target_url"):
        yield row.problem("target_listener and target_url exclude each other", key="target_url")


def _custom_error(row: Row) -> Iterator[Problem]:
    status = row.name.partition("/")[2]
    if status not in CUSTOM_ERROR_STATUSES:
        most = CUSTOM_ERROR_STATUSES
        yield row.problem(f"{shown(status)} has no page of one's own: {', '.join(most[:-1])} and {most[-1]} may have")
    if "file" not in row.refused and not row.get("file").lower().endswith((".htm", ".html")):
        yield row.problem(f"file is {shown(row.get('file'))}, but must end in .htm or .html", key="file")


CUSTOM_ERROR_STATUSES = ("400", "403", "404", "405", "408", "500", "502", "503", "504")
"""Those of the product's enumeration of custom error pages."""


def _backend_address_pool(row: Row) -> Iterator[Problem]:
    if row.unset("backend_addresses"):
        yield row.warning("has no backend_addresses: requests that come here are answered 502")


_BACKEND_TLS_KEYS = (
    "trusted_root_certificates",
    "validate_cert_chain_and_expiry",
    "validate_sni",
    "sni_name",
    "client_ssl_certificate",
)


def backend_port(row: Row) -> int:
    """The port of backend settings: where it is absent, the one that their protocol has by itself."""
    port: int = row.get("port")
    return 443 if row.unset("port") and row.get("protocol") is Protocol.HTTPS else port


def _backend_http_settings(row: Row) -> Iterator[Problem]:
    if row.get("host_name") and row.get("pick_host_name_from_backend_address"):
        yield row.problem("host_name and pick_host_name_from_backend_address exclude each other", key="host_name")
    yield from _affinity(row)
    yield from _backend_tls(row)


def _affinity(row: Row) -> Iterator[Problem]:
    key = "affinity_cookie_name"
    if key in row.values and not row.get("cookie_based_affinity") and "cookie_based_affinity" not in row.refused:
        yield row.warning(f"{key} has no effect without cookie_based_affinity", key=key)


def _probe(row: Row) -> Iterator[Problem]:
    if row.get("host") and row.get("pick_host_name_from_backend_http_settings"):
        yield row.problem("host and pick_host_name_from_backend_http_settings exclude each other", key="host")
    if isinstance(row.get("protocol"), StreamProtocol):
        for key in ("path", "match_status_codes", "match_body", "pick_host_name_from_backend_http_settings"):
            if key in row.values:
                yield row.problem(f"{key} has no place in a probe that speaks no HTTP", key=key)
        yield from _relay_probe(row)
    elif "protocol" not in row.refused:
        for key in ("pick_host_name_from_backend_settings", "enable_probe_proxy_protocol_header"):
            if row.get(key):
                yield row.problem(f"{key} has no place in a probe that speaks HTTP", key=key)


def _relay_probe(row: Row) -> Iterator[Problem]:
    picks = "pick_host_name_from_backend_settings"
    if row.get("host") and row.get(picks):
        yield row.problem(f"host and {picks} exclude each other", key="host")
    for key in ("host", picks):
        if row.get(key) and row.get("protocol") is StreamProtocol.TCP:
            yield row.problem(f"{key} has no place in a probe that speaks no TLS", key=key)


def _backend_tls(row: Row) -> Iterator[Problem]:
    if "protocol" in row.refused:
        return
    if row.get("protocol") is Protocol.HTTP:
        for key in _BACKEND_TLS_KEYS:
            if row.get(key) != row.kind.default(key):
                yield row.problem(f"{key} needs protocol = Https", key=key)
        return
    if not row.get("validate_cert_chain_and_expiry"):
        key = "validate_cert_chain_and_expiry"
        yield row.warning(f"{key} = false: whoever is between here and the servers can pass for them", key=key)
        if not row.unset("trusted_root_certificates"):
            yield row.warning(f"trusted_root_certificates have no effect with {key} = false", key=key)
    elif not row.get("validate_sni"):
        key = "validate_sni"
        yield row.warning(f"{key} = false: any certificate of a trusted CA passes for theirs", key=key)


def _backend_settings(row: Row) -> Iterator[Problem]:
    if row.get("host_name") and row.get("pick_host_name_from_backend_address"):
        yield row.problem("host_name and pick_host_name_from_backend_address exclude each other", key="host_name")
    if row.get("protocol") is StreamProtocol.TCP and "protocol" not in row.refused:
        for name in ("trusted_root_certificates", "host_name", "pick_host_name_from_backend_address"):
            if row.get(name):
                yield row.problem(f"{name} needs protocol = Tls", key=name)
    key = "proxy_protocol_tls"
    preserving = "enable_l4_client_ip_preservation"
    if row.get(key) and not row.get(preserving) and preserving not in row.refused:
        yield row.problem(f"{key} needs {preserving} = true: its header is where TLS is told of", key=key)


_CHECKS: Mapping[str, Callable[[Row], Iterator[Problem]]] = {
    "gateway": _ssl_policy,
    "ssl_certificate": _ssl_certificate,
    "ssl_profile": _ssl_profile,
    "http_listener": _http_listener,
    "listener": _listener,
    "backend_address_pool": _backend_address_pool,
    "backend_http_settings": _backend_http_settings,
    "redirect_configuration": _redirect_configuration,
    "path_rule": _end,
    "url_path_map": _url_path_map,
    "custom_error": _custom_error,
    "request_routing_rule": _request_routing_rule,
    "rewrite_rule": rewrite_rules.problems,
    "backend_settings": _backend_settings,
    "probe": _probe,
}
