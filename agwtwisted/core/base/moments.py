"""Times as the gateway's answers show them: ISO 8601, UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(seconds: float) -> str:
    """A time in seconds since 1970: ``2026-11-30T09:40:00Z``."""
    return text_of(datetime.fromtimestamp(int(seconds), UTC))


def text_of(time: datetime) -> str:
    """An aware time, in the same form."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
