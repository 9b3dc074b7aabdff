"""What events of a running gateway say: members of JSON objects, with names that stay.

Those of refusals are as `refused_clients` has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.operations.certificates_in_force import CertificateInForce
from agwtwisted.core.operations.record_texts import cut
from agwtwisted.core.plan.changes import Changes

MOST_LINES: Final = 100
"""Problems of one reload, and names of what it changes, that are in an event; all are in its answer."""


def health_event(server: str, before: str, after: str, reason: str) -> Mapping[str, Any]:
    """A server's health is another one: in the words of the product's backend health, `Draining` by an operator."""
    return {"server": server, "before": before, "after": after, "reason": cut(reason)}


def reload_event(
    generation: int, fingerprint: str, *, problems: Sequence[str] = (), changes: Changes | None = None
) -> Mapping[str, Any]:
    """A reload has ended; without `changes` it was rejected, for these problems."""
    names = Changes() if changes is None else changes
    return {
        "outcome": "rejected" if changes is None else "in_force",
        "generation": generation,
        "fingerprint": fingerprint,
        "problems": [cut(each) for each in problems[:MOST_LINES]],
        "added": list(names.added[:MOST_LINES]),
        "changed": list(names.changed[:MOST_LINES]),
        "removed": list(names.removed[:MOST_LINES]),
    }


def worker_event(index: int, outcome: str, how: str = "") -> Mapping[str, Any]:
    """A worker has `started`, or has `ended`, somehow."""
    return {"worker": index, "outcome": outcome, "how": how or None}


class EndingCertificates:
    """Which certificates end within some days, and were not said to today.

    Args:
        days: so many.
    """

    def __init__(self, days: int) -> None:
        self._days = days
        self._said: dict[tuple[str, str], str] = {}  # the day, by section and certificate

    def due(self, certificates: Sequence[CertificateInForce], now: datetime) -> list[Mapping[str, Any]]:
        """The events of those that are to be said now; none is twice on one day (UTC)."""
        today = utc_text(now.timestamp())[:10]
        found = [each for each in certificates if each.days_left(now) <= self._days]
        keys = [(f"{each.kind} {each.name}", each.fingerprint_sha256) for each in found]
        events = [each.members(now) for key, each in zip(keys, found, strict=True) if self._said.get(key) != today]
        self._said = dict.fromkeys(keys, today)
        return events
