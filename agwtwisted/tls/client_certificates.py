"""What the callbacks of one handshake note of the client's certificates, and the client that this makes.

OpenSSL calls `verify_callback` for each certificate; it asks the core, and notes the answer. For `port_contexts` and
the ports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Final

from OpenSSL import SSL
from twisted.logger import Logger

from agwtwisted.core.certificates.costs import Costs
from agwtwisted.core.certificates.variables import CertificateVariables, certificate_variables
from agwtwisted.core.identity.clients import NO_PROOF, CertificateProof, ClientConnection, PendingClient
from agwtwisted.core.plan.routing import RelaySite
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.handshake import ClientRules, handshake_verdict, strict_verdict
from agwtwisted.core.verification.judging import REASONS, Evidence, Period
from agwtwisted.core.verification.path_building import may_be_mended
from agwtwisted.core.verification.verdicts import (
    TRUSTED,
    UNJUDGED,
    Absent,
    NotAsked,
    Refused,
    StrictVerdict,
    Trusted,
    Unchecked,
    Verdict,
)
from agwtwisted.tls.contexts import SiteContext, VariablesOf
from agwtwisted.tls.openssl import GO_ON, Presented, verifying
from agwtwisted.tls.sessions import SessionContexts
from agwtwisted.tls.staples import StapleOf, no_staple

_log = Logger()


class ClientCertificates:
    """What the callbacks of one handshake noted: the site, the certificates by depth, the first error, the verdict."""

    presented: Sequence[bytes] = ()
    """What the client has sent, its own certificate first, where that was refused in the handshake."""

    # What most handshakes do not change is the class's.
    site_context: SiteContext | None = None  # until a ClientHello has chosen one
    hello = b""  # the records that the client began with
    sessions: SessionContexts | None = None  # with which the connection began, where it may be resumed
    session_reused = False
    server_name = ""  # SNI, in lower case
    name_refused = False
    _evidence: Evidence | None = None  # made of the notes
    _error = _error_depth = 0
    _first_error = 0  # of OpenSSL's own path, where another one holds
    _costs: Costs | None = None
    _searched = False
    _verdict: StrictVerdict = UNJUDGED

    def __init__(self, now: Callable[[], float], staple_of: StapleOf = no_staple) -> None:
        self.choose_site: Callable[[SSL.Connection, ClientCertificates], None] | None = None  # by the port's contexts
        self.staple_of = staple_of
        self._now = now
        self._by_depth: dict[int, bytes] = {}  # DER

    @property
    def version_agreed(self) -> bool:
        """Whether a ClientHello was understood: OpenSSL chooses the version before it reports the name."""
        return self.site_context is not None or self.name_refused

    def note(self, certificate: bytes, error: int, depth: int, ok: bool, presented: Presented = tuple) -> int:
        """One call of OpenSSL's verify callback; returns how the handshake goes on, as an `openssl.VerifyListener`
        does.

        OpenSSL reports its first error, or every certificate of a chain that it has built, the root first and the leaf
        last. If the search finds another path that is valid, further reports about OpenSSL's own path are ignored.
        """
        if self._first_error:
            return GO_ON
        self._by_depth[depth] = certificate
        self._evidence = None
        site_context = self.site_context
        anchors = None if site_context is None else site_context.rules.anchors
        if not ok and anchors is not None and anchors.forgives(certificate, error, depth):
            return GO_ON
        if not ok and not self._error:
            self._error, self._error_depth = error, depth
        if site_context is None:
            return reasons.DEFECT
        if self._error and self._costs_exceeded_by(certificate):
            self._verdict = Refused(reasons.EXCESSIVE)
            return reasons.alert_code(reasons.EXCESSIVE)  # whatever the profile: OpenSSL would go on with it
        if not ok:
            reason = REASONS.get(error, "certificate verify failed")
        elif depth or self._error or anchors is None:
            return GO_ON  # the chain is judged once it is whole
        else:
            self._verdict = verdict = self.strict_verdict()
            if not isinstance(verdict, Refused):
                return GO_ON
            reason = verdict.reason
        if self._finds_another_path(site_context, error, depth, reason, presented):
            return GO_ON
        if not site_context.rules.refuses_in_handshake:
            return GO_ON  # the verdict is made of the notes, after the handshake
        self._verdict = Refused(reason)
        self.presented = presented()
        return reasons.alert_code(reason) if ok else error

    def _costs_exceeded_by(self, certificate: bytes) -> bool:
        costs = self._costs
        if costs is None:
            costs = self._costs = Costs()
        return costs.exceeded_by(certificate)

    def _finds_another_path(
        self, site_context: SiteContext, error: int, depth: int, reason: str, presented: Presented
    ) -> bool:
        """Whether there is a path that holds, which counts from now on.

        It is looked for once, and not where the leaf itself is at fault.
        """
        search = site_context.search
        if search is None or self._searched or not (depth or may_be_mended(error)):
            return False
        self._searched = True
        path = search.find(presented(), self._time())
        if path is None:
            return False
        self._by_depth = dict(enumerate(path))
        self._evidence = None
        self._first_error = error or reasons.alert_code(reason)
        self._error = self._error_depth = 0
        self._verdict = self.strict_verdict()
        return True

    def verdict(self, failure: str = "") -> Verdict:
        """The verdict once the handshake is over, where it failed with OpenSSL's word for why."""
        return handshake_verdict(self._rules, bool(self._by_depth), self._verdict, failure, self.strict_verdict)

    def strict_verdict(self) -> StrictVerdict:
        """The verdict of a Strict profile with the site's trusted client certificates."""
        return strict_verdict(self._rules, self.evidence(), self._time())

    def known_to_hold(self) -> Period | None:
        """What is remembered of the chain, which was judged; None where it is too long for that."""
        anchors = None if self._rules is None else self._rules.anchors
        return None if anchors is None else anchors.period(self.evidence().chain)

    @property
    def agrees_on_protocol(self) -> bool:
        """Whether it counts what the client has agreed on: on L4 its server speaks it, in HTTP where there are two."""
        chosen = self.site_context
        return chosen is not None and (isinstance(chosen.site, RelaySite) or chosen.site.listener.http2)

    def certificate(self, *, trusted: bool) -> CertificateVariables | None:
        """The leaf's variables, None when it was not seen; they are remembered where the client is trusted."""
        leaf = self._by_depth.get(0)
        if leaf is None:
            return None
        if trusted and self.site_context is not None:
            return self.site_context.variables_of(leaf)
        return certificate_variables(leaf)

    def valid_until(self) -> float:
        """Until when the certificates of a trusted client are valid, in seconds since 1970."""
        anchors = None if self._rules is None else self._rules.anchors
        return 0.0 if anchors is None else anchors.valid_until(self.evidence().chain)

    def issuers_der(self) -> tuple[bytes, ...]:
        """The verified chain after the leaf, as DER."""
        chain = self.evidence().chain
        return chain[1:] if 0 in self._by_depth else chain

    def evidence(self) -> Evidence:
        """What OpenSSL has reported so far."""
        evidence = self._evidence
        if evidence is None:
            by_depth = self._by_depth
            chain = tuple([by_depth[depth] for depth in sorted(by_depth)])  # the leaf first
            error, depth, first = self._error, self._error_depth, self._first_error
            evidence = self._evidence = Evidence(chain=chain, error=error, error_depth=depth, first_error=first)
        return evidence

    @property
    def _rules(self) -> ClientRules | None:
        return None if self.site_context is None else self.site_context.rules

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


