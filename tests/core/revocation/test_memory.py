"""What is known about certificates, without clocks, timers and requests."""

from __future__ import annotations

from typing import Any

from cryptography.x509.ocsp import OCSPCertStatus
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.resources import SslProfile, WithoutNocheck
from agwtwisted.core.revocation.memory import (
    FAILURE_TTL,
    MAX_AHEAD,
    HeldAnswer,
    News,
    RevocationMemory,
)
from agwtwisted.core.revocation.ocsp import ProvenResponse
from agwtwisted.core.revocation.profiles import profile_key
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    RevocationStatus,
    Revoked,
    Unknown,
    Unreachable,
    Unusable,
)
from tests.revocations import profile

NOW, HOUR, SKEW = 1_000_000.0, 3600.0, 300.0
KEY, OTHER = b"key", b"other key"
PROFILE = profile()
LAX = profile(name="lax", ocsp_clock_skew=SKEW)


def answer(status: OCSPCertStatus = OCSPCertStatus.GOOD, at: float = NOW, **fields: Any) -> ProvenResponse:
    """An answer that holds for an hour."""
    fields = {"next_update": at + HOUR, "produced_at": at, "signer_from": 0.0, "signer_until": 1e12, **fields}
    return ProvenResponse(status=status, this_update=at, response=b"response", **fields)


def revoked(at: float = NOW, **fields: Any) -> ProvenResponse:
    """An answer that says *revoked*."""
    return answer(OCSPCertStatus.REVOKED, at, **fields)


class MemoryCase(SynchronousTestCase):
    """A memory, and the time as a number."""

    def setUp(self) -> None:
        self.now = NOW
        self.dropped: list[HeldAnswer] = []
        self.memory = RevocationMemory(2, lambda _, held: self.dropped.append(held))

    def learn(self, found: ProvenResponse, key: bytes = KEY, by: SslProfile = PROFILE) -> News:
        """An answer comes now."""
        return self.memory.learn(key, found, (b"", b""), by, arrived=self.now, now=self.now)

    def status(self, key: bytes = KEY, by: SslProfile = PROFILE) -> RevocationStatus | None:
        """What is known now."""
        return self.memory.status(key, by, now=self.now, ticks=self.now)

    def failed(self, failure: Any, key: bytes = KEY, *, bridges: bool = True) -> RevocationStatus:
        """A request failed now."""
        return self.memory.failed(key, failure, PROFILE, now=self.now, ticks=self.now, bridges=bridges)


