"""What proven revocation lists say about a certificate at a moment (RFC 5280 section 6.3.3).

Callers: the service that keeps lists, with the time of every use; what explains a decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Final

import attrs

from agwtwisted.core.certificates import extensions
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.revocation.crl import ProvenCrl, issuer_key
from agwtwisted.core.revocation.distribution_points import (
    ALL_REASONS,
    DistributionPoint,
    covered_reasons,
    distribution_points,
)
from agwtwisted.core.revocation.status import Good, Revoked, Unusable

NO_LIST: Final = Unusable("there is no CRL of the issuer about the certificate")


@attrs.frozen(kw_only=True)
class CrlRules:
    """Which lists count: `clock_skew` seconds may their issuer's clock be ahead. After nextUpdate none does.

    How long ago thisUpdate was does not matter: some CAs sign a list for a year.
    """

    clock_skew: float = 300.0


@attrs.frozen(kw_only=True, eq=False)
class CrlSubject:
    """A certificate as lists are asked about it: made once, used at every look-up."""

    serial: bytes  # contents of the INTEGER
    issuer: bytes = attrs.field(repr=False)  # contents of the Name
    issuer_key: bytes  # of the lists that count: `ProvenCrl.issuer_key`
    points: tuple[DistributionPoint, ...]
    is_authority: bool | None  # None: its basicConstraints cannot be read

    @classmethod
    def of(cls, certificate_der: bytes, issuer_der: bytes) -> CrlSubject | Unusable:
        """A certificate of this issuer, of verified chains only."""
        certificate, issuer = certificate_of(certificate_der), certificate_of(issuer_der)
        if certificate is None or issuer is None:
            return Unusable("the certificate cannot be read")
        try:
            key = issuer_key(issuer)
        except DerError:
            return Unusable("the issuer of the certificate cannot be read")
        try:
            is_authority = extensions.is_authority(certificate)
        except DerError:
            is_authority = None
        return cls(
            serial=certificate.serial,
            issuer=certificate.issuer,
            issuer_key=key,
            points=distribution_points(certificate),
            is_authority=is_authority,
        )

    @property
    def urls(self) -> tuple[str, ...]:
        """Where its issuer publishes lists about it, as they stand in the certificate, each once."""
        return tuple(dict.fromkeys(url for point in self.points if not point.is_indirect for url in point.urls))


def status_at(crl: ProvenCrl, serial: bytes, rules: CrlRules, now: float) -> Good | Revoked | Unusable:
    """What a list says at `now` about a serial number of its issuer, if it is about that certificate at all.

    *Revoked* counts at any age; that a certificate is not in the list counts only while the list is valid.
    """
    entry = crl.table.find(serial)
    if entry is not None:
        return Revoked(
            entry.revoked_at,
            entry.reason,
            crl.next_update,
            source=RevocationSource.CRL,
            invalidity_date=entry.invalidity_date,
        )
    fault = validity_fault(crl, rules, now)
    return Unusable(fault) if fault else _good_until(crl.next_update)


def validity_fault(crl: ProvenCrl, rules: CrlRules, now: float) -> str:
    """Why a list clears no certificate at `now`; empty where it does."""
    if crl.this_update > now + rules.clock_skew:
        return "the CRL is not valid yet"
    return "the CRL has expired" if now >= crl.next_update else ""


def covers(crl: ProvenCrl, subject: CrlSubject) -> bool:
    """Whether a list alone is enough to clear a certificate while it is valid: it is the issuer's, and about it."""
    return crl.issuer_key == subject.issuer_key and _covered(crl, subject) == ALL_REASONS


def status_of(
    lists: Iterable[ProvenCrl], subject: CrlSubject, rules: CrlRules, now: float
) -> Good | Revoked | Unusable:
    """What all lists together say at `now` about a certificate; those of other issuers are passed over.

    A certificate is good where valid lists cover it for all reasons and none of them has it. An entry revokes it in
    whatever list of its issuer: a serial number has one meaning there. Only a list that would be enough to clear it,
    and that was issued later, ends that: a certificate may leave a list (*certificateHold*).
    """
    own = [(crl, status_at(crl, subject.serial, rules, now)) for crl in lists if crl.issuer_key == subject.issuer_key]
    clearing = [_Clearing(crl, _covered(crl, subject)) for crl, status in own if isinstance(status, Good)]
    newest: Revoked | None = None
    issued = -inf
    for crl, status in own:
        if isinstance(status, Revoked) and crl.this_update >= issued:
            newest, issued = status, crl.this_update
    if newest is not None and not any(each.is_enough and each.crl.this_update > issued for each in clearing):
        return newest
    faults = [status.reason for _, status in own if isinstance(status, Unusable)]
    return _cleared(clearing) or Unusable(_why_not_cleared(clearing, faults))


@attrs.frozen
class _Clearing:
    """A valid list that does not have the certificate, and for which reasons it would have it."""

    crl: ProvenCrl
    reasons: int

    @property
    def is_enough(self) -> bool:
        return self.reasons == ALL_REASONS


def _covered(crl: ProvenCrl, subject: CrlSubject) -> int:
    points = subject.points
    return covered_reasons(crl.scope, points, issuer=subject.issuer, is_authority=subject.is_authority)


def _cleared(clearing: Sequence[_Clearing]) -> Good | None:
    """Good until the newest list ends that is enough, or the first of those that are enough together."""
    enough = [each.crl for each in clearing if each.is_enough]
    if enough:
        return _good_until(max(enough, key=lambda crl: crl.this_update).next_update)
    together = 0
    for each in clearing:
        together |= each.reasons
    if together != ALL_REASONS:
        return None
    return _good_until(min(each.crl.next_update for each in clearing if each.reasons))


def _good_until(until: float) -> Good:
    return Good(until, source=RevocationSource.CRL)


def _why_not_cleared(clearing: Sequence[_Clearing], faults: Sequence[str]) -> str:
    if any(each.reasons for each in clearing):
        return "the CRLs of the issuer are for some reasons alone"
    if faults:
        return faults[0]
    return "the CRLs of the issuer are about other certificates" if clearing else NO_LIST.reason
