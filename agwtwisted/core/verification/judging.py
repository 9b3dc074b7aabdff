"""Whether a client's certificate is trusted: what OpenSSL found, and what it leaves to us.

OpenSSL builds the chain and checks signatures, validity, path length, name constraints and purposes; the first error it
reports is final. `judge` adds the anchors of the SSL profile, the rules of `certificate_rules`, certificate policies,
the issuer DN, and time once more, because a verdict is judged again while its connection lives.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from weakref import proxy

import attrs

from agwtwisted.core.base.remembering import LONGEST, remembering, remembering_within
from agwtwisted.core.base.values import value
from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.reading import Certificate, certificate_of
from agwtwisted.core.verification import certificate_rules, reasons
from agwtwisted.core.verification.certificate_policies import PolicyRules, policy_fault
from agwtwisted.core.verification.chains import TrustedChain
from agwtwisted.core.verification.reasons import REASONS as REASONS  # the table is part of this module's interface
from agwtwisted.core.verification.verdicts import TRUSTED, Refused, Trusted

MAX_DEPTH: Final = 8
"""Certificates above the leaf, the root included, where the configuration says nothing else."""


_PURPOSE_ERROR: Final = 26

LONGEST_CHAIN: Final = 2 * LONGEST
"""Octets of the certificates of a chain that is remembered."""

ROOM: Final = 1 << 24
"""Bytes that the chains of a profile may take in memory, with what is made of each, those used last."""

_TAKEN: Final = 2048
"""Bytes that a chain takes beside its certificates."""

_TIMES: Final = 7
"""Times its octets that a certificate takes which is no CA of the profile: itself, and its variables."""


@value(kw_only=True)
class Evidence:
    """What OpenSSL reported in one verification."""

    chain: tuple[bytes, ...] = attrs.field(repr=False)  # DER, leaf first, as far as OpenSSL reported it
    error: int  # the first X509_V_ERR_*, 0 for none
    error_depth: int = 0  # where: 0 is the leaf
    first_error: int = 0  # of a chain that failed before this one was found; 0: there was none


@attrs.frozen
class _Finding:
    """What judging needs to know of an issuing CA, independent of the client."""

    fault: str
    not_before: datetime
    not_after: datetime
    policy_rules: PolicyRules | None  # None: with a fault
    issues_for_servers: bool


@attrs.frozen
class _Leaf:
    """The same of a client's own certificate."""

    fault: str
    not_before: datetime
    not_after: datetime
    issuer: bytes | None  # its normalised DN; None: cannot be read, or with a fault
    policy_rules: PolicyRules | None  # None: the same


@attrs.frozen
class Period:
    """When a chain is trusted that has no other fault, both ends included."""

    begin: datetime
    end: datetime
    until: float  # the end, in seconds since 1970
    chain: tuple[bytes, ...] = attrs.field(default=(), eq=False, repr=False)  # as it is remembered, the leaf first
    remembered: dict[Any, Any] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    """What other modules have made of this chain once, each by its own keys: no more than there is room for by `ROOM`.
    """


