"""From statuses to verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import (
    Admitted,
    Client,
    ClientRevocationStatus,
    NoSource,
    RevocationFinding,
    RevocationSource,
    identify,
)
from agwtwisted.core.revocation.finding import FAIL_OPEN_SECONDS, finding_of
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)
from agwtwisted.core.verification.verdicts import Refused, Trusted
from tests import identities

CLIENT = identities.admitted(Trusted(), until=1000.0)
GOOD = Good(until=500.0)
REVOKED = Revoked(at=1.0, reason="", until=500.0)
UNKNOWN = Unknown()
NOT_ASKED = CouldNotAsk("x")
UNAVAILABLE = (Unusable("x"), Unreachable("x"))


def client(statuses: Sequence[RevocationStatus], *, allow: bool, now: float) -> Client:
    """The decision about a trusted client whose certificates have these statuses."""
    return identify(CLIENT.pending, finding_of(statuses, allow=allow, now=now))


def until(statuses: Sequence[RevocationStatus], *, allow: bool, now: float) -> float:
    """When the one who is let in is judged again."""
    found = client(statuses, allow=allow, now=now)
    assert isinstance(found, Admitted), found
    return found.until


def word(*statuses: RevocationStatus, allow: bool = False) -> ClientRevocationStatus:
    """What the log says."""
    return client(statuses, allow=allow, now=0.0).revocation_status


class FindingTests(SynchronousTestCase):
    """One status, or several."""

    def test_good(self) -> None:
        """Good lets in, until the first of the ends."""
        found = RevocationFinding(status=ClientRevocationStatus.GOOD, source=RevocationSource.OCSP, until=500.0)
        expected = identify(CLIENT.pending, found)
        self.assertEqual(client([GOOD, Good(until=600.0)], allow=False, now=0.0), expected)
        self.assertEqual(until([Good(until=2000.0)], allow=False, now=0.0), 1000.0)

    def test_source(self) -> None:
        """The source that decides is named; what none has decided is of OCSP only where that is a source."""
        crl = RevocationSource.CRL
        for status in (Good(until=500.0, source=crl), attrs.evolve(REVOKED, source=crl), Unknown(source=crl)):
            found = finding_of([GOOD, status], allow=False, now=0.0)
            expected = RevocationSource.OCSP if isinstance(status, Good) else crl
            self.assertIs(found.source, expected)
        for status, word_of_ocsp in ((UNAVAILABLE[0], "unavailable"), (NOT_ASKED, "not-asked")):
            for asks_ocsp, ocsp_status in ((True, word_of_ocsp), (False, "not-checked")):
                found = finding_of([status], allow=False, now=0.0, asks_ocsp=asks_ocsp)
                self.assertEqual((found.status.value, found.source), (word_of_ocsp, NoSource.NONE))
                self.assertEqual(found.ocsp_status.value, ocsp_status)

    def test_refused(self) -> None:
        """Revoked, unknown and unavailable are refused, in the words of the log."""
        for status, reason in (
            (REVOKED, "certificate revoked"),
            (UNKNOWN, "certificate status unknown"),
            (UNAVAILABLE[0], "certificate status request failed"),
            (UNAVAILABLE[1], "certificate status request failed"),
            (NOT_ASKED, "certificate status could not be asked for"),
        ):
            self.assertEqual(client([status], allow=False, now=0.0).verdict, Refused(reason))

    def test_nothing(self) -> None:
        """Where nothing was asked no client is accepted, whatever is allowed."""
        for allow in (False, True):
            self.assertIsInstance(client([], allow=allow, now=0.0).verdict, Refused)

    def test_allow(self) -> None:
        """Allow lets in whose status is not to be had, for a while; not what is revoked, unknown or not asked about."""
        for status in UNAVAILABLE:
            found = RevocationFinding(status=ClientRevocationStatus.UNAVAILABLE_ALLOWED, until=FAIL_OPEN_SECONDS)
            expected = identify(CLIENT.pending, found)
            self.assertEqual(client([status], allow=True, now=0.0), expected)
        self.assertEqual(until([UNAVAILABLE[0]], allow=True, now=990.0), 1000.0)
        for status in (REVOKED, UNKNOWN, NOT_ASKED):
            self.assertIsInstance(client([status], allow=True, now=0.0).verdict, Refused)

    def test_the_severest_counts(self) -> None:
        """Of the certificates of a chain the worst one counts, wherever it stands."""
        table = (
            ((GOOD, UNAVAILABLE[0]), ClientRevocationStatus.UNAVAILABLE),
            ((UNAVAILABLE[1], UNKNOWN), ClientRevocationStatus.UNKNOWN),
            ((UNAVAILABLE[1], NOT_ASKED), ClientRevocationStatus.NOT_ASKED),
            ((NOT_ASKED, UNKNOWN), ClientRevocationStatus.UNKNOWN),
            ((UNKNOWN, REVOKED), ClientRevocationStatus.REVOKED),
            ((GOOD, REVOKED), ClientRevocationStatus.REVOKED),
        )
        for statuses, expected in table:
            self.assertEqual(word(*statuses), expected)
            self.assertEqual(word(*reversed(statuses)), expected)
        self.assertEqual(word(GOOD, UNAVAILABLE[0], allow=True), ClientRevocationStatus.UNAVAILABLE_ALLOWED)
        self.assertEqual(word(REVOKED, UNAVAILABLE[0], allow=True), ClientRevocationStatus.REVOKED)
        self.assertEqual(word(NOT_ASKED, UNAVAILABLE[0], allow=True), ClientRevocationStatus.NOT_ASKED)

    @given(
        st.lists(st.sampled_from((GOOD, REVOKED, UNKNOWN, NOT_ASKED, *UNAVAILABLE)), max_size=5),
        st.booleans(),
        st.floats(min_value=0.0, max_value=2000.0),
    )
    def test_any_mixture(self, statuses: list[RevocationStatus], allow: bool, now: float) -> None:
        """An accepted client has a good status for every certificate, or lacks one that may be lacking; never
        longer.
        """
        found = client(statuses, allow=allow, now=now)
        permitted = (GOOD, *UNAVAILABLE) if allow else (GOOD,)
        lets_in = bool(statuses) and all(status in permitted for status in statuses)
        self.assertEqual(isinstance(found, Admitted), lets_in)
        self.assertEqual(found.verdict == Trusted(), lets_in)
        if isinstance(found, Admitted):
            self.assertLessEqual(found.until, CLIENT.until)
