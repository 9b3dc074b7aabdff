"""Refused clients are noted, at whatever stage they are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.refused_clients import RefusedClient
from agwtwisted.core.verification.verdicts import Missing
from agwtwisted.operations.events import REFUSAL, Events
from agwtwisted.operations.refusals import Refusals
from tests import configurations
from tests.clients import GET, VERSIONS, Gateway, client_context, device, stranger, text
from tests.configurations import PASSTHROUGH, mapped, path_rule
from tests.identities import pending, turned_away


class RefusalsTests(SynchronousTestCase):
    """Each stage of a gateway in memory."""

    def only(self, gateway: Gateway) -> RefusedClient:
        """The one refusal that there was."""
        [(_, found)] = gateway.refusals.memory.newest(10)
        return found

    def test_handshake(self) -> None:
        """A client that is refused in its handshake is noted with all that it has sent, in both versions of TLS."""
        for version in VERSIONS:
            gateway = Gateway(text("a strict"))
            gateway.shake_hands(client_context(stranger(), version=version, sent=stranger().issuers))
            found = self.only(gateway)
            self.assertEqual((found.stage, found.listener, found.address), ("handshake", "a", "192.0.2.7"))
            self.assertEqual(found.certificates, stranger().chain_der)
            self.assertIn("FAILED:", found.members(1, 1)["verify"])

    def test_verdict(self) -> None:
        """A client that gets a page instead is noted when it is turned away, once."""
        gateway = Gateway(text("a http400"))
        client = gateway.shake_hands(client_context(stranger(), sent=stranger().issuers))
        client.say(GET)
        client.talk()
        found = self.only(gateway)
        self.assertEqual((found.stage, found.certificates), ("verdict", stranger().chain_der))

    def test_no_certificate(self) -> None:
        """A client without a certificate is noted as such."""
        gateway = Gateway(text("a http400"))
        gateway.shake_hands(client_context())
        self.assertEqual(
            (self.only(gateway).certificates, self.only(gateway).members(1, 1)["reason"]), ((), "no certificate")
        )

    def test_path(self) -> None:
        """A client that is let in, and refused on a path that requires a certificate, is noted there."""
        rule = path_rule("a", "/*", extra="client_certificate = Require\n")
        gateway = Gateway(mapped(rule, profile=PASSTHROUGH), configurations.files())
        client = gateway.shake_hands(client_context(stranger()))
        self.assertEqual(gateway.refusals.memory.newest(1), [])
        client.say(GET)
        client.talk()
        found = self.only(gateway)
        self.assertEqual((found.stage, found.listener, found.certificates[0]), ("path", "public", stranger().der))

    def test_accepted(self) -> None:
        """A client that is accepted is not noted."""
        gateway = Gateway(text("a strict"))
        self.assertTrue(gateway.shake_hands(client_context(device())).established)
        self.assertEqual(gateway.refusals.memory.newest(1), [])

    def test_not_named(self) -> None:
        """Where refused certificates are not to be named, none is kept, at any stage."""
        for profile in ("strict", "http400"):
            gateway = Gateway(text(f"a {profile}", gateway="log_refused_certificates = false"))
            gateway.shake_hands(client_context(stranger()))
            members = self.only(gateway).members(1, 1)
            self.assertEqual((members["subject"], members["has_certificate"]), (None, False))


class NotingTests(SynchronousTestCase):
    """What is noted."""

    def test_published(self) -> None:
        """A refusal is an event where anything listens, with the id by which it is found."""
        heard: list[tuple[str, Mapping[str, Any]]] = []
        clock = Clock()
        events = Events(clock)
        refusals = Refusals(events, 3, lambda: 7.0)
        refusals.note("verdict", "a", turned_away(Missing()), keeps=True)
        end = events.subscribe(lambda kind, members: heard.append((kind, members)))
        refusals.note("verdict", "a", turned_away(Missing()), keeps=True)
        end()
        [(kind, members)] = heard
        self.assertEqual((kind, members["id"], members["at"]), (REFUSAL, "3-2", "1970-01-01T00:00:07Z"))

    def test_numbers(self) -> None:
        """Numbers begin where those of an earlier process cannot be."""
        refusals = Refusals(first_number=1001)
        refusals.note("verdict", "a", turned_away(Missing()), keeps=True)
        [(number, found)] = refusals.memory.newest(1)
        self.assertEqual(number, 1001)
        self.assertIs(refusals.memory.of(1001), found)
        self.assertIsNone(refusals.memory.of(1))

    def test_of_a_pending_client(self) -> None:
        """A client whose handshake failed has its verdict in its proof; one without any verdict sent no certificate."""
        refusals = Refusals()
        refusals.note("handshake", "a", pending(), keeps=True)
        [(_, found)] = refusals.memory.newest(1)
        self.assertEqual(found.members(0, 1)["reason"], "no certificate")
