"""The listeners in force as `/listeners` shows them: where each listens, and what it asks of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import (
    ClientAuth,
    HttpListener,
    Listener,
    PathCertificate,
    Refusal,
    RequestRoutingRule,
    RoutingRule,
    SslProfile,
    sources_text,
)

NamingRule: TypeAlias = RequestRoutingRule | RoutingRule


@attrs.frozen(kw_only=True)
class ListenerInForce:
    """One listener; what it does not have is None."""

    name: str
    kind: str  # http_listener | listener
    protocol: str
    http2: bool  # whether clients may speak it
    address: str
    port: int
    host_names: tuple[str, ...]
    ssl_profile: str | None
    verify_client_auth_mode: str | None  # Strict | Passthrough
    refusal: str | None  # Handshake | Http400, of a Strict one
    verify_client_revocation: str | None
    ssl_policy: str | None
    ssl_certificate: str | None
    rules: tuple[str, ...]
    paths_that_require_certificates: tuple[str, ...]
    connections: int

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        return attrs.asdict(self, value_serializer=lambda _, __, value: list(value) if type(value) is tuple else value)


def listeners_in_force(plan: Plan, connections: Mapping[str, int]) -> tuple[ListenerInForce, ...]:
    """Those that a rule names, HTTP listeners first, in the order of the configuration.

    Args:
        plan: the configuration in force.
        connections: of clients, by the name of the listener.
    """
    rules: dict[HttpListener | Listener, list[NamingRule]] = {}
    for rule in plan.config.request_routing_rules:
        rules.setdefault(rule.http_listener, []).append(rule)
    for relay_rule in plan.config.routing_rules:
        rules.setdefault(relay_rule.listener, []).append(relay_rule)
    return tuple(_of(each, rules[each], connections.get(each.name, 0)) for each in plan.config.served)


def _of(listener: HttpListener | Listener, rules: list[NamingRule], connections: int) -> ListenerInForce:
    profile, certificate, policy = listener.ssl_profile, listener.ssl_certificate, listener.ssl_policy
    mode, is_http = _mode(profile), isinstance(listener, HttpListener)
    return ListenerInForce(
        name=listener.name,
        kind="http_listener" if is_http else "listener",
        protocol=listener.protocol.value,
        http2=isinstance(listener, HttpListener) and listener.http2,
        address=listener.address,
        port=listener.port,
        host_names=listener.host_names,
        ssl_profile=None if profile is None else profile.name,
        verify_client_auth_mode=mode,
        refusal=_refusal(profile, is_http=is_http),
        verify_client_revocation=sources_text(profile.verify_client_revocation) if mode and profile else None,
        ssl_policy=None if policy is None else policy.name,
        ssl_certificate=None if certificate is None else certificate.name,
        rules=tuple(rule.name for rule in rules),
        paths_that_require_certificates=tuple(path for rule in rules for path in _required(rule)),
        connections=connections,
    )


def _mode(profile: SslProfile | None) -> str | None:
    asks = profile is not None and profile.asks
    return profile.client_auth.value if asks and profile is not None else None


def _refusal(profile: SslProfile | None, *, is_http: bool) -> str | None:
    """How a Strict listener refuses; one of L4 does it in the handshake, whatever its profile says."""
    if profile is None or profile.client_auth is not ClientAuth.STRICT:
        return None
    return profile.refusal.value if is_http else Refusal.HANDSHAKE.value


def _required(rule: NamingRule) -> Iterator[str]:
    """The paths of a rule that require a certificate, as they were written."""
    if isinstance(rule, RequestRoutingRule) and rule.url_path_map is not None:
        for path_rule in rule.url_path_map.path_rules:
            if path_rule.client_certificate is PathCertificate.REQUIRE:
                yield from path_rule.paths
