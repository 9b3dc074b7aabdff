"""The revocation check of one client connection: its certificates' statuses, and the verdict that follows from them.

Made for each SSL profile that asks for it. Callers: the gate, once after the handshake, and revalidation.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import attrs
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.identity.clients import CertificateProof, ClientRevocationStatus, PendingClient, RevocationFinding
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable, SslProfile
from agwtwisted.core.revocation.finding import finding_of
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.status import RevocationStatus
from agwtwisted.revocation.revocation import Revocation

_log = Logger()


def check_of(revocation: Revocation, profile: SslProfile | None) -> RevocationCheck | None:
    """The check of the clients of a profile; None where the profile does not ask for one."""
    if profile is None or not profile.verify_client_revocation:
        return None
    return RevocationCheck(revocation, profile)


@attrs.frozen(eq=False)
class RevocationCheck:
    """Judges trusted clients of an SSL profile further, as `revalidation.Check` says."""

    revocation: Revocation
    profile: SslProfile

    def __call__(self, pending: PendingClient) -> RevocationFinding | Deferred[RevocationFinding]:
        """What is found about the client, at once where all statuses are known; a Deferred may be cancelled."""
        those = subjects(pending.proof, self.profile)
        known = [status for subject in those if (status := self.revocation.known(subject, self.profile)) is not None]
        self.revocation.counters.cache_hits += len(known)
        if len(known) == len(those):
            return self._found(pending, known)
        asked = [self.revocation.status(subject, self.profile) for subject in those]
        if len(asked) == 1:
            return asked[0].addCallback(lambda status: self._found(pending, [status]))
        gathered = gatherResults(asked, consumeErrors=True).addErrback(_first)
        return gathered.addCallback(lambda statuses: self._found(pending, self._now(those, statuses)))

    def _now(self, those: tuple[Subject, ...], statuses: list[RevocationStatus]) -> list[RevocationStatus]:
        """The statuses as they are known now: while one was asked for, another may have become worse."""
        return [
            self.revocation.known(subject, self.profile) or status
            for subject, status in zip(those, statuses, strict=True)
        ]

    def watch(self, pending: PendingClient, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when a certificate of this client becomes known as revoked; returns what ends that."""
        return self.revocation.watch(subjects(pending.proof, self.profile), self.profile, call)

    def _found(self, pending: PendingClient, statuses: list[RevocationStatus]) -> RevocationFinding:
        allow = self.profile.ocsp_unavailable is RevocationUnavailable.ALLOW
        finding = finding_of(statuses, allow=allow, now=self.revocation.seconds())
        certificate = pending.proof.certificate
        if finding.status is ClientRevocationStatus.UNAVAILABLE_ALLOWED and certificate is not None:
            self.revocation.fail_open_count += 1
            _log.warn(
                "{address} is accepted although the status of its certificate {certificate} cannot be obtained"
                " ([ssl_profile {profile}] ocsp_unavailable = Allow; {count} so far)",
                count=self.revocation.fail_open_count,
                address=pending.connection.address,
                certificate=certificate.fingerprint.decode(),
                profile=self.profile.name,
            )
        return finding


def subjects(proof: CertificateProof, profile: SslProfile) -> tuple[Subject, ...]:
    """The certificates of a client that are asked about, each with its issuer: the leaf, or all but the root."""
    leaf = () if proof.certificate is None else (proof.certificate.der,)
    chain = (*leaf, *proof.chain_der)
    pairs = tuple(pairwise(chain))
    return pairs if profile.ocsp_scope is RevocationScope.CHAIN else pairs[:1]


def _first(failure: Failure) -> Failure:
    """The failure of the one certificate: a client that left (CancelledError) must be seen as such."""
    failure.trap(FirstError)
    first: Failure = failure.value.subFailure  # type: ignore[union-attr]
    return first
