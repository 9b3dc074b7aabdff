"""Checks across several sections of a configuration.

Each check takes the whole Draft and yields problems. Those that need no more than a section's own keys look at its row,
so that an error elsewhere does not hide their result; the others look at the resources that could be built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import permutations
from typing import Generic, TypeAlias, TypeVar

import attrs
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.base.errors import Problem, shown
from agwtwisted.core.certificates.attributes import certificate_attributes, issuer_organizations
from agwtwisted.core.http.host_names import intersect, is_loopback, overlap
from agwtwisted.core.plan.actions import Action, Actions, actions_of
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import (
    CertificateHeaders,
    ClientAuth,
    CustomError,
    HttpListener,
    Listener,
    PathCertificate,
    Protocol,
    RedirectConfiguration,
    RequestRoutingRule,
    RoutingRule,
    SslProfile,
    StreamProtocol,
)
from agwtwisted.core.rules.rewriting import RewriteRuleSet
from agwtwisted.core.sections.settings import Row, equal_pairs, in_file_order
from agwtwisted.core.sections.tls_keys import policy_key
from agwtwisted.core.tls.policies import TlsPolicy, mixing_problem

T = TypeVar("T")
AnyListener: TypeAlias = HttpListener | Listener
AnyRule: TypeAlias = RequestRoutingRule | RoutingRule

LISTENERS = ("http_listener", "listener")
"""The kinds of sections that listen."""

DEMO_ORGANIZATION = "agwtwisted DEMO"
"""organizationName of the certificates that the demo makes, whose keys are public."""

_STRICTNESS = {ClientAuth.NONE: 0, ClientAuth.PASSTHROUGH: 1, ClientAuth.STRICT: 2}


@attrs.frozen(eq=False)
class Built(Generic[T]):
    """A resource and the section it was built from."""

    row: Row
    value: T


@attrs.frozen(kw_only=True, eq=False)
class Draft:
    """A configuration under examination: the rows of every kind, and what could be built from them."""

    gateway: Gateway | None
    rows: dict[str, tuple[Row, ...]]
    profiles: tuple[Built[SslProfile], ...]
    listeners: tuple[Built[HttpListener], ...]
    rules: tuple[Built[RequestRoutingRule], ...]
    redirects: tuple[Built[RedirectConfiguration], ...]
    custom_errors: tuple[Built[CustomError], ...]
    rewrite_rule_sets: tuple[RewriteRuleSet, ...] = ()
    relayed_listeners: tuple[Built[Listener], ...] = ()
    relay_rules: tuple[Built[RoutingRule], ...] = ()
    system_roots: Callable[[], frozenset[bytes]] = frozenset  # as `trust_coherence.key_of` has them
    now: datetime | None = None  # aware; None: dates do not count
    actions: Mapping[RequestRoutingRule, Actions] = attrs.field(init=False)  # of each rule

    @actions.default
    def _compiled(self) -> Mapping[RequestRoutingRule, Actions]:
        return {rule.value: actions_of(rule.value) for rule in self.rules}

    def of(self, kind: str, *keys: str) -> tuple[Row, ...]:
        """The rows of a kind whose values for these keys can be relied on."""
        return tuple(row for row in self.rows.get(kind, ()) if not row.refused & {*keys})

    def listening(self, *keys: str) -> tuple[Row, ...]:
        """The rows of every kind that listens, in the order of the file, whose values for these keys can be relied on.

        Defaults of both kinds are the same, so a row may be asked for any of them.
        """
        rows = [row for kind in LISTENERS for row in self.of(kind, *keys)]
        return in_file_order(rows)

    @property
    def every_listener(self) -> tuple[Built[AnyListener], ...]:
        """Those of both kinds that could be built, in the order of the file."""
        found: list[Built[AnyListener]] = [*self.listeners, *self.relayed_listeners]  # type: ignore[list-item]
        return tuple(sorted(found, key=lambda listener: listener.row.index))

    @property
    def every_rule(self) -> tuple[Built[AnyRule], ...]:
        """The rules of both kinds that could be built, in the order of the file."""
        found: list[Built[AnyRule]] = [*self.rules, *self.relay_rules]  # type: ignore[list-item]
        return tuple(sorted(found, key=lambda rule: rule.row.index))


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def _overlapping_addresses(draft: Draft) -> Iterator[Problem]:
    for earlier, row in equal_pairs(draft.listening("address", "port"), "port"):
        one, other = earlier.get("address"), row.get("address")
        if one != other and overlap(one, other):
            yield row.problem(
                f"listens on {other}, {earlier.section.title} on {one}: one port cannot be bound to both",
                key="port",
            )


def _firsts(draft: Draft, key: str) -> Iterator[tuple[Row, Row]]:
    """Each listener with the first one of its address and port, where all of them must have the same `key`."""
    firsts: dict[tuple[str, int], Row] = {}
    for row in draft.listening("address", "port", key):
        first = firsts.setdefault((row.get("address"), row.get("port")), row)
        if first is not row:
            yield first, row


def _mixed_protocols(draft: Draft) -> Iterator[Problem]:
    for first, row in _firsts(draft, "protocol"):
        one, other = first.get("protocol"), row.get("protocol")
        if one is not other:
            words = " and ".join(sorted((one.value, other.value)))
            yield row.problem(f"and {first.section.title} speak {words} on one port", key="protocol")


def _differing_proxies(draft: Draft) -> Iterator[Problem]:
    """Whether a header comes first has to be known before the client can name a site."""
    key = "accept_proxy_protocol"
    for first, row in _firsts(draft, key):
        if set(first.get(key)) != set(row.get(key)):
            yield row.problem(
                f"and {first.section.title} differ in {key}, which must be the same for all listeners of a port",
                key=key,
            )


def _ambiguous_hosts(draft: Draft) -> Iterator[Problem]:
    """Of both kinds on one port nothing is said here: that they cannot share it is reported already."""
    firsts: dict[tuple[str, str, int, str], Row] = {}
    for row in draft.listening("address", "port", "host_names"):
        for name in row.get("host_names") or ("",):  # the empty one: any host
            first = firsts.setdefault((row.section.kind, row.get("address"), row.get("port"), name), row)
            if first is not row:
                yield _ambiguous_host(first, row, name)


def _ambiguous_host(first: Row, row: Row, name: str) -> Problem:
    if name:
        return row.problem(f"host name {shown(name)} is also one of {first.section.title}", key="host_names")
    message = f"and {first.section.title} are both basic listeners (no host_names) of one port"
    return row.problem(message, code="ApplicationGatewayHttpListenersUsingSameFrontendPort")


def _differing_policies(draft: Draft) -> Iterator[Problem]:
    """OpenSSL takes versions and TLS 1.3 suites from the first context of a port, whichever site the client names."""
    for first, listener, one, other in _policies_of_ports(draft):
        if _port_wide(one) != _port_wide(other):
            yield listener.row.problem(
                f"has the TLS policy {other.name} and {first.row.section.title} {one.name}:"
                " listeners of one port must agree on TLS versions and TLS 1.3 cipher suites"
            )


def _differing_groups(draft: Draft) -> Iterator[Problem]:
    """OpenSSL takes the groups, too, from the first context of a port."""
    for first, listener, _, _ in _policies_of_ports(draft):
        if _groups(first.value) != _groups(listener.value):
            yield listener.row.problem(
                f"and {first.row.section.title} have profiles with different tls_groups, which must be the same for"
                " all listeners of a port"
            )


def _policies_of_ports(
    draft: Draft,
) -> Iterator[tuple[Built[AnyListener], Built[AnyListener], TlsPolicy, TlsPolicy]]:
    """Each listener of TLS with the first one of its port, and the policies of both."""
    firsts: dict[tuple[str, int], tuple[Built[AnyListener], TlsPolicy]] = {}
    for listener in draft.every_listener:
        policy = listener.value.ssl_policy
        if policy is None:
            continue
        first, one = firsts.setdefault((listener.value.address, listener.value.port), (listener, policy))
        if first is not listener:
            yield first, listener, one, policy


def _groups(listener: AnyListener) -> tuple[str, ...]:
    return () if listener.ssl_profile is None else listener.ssl_profile.tls_groups


def _port_wide(policy: TlsPolicy) -> tuple[str, str, tuple[str, ...]]:
    return policy.min_version, policy.max_version, policy.tls13_cipher_suites


def _one_port(one: AnyListener, other: AnyListener) -> bool:
    return (one.address, one.port) == (other.address, other.port)


def _mixed_policies(draft: Draft) -> Iterator[Problem]:
    policies = [draft.gateway.ssl_policy] if draft.gateway else []
    for profile in draft.profiles:
        problem = mixing_problem(policies)
        policies.append(profile.value.ssl_policy)
        if not problem and (problem := mixing_problem(policies)):
            yield profile.row.problem(problem, key=policy_key(profile.row))


def _unused_profiles(draft: Draft) -> Iterator[Problem]:
    used = {getattr(row.get("ssl_profile"), "name", None) for row in draft.listening("ssl_profile")}
    for row in draft.of("ssl_profile"):
        if row.name not in used:
            yield row.warning("no listener uses this profile, so it has no effect")


def _probes(draft: Draft) -> Iterator[Problem]:
    probes = {row.name: row for row in draft.rows.get("probe", ())}
    for row in draft.of("backend_http_settings", "probe"):
        probe = probes.get(getattr(row.get("probe"), "name", ""))
        if probe is not None:
            yield from _probe_of(row, probe)


def _probe_of(row: Row, probe: Row) -> Iterator[Problem]:
    """What does not fit together between backend settings and their probe."""
    if not {"protocol"} & (row.refused | probe.refused) and probe.get("protocol") is not row.get("protocol"):
        yield row.problem(
            f"{probe.section.title} has the protocol {probe.get('protocol').value}, these settings"
            f" {row.get('protocol').value}: they must be the same",
            key="probe",
            code="ApplicationGatewayProbeProtocolMustMatchBackendHttpSettinsProtocol",  # the product's spelling
        )
    picks = "pick_host_name_from_backend_http_settings"
    if probe.get(picks) and row.unset("host_name") and not row.get("pick_host_name_from_backend_address"):
        yield row.problem(f"{probe.section.title} has {picks}, and these settings have no host name", key="probe")


def _unused_probes(draft: Draft) -> Iterator[Problem]:
    kinds = ("backend_http_settings", "backend_settings")
    used = {getattr(row.get("probe"), "name", None) for kind in kinds for row in draft.of(kind, "probe")}
    for row in draft.of("probe"):
        if row.name not in used:
            yield row.warning("no backend settings use this probe, so it has no effect")


def _shadowed_listeners(draft: Draft) -> Iterator[Problem]:
    used = {listener_of(rule.value) for rule in draft.every_rule}
    served = [listener for listener in draft.every_listener if listener.value in used]
    for lax, strict in permutations(served, 2):
        laxer = _STRICTNESS[_asks(lax.value)] < _STRICTNESS[_asks(strict.value)]
        if laxer and _one_port(lax.value, strict.value):
            yield from _shadows(lax, strict)


def _shadows(lax: Built[AnyListener], strict: Built[AnyListener]) -> Iterator[Problem]:
    """Names that go to the laxer listener although the stricter one stands for them as well."""
    for name in lax.value.host_names:
        for other in strict.value.host_names or ("*",):
            if intersect(name, other) and _rank(name) >= _rank(other):
                yield lax.row.warning(
                    f"host name {shown(name)} is answered here, with verify_client_auth_mode {_asks(lax.value).value},"
                    f" before {strict.row.section.title} ({shown(other)}), which is stricter",
                    key="host_names",
                )


def _rank(name: str) -> tuple[int, int]:
    """Exact names come first, then the longer wildcard; last the basic listener, here ``*``."""
    return (1, len(name)) if "*" in name or "?" in name else (2, 0)


def _plain_ways_in(draft: Draft) -> Iterator[Problem]:
    guarded = [(rule, _guarded(draft, rule.value)) for rule in draft.every_rule]
    for rule in draft.every_rule:
        listener = listener_of(rule.value)
        if listener.protocol not in (Protocol.HTTP, StreamProtocol.TCP):
            continue
        servers = _reached(draft, rule.value)
        guard = next((each for each, kept in guarded if kept & servers), None)
        if guard is not None:
            strict = "Strict listener" if _asks(listener_of(guard.value)) is ClientAuth.STRICT else "listener"
            yield rule.row.warning(
                f"the plain {listener.protocol.value} listener {listener.name} reaches servers that the {strict}"
                f" {listener_of(guard.value).name} protects with client certificates",
                key="http_listener" if isinstance(listener, HttpListener) else "listener",
            )


def listener_of(rule: AnyRule) -> AnyListener:
    """The listener whose clients a rule sends on."""
    return rule.http_listener if isinstance(rule, RequestRoutingRule) else rule.listener


def _guarded(draft: Draft, rule: AnyRule) -> frozenset[tuple[str, int]]:
    """The servers of a rule that only clients with a certificate come to."""
    if _asks(listener_of(rule)) is ClientAuth.STRICT:
        return _reached(draft, rule)
    if isinstance(rule, RequestRoutingRule):
        every = draft.actions[rule].all()
        return _servers(action for action in every if action.client_certificate is PathCertificate.REQUIRE)
    return frozenset()


def _reached(draft: Draft, rule: AnyRule) -> frozenset[tuple[str, int]]:
    """The servers of a rule."""
    if isinstance(rule, RequestRoutingRule):
        return _servers(draft.actions[rule].all())
    port = rule.backend_settings.port
    return frozenset((server.host, server.port or port) for server in rule.backend_address_pool.backend_addresses)


def _servers(actions: Iterable[Action]) -> frozenset[tuple[str, int]]:
    return frozenset(
        (server.host, server.port or action.settings.port)
        for action in actions
        if action.settings
        for pool in action.pools
        for server in pool.backend_addresses
    )


def _unproven_headers(draft: Draft) -> Iterator[Problem]:
    for rule in draft.rules:
        words: set[CertificateHeaders] = set()
        for action in draft.actions[rule.value].all():
            if action.settings is not None and action.client_certificate is PathCertificate.NONE:
                words |= action.settings.client_certificate_headers or frozenset()
        extra = sorted(word.value for word in words if not word.is_built_in)
        if extra and _asks(rule.value.http_listener) is ClientAuth.PASSTHROUGH:
            yield rule.row.warning(
                f"client_certificate_headers has {', '.join(extra)} and {rule.value.http_listener.name} is"
                " Passthrough: servers get certificates that were not verified",
                key="backend_http_settings",
            )


def _demo_certificates(draft: Draft) -> Iterator[Problem]:
    if draft.gateway is None or draft.gateway.allow_demo:
        return
    for listener in draft.every_listener:
        if is_loopback(listener.value.address):
            continue
        for key, certificates in _certificates(listener.value):
            if any(_is_demo(certificate) for certificate in certificates):
                yield listener.row.problem(
                    f"listens on {listener.value.address} with certificates of the demo, whose keys are public: make"
                    " your own, or set allow_demo = true in [gateway]",
                    key=key,
                )


def _certificates(listener: AnyListener) -> Iterator[tuple[str, Iterable[bytes]]]:
    """The certificates (DER) that a listener shows or trusts, with the key that names them."""
    if listener.ssl_certificate is not None:
        yield "ssl_certificate", [each.public_bytes(Encoding.DER) for each in listener.ssl_certificate.certificates]
    for trusted in listener.ssl_profile.trusted_client_certificates if listener.ssl_profile else ():
        yield "ssl_profile", [authority.der for authority in trusted.chain.authorities]


def _is_demo(der: bytes) -> bool:
    return DEMO_ORGANIZATION.encode() in (*certificate_attributes(der).organizations, *issuer_organizations(der))


def _asks(listener: AnyListener) -> ClientAuth:
    return listener.ssl_profile.client_auth if listener.ssl_profile else ClientAuth.NONE


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _overlapping_addresses,
    _mixed_protocols,
    _differing_proxies,
    _ambiguous_hosts,
    _differing_policies,
    _differing_groups,
    _mixed_policies,
    _unused_profiles,
    _probes,
    _unused_probes,
    _shadowed_listeners,
    _plain_ways_in,
    _unproven_headers,
    _demo_certificates,
)
