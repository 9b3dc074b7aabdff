"""Why a listener accepts a client's certificates or refuses them, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from typing import Final, assert_never

import attrs

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import beside
from agwtwisted.core.certificates.attributes import fingerprint_sha256
from agwtwisted.core.certificates.der import SEQUENCE, DerError, encoded
from agwtwisted.core.certificates.extensions import is_authority
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.pem import EncodedBlock
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.http.destinations import hindrance
from agwtwisted.core.reports import report
from agwtwisted.core.reports.access_explanation import Finding, attribute_lines, findings
from agwtwisted.core.reports.advice import what_to_do
from agwtwisted.core.resources.resources import (
    ClientRevocation,
    HttpListener,
    OcspScope,
    OcspUnavailable,
    PathCertificate,
    RequestRoutingRule,
    SslProfile,
)
from agwtwisted.core.revocation.ocsp import OcspRequest
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.certificate_rules import client_fault
from agwtwisted.core.verification.chains import TrustedChain
from agwtwisted.core.verification.judging import MAX_DEPTH, Anchors, Evidence, judge
from agwtwisted.core.verification.reasons import REASONS, UNKNOWN, UNREADABLE
from agwtwisted.core.verification.verdicts import (
    UNJUDGED,
    Absent,
    Missing,
    NotAsked,
    Refused,
    Trusted,
    Unchecked,
    Verdict,
    admits,
)

_INDENT: Final = "   "
_TIME: Final = "%Y-%m-%d %H:%M:%S"


_NOTHING: Final = Evidence(chain=(), error=0)


@attrs.frozen(kw_only=True, eq=False)
class Explanation:
    """A verdict with all that led to it; `str` of it is the text, which ends without a newline."""

    file: str  # where the certificates were read
    sent: tuple[EncodedBlock, ...]  # the client's own first
    listener: HttpListener
    now: datetime  # aware
    verdict: Verdict
    required_verdict: Verdict = UNJUDGED  # on the paths that require a certificate
    evidence: Evidence = _NOTHING
    anchors: Anchors | None = None  # of a Strict profile
    max_depth: int = MAX_DEPTH
    failure: str = ""  # why the certificates were not looked at
    rule: RequestRoutingRule | None = None  # the listener's: who may come in by its conditions

    def __str__(self) -> str:
        steps = [self._read(), self._asked()]
        profile = self.listener.ssl_profile
        if profile is not None and self.anchors is not None:
            steps += _Verification(self, profile, self.evidence, self.anchors).steps()
        if findings := self._findings():
            steps.append(self._access(findings))
        numbered = [f"{number}. {step}" for number, step in enumerate(map("\n".join, steps), start=1)]
        head = f"{printable(self.file)} on the listener {self.listener.name} at {self.now:{_TIME}} UTC"
        return "\n\n".join([head, *numbered, "\n".join(self._verdict())])

    @property
    def lets_in(self) -> bool:
        """Whether a request of the client can reach a server, as far as that is known."""
        return admits(self._concluded(self.verdict)) and not any(each.refuses_all for each in self._findings())

    def _findings(self) -> tuple[Finding, ...]:
        """What the conditions of the rule say, where the handshake lets the client come to them."""
        if self.rule is None or not admits(self.verdict):
            return ()
        return findings(self.rule, self.verdict, self.sent[0].der if self.sent else b"")

    def _access(self, found: Iterable[Finding]) -> Iterator[str]:
        yield "Access control (deny_unless)"
        for each in found:
            yield from _indented(str(each), 1)

    def _concluded(self, verdict: Verdict) -> Verdict:
        """A verdict with what is known of the revocation before any OCSP request."""
        profile = self.listener.ssl_profile
        if not isinstance(verdict, Trusted) or profile is None or not self._unaskable():
            return verdict
        return Refused(reasons.STATUS_UNAVAILABLE) if profile.ocsp_unavailable is OcspUnavailable.REFUSE else verdict

    def _unaskable(self) -> bool:
        """Whether there is a certificate about which no responder can be asked, whatever responders say."""
        profile = self.listener.ssl_profile
        return profile is not None and any(
            all(hindered for _, hindered in responders) for _, responders in asked_about(self.evidence.chain, profile)
        )

    @property
    def _is_asked_about(self) -> bool:
        profile = self.listener.ssl_profile
        return profile is not None and profile.verify_client_revocation is ClientRevocation.OCSP

    def _requiring(self) -> tuple[str, ...]:
        """The patterns of the paths that require a certificate, where the listener itself does not."""
        url_path_map = self.rule.url_path_map if self.rule else None
        if url_path_map is None or not isinstance(self.verdict, Unchecked | Absent):
            return ()
        rules = [each for each in url_path_map.path_rules if each.client_certificate is PathCertificate.REQUIRE]
        return tuple(path for each in rules for path in each.paths)

    def _read(self) -> Iterator[str]:
        yield f"Read: {len(self.sent)} certificate{'s'[: len(self.sent) > 1]}, the first is the client's own"
        for block in self.sent:
            certificate = certificate_variables(block.der)
            yield from _indented(f"{f'line {block.line}: ' if block.line else ''}{_name(block.der)}", 1)
            yield from _indented(f"issuer {certificate.issuer.decode() or '(none)'}", 2)
            yield from _indented(f"valid {_dates(block.der)}", 2)
            yield from _indented(f"serial {certificate.serial.decode()}", 2)
            yield from _indented(f"SHA-1 {certificate.fingerprint.decode()}", 2)
            yield from _indented(f"SHA-256 {fingerprint_sha256(block.der).decode()}", 2)
            for line in attribute_lines(block.der) if block is self.sent[0] else ():
                yield from _indented(line, 2)
            if certificate_of(block.der) is None:
                yield from _indented("cannot be parsed completely: it violates RFC 5280", 2)
        own, *others = (_is_authority(block.der) for block in self.sent)
        if own and False in others:
            yield from _indented("The first certificate is a CA's, and another is not: put the client's own first.", 1)

    def _asked(self) -> Iterator[str]:
        profile = self.listener.ssl_profile
        used = f"SSL profile {profile.name}, " if profile else ""
        yield (
            f"Listener {self.listener.name}: {self.listener.protocol.value} on {report.place(self.listener)},"
            f" {used}client certificates: {report.mode(profile)}"
        )
        for trusted in profile.trusted_client_certificates if profile else ():
            yield from _indented(f"trusts {_subject(trusted.chain)}, the root of {printable(trusted.chain.file)}", 1)

    def _verdict(self) -> Iterator[str]:
        yield from self._words(self._concluded(self.verdict))
        if admits(self._concluded(self.verdict)) and not self.lets_in:
            yield "But every request gets 403: a condition of the rule does not hold."
        if requiring := self._requiring():
            yield ""
            yield from beside("On the paths that require a certificate, ", ", ".join(map(printable, requiring)) + ":")
            required = self._concluded(self.required_verdict)
            yield from self._words(required)
            if admits(required):
                yield from self._denied()

    def _denied(self) -> Iterator[str]:
        """The paths that require a certificate and have a condition that this one does not meet."""
        denied = [each.where for each in self._findings() if each.requiring and each.holds is False]
        for where in dict.fromkeys(denied):
            yield from beside("But requests get 403, because a condition does not hold: ", where)

    def _words(self, verdict: Verdict) -> Iterator[str]:
        match verdict:
            case NotAsked():
                yield "Accepted: this listener asks for no certificate, so the client sends none."
            case Unchecked():
                yield "Accepted: this listener verifies no certificate. The backend gets PASSTHROUGH."
            case Absent():
                yield "Accepted, without a certificate."
            case Trusted():
                proof = "The client must have the certificate's key, which only a real handshake proves."
                yield f"Accepted{self._condition()}. {proof}"
            case Missing():
                yield from _refused("no certificate was sent")
            case Refused(reason):
                yield from _refused(reason)
            case _:
                assert_never(verdict)

    def _condition(self) -> str:
        """The condition for accepting a trusted client."""
        if not self._is_asked_about:
            return ""
        if self._unaskable():
            return ", although its status cannot be obtained (ocsp_unavailable = Allow)"
        return ", if its OCSP responder answers good"


@attrs.frozen(eq=False)
class _Verification:
    """The steps of a Strict listener."""

    explanation: Explanation
    profile: SslProfile
    evidence: Evidence
    anchors: Anchors

    @property
    def chains(self) -> tuple[TrustedChain, ...]:
        """The files that the profile trusts."""
        return tuple(trusted.chain for trusted in self.profile.trusted_client_certificates)

    def steps(self) -> list[Iterator[str]]:
        """In the order of the gateway."""
        if not self.evidence.chain:
            return [iter([f"Chain: none was built, because the handshake failed: {self.explanation.failure}"])]
        steps = [self._chain(), self._openssl(), self._rules(), self._times(), self._issuer_dn()]
        if self.profile.verify_client_revocation is ClientRevocation.OCSP:
            steps.append(self._revocation())
        return steps

    def _chain(self) -> Iterator[str]:
        chain = self.evidence.chain
        complete = chain[-1] in self._roots()
        yield "Chain: it ends in a trusted root" if complete else "Chain: it ends in no trusted root"
        for der in chain:
            yield from _indented(f"{_name(der)}: {self._origin(der)}", 1)
        if not complete:
            yield from self._missing(chain[-1])

    def _missing(self, last: bytes) -> Iterator[str]:
        issuer = certificate_variables(last).issuer.decode() or "(none)"
        if certificate_variables(last).subject.decode() == issuer:
            yield from _indented(f"{issuer} is self-signed, and is in no trusted file", 1)
        else:
            yield from _indented(
                (f"the issuer of the last certificate is in no trusted file and was not sent: {issuer}"), 1
            )
        for chain in self.chains:
            for authority in chain.authorities:
                if certificate_variables(authority.der).subject.decode() == issuer:
                    yield from _indented(f"{printable(chain.file)} has a CA of that name, but with another key", 1)

    def _origin(self, der: bytes) -> str:
        """Where a certificate of the chain came from."""
        places = ["sent by the client"] if any(block.der == der for block in self.explanation.sent) else []
        for chain in self.chains:
            if der in {authority.der for authority in chain.authorities}:
                kind = "root of " if der == chain.root.der else "in "
                places.append(f"{kind}{printable(chain.file)}")
        return ", ".join(places)

    def _openssl(self) -> Iterator[str]:
        error, first = self.evidence.error, self.evidence.first_error
        if first and not error:
            said = REASONS.get(first, UNKNOWN)
            yield from beside("OpenSSL: ", f"no error in this path; its first path failed: {said}")
            return
        if not error:
            yield "OpenSSL (chain, signatures, purposes, constraints, time): no error"
            return
        at = self.evidence.error_depth
        whose = f", at {_name(self.evidence.chain[at])}" if at < len(self.evidence.chain) else ""
        yield from beside("OpenSSL: ", f"{REASONS.get(error, UNKNOWN)} (error {error}){whose}")

    def _rules(self) -> Iterator[str]:
        """The verdict of the gateway's rules without OpenSSL's errors, and their objections to each certificate."""
        said = judge(
            attrs.evolve(self.evidence, error=0),
            self.anchors,
            self.explanation.now,
            max_depth=self.explanation.max_depth,
        )
        yield f"The gateway's own rules: {said.reason if isinstance(said, Refused) else 'no error'}"
        for index, der in enumerate(self.evidence.chain):
            if fault := self._fault(der, index):
                yield from _indented(f"{_name(der)}: {fault}", 1)

    def _times(self) -> Iterator[str]:
        yield f"Time: {self.explanation.now:{_TIME}} UTC"
        for der in self.evidence.chain:
            yield from _indented(f"{_name(der)}: {_time_word(der, self.explanation.now)}, {_dates(der)}", 1)

    def _issuer_dn(self) -> Iterator[str]:
        option = "" if self.profile.verify_client_cert_issuer_dn else ", which this profile does not require"
        yield f"Issuer DN (verify_client_cert_issuer_dn){option}"
        leaf, last = self.evidence.chain[0], self.evidence.chain[-1]
        yield from beside(f"{_INDENT}the client's  ", certificate_variables(leaf).issuer.decode() or "(none)")
        for chain in self.chains:
            same = "the same" if _is_issuer(leaf, chain) else "another"
            if last != chain.root.der:
                same = "not used, the chain ends in another root"
            name = certificate_variables(chain.issuer.der).subject.decode()
            yield from beside(f"{_INDENT}the file's    ", f"{name}: {same} ({printable(chain.file)})")

    def _revocation(self) -> Iterator[str]:
        yield (
            "Revocation (verify_client_revocation = OCSP): the gateway checks it after the handshake; explain does not"
        )
        for der, responders in asked_about(self.evidence.chain, self.profile):
            if not responders:
                yield from _indented(f"{_name(der)}: names no responder, so its status cannot be obtained", 1)
            for url, hindered in responders:
                yield from _indented(f"{_name(der)}: {printable(url)}{f' {hindered}' if hindered else ''}", 1)

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


def _refused(reason: str) -> Iterator[str]:
    yield f"Refused: {reason}"
    yield from beside("What to do: ", what_to_do(reason))


def _is_authority(der: bytes) -> bool:
    certificate = certificate_of(der)
    try:
        return certificate is not None and is_authority(certificate)
    except DerError:
        return False


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


def _time_word(der: bytes, now: datetime) -> str:
    certificate = certificate_of(der)
    if certificate is None:
        return "cannot be determined"
    if now < certificate.not_before:
        return "not valid yet"
    return "expired" if now > certificate.not_after else "valid"


def asked_about(chain: tuple[bytes, ...], profile: SslProfile) -> Iterator[tuple[bytes, tuple[tuple[str, str], ...]]]:
    """The certificates of a chain whose status the gateway asks for, with their responders.

    Those are URLs, each with why it is not asked, empty where it is.
    """
    if profile.verify_client_revocation is not ClientRevocation.OCSP:
        return
    pairs = tuple(pairwise(chain))
    for der, issuer in pairs if profile.ocsp_scope is OcspScope.CHAIN else pairs[:1]:
        question = OcspRequest.of(der, issuer)
        if not isinstance(question, OcspRequest):
            yield der, ()
        elif profile.ocsp_responder_url:
            yield der, ((profile.ocsp_responder_url, ""),)
        else:
            networks, ports = profile.ocsp_allowed_networks, profile.ocsp_allowed_ports
            yield der, tuple((url, hindrance(url, networks, ports)) for url in question.responders)


def _dates(der: bytes) -> str:
    certificate = certificate_of(der)
    if certificate is not None:
        return f"{certificate.not_before:{_TIME}} to {certificate.not_after:{_TIME}} UTC"
    variables = certificate_variables(der)
    return f"{variables.start_date.decode() or '(none)'} to {variables.end_date.decode() or '(none)'}"


def _name(der: bytes) -> str:
    return certificate_variables(der).subject.decode() or "(no subject)"


def _subject(chain: TrustedChain) -> str:
    return _name(chain.root.der)


def _indented(text: str, level: int) -> Iterator[str]:
    return beside(_INDENT * level, text)
