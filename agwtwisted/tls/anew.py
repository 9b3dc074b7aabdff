"""Judges a client's certificate anew, without a handshake: as a full one with it would be judged now.

For clients whose certificate was verified at another time or under another profile: a resumed session shows the leaf
alone, and OpenSSL does not verify it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from OpenSSL import SSL

from agwtwisted.core.identity.clients import NO_PROOF, CertificateProof
from agwtwisted.core.verification.handshake import handshake_verdict, strict_verdict
from agwtwisted.core.verification.judging import Evidence
from agwtwisted.core.verification.verdicts import UNJUDGED
from agwtwisted.tls.client_certificates import ClientCertificates, proof_of, set_verify
from agwtwisted.tls.contexts import SiteContext, apply_policy, fill_store
from agwtwisted.tls.hearing import HEARING_POLICY, hear_certificates, hear_hello, own_certificate


def judged_anew(chosen: SiteContext, leaf_der: bytes, others_der: Sequence[bytes], now: datetime) -> CertificateProof:
    """What a full handshake with this certificate would have shown under the site's profile.

    OpenSSL verifies the chain by the profile's own CAs, at the site's depth and security level, and calls the callbacks
    of every handshake; nothing of the judgement is made twice.

    Args:
        chosen: the site.
        leaf_der: the client's certificate. That the client has its key was proven before.
        others_der: certificates that may stand between it and the profile's CAs, as a client sends them.
        now: aware; as in a handshake, OpenSSL itself goes by the machine's clock.
    """
    if not chosen.rules.asks:
        return NO_PROOF
    notes = ClientCertificates(now.timestamp)
    notes.site_context = chosen
    server = SSL.Connection(_context_of(chosen), None)
    server.set_app_data(notes)
    server.set_accept_state()
    failure = hear_hello(server) or hear_certificates(server, (leaf_der, *others_der))
    server.set_app_data(None)
    return proof_of(notes, failure)


def shown_anew(
    chosen: SiteContext, presented: Sequence[bytes], verified: Sequence[bytes], now: float
) -> CertificateProof:
    """What the handshake of a client that is connected would have shown under the site's profile.

    Args:
        chosen: the site.
        presented: what the client has sent, in DER, its own certificate first; nothing where it was not asked, or has
            sent none: it counts as one that sends none.
        verified: the chain after the leaf as it was verified before, for a client that has sent the leaf alone.
        now: seconds since 1970.
    """
    time = datetime.fromtimestamp(now, UTC)
    if presented:
        return judged_anew(chosen, presented[0], presented[1:] or verified, time)
    if not chosen.rules.asks:
        return NO_PROOF
    strict = strict_verdict(chosen.rules, Evidence(chain=(), error=0), time)
    verdict = handshake_verdict(chosen.rules, False, UNJUDGED, "", lambda: strict)
    return CertificateProof(verdict=verdict, strict_verdict=strict)


def _context_of(chosen: SiteContext) -> SSL.Context:
    """A context that judges as the site's does, whatever versions and suites that speaks; made once."""
    made: SSL.Context | None = chosen.remembered.get(judged_anew)
    if made is None:
        made = chosen.remembered[judged_anew] = _judging_context(chosen)
    return made


def _judging_context(chosen: SiteContext) -> SSL.Context:
    profile = chosen.site.profile
    if profile is None:
        raise AssertionError("a site that asks for certificates has a profile")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    apply_policy(context, HEARING_POLICY, allow_weak=profile.allow_weak)
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify_depth(chosen.rules.max_depth)
    key, certificate = own_certificate()
    context.use_certificate(certificate)
    context.use_privatekey(key)
    if chosen.rules.anchors is not None:
        fill_store(context, profile)
    set_verify(context, chosen.verify_mode)
    return context
