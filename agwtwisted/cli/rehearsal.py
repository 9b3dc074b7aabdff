"""A handshake as far as the client's certificates, with given certificates: how a listener would judge a client that
has them.

A server judges the certificates as soon as it has read them, before the client proves that it has the key. So no key is
needed to hear the verdict: the client here sends its hello, and then the certificates without having chosen a key. They
meet the gateway's own context, callbacks and judgement; nothing of the verdict is computed twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import attrs
from OpenSSL import SSL

from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import Refusal
from agwtwisted.core.tls.policies import TLS_1_2, TlsPolicy
from agwtwisted.core.verification.judging import Anchors, Evidence
from agwtwisted.core.verification.verdicts import UNJUDGED, Absent, Unchecked, Verdict
from agwtwisted.tls.client_certificates import ClientCertificates
from agwtwisted.tls.codec import error_text
from agwtwisted.tls.contexts import SiteContext
from agwtwisted.tls.handshake import HANDSHAKE_RECORD, HANDSHAKE_ROOM
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.tls.records import RECORD

_CERTIFICATE_MESSAGE = b"\x0b"  # RFC 5246 section 7.4

_POLICY = TlsPolicy(
    name="rehearsal", min_version=TLS_1_2, max_version=TLS_1_2, tls12_cipher_suites=(), tls13_cipher_suites=()
)
"""TLS 1.2, where certificates are not encrypted, and every suite, so that the server's key always has one.

What is said of a client's certificates does not depend on either.
"""


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
    alone = attrs.evolve(site, listener=attrs.evolve(site.listener, host_names=(), ssl_policy=_POLICY))
    contexts = PortContexts.of(Sites.of([alone]), max_depth=gateway.max_client_chain_depth)
    _set_clock(contexts.first, now)
    notes = ClientCertificates(now.timestamp)
    server = contexts.connection(notes)
    failure = _hear(server, _hello())
    if not failure and sum(map(len, sent)) > gateway.max_client_chain_bytes + HANDSHAKE_ROOM:
        return notes, "the handshake is too long"  # the handshake's limit, for which OpenSSL is not asked
    return notes, failure or _hear(server, b"".join(_certificate_records(sent)))


def _set_clock(site_context: SiteContext, now: datetime) -> None:
    """OpenSSL verifies against this time, instead of the machine's."""
    store = site_context.context.get_cert_store()
    if store is None:
        raise AssertionError("a new context has a store")
    store.set_time(now.astimezone(UTC))
    if site_context.search is not None:
        site_context.search.openssl_now = now.astimezone(UTC)


def _hello() -> bytes:
    """A ClientHello without a server name."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    with suppress(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(RECORD)


def _hear(server: SSL.Connection, records: bytes) -> str:
    """Let the server read; returns why it ends the handshake, empty while it waits for more."""
    server.bio_write(records)
    try:
        server.do_handshake()
    except SSL.WantReadError:
        return ""
    except SSL.Error as error:
        return error_text(error)
    raise AssertionError("a handshake that ends without a Finished message")


def _certificate_records(sent: Sequence[bytes]) -> Iterator[bytes]:
    """The Certificate message (RFC 5246 section 7.4.2) in plain records."""
    chain = b"".join(_vector(der) for der in sent)
    message = _CERTIFICATE_MESSAGE + _vector(_vector(chain))
    for start in range(0, len(message), RECORD):
        part = message[start : start + RECORD]
        yield bytes((HANDSHAKE_RECORD, 3, 3)) + len(part).to_bytes(2, "big") + part


def _vector(content: bytes) -> bytes:
    """Content behind its length in three octets."""
    return len(content).to_bytes(3, "big") + content