@attrs.frozen(kw_only=True, eq=False)
class Anchors:
    """What an SSL profile trusts, prepared once for many judgements; without any chain it trusts no certificate."""

    issuers_by_root: Mapping[bytes, frozenset[bytes]]  # root in DER: normalised issuer DNs of the files that hold it
    verify_issuer_dn: bool
    allow_weak: bool = False
    any_purpose: bool = False  # a leaf's extendedKeyUsage need not have clientAuth
    _findings: Mapping[bytes, _Finding] = attrs.field(alias="findings", repr=False)
    _leaf_of: Callable[[bytes], _Leaf | None] = attrs.field(init=False, repr=False)
    _finding_of: Callable[[bytes], _Finding | None] = attrs.field(init=False, repr=False)
    _period_of: Callable[[tuple[bytes, ...]], Period | None] = attrs.field(init=False, repr=False)
    _own: Mapping[bytes, bytes] = attrs.field(init=False, repr=False)

    @_period_of.default
    def _periods(self) -> Callable[[tuple[bytes, ...]], Period | None]:
        # By a proxy: a circle would stay until the garbage collector comes by.
        return remembering_within(partial(_period, proxy(self)), ROOM, partial(_taken, self._findings))

    @_own.default
    def _own_certificates(self) -> Mapping[bytes, bytes]:
        return {each: each for each in self._findings}

    @_leaf_of.default
    def _leaves(self) -> Callable[[bytes], _Leaf | None]:
        return remembering(partial(_leaf, allow_weak=self.allow_weak, any_purpose=self.any_purpose))

    @_finding_of.default
    def _other_findings(self) -> Callable[[bytes], _Finding | None]:
        return remembering(partial(_finding_from, allow_weak=self.allow_weak))

    @classmethod
    def of(
        cls,
        chains: Sequence[TrustedChain],
        verify_issuer_dn: bool,
        *,
        allow_weak: bool = False,
        any_purpose: bool = False,
    ) -> Anchors:
        """The anchors of a profile's trusted client certificates."""
        issuers: dict[bytes, frozenset[bytes]] = {}
        findings: dict[bytes, _Finding] = {}
        for chain in chains:
            root = chain.root.der
            name = normalised_name(der.encoded(der.SEQUENCE, chain.issuer.subject))
            issuers[root] = issuers.get(root, frozenset()) | {name}
            for authority in chain.authorities:
                is_root = authority.der == root
                findings[authority.der] = _finding(authority, is_root=is_root, allow_weak=allow_weak)
        return cls(
            issuers_by_root=issuers,
            verify_issuer_dn=verify_issuer_dn,
            allow_weak=allow_weak,
            any_purpose=any_purpose,
            findings=findings,
        )

    @property
    def authorities(self) -> Iterable[bytes]:
        """The CAs of all files, in DER."""
        return self._findings.keys()

    def finding(self, der_bytes: bytes) -> _Finding | None:
        """The data about this CA, computed once; None where it cannot be read."""
        return self._findings.get(der_bytes) or self._finding_of(der_bytes)

    def own(self, der_bytes: bytes) -> bytes:
        """The same bytes, as the object that is here already where they are one of the profile's CAs."""
        return self._own.get(der_bytes, der_bytes)

    def leaf(self, der_bytes: bytes) -> _Leaf | None:
        """The data about this client's certificate, computed once; None where it cannot be read."""
        return self._leaf_of(der_bytes)

    def forgives(self, der: bytes, error: int, depth: int) -> bool:
        """Whether an error (X509_V_ERR_*) of OpenSSL's at a certificate is one that this profile asks not to count.

        That is the purpose of the leaf, or of a CA that issues for servers, where the profile wishes so and nothing but
        extendedKeyUsage lacks it.
        """
        if not self.any_purpose or error != _PURPOSE_ERROR:
            return False
        if depth:
            return self.forgives_purpose_of_authority(der)
        leaf = self._read_leaf(der)
        return leaf is not None and not leaf.fault

    def forgives_purpose_of_authority(self, der: bytes) -> bool:
        """Whether this CA may stand above clients although its extendedKeyUsage is one for servers alone."""
        if not self.any_purpose:
            return False
        finding = self._findings.get(der) or _finding_from(der, allow_weak=self.allow_weak)
        return finding is not None and not finding.fault and finding.issues_for_servers

    def _read_leaf(self, der: bytes) -> _Leaf | None:
        return _leaf(der, allow_weak=self.allow_weak, any_purpose=self.any_purpose)

    def has_root_at(self, now: datetime) -> bool:
        """Whether one of the roots is in its time at `now` (aware): else no client is trusted."""
        roots = map(self._findings.get, self.issuers_by_root)
        return any(root is not None and root.not_before <= now <= root.not_after for root in roots)

    def takes_leaf(self, der: bytes, now: datetime) -> bool:
        """Whether nothing is wrong with a client's certificate in itself at `now` (aware), whatever its issuers.

        It may be unverified, and is not cached.
        """
        leaf = self._read_leaf(der)
        return leaf is not None and not leaf.fault and leaf.not_before <= now <= leaf.not_after

    def takes_authority(self, der: bytes, now: datetime) -> bool:
        """The same of a CA."""
        finding = self._findings.get(der) or _finding_from(der, allow_weak=self.allow_weak)
        return finding is not None and not finding.fault and finding.not_before <= now <= finding.not_after

    def period(self, chain: tuple[bytes, ...]) -> Period | None:
        """When this chain is trusted, found out once; None where it never is, or is too long to be remembered.

        Its length is not judged.
        """
        return self._period_of(chain) if sum(map(len, chain)) <= LONGEST_CHAIN else None

    def valid_until(self, chain: tuple[bytes, ...]) -> float:
        """As `valid_until`, of a chain that was judged."""
        period = self.period(chain)
        if period is not None:
            return period.until
        known = [self.leaf(chain[0]), *map(self.finding, chain[1:])]
        return min(0.0 if each is None else each.not_after.timestamp() for each in known)