def verify_callback(
    connection: SSL.Connection, certificate: bytes, error: int, depth: int, ok: bool, presented: Presented
) -> int:
    """OpenSSL's verify callback for every context; what goes wrong in it is logged, and a refusal."""
    notes: ClientCertificates = connection.get_app_data()
    try:
        return notes.note(certificate, error, depth, ok, presented)
    except Exception:
        _log.failure("Unexpected error while verifying a client certificate")
        return reasons.DEFECT


set_verify: Final = verifying(verify_callback)


def pending_client(
    notes: ClientCertificates,
    tls: SSL.Connection,
    connection: ClientConnection,
    proof: CertificateProof,
    *,
    offered_suites: bytes = b"",
    ja4: bytes = b"",
    failure: str = "",
) -> PendingClient:
    """Who is at the other end once the handshake is over, well or, for the reason given, badly.

    Args:
        notes: of the handshake's callbacks.
        tls: OpenSSL's end of the connection.
        connection: what was known before the handshake.
        proof: what it has shown of the client's certificate.
        offered_suites: as `ClientConnection` has it.
        ja4: the same.
        failure: why the handshake failed; empty where it did not.
    """
    connection = connection.after_handshake(
        tls_version=tls.get_protocol_version_name() if notes.version_agreed or not failure else "",
        cipher=tls.get_cipher_name() or "",
        server_name=notes.server_name,
        session_reused=notes.session_reused,
        offered_suites=offered_suites,
        ja4=ja4,
        protocol=tls.get_alpn_proto_negotiated() if notes.agrees_on_protocol and not failure else b"",
    )
    return PendingClient(connection=connection, proof=proof)


def proof_of(notes: ClientCertificates, failure: str = "") -> CertificateProof:
    """What the certificates of a handshake prove once it is over, well or, for the reason given, badly."""
    verdict = notes.verdict(failure)
    if isinstance(verdict, NotAsked):
        return NO_PROOF
    strict_verdict = notes.strict_verdict() if isinstance(verdict, Absent | Unchecked) else verdict
    trusted = isinstance(strict_verdict, Trusted)
    period = notes.known_to_hold() if trusted else None
    if period is not None and isinstance(verdict, Trusted | Unchecked) and notes.site_context is not None:
        return trusted_proof(period, verdict, notes.site_context.variables_of)
    certificate = notes.certificate(trusted=trusted)
    return CertificateProof(
        verdict=verdict,
        strict_verdict=strict_verdict,
        certificate=certificate,
        chain_der=notes.issuers_der(),
        until=notes.valid_until() if trusted and certificate is not None else inf,
    )


def trusted_proof(period: Period, verdict: Trusted | Unchecked, variables_of: VariablesOf) -> CertificateProof:
    """What a chain proves that is remembered, and holds at this time: the same value for each of its connections.

    Args:
        period: of the chain.
        verdict: of the site's profile; that of a Strict one is Trusted.
        variables_of: the memory of clients' certificates.
    """
    kind = verdict.__class__
    proof: CertificateProof | None = period.remembered.get(kind)
    if proof is None:
        proof = period.remembered[kind] = CertificateProof(
            verdict=verdict,
            strict_verdict=TRUSTED,
            certificate=variables_of(period.chain[0]),
            chain_der=period.chain[1:],
            until=period.until,
        )
    return proof
