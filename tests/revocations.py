"""A revocation service with a clock and responders in the test's hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.identity.clients import Client, PendingClient, RevocationFinding, RevocationSource, identify
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.status import RevocationStatus, Unreachable
from agwtwisted.core.tls import policies
from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.revocation.ocsp_answers import OcspAnswers
from agwtwisted.revocation.ocsp_client import ResponderRoute
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore, ResponseStore
from agwtwisted.revocation.revocation import Revocation
from tests import identities, pki
from tests.clocks import SettableClock
from tests.responder import Response, Single

NOW = pki.NOW.timestamp()
HOUR = 3600.0
SKEW = 300.0

ROOT = pki.Authority.root("Root")
ISSUER = ROOT.intermediate("Issuer")
DEVICE = ISSUER.issue("device", ocsp_url="http://ocsp.example/")
SUBJECT = (DEVICE.der, ISSUER.der)


def profile(**keys: Any) -> SslProfile:
    """A profile that asks."""
    policy = policies.predefined("AppGwSslPolicy20220101")
    assert isinstance(policy, TlsPolicy)
    keys = {"name": "strict", "ssl_policy": policy, "verify_client_revocation": (RevocationSource.OCSP,), **keys}
    return SslProfile(**keys)


PROFILE = profile()


@attrs.define(eq=False)
class Asked:
    """One request to responders."""

    request: bytes
    route: ResponderRoute
    accept: Callable[[bytes], Any]
    answered: Deferred[Any]


class Asker:
    """Responders that answer when and what the test says."""

    def __init__(self) -> None:
        self.questions: list[Asked] = []
        self.cancelled = 0

    def ask(
        self,
        request: bytes,
        route: ResponderRoute,
        accept: Callable[[bytes], Any],
        *,
        trace: Callable[[str], None] | None = None,
    ) -> Deferred[Any]:
        """As ocsp_source.Asker says."""
        if trace is not None:
            trace("asked")
        self.questions.append(Asked(request, route, accept, Deferred(self._cancel)))
        return self.questions[-1].answered

    def _cancel(self, deferred: Deferred[Any]) -> None:
        self.cancelled += 1


class RevocationCase(SynchronousTestCase):
    """A memory, a clock, and responders in the test's hand."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wall = SettableClock(self.clock)
        self.clock.advance(NOW)
        self.waiting: list[Deferred[Any]] = []
        self.addCleanup(self.leave)
        self.asker = Asker()
        self.store: ResponseStore = MemoryStore()
        self.revocation = self.started()

    def found(self, judged: RevocationFinding | Deferred[RevocationFinding]) -> Client:
        """The decision about a client by what a check has found, at once or by now."""
        finding = judged if isinstance(judged, RevocationFinding) else self.successResultOf(judged)
        return identify(client(DEVICE), finding)

    def leave(self) -> None:
        """There are no waiters any more."""
        for each in self.waiting:
            each.addErrback(lambda _: None)  # type: ignore[unused-awaitable]

    def started(self, **options: Any) -> Revocation:
        """A memory that runs."""
        source = OcspSource(self.asker, self.wall.seconds, self.clock.seconds)
        self.answers = OcspAnswers(self.clock, self.wall, source, self.store, Random(0), **options)
        revocation = self.revocation = Revocation([self.answers], self.wall.seconds, self.answers.counters)
        revocation.use([PROFILE])
        revocation.startService()
        self.addCleanup(revocation.stopService)
        return revocation

    def status(self, device: pki.Credential = DEVICE, by: SslProfile = PROFILE) -> Deferred[RevocationStatus]:
        """What is known of a device of ISSUER, or becomes known."""
        waiting = self.answers.status((device.der, ISSUER.der), by)
        self.waiting.append(waiting)
        return waiting

    def known(self, device: pki.Credential = DEVICE, by: SslProfile = PROFILE) -> RevocationStatus:
        """What is known without asking."""
        before = len(self.asker.questions)
        status = self.successResultOf(self.status(device, by))
        self.assertEqual(len(self.asker.questions), before)
        return status

    def response(self, status: str = "good", device: pki.Credential = DEVICE, **options: Any) -> bytes:
        """A response of this moment that holds for an hour."""
        now = datetime.fromtimestamp(self.wall.seconds(), UTC)
        options = {"this_update": now, "next_update": now + timedelta(hours=1), **options}
        single = Single(certificate=device, status=status, **options)
        return Response(signer=ISSUER, singles=[single], produced_at=single.this_update).der()

    def answer(self, response: bytes | None = None, number: int = -1) -> None:
        """The responder answers, good by default."""
        request = self.asker.questions[number]
        request.answered.callback(request.accept(self.response() if response is None else response))

    def give_up(self, reason: str = "no response in time") -> None:
        """The responder does not answer."""
        self.asker.questions[-1].answered.callback(Unreachable(reason))

    def learn(self, status: str = "good", device: pki.Credential = DEVICE, **options: Any) -> RevocationStatus:
        """Ask, and be answered."""
        before = len(self.asker.questions)
        waiting = self.status(device)
        self.assertEqual(len(self.asker.questions), before + 1)
        self.answer(self.response(status, device, **options))
        return self.successResultOf(waiting)


def client(device: pki.Credential) -> PendingClient:
    """A client that is trusted so far."""
    return identities.pending(
        Trusted(),
        port=1,
        certificate=certificate_variables(device.der),
        chain_der=tuple(each.der for each in device.issuers),
    )