def judge(evidence: Evidence, anchors: Anchors, now: datetime, *, max_depth: int = MAX_DEPTH) -> Trusted | Refused:
    """Whether the client is trusted at `now` (aware), with one reason of one line when not.

    Can be called within a TLS verify callback: CAs of the profile's own files are not parsed again, and no content of a
    certificate raises. For a known chain only the time is compared: the cache holds when a chain is trusted, and
    nothing of OpenSSL's results.
    """
    if not evidence.error and len(evidence.chain) - 1 <= max_depth:
        period = anchors.period(evidence.chain)
        if period is not None and period.begin <= now <= period.end:
            return TRUSTED
    reason = (
        _openssl_reason(evidence.error)
        or _shape_reason(evidence.chain, anchors, max_depth)
        or _chain_reason(evidence.chain, anchors, now)
    )
    return Refused(reason) if reason else TRUSTED


def valid_until(chain: Iterable[bytes]) -> float:
    """Until when every certificate of a chain (DER) is valid, in seconds since 1970; 0 where one cannot be read."""
    certificates = map(certificate_of, chain)
    return min(0.0 if each is None else each.not_after.timestamp() for each in certificates)


_LONGEST_TIME: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def _period(anchors: Anchors, chain: tuple[bytes, ...]) -> Period | None:
    """Of a chain whose only fault can be its time."""
    if not chain or chain[-1] not in anchors.issuers_by_root:
        return None
    leaf, findings = anchors.leaf(chain[0]), [anchors.finding(each) for each in chain[1:]]
    begin, end = _LONGEST_TIME
    for each in (leaf, *findings):
        if each is None:
            return None
        begin, end = max(begin, each.not_before), min(end, each.not_after)
    if begin > end or _reason(leaf, findings, chain[-1], anchors, begin):
        return None
    return Period(begin, end, end.timestamp(), (chain[0], *map(anchors.own, chain[1:])))


def _taken(authorities: Container[bytes], chain: tuple[bytes, ...], _: Period | None) -> int:
    """Bytes of a chain that is remembered."""
    return _TAKEN + _TIMES * sum([len(each) for each in chain if each not in authorities])


def _openssl_reason(error: int) -> str:
    return REASONS.get(error, reasons.UNKNOWN) if error else ""


def _shape_reason(chain: tuple[bytes, ...], anchors: Anchors, max_depth: int) -> str:
    """Where the chain ends, and how long it is."""
    if not chain or chain[-1] not in anchors.issuers_by_root:
        return reasons.NO_LOCAL_ISSUER
    return reasons.CHAIN_TOO_LONG if len(chain) - 1 > max_depth else ""


def _chain_reason(chain: tuple[bytes, ...], anchors: Anchors, now: datetime) -> str:
    """What is wrong with the certificates of a chain that ends where it should."""
    return _reason(anchors.leaf(chain[0]), [anchors.finding(each) for each in chain[1:]], chain[-1], anchors, now)


