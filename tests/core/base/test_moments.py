"""Times in answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.moments import text_of, utc_text


class MomentsTests(SynchronousTestCase):
    """The texts."""

    def test_seconds_since_1970(self) -> None:
        """A time is shown in UTC, to the second, with Z."""
        self.assertEqual(utc_text(1_764_495_600.9), "2025-11-30T09:40:00Z")

    def test_aware_times(self) -> None:
        """A time of another zone is shown in UTC."""
        zone = timezone(timedelta(hours=2))
        self.assertEqual(text_of(datetime(2026, 1, 1, 1, 30, tzinfo=zone)), "2025-12-31T23:30:00Z")
        self.assertEqual(text_of(datetime(1, 1, 1, tzinfo=UTC)), "0001-01-01T00:00:00Z")
