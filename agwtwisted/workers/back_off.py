"""How long a process that ended waits for its successor."""

from __future__ import annotations

from typing import Final

FIRST: Final = 0.5
"""Seconds that the second successor in a row waits; the first one comes at once."""

LONGEST: Final = 8.0
"""Seconds that any waits at most: connections to the socket of a worker that is not there wait as long."""

STEADY: Final = 60.0
"""Seconds after which a process has proven that it can live."""


class BackOff:
    """The delays of one worker, or of the spawner: nothing at first, then twice as long each time."""

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, lived: float) -> float:
        """Seconds until the successor of a process, which has lived for so many, is started."""
        delay = 0.0 if lived >= STEADY else self._next
        self._next = min(max(2 * delay, FIRST), LONGEST)
        return delay
