"""What other gateways let this one know. What other workers do is in the tests of the answers of responders."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.memory import Forgotten
from agwtwisted.core.revocation.status import Good, Revoked
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore
from tests import pki
from tests.responder import Response, Single
from tests.revocations import DEVICE, HOUR, ISSUER, NOW, PROFILE, SUBJECT, RevocationCase, profile

OTHER = ISSUER.issue("another device", ocsp_url="http://ocsp.example/")


class OtherGatewaysTests(RevocationCase):
    """What other gateways let this one know."""

    def setUp(self) -> None:
        super().setUp()
        self.started(shares=True)
        self.key = ocsp.key_of(*SUBJECT)
        self.called: list[str] = []

    def watch(self) -> None:
        """A connection of the device."""
        self.answers.watch([SUBJECT], PROFILE, lambda: self.called.append("called"))

    def test_revoked(self) -> None:
        """A revocation that is stored ends connections, is stored here too, and concerns none a second time."""
        self.learn()
        self.watch()
        self.assertTrue(self.answers.heard.concerns(self.key))
        self.answers.heard.take_shared(self.key, [self.response("revoked"), self.response()])
        self.assertEqual(self.called, ["called"])
        self.assertIsInstance(self.known(), Revoked)
        self.assertFalse(self.answers.heard.concerns(self.key))
        self.assertEqual([each.is_revoked for each in self.store.load(self.wall.seconds(), 10)], [True])

    def test_without_answer(self) -> None:
        """It ends those of clients, too, about whose certificates nothing is known."""
        self.watch()
        self.assertTrue(self.answers.heard.concerns(self.key))
        self.answers.heard.take_shared(self.key, [self.response("revoked")])
        self.assertEqual(self.called, ["called"])

    def test_other_sources(self) -> None:
        """It ends those of a profile, too, that lists other sources, whether any profile asks or none."""
        lists = profile(name="lists", verify_client_revocation=(RevocationSource.CRL,))
        for asking in ([PROFILE], []):
            self.store = MemoryStore()
            self.started(shares=True).use(asking)
            self.called.clear()
            self.answers.watch([SUBJECT], lists, lambda: self.called.append("called"))
            self.assertTrue(self.answers.heard.concerns(self.key))
            self.answers.heard.take_shared(self.key, [self.response("revoked")])
            self.assertEqual(self.called, ["called"])

    def test_while_asked(self) -> None:
        """A revocation that comes while a responder is asked counts: its answer may be of an older cache."""
        waiting = self.status()
        self.assertTrue(self.answers.heard.concerns(self.key))
        then = datetime.fromtimestamp(NOW - 60.0, UTC)
        self.answers.heard.take_shared(self.key, [self.response("revoked")])
        self.answer(self.response(this_update=then))
        self.assertIsInstance(self.successResultOf(waiting), Revoked)
        self.assertIsInstance(self.known(), Revoked)

    def test_asked_no_more(self) -> None:
        """What nothing waits for any more does not matter, however the question ended."""
        self.status()  # type: ignore[unused-awaitable]
        self.give_up()
        self.assertFalse(self.answers.heard.concerns(self.key))

    def test_not_believed(self) -> None:
        """What is signed by another issuer, or about another certificate, changes nothing."""
        self.learn()
        self.watch()
        other = pki.Authority.root("Root").intermediate("Issuer")
        forged = Response(signer=other, singles=[Single(certificate=DEVICE, status="revoked")]).der()
        self.answers.heard.take_shared(self.key, [b"garbage", forged, self.response("revoked", OTHER)])
        self.assertEqual(self.called, [])
        self.assertIsInstance(self.known(), Good)

    def test_not_at_hand(self) -> None:
        """News of certificates that no client has are not taken up; what was stored about them is asked for anew."""
        self.assertFalse(self.answers.heard.concerns(self.key))
        self.answers.heard.take_shared(self.key, [self.response("revoked")])
        self.learn()
        self.started(shares=True)  # and knows what is stored
        self.assertFalse(self.answers.heard.concerns(self.key))
        self.assertIsInstance(self.learn("revoked"), Revoked)

    def test_newer_alone(self) -> None:
        """A source is asked for what is newer than what is known, and than what an operator has forgotten."""
        asked: list[float] = []
        learn = OcspSource.learn

        def noted(source: OcspSource, *given: Any, newer_than: float, trace: Any = None) -> Any:
            asked.append(newer_than)
            return learn(source, *given, trace=trace)

        self.patch(OcspSource, "learn", noted)
        self.learn()
        self.clock.advance(60.0)
        self.answers.forget(Forgotten(serial=DEVICE.certificate.serial_number))
        self.clock.advance(60.0)
        self.learn()
        self.learn(device=OTHER)
        self.assertEqual(asked, [-inf, NOW + 60.0, -inf])
        self.clock.advance(0.9 * HOUR)  # both are renewed meanwhile
        self.assertEqual(asked[3:], [NOW + 120.0, NOW + 120.0])
