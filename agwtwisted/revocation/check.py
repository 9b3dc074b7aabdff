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

from agwtwisted.core.identity.clients import (
    CertificateProof,
    ClientRevocationStatus,
    PendingClient,
    RevocationFinding,
    RevocationSource,
)
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.finding import finding_of
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.policy import allows_unavailable, sources_of
from agwtwisted.core.revocation.status import RevocationStatus
from agwtwisted.revocation.revocation import Kinds, Revocation

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
    _of_leaf: Kinds = attrs.field(init=False)  # the sources that are asked about it
    _of_issuers: Kinds = attrs.field(init=False)  # those that are asked about intermediates

    @_of_leaf.default
    def _sources_of_leaf(self) -> Kinds:
        return sources_of(self.profile, is_leaf=True)

    @_of_issuers.default
    def _sources_of_issuers(self) -> Kinds:
        return sources_of(self.profile, is_leaf=False)

    def __call__(self, pending: PendingClient) -> RevocationFinding | Deferred[RevocationFinding]:
        """What is found about the client, at once where all statuses are known; a Deferred may be cancelled."""
        those = self._subjects(pending.proof)
        known = [self._known(at, subject) for at, subject in enumerate(those)]
        statuses = [each for each in known if each is not None]
        if len(statuses) == len(those):
            return self._found(pending, statuses)
        asked = [
            self.revocation.status(subject, self.profile, self._sources(at))
            for at, subject in enumerate(those)
            if known[at] is None
        ]

        def found(learnt: list[RevocationStatus]) -> RevocationFinding:
            news = iter(learnt)
            return self._found(pending, self._now(those, [next(news) if each is None else each for each in known]))

        if len(asked) == 1:
            return asked[0].addCallback(lambda status: found([status]))
        return gatherResults(asked, consumeErrors=True).addErrback(_first).addCallback(found)

    def watch(self, pending: PendingClient, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when a certificate of this client becomes known as revoked; returns what ends that."""
        return self.revocation.watch(self._subjects(pending.proof), self.profile, call)

    def _sources(self, at: int) -> Kinds:
        """Those that are asked about a certificate at a place of the chain."""
        return self._of_issuers if at else self._of_leaf

    def _subjects(self, proof: CertificateProof) -> tuple[Subject, ...]:
        return subjects(proof, has_issuers=bool(self._of_issuers))

    def _known(self, at: int, subject: Subject) -> RevocationStatus | None:
        """The status of a certificate at a place of the chain, if it is known."""
        return self.revocation.known(subject, self.profile, self._sources(at))

    def _now(self, those: tuple[Subject, ...], statuses: list[RevocationStatus]) -> list[RevocationStatus]:
        """The statuses as they are known now: while one was asked for, another may have become worse."""
        if len(those) == 1:
            return statuses
        return [
            self._known(at, subject) or status for at, (subject, status) in enumerate(zip(those, statuses, strict=True))
        ]

    def _found(self, pending: PendingClient, statuses: list[RevocationStatus]) -> RevocationFinding:
        finding = finding_of(
            statuses,
            allow=allows_unavailable(self.profile),
            now=self.revocation.seconds(),
            asks_ocsp=RevocationSource.OCSP in self._of_leaf,
        )
        self.revocation.counters.found(finding)
        if finding.status is ClientRevocationStatus.UNAVAILABLE_ALLOWED:
            self._complain(pending)
        return finding

    def _complain(self, pending: PendingClient) -> None:
        """Logs each client that is let in without a status."""
        certificate = pending.proof.certificate
        if certificate is not None:
            self.revocation.fail_open_count += 1
            _log.warn(
                "{address} is accepted although the status of its certificate {certificate} cannot be obtained"
                " ([ssl_profile {profile}] {keys}; {count} so far)",
                count=self.revocation.fail_open_count,
                address=pending.connection.address,
                certificate=certificate.fingerprint.decode(),
                profile=self.profile.name,
                keys=" and ".join(f"{each.value.lower()}_unavailable = Allow" for each in self._of_leaf),
            )


def subjects(proof: CertificateProof, *, has_issuers: bool) -> tuple[Subject, ...]:
    """The certificates of a client that are asked about, each with its issuer: the leaf, or all but the root."""
    leaf = () if proof.certificate is None else (proof.certificate.der,)
    chain = (*leaf, *proof.chain_der)
    pairs = tuple(pairwise(chain))
    return pairs if has_issuers else pairs[:1]


def _first(failure: Failure) -> Failure:
    """The failure of the one certificate: a client that left (CancelledError) must be seen as such."""
    failure.trap(FirstError)
    first: Failure = failure.value.subFailure  # type: ignore[union-attr]
    return first
