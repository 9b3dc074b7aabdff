"""From what is known about a client's certificates to the verdict about the client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogLevel, capturedLogs

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.identity.clients import ClientRevocationStatus, RevocationFinding
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable
from agwtwisted.core.revocation.finding import FAIL_OPEN_SECONDS
from agwtwisted.core.revocation.status import Revoked
from agwtwisted.core.verification.verdicts import Refused, Trusted
from agwtwisted.revocation.check import RevocationCheck, check_of, subjects
from tests import identities, pki
from tests.responder import TRY_LATER, Response, Single
from tests.revocations import (
    DEVICE,
    HOUR,
    ISSUER,
    PROFILE,
    ROOT,
    SKEW,
    SUBJECT,
    RevocationCase,
    client,
    profile,
)


class CheckTests(RevocationCase):
    """Clients of a profile."""

    def test_who_is_checked(self) -> None:
        """Only profiles that ask for it have a check."""
        for by in (None, profile(verify_client_revocation=())):
            self.assertIsNone(check_of(self.revocation, by))
        self.assertIsNotNone(check_of(self.revocation, PROFILE))

    def test_verdicts(self) -> None:
        """The client comes back with its final verdict."""
        check = check_of(self.revocation, PROFILE)
        assert check
        for status, verdict, word in (
            ("good", Trusted(), ClientRevocationStatus.GOOD),
            ("revoked", Refused("certificate revoked"), ClientRevocationStatus.REVOKED),
            ("unknown", Refused("certificate status unknown"), ClientRevocationStatus.UNKNOWN),
        ):
            device = ISSUER.issue(status)
            judged = check(client(device))
            self.answer(self.response(status, device))
            found = self.found(judged)
            self.assertEqual((found.verdict, found.revocation_status), (verdict, word))

    def test_known(self) -> None:
        """Where all is known the answer is there at once; where one thing is not, everything is waited for."""
        check = check_of(self.revocation, profile(ocsp_scope=RevocationScope.CHAIN))
        assert check
        judged = check(client(DEVICE))
        self.answer(number=0)
        self.assertIsInstance(check(client(DEVICE)), Deferred)
        self.answer(Response(signer=ROOT, singles=[Single(certificate=ISSUER)]).der(), 1)
        again = check(client(DEVICE))
        self.assertIsInstance(again, RevocationFinding)
        self.assertEqual(self.found(again), self.found(judged))
        self.assertEqual(self.found(again).revocation_status, ClientRevocationStatus.GOOD)

    def test_partly_known(self) -> None:
        """Of a chain only what is not known goes the way of a question."""
        check = check_of(self.revocation, profile(ocsp_scope=RevocationScope.CHAIN))
        assert check
        check(client(DEVICE))
        self.answer(Response(signer=ROOT, singles=[Single(certificate=ISSUER)]).der(), 1)
        asked: list[Any] = []
        status = self.revocation.status

        def noted(subject: Any, *args: Any) -> Any:
            asked.append(subject)
            return status(subject, *args)

        self.patch(self.revocation, "status", noted)
        judged = check(client(DEVICE))
        self.answer(number=0)
        self.assertEqual(self.found(judged).revocation_status, ClientRevocationStatus.GOOD)
        self.assertEqual(asked, [SUBJECT])

    def test_allow(self) -> None:
        """Every single use of Allow is counted, and a warning that names the client; without Allow there is none."""
        for unavailable, expected in ((RevocationUnavailable.ALLOW, 3), (RevocationUnavailable.REFUSE, 0)):
            self.setUp()
            check = check_of(self.revocation, profile(ocsp_unavailable=unavailable))
            assert check
            judged = [check(client(DEVICE)), check(client(DEVICE))]
            with capturedLogs() as events:
                self.give_up()
                judged.append(check(client(DEVICE)))
            words = [event for event in events if "is accepted although" in event["log_format"]]
            self.assertEqual([event["log_level"] for event in words], [LogLevel.warn] * expected)
            self.assertEqual([event["count"] for event in words], list(range(1, expected + 1)))
            is_let_in = isinstance(self.found(judged[0]).verdict, Trusted)
            self.assertEqual(is_let_in, unavailable is RevocationUnavailable.ALLOW)

    def test_allow_what_proves_nothing(self) -> None:
        """Allow lets a client in whose responder answers with what proves nothing, too, and for a minute only."""
        check = self.allowing()
        judged = check(client(DEVICE))
        self.answer(TRY_LATER)
        found = self.found(judged)
        self.assertEqual(
            (found.verdict, found.revocation_status), (Trusted(), ClientRevocationStatus.UNAVAILABLE_ALLOWED)
        )
        self.assertEqual(found.until, self.clock.seconds() + FAIL_OPEN_SECONDS)

    def test_allow_is_no_pardon(self) -> None:
        """Allow lets in neither the unknown nor the revoked, be the response over and the responder dead."""
        check = self.allowing()
        with capturedLogs() as events:
            for status, reason in (("unknown", "certificate status unknown"), ("revoked", "certificate revoked")):
                device = ISSUER.issue(status)
                judged = check(client(device))
                self.answer(self.response(status, device))
                self.assertEqual(self.found(judged).verdict, Refused(reason))
            self.clock.advance(HOUR + SKEW)
            judged = check(client(device))
            self.give_up()
            self.assertEqual(self.found(judged).verdict, Refused("certificate revoked"))
            self.assertEqual(self.found(check(client(device))).verdict, Refused("certificate revoked"))
        self.assertEqual([event for event in events if "is accepted although" in event["log_format"]], [])

    def test_another_certificate_of_the_same(self) -> None:
        """What its holder can make of a revoked certificate, and another one of its issuer, do not bring it in."""
        check = self.allowing()
        judged = check(client(DEVICE))
        self.answer(self.response("revoked"))
        self.assertEqual(self.found(judged).verdict, Refused("certificate revoked"))
        self.clock.advance(HOUR + SKEW)
        other_issuer = pki.Authority.root("Other Root").intermediate("Issuer", key=ISSUER.key)
        others = (
            pki.with_other_signature(DEVICE),
            attrs.evolve(DEVICE, issuers=(other_issuer, *other_issuer.issuers)),
        )
        for each in others:
            judged = check(client(each))
            if not self.asker.questions[-1].answered.called:
                self.give_up()
            self.assertEqual(self.found(judged).verdict, Refused("certificate revoked"))

    def test_allow_in_a_chain(self) -> None:
        """In a chain a revoked certificate counts, and not the other one that nothing is known of."""
        check = self.allowing(ocsp_scope=RevocationScope.CHAIN)
        judged = check(client(DEVICE))
        self.give_up()
        self.assertNoResult(judged)
        self.answer(self.response("revoked"), 0)
        self.assertEqual(self.found(judged).verdict, Refused("certificate revoked"))

    def allowing(self, **keys: Any) -> RevocationCheck:
        """The check of a profile with ocsp_unavailable = Allow."""
        check = check_of(self.revocation, profile(ocsp_unavailable=RevocationUnavailable.ALLOW, **keys))
        assert check
        return check

    def test_chain_defect(self) -> None:
        """What goes wrong with one certificate of a chain is the check's own failure."""
        check = self.allowing(ocsp_scope=RevocationScope.CHAIN)
        judged = check(client(DEVICE))
        self.asker.questions[0].answered.errback(RuntimeError())
        self.failureResultOf(judged, RuntimeError)

    def test_chain(self) -> None:
        """With ocsp_scope = Chain the intermediates are asked about too, not the root; one revoked is enough."""
        by = profile(ocsp_scope=RevocationScope.CHAIN)
        self.assertEqual(subjects(client(DEVICE).proof, has_issuers=False), (SUBJECT,))
        self.assertEqual(subjects(client(DEVICE).proof, has_issuers=True), (SUBJECT, (ISSUER.der, ROOT.der)))
        check = check_of(self.revocation, by)
        assert check
        judged = check(client(DEVICE))
        self.assertEqual(len(self.asker.questions), 2)
        self.answer(number=0)
        self.assertNoResult(judged)
        single = Single(certificate=ISSUER, status="revoked")
        self.answer(Response(signer=ROOT, singles=[single]).der(), 1)
        self.assertEqual(self.found(judged).verdict, Refused("certificate revoked"))

    def test_chain_revoked_meanwhile(self) -> None:
        """What became known of the leaf while the intermediate was asked about counts: it is not let in as it was."""
        self.learn()
        check = check_of(self.revocation, profile(ocsp_scope=RevocationScope.CHAIN))
        assert check
        judged = check(client(DEVICE))
        asked = len(self.asker.questions) - 1
        key = self.answers._key_of(*SUBJECT)
        self.clock.advance(1)
        held = self.answers._memory.held(key, self.clock.seconds())
        assert held
        held.used = True
        self.answers._renew(key, held)
        self.answer(self.response("revoked"))
        now = datetime.fromtimestamp(self.wall.seconds(), UTC)
        single = Single(certificate=ISSUER, this_update=now, next_update=now + timedelta(hours=1))
        self.answer(Response(signer=ROOT, singles=[single], produced_at=now).der(), asked)
        self.assertEqual(self.found(judged).verdict, Refused("certificate revoked"))

    def test_defect_of_one_who_is_told(self) -> None:
        """Others are notified of a revocation all the same, and it is kept."""
        self.learn()
        told: list[int] = []

        def defect() -> None:
            """One connection's."""
            told.append(0)
            raise KeyError

        for each in (defect, lambda: told.append(1)):
            self.addCleanup(self.revocation.watch([SUBJECT], PROFILE, each))
        self.clock.advance(1)
        key = self.answers._key_of(*SUBJECT)
        held = self.answers._memory.held(key, self.clock.seconds())
        assert held
        held.used = True
        self.answers._renew(key, held)
        self.answer(self.response("revoked"))
        self.assertEqual(sorted(told), [0, 1])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.revocation = self.started()
        self.assertIsInstance(self.known(), Revoked)

    def test_chain_is_cancelled_whole(self) -> None:
        """A client that leaves waits for none of its questions any more, which go on: it will come again."""
        check = check_of(self.revocation, profile(ocsp_scope=RevocationScope.CHAIN))
        assert check
        judged = check(client(DEVICE))
        judged.cancel()
        self.failureResultOf(judged, CancelledError)
        self.assertEqual((len(self.asker.questions), self.asker.cancelled), (2, 0))

    def test_without_certificate(self) -> None:
        """A client without a certificate, or without an issuer, is not let in by asking about nothing."""
        check = check_of(self.revocation, profile(ocsp_unavailable=RevocationUnavailable.ALLOW))
        assert check
        for odd in (
            identities.pending(Trusted()),
            identities.pending(Trusted(), certificate=certificate_variables(DEVICE.der)),
        ):
            self.assertIsInstance(self.found(check(odd)).verdict, Refused)
