"""How many requests may be under way to a server at once: fewer where many are not answered in time.

What a server cannot answer before their clients give up it answers for nothing: with too many requests under way none
is answered in time, although each would be if there were fewer. No gateway knows how many others ask the same server.
So the limit is halved when a good part of the requests had no answer, and grows by one for as many answers as it
allows requests (additive increase, multiplicative decrease, as in RFC 5681 section 3.1).

Caller: the responder throttle. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from math import inf
from typing import Final

LEAST: Final = 16
"""What the limit is at least: so many requests that are never answered must come together to hold up the others."""

SILENT: Final = 8
"""Different requests without an answer that it takes at least, so that no single client lowers the limit."""

ANSWERS_TO_ONE: Final = 3
"""Answers for each of these above which the server is well, and those requests are not."""

COUNTED: Final = 256
"""Answers after which half of what was counted is forgotten: what was long ago says nothing about now."""


class ConcurrencyLimit:
    """That of one server; `most` is where it begins, and what it is at most."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._lowered_at = -inf
        self._answers = 0
        self._silent: dict[bytes, None] = {}  # requests without an answer, the last ones last

    @property
    def requests(self) -> int:
        """How many requests may be under way."""
        return int(self._limit)

    def answered(self) -> None:
        """The server has answered a request."""
        self._limit = min(self._limit + 1.0 / self._limit, self._most)
        self._answers += 1
        if self._answers >= COUNTED:
            self._answers //= 2
            for key in tuple(self._silent)[: len(self._silent) // 2]:
                del self._silent[key]

    def timed_out(self, key: bytes, began: float, now: float) -> None:
        """The server did not answer a request sent at `began`; of those sent before the limit was lowered none counts.

        `key` distinguishes different requests.
        """
        if began < self._lowered_at:
            return
        self._silent[key] = None
        if len(self._silent) >= max(SILENT, self._answers / ANSWERS_TO_ONE):
            self._limit = max(self._limit / 2.0, min(LEAST, self._most))
            self._lowered_at = now
            self._answers = 0
            self._silent.clear()
