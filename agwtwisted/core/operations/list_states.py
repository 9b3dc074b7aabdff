"""The lists of revoked certificates in force, as `/revocation` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.operations.record_texts import cut

MOST_LISTS: Final = 100
"""Lists that are shown, those used last."""


@attrs.frozen(kw_only=True)
class ListState:
    """One list. Times are seconds since 1970."""

    issuer: str  # its name as text (RFC 2253)
    origin: str  # a URL, a file, or "import"
    number: int | None  # cRLNumber; None: it has none
    this_update: float
    next_update: float
    entries: int
    size: int  # bytes of the list
    is_limited: bool  # whether it is about some certificates, or some reasons, alone
    renewal: float | None  # when it is downloaded again; None: that is not planned
    problem: str  # of the last download; empty: there was none

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        return {
            "issuer": cut(self.issuer),
            "origin": cut(self.origin),
            "number": None if self.number is None else f"{self.number:X}",
            "this_update": utc_text(self.this_update),
            "next_update": utc_text(self.next_update),
            "entries": self.entries,
            "bytes": self.size,
            "limited": self.is_limited,
            "renewal": None if self.renewal is None else utc_text(self.renewal),
            "problem": cut(self.problem) if self.problem else None,
        }
