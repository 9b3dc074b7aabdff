"""A handshake as far as the client's certificates, with given certificates: how a listener would judge a client that
has them.

The certificates meet the gateway's own context, callbacks and judgement; nothing of the verdict is computed twice. The
contexts are made for it, so it may run in any thread, also beside those that are in force.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

import attrs

from agwtwisted.core.plan.routing import AnySite, NamedSites, Site
from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import (
    HttpListener,
    Listener,
    Protocol,
    Refusal,
    RequestRoutingRule,
    SslProfile,
)
from agwtwisted.core.verification.judging import Anchors, Evidence
from agwtwisted.core.verification.verdicts import UNJUDGED, Absent, NotAsked, Unchecked, Verdict
from agwtwisted.tls.client_certificates import ClientCertificates
from agwtwisted.tls.contexts import SiteContext
from agwtwisted.tls.handshake import HANDSHAKE_ROOM
from agwtwisted.tls.hearing import HEARING_POLICY, hear_certificates, hear_hello, own_certificate
from agwtwisted.tls.port_contexts import PortContexts

L = TypeVar("L", HttpListener, Listener)


@attrs.frozen(kw_only=True)
class Rehearsal:
    """How a listener took the certificates."""

    verdict: Verdict
    required_verdict: Verdict = UNJUDGED  # on the paths that require a certificate
    evidence: Evidence  # of a verification that went on after its first error, so that the whole chain is reported
    anchors: Anchors | None  # of a Strict profile
    failure: str  # why the handshake failed, in OpenSSL's words or the gateway's; empty where it would go on


_NOT_ASKED: Final = Rehearsal(verdict=NotAsked(), evidence=Evidence(chain=(), error=0), anchors=None, failure="")
"""Without TLS."""


def rehearse(site: AnySite, sent: Sequence[bytes], now: datetime, gateway: Gateway) -> Rehearsal:
    """What the site says to a client that sends these certificates (DER, its own first) at `now` (aware)."""
    if site.listener.ssl_policy is None:
        return _NOT_ASKED
    judged, failure = _handshake(site, sent, now, gateway)
    observed, _ = _handshake(_refusing_later(site), sent, now, gateway)
    anchors = judged.site_context.rules.anchors if judged.site_context else None
    verdict = judged.verdict(failure)
    passed = isinstance(verdict, Absent | Unchecked)
    return Rehearsal(
        verdict=verdict,
        required_verdict=judged.strict_verdict() if passed else verdict,
        evidence=observed.evidence(),
        anchors=anchors,
        failure=failure,
    )


def _refusing_later(site: AnySite) -> Site:
    """An Https site of the same profile that refuses after the handshake: OpenSSL then reports the whole chain."""
    profile = site.profile
    later = None if profile is None else attrs.evolve(profile, refusal=Refusal.HTTP400)
    listener = HttpListener(
        name=site.listener.name, port=site.listener.port, protocol=Protocol.HTTPS, ssl_profile=later
    )
    return Site(listener=listener, rule=RequestRoutingRule(name=listener.name, priority=1, http_listener=listener))


def _handshake(site: AnySite, sent: Sequence[bytes], now: datetime, gateway: Gateway) -> tuple[ClientCertificates, str]:
    """What the callbacks noted, and with which words the handshake failed, if it did."""
    contexts = PortContexts.of(NamedSites.of([_alone(site)]), max_depth=gateway.max_client_chain_depth)
    _set_clock(contexts.first, now)
    notes = ClientCertificates(now.timestamp)
    server = contexts.connection(notes)
    failure = hear_hello(server)
    if not failure and sum(map(len, sent)) > gateway.max_client_chain_bytes + HANDSHAKE_ROOM:
        return notes, "the handshake is too long"  # the handshake's limit, for which OpenSSL is not asked
    return notes, failure or hear_certificates(server, sent)


def _alone(site: AnySite) -> AnySite:
    """The site as the only one of its port, with nothing in its TLS that the judgement does not depend on.

    Whatever certificate, suites and groups the listener has, the handshake comes to the client's certificates.
    """
    if isinstance(site, Site):
        return attrs.evolve(site, listener=_any_tls(site.listener))
    return attrs.evolve(site, listener=_any_tls(site.listener))


def _any_tls(listener: L) -> L:
    key, certificate = own_certificate()
    return attrs.evolve(
        listener,
        host_names=(),
        ssl_policy=HEARING_POLICY,
        ssl_certificate=SslCertificate(name=listener.name, certificates=(certificate,), key=key),
        ssl_profile=_judging(listener.ssl_profile),
    )


def _judging(profile: SslProfile | None) -> SslProfile | None:
    return None if profile is None else attrs.evolve(profile, tls_groups=(), session_resumption=False)


def _set_clock(site_context: SiteContext, now: datetime) -> None:
    """OpenSSL verifies against this time, instead of the machine's."""
    store = site_context.context.get_cert_store()
    if store is None:
        raise AssertionError("a new context has a store")
    store.set_time(now.astimezone(UTC))
    if site_context.search is not None:
        site_context.search.openssl_now = now.astimezone(UTC)
