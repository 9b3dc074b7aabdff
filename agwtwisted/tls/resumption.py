"""What becomes of clients that resume TLS sessions: their certificates are judged anew, each time.

OpenSSL resumes a session without verifying anything: it shows the leaf that was verified once. The chain above it is
remembered here, or else found and verified in full. A client that is refused all the same comes back with another
ticket of the same session, although it may have a new certificate: tickets from before are worth nothing then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from OpenSSL import SSL

from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.identity.clients import NO_PROOF, CertificateProof
from agwtwisted.core.identity.verified_chains import TAKEN, Intermediates, VerifiedChain, VerifiedChains
from agwtwisted.core.listening.admission import address_block
from agwtwisted.core.verification.verdicts import TRUSTED, Trusted, Unchecked
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.tls.anew import judged_anew
from agwtwisted.tls.client_certificates import ClientCertificates, proof_of, trusted_proof
from agwtwisted.tls.contexts import SiteContext
from agwtwisted.tls.openssl import peer_certificate, session_reused
from agwtwisted.tls.sessions import SESSION_LIFE, Keys

REFUSED: Final = 4096
"""Addresses that are remembered of which a resumed session was refused, the latest."""

CHAINS: Final = "chains"
IN_FULL: Final = "full-handshakes"
"""Topics of what workers publish: intermediates in DER, and addresses of refused clients."""


class Resumption:
    """The memory that the ports of a gateway share, over all its configurations.

    Args:
        monotonic: the clock of what is waited by.
        siblings: other processes of the gateway, which hear of intermediates and refused clients.
    """

    def __init__(self, monotonic: Callable[[], float], siblings: Siblings = NO_SIBLINGS) -> None:
        self._chains = VerifiedChains(SESSION_LIFE)
        self._intermediates = Intermediates()
        self._refused: Expiring[str, Keys] = Expiring(REFUSED)
        self._monotonic = monotonic
        self._siblings = siblings
        siblings.subscribe(CHAINS, self._heard_of_intermediate)
        siblings.subscribe(IN_FULL, self._heard_of_refused)

    def completed(self, notes: ClientCertificates, tls: SSL.Connection, now: float, received: int) -> CertificateProof:
        """What a handshake that is through has shown of the client's certificate.

        Args:
            notes: of its callbacks.
            tls: OpenSSL's end of the connection.
            now: in seconds since 1970.
            received: bytes that came in it.
        """
        sessions = notes.sessions
        if sessions is None:
            return proof_of(notes)
        notes.session_reused = session_reused(tls)
        if notes.session_reused:
            return self._proof_of_resumed(notes, tls, now)
        proof = proof_of(notes)
        self.learn(notes.site_context, proof, now)
        if tls.get_protocol_version() == SSL.TLS1_2_VERSION:
            sessions.completed(tls, received)
        return proof

    def _proof_of_resumed(self, notes: ClientCertificates, tls: SSL.Connection, now: float) -> CertificateProof:
        """What the certificate of a resumed session proves at `now`, in seconds since 1970."""
        chosen = notes.site_context
        leaf = None if chosen is None else peer_certificate(tls)
        if chosen is None or leaf is None:
            return proof_of(notes)  # as after a full handshake without a certificate
        rules = chosen.rules
        if not rules.asks:
            return NO_PROOF
        if rules.anchors is None:
            return CertificateProof(verdict=Unchecked(), certificate=certificate_variables(leaf))
        known = self._chains.find(chosen.sessions_of, leaf, now)
        if known is None:
            return self._judged(chosen, leaf, now)
        period = rules.anchors.period((leaf, *known.issuers))
        if period is None:
            return self._judged(chosen, leaf, now)
        return trusted_proof(period, TRUSTED if rules.strict else Unchecked(), chosen.variables_of)

    def learn(self, chosen: SiteContext | None, proof: CertificateProof, now: float) -> None:
        """Remembers the chain of a client that a full handshake, or a judgement anew, has just verified."""
        certificate = proof.certificate
        if chosen is None or not chosen.sessions_of or certificate is None:
            return
        anchors = chosen.rules.anchors
        if anchors is None or not isinstance(proof.strict_verdict, Trusted):
            return
        leaf, issuers = certificate.der, proof.chain_der
        period = anchors.period((leaf, *issuers))
        if period is None:
            return  # longer than what is remembered
        authorities = anchors.authorities
        sent = [each for each in issuers if each not in authorities]
        if sent:
            issuers = tuple(map(self._intermediates.own, issuers))
        takes = TAKEN + sum(map(len, sent))
        chain = VerifiedChain(issuers, period.begin.timestamp(), period.until, takes)
        if self._chains.put(chosen.sessions_of, leaf, chain, now):
            for each in sent:
                if self._intermediates.add(each):
                    self._siblings.publish(CHAINS, each)

    def refused(self, address: str) -> None:
        """A resumed session of a client with this address was refused, for whatever reason."""
        self._refuse(address)
        self._siblings.publish(IN_FULL, address.encode())

    def keys_for(self, address: str) -> Keys:
        """With which keys the next handshake from there resumes sessions, as long as one lives that was refused."""
        if not len(self._refused):
            return Keys.USUAL
        return self._refused.get(address_block(address), self._monotonic()) or Keys.USUAL

    def _judged(self, chosen: SiteContext, leaf: bytes, now: float) -> CertificateProof:
        others = self._intermediates.above(leaf)
        proof = judged_anew(chosen, leaf, others, datetime.fromtimestamp(now, UTC))
        self.learn(chosen, proof, now)
        return proof

    def _refuse(self, address: str) -> None:
        # A host may come from each of its 2^64 addresses, and would crowd out all that is remembered of others.
        block, now = address_block(address), self._monotonic()
        keys = Keys.OTHER if self._refused.get(block, now) is None else Keys.NONE
        self._refused.put(block, keys, now + SESSION_LIFE)

    def _heard_of_intermediate(self, payload: bytes) -> None:
        self._intermediates.add(payload)

    def _heard_of_refused(self, payload: bytes) -> None:
        self._refuse(payload.decode("ascii", "replace"))
