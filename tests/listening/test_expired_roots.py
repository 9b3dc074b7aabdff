"""Roots out of their time are warned of, a few times a minute."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests import clients, pki
from tests.clients import GET, Gateway, client_context, device, text
from tests.configurations import clients_root

PAST = pki.NOW - timedelta(days=300)
SITES = text("basic -", "s strict s.example", "h http400 h.example", "p passthrough p.example")


class RootsTests(SynchronousTestCase):
    """Clients of a profile whose roots are out of their time."""

    def gateway(self, **options: datetime) -> Gateway:
        """One whose only root is so."""
        root = pki.Authority.root("Clients Root", key=clients_root().key, **options)
        return Gateway(text("basic strict", "h http400 h.example"), clients.files(**{"clients-ca_pem": root.pem}))

    def test_said_at_each_handshake(self) -> None:
        """Every client is refused, by alert or page, and the log says why: a few times a minute, with a count."""
        gateway = self.gateway(not_after=PAST)
        for _ in range(4):
            for name in ("", "h.example"):
                client = gateway.shake_hands(client_context(device()), name)
                client.say(GET.replace(b"localhost", b"h.example")) if name else None
                self.assertEqual(gateway.forwarded, 0)
        said = [event["log_text"] for event in self.events()]
        self.assertEqual(sum("[ssl_profile strict] every root that it trusts has expired" in each for each in said), 4)
        for _ in range(3):
            gateway.shake_hands(client_context(device()))
        gateway.reactor.advance(61)
        gateway.shake_hands(client_context(device()))
        self.assertIn("(2 complaints left out before)", self.events()[-1]["log_text"])

    def test_nothing_is_said_otherwise(self) -> None:
        """Of a client that is refused while a root is in its time the access log says enough."""
        gateway = Gateway(SITES)
        gateway.shake_hands(client_context(clients.stranger()), "s.example")
        gateway.shake_hands(client_context(), "s.example")
        self.assertEqual(self.events(), [])

    def setUp(self) -> None:
        """Listens to the log."""
        self._events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self._events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self._events.append)

    def events(self) -> list[dict[str, Any]]:
        """The warnings about profiles."""
        found = [event for event in self._events if "profile" in event]
        return [{**event, "log_text": formatEvent(event)} for event in found]
