"""What was found out about a client's certificates on a listener, from which the explanation is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import beside
from agwtwisted.core.certificates.pem import EncodedBlock
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.configuration.coherence import AnyListener
from agwtwisted.core.http.service_urls import ProxyAddress
from agwtwisted.core.identity.clients import RevocationFinding, RevocationSource
from agwtwisted.core.reports.access_explanation import Finding, findings
from agwtwisted.core.resources.resources import (
    PathCertificate,
    RequestRoutingRule,
    SslProfile,
)
from agwtwisted.core.revocation.crl_status import CrlSubject
from agwtwisted.core.revocation.finding import finding_of
from agwtwisted.core.revocation.ocsp import OcspRequest
from agwtwisted.core.revocation.policy import allows_unavailable, sources_of
from agwtwisted.core.revocation.responders import Responder, named_urls, responders_of
from agwtwisted.core.revocation.status import RevocationStatus, Unusable
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.judging import MAX_DEPTH, Anchors, Evidence
from agwtwisted.core.verification.proving_keys import ProvingKey, proving_key
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

INDENT: Final = "   "

_BY_STATUS: Final = frozenset(
    {reasons.REVOKED, reasons.STATUS_UNKNOWN, reasons.STATUS_UNAVAILABLE, reasons.STATUS_NOT_ASKED}
)
"""The reasons for which a client is refused whose certificate was trusted but for its status."""

NOTHING: Final = Evidence(chain=(), error=0)


@attrs.frozen(kw_only=True)
class StatusQuestion:
    """A certificate of the chain whose status the gateway asks for, and where it asks."""

    der: bytes = attrs.field(repr=False)
    issuer: bytes = attrs.field(repr=False)
    sources: tuple[RevocationSource, ...] = (RevocationSource.OCSP,)  # that are asked about it, in their order
    responders: tuple[Responder, ...] = ()
    points: tuple[Responder, ...] = ()  # where its lists are published
    files: tuple[str, ...] = ()  # with lists, which may be of other issuers
    fault: str = ""  # why nothing can be asked about it

    @property
    def is_askable(self) -> bool:
        """Whether a source may have an answer, as far as that is known before any lookup."""
        return bool(self.files) or any(not each.hindrance for each in (*self.responders, *self.points))


@attrs.define(kw_only=True, eq=False)
class Examination:
    """The certificates that a client sends, the listener, and its verdict with all that led to it."""

    source: str  # where the certificates were read
    sent: tuple[EncodedBlock, ...]  # the client's own first
    key_lines: tuple[int, ...] = ()  # where private keys stand beside them
    listener: AnyListener
    now: datetime  # aware
    verdict: Verdict
    required_verdict: Verdict = UNJUDGED  # on the paths that require a certificate
    evidence: Evidence = NOTHING
    anchors: Anchors | None = None  # of a profile that names trusted client certificates
    max_depth: int = MAX_DEPTH
    failure: str = ""  # why the certificates were not looked at
    rule: RequestRoutingRule | None = None  # of an HTTP listener: who may come in by its conditions
    why_not_resumed: str = ""  # on this port; empty: sessions are resumed
    own_ports: frozenset[int] = frozenset()  # of the gateway
    outbound_proxy: ProxyAddress | None = None  # by which the gateway asks
    answers: tuple[RevocationStatus, ...] = ()  # to the questions, where they were asked: of all sources together
    reports: tuple[Mapping[str, Any], ...] = ()  # of each source: `CertificateReport.members`
    known: tuple[Mapping[str, Any], ...] = ()  # of their revocation by the gateway: `CertificateReport.members`
    refused_for: str = ""  # why the gateway has refused this client; empty: that is not known
    refused_at: str = ""  # when, for a text

    @property
    def profile(self) -> SslProfile | None:
        """The listener's SSL profile."""
        return self.listener.ssl_profile

    @property
    def is_encrypted(self) -> bool:
        """Whether the listener speaks TLS."""
        return self.listener.ssl_policy is not None

    @cached_property
    def proving_key(self) -> ProvingKey | None:
        """What the client can do with the key of its certificate; None where that is not known, or nothing is asked."""
        certificate = certificate_of(self.sent[0].der) if self.sent else None
        if certificate is None or self.listener.ssl_policy is None or isinstance(self.verdict, NotAsked):
            return None
        groups = () if self.profile is None else self.profile.tls_groups
        return proving_key(certificate.public_key, groups)

    @property
    def spoken_versions(self) -> tuple[str, ...]:
        """The versions of TLS that the listener speaks."""
        policy = self.listener.ssl_policy
        return () if policy is None else tuple(dict.fromkeys((policy.min_version, policy.max_version)))

    @property
    def usable_versions(self) -> tuple[str, ...]:
        """Those of them in which the key of the certificate can be used."""
        key = self.proving_key
        return tuple(each for each in self.spoken_versions if key is None or each in key.versions)

    @property
    def is_silent(self) -> bool:
        """Whether a client with this certificate sends none, because it cannot use the key."""
        return self.proving_key is not None and not self.usable_versions

    @property
    def accepted(self) -> bool:
        """Whether a request, or on L4 a byte, of the client can reach a server, as far as that is known."""
        return admits(self.concluded(self.verdict)) and not any(each.refuses_all for each in self.findings)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the conditions of the rule say, where the handshake lets the client come to them."""
        if self.rule is None or not admits(self.verdict):
            return ()
        return findings(self.rule, self.verdict, self.sent[0].der if self.sent else b"")

    @cached_property
    def requiring(self) -> tuple[str, ...]:
        """The patterns of the paths that require a certificate, where the listener itself does not."""
        url_path_map = self.rule.url_path_map if self.rule else None
        if url_path_map is None or not isinstance(self.verdict, Unchecked | Absent):
            return ()
        rules = [each for each in url_path_map.path_rules if each.client_certificate is PathCertificate.REQUIRE]
        return tuple(path for each in rules for path in each.paths)

    @property
    def is_verified(self) -> bool:
        """Whether the certificates are verified for anything: the listener, or some of its paths."""
        return self.anchors is not None and (bool(self.requiring) or not isinstance(self.verdict, Unchecked | Absent))

    @property
    def strict_verdict(self) -> Verdict:
        """That of the verification: of the listener, or of its paths that require a certificate."""
        return self.required_verdict if self.requiring else self.verdict

    @property
    def checks_revocation(self) -> bool:
        """Whether the gateway checks the revocation of clients that it has verified."""
        return self.profile is not None and bool(self.profile.verify_client_revocation)

    @property
    def has_no_questions(self) -> bool:
        """Whether it asks, and there is nothing to ask: the certificate is a trusted root itself, and so refused."""
        return self.checks_revocation and not self.questions

    @cached_property
    def questions(self) -> tuple[StatusQuestion, ...]:
        """What is asked about the revocation of a chain that was verified."""
        if self.profile is None:
            return ()
        found = []
        for at, (der, issuer) in enumerate(pairwise(self.evidence.chain)):
            sources = sources_of(self.profile, is_leaf=not at)
            found += [self._question(self.profile, der, issuer, sources)] if sources else []
        return tuple(found)

    def _question(
        self, profile: SslProfile, der: bytes, issuer: bytes, sources: tuple[RevocationSource, ...]
    ) -> StatusQuestion:
        question = StatusQuestion(der=der, issuer=issuer, sources=sources)
        request, about = OcspRequest.of(der, issuer), CrlSubject.of(der, issuer)
        for fault in (request, about):
            if isinstance(fault, Unusable):
                return attrs.evolve(question, fault=fault.reason)
        assert isinstance(request, OcspRequest)
        assert isinstance(about, CrlSubject)
        if RevocationSource.OCSP in sources:
            question = attrs.evolve(question, responders=responders_of(request, profile, self.own_ports))
        if RevocationSource.CRL in sources:
            points = tuple(named_urls(about.urls, profile, self.own_ports))
            question = attrs.evolve(question, points=points, files=tuple(each.path for each in profile.crl_files))
        return question

    @property
    def is_unaskable(self) -> bool:
        """Whether there is a certificate about which no source can be asked, whatever others say."""
        return any(not each.is_askable for each in self.questions)

    @property
    def finding(self) -> RevocationFinding | None:
        """What the answers mean for the client; None where nothing was asked."""
        if self.profile is None or not self.answers:
            return None
        allow = allows_unavailable(self.profile)
        asks_ocsp = RevocationSource.OCSP in self.profile.verify_client_revocation
        return finding_of(self.answers, allow=allow, now=self.now.timestamp(), asks_ocsp=asks_ocsp)

    @property
    def was_refused_by_status(self) -> bool:
        """Whether the gateway has refused this client for what it had found out about revocation, which it asks still.

        Nothing that is looked at here says it; the gateway knows.
        """
        return bool(self.questions) and self.refused_for in _BY_STATUS and not self.is_known_as_good

    @property
    def is_known_as_revoked(self) -> bool:
        """Whether a certificate is known as revoked, by any source: that binds, whatever others say."""
        return any(each["known"]["status"] == "revoked" for known in self.known for each in known["sources"])

    @property
    def is_known_as_good(self) -> bool:
        """Whether every certificate is known as good by the first source, in the profile's order, that can say it."""
        return bool(self.known) and all(_is_good(each["sources"]) for each in self.known)

    def concluded(self, verdict: Verdict) -> Verdict:
        """A verdict with what is known of the revocation: by the answers, or before any OCSP request."""
        if self.is_silent and isinstance(verdict, Trusted | Unchecked):
            return Absent() if isinstance(verdict, Unchecked) else Missing()
        if not isinstance(verdict, Trusted) or self.profile is None:
            return verdict
        if (finding := self.finding) is not None:
            return finding.refusal or verdict
        if self.has_no_questions:
            return Refused(reasons.STATUS_UNAVAILABLE)
        if self.is_known_as_revoked:
            return Refused(reasons.REVOKED)
        if self.was_refused_by_status:
            return Refused(self.refused_for)
        if not self.is_unaskable:
            return verdict
        return verdict if allows_unavailable(self.profile) else Refused(reasons.STATUS_UNAVAILABLE)


def _is_good(sources: Iterable[Mapping[str, Any]]) -> bool:
    """Whether sources say *good* without asking: the first one that has to ask, or can say it, decides."""
    for source in sources:
        status = source["known"]["status"]
        if status is None or status == "good":
            return bool(status == "good")
    return False


def name_of(der: bytes) -> str:
    """The subject of a certificate, for a line of text."""
    return certificate_variables(der).subject.decode() or "(no subject)"


def indented(text: str, level: int = 1) -> Iterator[str]:
    """Lines of a step below its first one."""
    return beside(INDENT * level, printable(text))
