"""What is known about one certificate, and asking about it now."""

from __future__ import annotations

from agwtwisted.core.revocation.status import Good, Revoked, Unreachable
from agwtwisted.core.revocation.status_facts import NOTHING_KNOWN, StatusFacts
from tests.revocations import HOUR, PROFILE, SUBJECT, RevocationCase


class FactsTests(RevocationCase):
    """Of one certificate."""

    def facts(self) -> StatusFacts:
        """What is known; nothing is asked for it."""
        before = len(self.asker.questions)
        found = self.answers.facts(SUBJECT, PROFILE)
        self.assertEqual(len(self.asker.questions), before)
        return found

    def test_nothing(self) -> None:
        """Of a certificate that has not come."""
        self.assertEqual(self.facts(), NOTHING_KNOWN)

    def test_good(self) -> None:
        """An answer with its times, and when the responder is asked again."""
        self.learn()
        now, found = self.wall.seconds(), self.facts()
        self.assertEqual((found.status, found.origin), (Good(now + HOUR), "an OCSP response"))
        self.assertEqual((found.this_update, found.next_update), (now, now + HOUR))
        assert found.renewal is not None
        self.assertTrue(now + HOUR / 2 <= found.renewal <= now + HOUR * 4 / 5)

    def test_over(self) -> None:
        """Of an answer that is over the times are said, and no status."""
        self.learn()
        self.clock.advance(HOUR + 1)
        found = self.facts()
        self.assertIsNone(found.status)

    def test_revoked(self) -> None:
        """A revocation."""
        self.learn("revoked")
        found = self.facts()
        self.assertIsInstance(found.status, Revoked)
        self.assertIsNone(found.renewal)

    def test_failure(self) -> None:
        """That there was no answer a moment ago."""
        self.status()
        self.give_up()
        found = self.facts()
        self.assertEqual((found.status, found.origin), (Unreachable("no response in time"), ""))

    def test_ask(self) -> None:
        """The responder is asked though an answer is known, and what it says counts for all."""
        self.learn()
        steps: list[str] = []
        asked = self.answers.ask(SUBJECT, PROFILE, steps.append)
        self.assertEqual(len(self.asker.questions), 2)
        self.clock.advance(1)
        self.answer(self.response("revoked"))
        self.assertIsInstance(self.successResultOf(asked), Revoked)
        self.assertIsInstance(self.known(), Revoked)
        self.assertEqual(steps, ["asked"])

    def test_ask_in_vain(self) -> None:
        """That there is no answer is the result; what was known stays."""
        self.learn()
        asked = self.answers.ask(SUBJECT, PROFILE, lambda _: None)
        self.give_up()
        self.assertEqual(self.successResultOf(asked), Unreachable("no response in time"))
        self.assertIsInstance(self.known(), Good)
