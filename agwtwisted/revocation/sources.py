"""What a source of revocation status is to the policy: `ocsp_answers.OcspAnswers` is one, a store of CRLs another.

A source knows and asks; the policy (`revocation.Revocation`) says in which order, and what binds. Only certificates of
verified chains come to a source. Beside it: what OCSP itself is asked by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import Protocol

from twisted.internet.defer import Deferred

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.ocsp import ProvenResponse
from agwtwisted.core.revocation.status import NoAnswer, RevocationStatus, Revoked
from agwtwisted.core.revocation.status_facts import StatusFacts


class StatusSource(Protocol):
    """A source. A profile that is passed in need not be one of `use`, except where something is asked by it."""

    @property
    def kind(self) -> RevocationSource:
        """Which one it is."""

    def use(self, profiles: Iterable[SslProfile]) -> None:
        """These profiles are in force from now on and list this source; what is known stays."""

    def known(self, subject: Subject, profile: SslProfile) -> RevocationStatus | None:
        """What the source says of a certificate by the rules of a profile; None: it has to ask for it first."""

    def status(self, subject: Subject, profile: SslProfile) -> Deferred[RevocationStatus]:
        """The same, asked for where it is not known; fires within a bound of the source's, and may be cancelled."""

    def revoked(self, subject: Subject) -> Revoked | None:
        """That a certificate is revoked, where that is the last word that the source has proven, however old."""

    def watch(self, subjects: Iterable[Subject], profile: SslProfile, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when one of these certificates becomes known as revoked; returns what ends that.

        The calls for many connections are spread over turns of the reactor.
        """

    def facts(self, subject: Subject, profile: SslProfile) -> StatusFacts:
        """What is known about a certificate without asking, how old that is, and when it is asked for again."""

    def ask(self, subject: Subject, profile: SslProfile, trace: Callable[[str], None]) -> Deferred[RevocationStatus]:
        """What is learnt about a certificate by asking now, whatever is known; it counts as if a client had come.

        `trace` is called with a line about each step.
        """

    def start(self) -> None:
        """Takes up what an earlier process has learnt, and renews what ends."""

    def stop(self) -> Deferred[None]:
        """Ends every question; fires once all that was learnt is stored."""


class AnswerSource(Protocol):
    """Where OCSP responses come from: `ocsp_source.OcspSource`, with `shared_source.SharedSource` before it."""

    def learn(
        self,
        subject: Subject,
        profile: SslProfile,
        *,
        newer_than: float = -inf,
        trace: Callable[[str], None] | None = None,
    ) -> Deferred[ProvenResponse | NoAnswer]:
        """An answer about a certificate that the profile believes now, or why there is none; may be cancelled.

        Args:
            subject: the certificate.
            profile: by whose rules.
            newer_than: the thisUpdate of the answer that is known, which another one from a store has to exceed.
            trace: is called with a line about each responder, each of which is asked; None: nothing is.
        """
