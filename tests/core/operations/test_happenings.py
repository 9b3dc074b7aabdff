"""What events say."""

from __future__ import annotations

import json
from datetime import timedelta

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.certificates_in_force import certificates_in_force
from agwtwisted.core.operations.happenings import (
    MOST_LINES,
    EndingCertificates,
    health_event,
    reload_event,
    worker_event,
)
from agwtwisted.core.plan.changes import Changes
from tests import configurations, pki


class EventTests(SynchronousTestCase):
    """Their members."""

    def test_health(self) -> None:
        """A server, its states and why; a long reason is cut."""
        members = health_event("a:80 (s)", "Up", "Down", "x" * 9999)
        self.assertEqual((members["server"], members["before"], members["after"]), ("a:80 (s)", "Up", "Down"))
        self.assertLess(len(members["reason"]), 2200)

    def test_reload(self) -> None:
        """What is in force, and what a reload has changed, or why it was rejected; long lists are cut."""
        taken = reload_event(2, "ab", problems=("WARNING a",), changes=Changes(added=("probe a",)))
        self.assertEqual(
            (taken["outcome"], taken["added"], taken["problems"]), ("in_force", ["probe a"], ["WARNING a"])
        )
        rejected = reload_event(1, "ab", problems=["ERROR"] * (MOST_LINES + 1))
        self.assertEqual((rejected["outcome"], len(rejected["problems"])), ("rejected", MOST_LINES))
        self.assertEqual(json.loads(json.dumps(rejected)), rejected)

    def test_worker(self) -> None:
        """A worker that has started has not ended in any way."""
        self.assertEqual(worker_event(1, "started"), {"worker": 1, "outcome": "started", "how": None})
        self.assertEqual(worker_event(1, "ended", "by SIGKILL")["how"], "by SIGKILL")


class EndingCertificatesTests(SynchronousTestCase):
    """Certificates that end soon."""

    def test_once_a_day(self) -> None:
        """A certificate is said to end soon once a day, from so many days before its end on."""
        [first, *others] = certificates_in_force(configurations.plan())
        end = pki.NOW + timedelta(days=31)
        certificates = [attrs.evolve(first, not_after=end), *others]
        ending = EndingCertificates(30)
        self.assertEqual(ending.due(certificates, pki.NOW - timedelta(days=1)), [])
        [event] = ending.due(certificates, pki.NOW + timedelta(days=1))
        self.assertEqual((event["name"], event["days_left"]), (first.name, 30))
        self.assertEqual(ending.due(certificates, pki.NOW + timedelta(days=1, hours=5)), [])
        self.assertEqual(len(ending.due(certificates, pki.NOW + timedelta(days=2))), 1)
