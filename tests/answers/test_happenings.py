"""What happens to a gateway as a whole is published."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.answers.happenings import LOOK, Happenings
from agwtwisted.core.operations.certificates_in_force import certificates_in_force
from agwtwisted.core.plan.changes import Changes
from agwtwisted.operations.events import Events
from agwtwisted.reload import Rejected, Reloaded
from tests import configurations, pki


class HappeningsTests(SynchronousTestCase):
    """On a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.events = Events(self.clock)
        self.heard: list[tuple[str, Mapping[str, Any]]] = []
        self.subscribed: list[Any] = []
        reloads: Any = SimpleNamespace(subscribe=lambda begun, ended: self.subscribed.extend((begun, ended)))
        [first, *_] = certificates_in_force(configurations.plan())
        ending = attrs.evolve(first, not_after=pki.NOW + timedelta(days=3))
        certificates: Any = SimpleNamespace(certificates_in_force=(ending,))
        wall = pki.NOW.timestamp
        self.happenings = Happenings(self.clock, wall, lambda: self.events, reloads, certificates)
        self.happenings.startService()

    def listen(self) -> None:
        """Something listens."""
        self.events.subscribe(lambda kind, members: self.heard.append((kind, members)))

    def test_certificates(self) -> None:
        """A certificate that ends soon is published where anything listens, once a day."""
        self.clock.advance(LOOK)
        self.listen()
        for _ in range(3):
            self.clock.advance(LOOK)
        [(kind, members)] = self.heard
        self.assertEqual((kind, members["days_left"]), ("certificate", 3))

    def test_reloads(self) -> None:
        """Reloads are published, those that are rejected with the reasons."""
        self.listen()
        begun, ended = self.subscribed
        begun()
        ended(Reloaded(generation=2, fingerprint="ab", changes=Changes(), warnings=(), seconds=1.0))
        ended(Rejected(generation=2, fingerprint="ab", problems=("ERROR a",)))
        self.assertEqual(
            [(kind, members["outcome"]) for kind, members in self.heard],
            [("reload", "in_force"), ("reload", "rejected")],
        )
        self.assertEqual(self.heard[1][1]["problems"], ["ERROR a"])

    def test_stop(self) -> None:
        """The end leaves no timer behind."""
        self.happenings.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