class LearnTests(MemoryCase):
    """Which answers are news."""

    def test_good(self) -> None:
        """A good answer is held, and is the status until its end."""
        self.assertEqual((self.status(), self.learn(answer()), self.status()), (None, News.GOOD, Good(NOW + HOUR)))
        self.now += HOUR
        self.assertIsNone(self.status())

    def test_revoked(self) -> None:
        """A revocation is news once; after its nextUpdate a source is asked again, and it stays if that fails."""
        self.assertEqual(self.learn(revoked()), News.REVOKED)
        self.assertEqual(self.learn(revoked()), News.STILL_REVOKED)
        self.assertIsInstance(self.status(), Revoked)
        self.now += 10 * HOUR
        self.assertIsNone(self.status())
        self.assertIsInstance(self.failed(Unreachable("dead")), Revoked)
        self.assertIsInstance(self.status(), Revoked)

    def test_order(self) -> None:
        """Of a revocation and a good answer the newer one counts, in whichever order they come."""
        for first, second, news, status in (
            (revoked(), answer(at=NOW - 1), News.NONE, Revoked),
            (revoked(), answer(at=NOW), News.NONE, Revoked),
            (revoked(), answer(at=NOW + 1), News.GOOD, Good),
            (answer(), revoked(at=NOW - 1), News.NONE, Good),
            (answer(), revoked(at=NOW), News.REVOKED, Revoked),
        ):
            self.setUp()
            self.learn(first)
            self.assertEqual(self.learn(second), news)
            self.assertIsInstance(self.status(), status)

    def test_unknown(self) -> None:
        """*Unknown* takes a good answer away, and never a revocation."""
        unknown = answer(OCSPCertStatus.UNKNOWN)
        self.learn(answer())
        self.assertEqual((self.learn(unknown), self.status()), (News.NONE, None))
        self.learn(revoked())
        self.assertEqual(self.learn(unknown), News.NONE)
        self.assertIsInstance(self.status(), Revoked)

    def test_far_ahead(self) -> None:
        """A revocation of a clock that is years ahead is ordered by its arrival, or no answer would ever be newer."""
        self.learn(revoked(at=NOW + 2 * MAX_AHEAD))
        self.now += 1
        self.assertEqual(self.learn(answer(at=self.now)), News.GOOD)

    def test_signer_without_nocheck(self) -> None:
        """An answer that a profile does not believe keeps no older one of its own out."""
        lax = profile(name="lax", ocsp_responder_without_nocheck=WithoutNocheck.ALLOW)
        self.learn(answer(at=NOW, without_nocheck=True), by=lax)
        self.assertEqual((self.status(), self.learn(answer(at=NOW - 1))), (None, News.GOOD))

    def test_bounded(self) -> None:
        """The answer used least recently goes, which is said; revocations are not counted."""
        for number in range(5):
            self.learn(revoked(), b"%d" % number)
        for key in (KEY, OTHER):
            self.learn(answer(), key)
        self.status()
        self.learn(answer(), b"third")
        self.assertEqual((self.status(OTHER), len(self.dropped)), (None, 1))
        self.assertIsInstance(self.status(), Good)
        for number in range(5):
            self.assertIsInstance(self.status(b"%d" % number), Revoked)


class FailureTests(MemoryCase):
    """Requests without an answer."""

    def test_negative_cache(self) -> None:
        """A failure is the status for some seconds, for the profile that asked, and gone with an answer."""
        for failure in (Unusable("x"), Unreachable("x"), Unknown()):
            self.assertEqual((self.failed(failure), self.status(), self.status(by=LAX)), (failure, failure, None))
            self.now += FAILURE_TTL
            self.assertIsNone(self.status())
        self.failed(Unusable("x"))
        self.learn(answer())
        self.now += HOUR
        self.assertIsNone(self.status())

    def test_profiles_of_one_name(self) -> None:
        """A failure counts for a profile of the same name and content; with other content it is another one."""
        self.failed(Unreachable("x"))
        self.assertIsInstance(self.status(by=profile()), Unreachable)
        self.assertIsNone(self.status(by=profile(ocsp_responder_url="http://127.0.0.1/")))

    def test_not_kept(self) -> None:
        """That the gateway could not ask, or left a responder alone, is not kept."""
        for failure in (CouldNotAsk("x"), Unreachable("x", was_asked=False)):
            self.assertEqual((self.failed(failure), self.status()), (failure, None))

    def test_bridging(self) -> None:
        """After a failed request at its end an answer counts on within the skew, if it is asked for again."""
        for bridges in (False, True):
            self.setUp()
            self.learn(answer())
            self.now += HOUR
            found = self.failed(Unreachable("x"), bridges=bridges)
            self.assertEqual(isinstance(found, Good), bridges)
            self.assertEqual(isinstance(self.status(), Good), bridges)
        held = self.memory.held(KEY, self.now)
        assert held
        self.assertEqual((held.used, list(held.bridging)), (True, [profile_key(PROFILE)]))
        self.failed(CouldNotAsk("x"))
        self.assertEqual(held.bridging, set())

    def test_failure_ahead_of_the_end(self) -> None:
        """A renewal that fails leaves the answer as it is, and is no reason not to ask at its end."""
        self.learn(answer())
        self.now += HOUR - 1
        self.assertEqual(self.failed(Unreachable("x")), Unreachable("x"))
        self.assertIsInstance(self.status(), Good)
        self.now += 1
        self.assertIsNone(self.status())

    def test_clear(self) -> None:
        """Held answers are forgotten, each of which is said."""
        self.learn(answer())
        self.memory.clear()
        self.assertEqual((self.status(), len(self.dropped)), (None, 1))
