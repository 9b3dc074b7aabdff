"""A handshake as far as the client's certificates, with given certificates: how a listener would judge a client that
has them.

The certificates meet the gateway's own context, callbacks and judgement; nothing of the verdict is computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import attrs

from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import Refusal
from agwtwisted.core.verification.judging import Anchors, Evidence
from agwtwisted.core.verification.verdicts import UNJUDGED, Absent, Unchecked, Verdict
from agwtwisted.tls.client_certificates import ClientCertificates
from agwtwisted.tls.contexts import SiteContext
from agwtwisted.tls.handshake import HANDSHAKE_ROOM
from agwtwisted.tls.hearing import HEARING_POLICY, hear_certificates, hear_hello
from agwtwisted.tls.port_contexts import PortContexts


@attrs.frozen(kw_only=True)
class Rehearsal:
    """How a listener took the certificates."""

    verdict: Verdict
    required_verdict: Verdict = UNJUDGED  # on the paths that require a certificate
    evidence: Evidence  # of a verification that went on after its first error, so that the whole chain is reported
    anchors: Anchors | None  # of a Strict profile
    failure: str  # why the handshake failed, in OpenSSL's words or the gateway's; empty where it would go on


def rehearse(site: Site, sent: Sequence[bytes], now: datetime, gateway: Gateway) -> Rehearsal:
    """What the Https site says to a client that sends these certificates (DER, its own first) at `now` (aware)."""
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


def _refusing_later(site: Site) -> Site:
    """The site, but refusing after the handshake: OpenSSL then goes on and reports the whole chain."""
    profile = site.listener.ssl_profile
    if profile is None:
        return site
    later = attrs.evolve(profile, refusal=Refusal.HTTP400)
    return attrs.evolve(site, listener=attrs.evolve(site.listener, ssl_profile=later))


def _handshake(site: Site, sent: Sequence[bytes], now: datetime, gateway: Gateway) -> tuple[ClientCertificates, str]:
    """What the callbacks noted, and with which words the handshake failed, if it did."""
    alone = attrs.evolve(site, listener=attrs.evolve(site.listener, host_names=(), ssl_policy=HEARING_POLICY))
    contexts = PortContexts.of(Sites.of([alone]), max_depth=gateway.max_client_chain_depth)
    _set_clock(contexts.first, now)
    notes = ClientCertificates(now.timestamp)
    server = contexts.connection(notes)
    failure = hear_hello(server)
    if not failure and sum(map(len, sent)) > gateway.max_client_chain_bytes + HANDSHAKE_ROOM:
        return notes, "the handshake is too long"  # the handshake's limit, for which OpenSSL is not asked
    return notes, failure or hear_certificates(server, sent)


def _set_clock(site_context: SiteContext, now: datetime) -> None:
    """OpenSSL verifies against this time, instead of the machine's."""
    store = site_context.context.get_cert_store()
    if store is None:
        raise AssertionError("a new context has a store")
    store.set_time(now.astimezone(UTC))
    if site_context.search is not None:
        site_context.search.openssl_now = now.astimezone(UTC)
