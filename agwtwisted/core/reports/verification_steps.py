"""The steps of an explanation in which certificates are verified, in the order of the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import beside
from agwtwisted.core.certificates.der import SEQUENCE, DerError, encoded
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.reports.examination import INDENT, Examination, indented, name_of
from agwtwisted.core.reports.sent_certificates import DATES, dates
from agwtwisted.core.reports.steps import ExplanationStep, StepOutcome, failed, passed, skipped
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification.certificate_rules import client_fault
from agwtwisted.core.verification.chains import TrustedChain
from agwtwisted.core.verification.judging import Anchors, Evidence, judge
from agwtwisted.core.verification.reasons import REASONS, UNKNOWN, UNREADABLE
from agwtwisted.core.verification.verdicts import Refused

_TIME_WORDS: Final = {-1: "not valid yet", 0: "valid", 1: "expired"}


def verification_steps(examination: Examination, profile: SslProfile, anchors: Anchors) -> list[ExplanationStep]:
    """What is said of the certificates of a profile that verifies them, for the listener or for paths of it."""
    if not examination.evidence.chain:
        why = examination.failure or "no certificate was sent"
        return [failed("chain", f"Chain: none was built, because the handshake failed: {why}")]
    of = _Verification(examination, profile, examination.evidence, anchors)
    return [of.chain(), of.openssl(), of.rules(), of.times(), of.issuer_dn()]


@attrs.frozen(eq=False)
class _Verification:
    """The steps."""

    examination: Examination
    profile: SslProfile
    evidence: Evidence
    anchors: Anchors

    @property
    def chains(self) -> tuple[TrustedChain, ...]:
        """The files that the profile trusts."""
        return tuple(trusted.chain for trusted in self.profile.trusted_client_certificates)

    def chain(self) -> ExplanationStep:
        """Which chain was built, of what, and whether it ends in a trusted root."""
        chain = self.evidence.chain
        lines = [line for der in chain for line in indented(f"{name_of(der)}: {self._origin(der)}")]
        if chain[-1] in self._roots():
            return passed("chain", "Chain: it ends in a trusted root", lines)
        return failed("chain", "Chain: it ends in no trusted root", [*lines, *self._missing(chain[-1])])

    def openssl(self) -> ExplanationStep:
        """OpenSSL's first error, and where."""
        error, first = self.evidence.error, self.evidence.first_error
        if first and not error:
            said = REASONS.get(first, UNKNOWN)
            return passed("openssl", f"OpenSSL: no error in this path; its first path failed: {said}")
        if not error:
            title = "OpenSSL (chain, signatures, purposes, constraints, time): no error"
            return passed("openssl", title)
        at = self.evidence.error_depth
        whose = f", at {name_of(self.evidence.chain[at])}" if at < len(self.evidence.chain) else ""
        title = f"OpenSSL: {REASONS.get(error, UNKNOWN)} (error {error}){printable(whose)}"
        return failed("openssl", title)

    def rules(self) -> ExplanationStep:
        """The verdict of the gateway's rules without OpenSSL's errors, and their objections to each certificate."""
        said = judge(
            attrs.evolve(self.evidence, error=0),
            self.anchors,
            self.examination.now,
            max_depth=self.examination.max_depth,
        )
        lines = [
            line
            for index, der in enumerate(self.evidence.chain)
            if (fault := self._fault(der, index))
            for line in indented(f"{name_of(der)}: {fault}")
        ]
        if isinstance(said, Refused):
            return failed("rules", f"The gateway's own rules: {said.reason}", lines)
        return passed("rules", "The gateway's own rules: no error", lines)

    def times(self) -> ExplanationStep:
        """Whether each certificate is valid at the time."""
        now = self.examination.now
        words = [self._time(der) for der in self.evidence.chain]
        lines = [
            line
            for der, word in zip(self.evidence.chain, words, strict=True)
            for line in indented(f"{name_of(der)}: {word}, {dates(der)}")
        ]
        outcome = StepOutcome.PASSED if set(words) == {"valid"} else StepOutcome.FAILED
        return ExplanationStep("time", outcome, f"Time: {now:{DATES}} UTC", lines)

    def issuer_dn(self) -> ExplanationStep:
        """Both issuers beside each other, whether or not they are compared."""
        title = "Issuer DN (verify_client_cert_issuer_dn)"
        lines = tuple(self._issuers())
        if not self.profile.verify_client_cert_issuer_dn:
            return skipped("issuer_dn", f"{title}, which this profile does not require", lines)
        leaf, last = self.evidence.chain[0], self.evidence.chain[-1]
        same = any(last == chain.root.der and _is_issuer(leaf, chain) for chain in self.chains)
        return passed("issuer_dn", title, lines) if same else failed("issuer_dn", title, lines)

    def _missing(self, last: bytes) -> Iterator[str]:
        issuer = certificate_variables(last).issuer.decode() or "(none)"
        if certificate_variables(last).subject.decode() == issuer:
            yield from indented(f"{issuer} is self-signed, and is in no trusted file")
        else:
            yield from indented(f"the issuer of the last certificate is in no trusted file and was not sent: {issuer}")
        for chain in self.chains:
            for authority in chain.authorities:
                if certificate_variables(authority.der).subject.decode() == issuer:
                    yield from indented(f"{chain.file} has a CA of that name, but with another key")

    def _origin(self, der: bytes) -> str:
        """Where a certificate of the chain came from."""
        places = ["sent by the client"] if any(block.der == der for block in self.examination.sent) else []
        for chain in self.chains:
            if der in {authority.der for authority in chain.authorities}:
                kind = "root of " if der == chain.root.der else "in "
                places.append(f"{kind}{chain.file}")
        return ", ".join(places)

    def _issuers(self) -> Iterator[str]:
        leaf, last = self.evidence.chain[0], self.evidence.chain[-1]
        yield from beside(f"{INDENT}the client's  ", certificate_variables(leaf).issuer.decode() or "(none)")
        for chain in self.chains:
            same = "the same" if _is_issuer(leaf, chain) else "another"
            if last != chain.root.der:
                same = "not used, the chain ends in another root"
            name = certificate_variables(chain.issuer.der).subject.decode()
            yield from beside(f"{INDENT}the file's    ", f"{name}: {same} ({printable(chain.file)})")

    def _time(self, der: bytes) -> str:
        certificate = certificate_of(der)
        if certificate is None:
            return "cannot be determined"
        now = self.examination.now
        return _TIME_WORDS[(now > certificate.not_after) - (now < certificate.not_before)]

    def _fault(self, der: bytes, depth: int) -> str:
        """What is wrong with a certificate of the chain, wherever it stands."""
        if depth:
            finding = self.anchors.finding(der)
            return UNREADABLE if finding is None else finding.fault
        leaf = certificate_of(der)
        if leaf is None:
            return UNREADABLE
        return client_fault(leaf, allow_weak=self.anchors.allow_weak, any_purpose=self.anchors.any_purpose)

    def _roots(self) -> set[bytes]:
        return {chain.root.der for chain in self.chains}


def _is_issuer(leaf: bytes, chain: TrustedChain) -> bool:
    """Whether the leaf's issuer is the DN that the file stands for."""
    certificate = certificate_of(leaf)
    try:
        return certificate is not None and (
            normalised_name(encoded(SEQUENCE, certificate.issuer))
            == normalised_name(encoded(SEQUENCE, chain.issuer.subject))
        )
    except DerError:
        return False