def _reason(
    leaf: _Leaf | None, findings: Sequence[_Finding | None], root: bytes, anchors: Anchors, now: datetime
) -> str:
    """The same of what is known of them."""
    if leaf is None:
        return reasons.UNREADABLE
    return _leaf_reason(leaf, root, anchors, now) or _issuers_reason(findings, now) or _policy_reason(leaf, findings)


def _leaf_reason(leaf: _Leaf, root: bytes, anchors: Anchors, now: datetime) -> str:
    """What is wrong with the leaf in itself and, where the profile says so, with its issuer's name."""
    return (
        _time_reason(leaf.not_before, leaf.not_after, now)
        or leaf.fault
        or (_issuer_dn_reason(leaf, anchors.issuers_by_root[root]) if anchors.verify_issuer_dn else "")
    )


def _issuers_reason(findings: Sequence[_Finding | None], now: datetime) -> str:
    """What is wrong with the first faulty CA above the leaf."""
    for finding in findings:
        if finding is None:
            return reasons.UNREADABLE
        reason = finding.fault or _time_reason(finding.not_before, finding.not_after, now)
        if reason:
            return reason
    return ""


def _policy_reason(leaf: _Leaf, findings: Sequence[_Finding | None]) -> str:
    """Whether a policy is lacking; what the root says of policies does not count, nor does anything but its key."""
    if not findings:
        return ""
    if leaf.policy_rules is None:
        return reasons.POLICY_EXTENSION
    above = [finding.policy_rules for finding in reversed(findings[:-1]) if finding and finding.policy_rules]
    return policy_fault([*above, leaf.policy_rules])


def _time_reason(not_before: datetime, not_after: datetime, now: datetime) -> str:
    if now < not_before:
        return reasons.NOT_YET_VALID
    return reasons.EXPIRED if now > not_after else ""


def _issuer_dn_reason(leaf: _Leaf, allowed: frozenset[bytes]) -> str:
    """Whether the leaf's issuer is the one that a file of this profile with the chain's root stands for."""
    if leaf.issuer is None:
        return reasons.UNREADABLE
    return "" if leaf.issuer in allowed else reasons.ISSUER_DN


def _leaf(der_bytes: bytes, *, allow_weak: bool, any_purpose: bool) -> _Leaf | None:
    certificate = certificate_of(der_bytes)
    if certificate is None:
        return None
    fault = certificate_rules.client_fault(certificate, allow_weak=allow_weak, any_purpose=any_purpose)
    issuer, policy_rules = (None, None) if fault else (_issuer(certificate), _policy_rules(certificate))
    return _Leaf(fault, certificate.not_before, certificate.not_after, issuer, policy_rules)


def _issuer(certificate: Certificate) -> bytes | None:
    try:
        return normalised_name(der.encoded(der.SEQUENCE, certificate.issuer))
    except DerError:
        return None


def _policy_rules(certificate: Certificate) -> PolicyRules | None:
    try:
        return PolicyRules.of(certificate)
    except DerError:
        return None


def _finding_from(der_bytes: bytes, *, allow_weak: bool) -> _Finding | None:
    """The data about a CA that is not one of the profile's."""
    certificate = certificate_of(der_bytes)
    return None if certificate is None else _finding(certificate, is_root=False, allow_weak=allow_weak)


def _finding(certificate: Certificate, *, is_root: bool, allow_weak: bool) -> _Finding:
    fault = certificate_rules.authority_fault(certificate, is_root=is_root, allow_weak=allow_weak)
    policy_rules = None if fault else _policy_rules(certificate)
    if not fault and policy_rules is None:
        fault = reasons.POLICY_EXTENSION
    issues_for_servers = certificate_rules.issues_for_servers(certificate)
    return _Finding(fault, certificate.not_before, certificate.not_after, policy_rules, issues_for_servers)
