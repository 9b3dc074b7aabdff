"""The store that gateways share what they know of revocation by, as `/revocation` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from agwtwisted.core.operations.record_texts import cut


@attrs.frozen(kw_only=True)
class SharedStoreState:
    """The store, as one process sees it."""

    url: str  # without a password
    is_connected: bool
    answers: Mapping[str, int]  # where answers about certificates came from: hit | waited | asked
    commands: Mapping[tuple[str, str], int]  # by what was asked, and what became of it
    last_error: str = ""

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        failed = sum(count for (_, outcome), count in self.commands.items() if outcome in _FAILED)
        return {
            "url": cut(self.url),
            "connected": self.is_connected,
            "hits": self.answers.get("hit", 0) + self.answers.get("waited", 0),
            "misses": self.answers.get("asked", 0),
            "commands": sum(self.commands.values()),
            "errors": failed,
            "last_error": cut(self.last_error) if self.last_error else None,
        }


_FAILED = ("error", "not_connected")
