"""Which certificates of the gateway's own have their OCSP status stapled, with which responses, and when it is renewed.

A client that asks for it (RFC 6066 section 8) gets a signed answer about the gateway's certificate with the handshake,
and need not ask the responder itself. Nothing that could not be verified here is stapled. Times are seconds since 1970.
Callers: `revocation.stapling`, which asks; the TLS contexts, the warnings and reports, which ask what is stapled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final
from weakref import WeakKeyDictionary

import attrs
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.extensions import demands_staple
from agwtwisted.core.certificates.reading import Certificate, certificate_of
from agwtwisted.core.certificates.signature_algorithms import issued
from agwtwisted.core.http.destinations import Destination, destination
from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.ocsp import OcspRequest, OcspRules
from agwtwisted.core.revocation.responders import MAX_DESTINATIONS, MAX_URLS
from agwtwisted.core.revocation.status import Unknown, Unusable

RULES: Final = OcspRules(max_age=float("inf"), without_nocheck=True)
"""What is stapled is judged by clients, each by its own rules: here counts that it is signed, and not over."""

RENEW_FROM: Final = 0.5
RENEW_TO: Final = 0.8
"""The part of what is left of a response after which it is renewed, anywhere between the two."""

MIN_DELAY: Final = 5.0
MAX_DELAY: Final = 86400.0
"""Seconds between two requests about a certificate, but after failures."""

FIRST_RETRY: Final = 10.0
MAX_RETRY: Final = 600.0
"""Seconds after the first request that failed, at most, and after the ones that follow it."""

_FOUND: Final[WeakKeyDictionary[SslCertificate, StapleSubject | NotStapled]] = WeakKeyDictionary()
"""What was found of certificates, as long as they are there: to read a thousand takes a fifth of a second."""


@attrs.frozen(kw_only=True, eq=False)
class StapleSubject:
    """A certificate of the gateway, and who is asked about it."""

    key: bytes
    """By which its responses are known: `ocsp.key_of`."""
    names: tuple[str, ...]
    """Of the sections `[ssl_certificate]` that have it."""
    request: OcspRequest
    responders: tuple[Destination, ...]
    is_demanded: bool
    """Whether the certificate demands a staple."""


@attrs.frozen
class NotStapled:
    """A certificate that clients get no status of, and why."""

    reason: str


@attrs.frozen(kw_only=True)
class Staple:
    """A verified response about a certificate; it goes to clients until `until`."""

    response: bytes = attrs.field(repr=False)
    is_revoked: bool
    this_update: float
    until: float

    def is_news_after(self, held: Staple | None) -> bool:
        """Whether it takes the place of another one; of two of one moment *revoked* counts."""
        if held is None or self.this_update != held.this_update:
            return held is None or self.this_update > held.this_update
        return self.is_revoked or not held.is_revoked


def subject_of(certificate: SslCertificate) -> StapleSubject | NotStapled:
    """The subject of a certificate whose issuer is in its file, and which names a responder."""
    found = _FOUND.get(certificate)
    if found is None:
        found = _FOUND[certificate] = _found(certificate)
    return found


def subjects_of(certificates: Iterable[SslCertificate]) -> tuple[StapleSubject, ...]:
    """The subjects of these certificates, each once, however many sections have it."""
    by_key: dict[bytes, StapleSubject] = {}
    for certificate in certificates:
        subject = subject_of(certificate)
        if isinstance(subject, StapleSubject):
            known = by_key.get(subject.key)
            names = subject.names if known is None else tuple(dict.fromkeys(known.names + subject.names))
            by_key[subject.key] = attrs.evolve(subject, names=names)
    return tuple(by_key.values())


def is_demanded(certificate: SslCertificate) -> bool:
    """Whether a certificate demands a staple (RFC 7633), whether it gets one or not."""
    leaf = certificate_of(ders_of(certificate)[0])
    return leaf is not None and _demands(leaf)


def ders_of(certificate: SslCertificate) -> tuple[bytes, ...]:
    """The certificates of a file in DER, the leaf first."""
    return tuple(each.public_bytes(Encoding.DER) for each in certificate.certificates)


def proven_staple(response: bytes, subject: StapleSubject, now: float) -> Staple | Unusable:
    """What can be stapled of a response that came, or was stored: *good* while it lasts, *revoked* at any age.

    A *revoked* that is over goes to no client, yet ends the *good* before it. *Unknown* is none: responders say it of
    certificates that were issued a moment ago.
    """
    answer = ocsp.prove(response, subject.request)
    if isinstance(answer, Unusable):
        return answer
    status = ocsp.status_at(answer, RULES, now)
    if isinstance(status, Unusable):
        return status
    if isinstance(status, Unknown):
        return Unusable("the responder does not know the certificate")
    until = ocsp.end_of(answer, RULES)
    if until <= now and not answer.is_revoked:
        return Unusable("the response has expired")
    # One that is dated ahead must not hide what comes after it.
    this_update = min(answer.this_update, now) if answer.is_revoked else answer.this_update
    return Staple(response=response, is_revoked=answer.is_revoked, this_update=this_update, until=until)


def renewal_delay(until: float, now: float, part: float) -> float:
    """Seconds from `now` until a response is renewed; `part` is a random number from 0 to 1."""
    left = (until - now) * (RENEW_FROM + (RENEW_TO - RENEW_FROM) * part)
    return min(max(left, MIN_DELAY), MAX_DELAY)


def retry_delay(failures: int, part: float) -> float:
    """Seconds until the next request after so many that failed in a row; `part` is a random number from 0 to 1."""
    most = min(FIRST_RETRY * 2.0 ** min(max(failures - 1, 0), 16), MAX_RETRY)
    return most * (0.5 + 0.5 * part)


def _found(certificate: SslCertificate) -> StapleSubject | NotStapled:
    if not certificate.ocsp_stapling:
        return NotStapled("ocsp_stapling is false")
    leaf, *others = map(certificate_of, ders_of(certificate))
    if leaf is None:
        return NotStapled("it cannot be read")
    issuer = _issuer(leaf, others)
    if issuer is None:
        return NotStapled("the certificate of its issuer is not in its file")
    request = OcspRequest.of(leaf.der, issuer.der)
    if isinstance(request, Unusable):
        return NotStapled(request.reason)
    responders = tuple(_destinations(request.responders))
    if not responders:
        return NotStapled("it names no OCSP responder")
    return StapleSubject(
        key=ocsp.key_of(leaf.der, issuer.der),
        names=(certificate.name,),
        request=request,
        responders=responders,
        is_demanded=_demands(leaf),
    )


def _issuer(leaf: Certificate, others: Sequence[Certificate | None]) -> Certificate | None:
    """The first certificate of these that has issued the leaf; a certificate that signs itself has no issuer."""
    for other in others:
        if other is not None and other.subject == leaf.issuer and other.der != leaf.der and issued(leaf, other):
            return other
    return None


def _destinations(urls: Sequence[str]) -> Iterator[Destination]:
    found = 0
    for url in dict.fromkeys(urls[:MAX_URLS]):
        with suppress(UnacceptableError):
            yield destination(url)
            found += 1
        if found == MAX_DESTINATIONS:
            return


def _demands(leaf: Certificate) -> bool:
    try:
        return demands_staple(leaf)
    except DerError:
        return False
