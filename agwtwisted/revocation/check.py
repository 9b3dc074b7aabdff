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

from agwtwisted.core.identity.peer import OcspStatus, Peer
from agwtwisted.core.resources.resources import ClientRevocation, OcspScope, OcspUnavailable, SslProfile
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.revoking import concluded
from agwtwisted.core.revocation.status import RevocationStatus
from agwtwisted.revocation.revocation import Revocation

_log = Logger()


def check_of(revocation: Revocation, profile: SslProfile | None) -> RevocationCheck | None:
    """The check of the clients of a profile; None where the profile does not ask for one."""
    if profile is None or profile.verify_client_revocation is not ClientRevocation.OCSP:
        return None
    return RevocationCheck(revocation, profile)


@attrs.frozen(eq=False)
class RevocationCheck:
    """Judges trusted clients of an SSL profile further, as `gate.Check` says."""

    revocation: Revocation
    profile: SslProfile

    def __call__(self, peer: Peer) -> Peer | Deferred[Peer]:
        """The peer with its final verdict, at once where all statuses are known; may be cancelled."""
        those = subjects(peer, self.profile)
        known = [status for subject in those if (status := self.revocation.known(subject, self.profile)) is not None]
        if len(known) == len(those):
            return self._judged(peer, known)
        asked = [self.revocation.status(subject, self.profile) for subject in those]
        if len(asked) == 1:
            return asked[0].addCallback(lambda status: self._judged(peer, [status]))
        gathered = gatherResults(asked, consumeErrors=True).addErrback(_first)
        return gathered.addCallback(lambda statuses: self._judged(peer, self._now(those, statuses)))

    def _now(self, those: tuple[Subject, ...], statuses: list[RevocationStatus]) -> list[RevocationStatus]:
        """The statuses as they are known now: while one was asked for, another may have become worse."""
        return [
            self.revocation.known(subject, self.profile) or status
            for subject, status in zip(those, statuses, strict=True)
        ]

    def watch(self, peer: Peer, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when a certificate of this client becomes known as revoked; returns what ends that."""
        return self.revocation.watch(subjects(peer, self.profile), call)

    def _judged(self, peer: Peer, statuses: list[RevocationStatus]) -> Peer:
        allow = self.profile.ocsp_unavailable is OcspUnavailable.ALLOW
        judged = concluded(peer, statuses, allow=allow, now=self.revocation.seconds())
        if judged.ocsp_status is OcspStatus.UNAVAILABLE_ALLOWED and peer.certificate is not None:
            self.revocation.fail_open_count += 1
            _log.warn(
                "{address} is let in although the status of its certificate {certificate} is not to be had"
                " ([ssl_profile {profile}] ocsp_unavailable = Allow; {count} so far)",
                count=self.revocation.fail_open_count,
                address=peer.address,
                certificate=peer.certificate.fingerprint.decode(),
                profile=self.profile.name,
            )
        return judged


def subjects(peer: Peer, profile: SslProfile) -> tuple[Subject, ...]:
    """The certificates of a client that are asked about, each with its issuer: the leaf, or all but the root."""
    leaf = () if peer.certificate is None else (peer.certificate.der,)
    chain = (*leaf, *peer.chain_der)
    pairs = tuple(pairwise(chain))
    return pairs if profile.ocsp_scope is OcspScope.CHAIN else pairs[:1]


def _first(failure: Failure) -> Failure:
    """The failure of the one certificate: a client that left (CancelledError) must be seen as such."""
    failure.trap(FirstError)
    first: Failure = failure.value.subFailure  # type: ignore[union-attr]
    return first
