"""Whether a server is asked at all: a circuit breaker that no single question can open.

A server that answers nobody is left alone for a while, so that it costs its first askers their time and the others
none. But a question may also be the only one that gets no answer, and whoever can put such a question must not have
everybody else refused: silence counts only once several different ones met with it, and they are not those that find
out whether it is over.

Times are seconds of a clock that cannot be set.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import Final

SEVERAL: Final = 5
"""Different questions that must have met with silence, and none with an answer meanwhile, for a server to be dead."""

WINDOW: Final = 60.0
"""Seconds for which a silence counts; and after which a server that was not asked again is taken for alive."""

PAUSE: Final = 10.0
"""Seconds in which a dead server is left alone."""

REFUSED_PAUSE: Final = 1.0
"""The same where it refuses connections, or its name has no address: whatever is asked, that is so, is found out at
once, and is over as soon as the server is started."""

MAX_SILENCED: Final = 1024
"""Questions of which it is remembered that they met with silence, those of the last time."""

PROBES: Final = 2
"""Questions that find out, at once, whether a dead server lives again: not one alone, which may be the silenced one."""


class Breaker:
    """What is known about the life of one server; `question` is what makes questions different ones."""

    def __init__(self) -> None:
        self._silenced: OrderedDict[bytes, float] = OrderedDict()  # since the last answer: question, last time
        self._dead_until: float | None = None  # None: it is not dead
        self._probes: set[bytes] = set()
        self._answered_at = -inf

    def admits(self, question: bytes, now: float) -> bool:
        """Whether a question may be put now.

        After the pause a few find out. Those that met with silence themselves are not among them before another pause
        is over: with them alone nobody could tell a dead server from one that is silent for them.
        """
        if self._dead_until is None:
            return True
        if now >= self._dead_until + WINDOW:
            self._revive()
            return True
        if now < self._dead_until or len(self._probes) >= PROBES:
            return False
        silenced_at = self._silenced.get(question) if len(self._silenced) >= SEVERAL else None
        return silenced_at is None or now >= silenced_at + 2 * PAUSE

    def put(self, question: bytes) -> None:
        """A question goes to the server; one of the four below follows."""
        if self._dead_until is not None:
            self._probes.add(question)

    def answered(self, now: float) -> None:
        """The server said something."""
        self._answered_at = now
        self._revive()

    def silent(self, question: bytes, began: float, now: float) -> None:
        """It said nothing to this question, put at `began`; where it answered others since, it is not dead."""
        self._probes.discard(question)
        if self._answered_at >= began:
            return
        is_another = question not in self._silenced
        self._silenced[question] = now
        self._silenced.move_to_end(question)
        while len(self._silenced) > MAX_SILENCED or next(iter(self._silenced.values())) <= now - WINDOW:
            self._silenced.popitem(last=False)
        if is_another and (self._dead_until is not None or len(self._silenced) >= SEVERAL):
            self._dead_until = now + PAUSE

    def refused(self, question: bytes, now: float) -> None:
        """There is nobody to talk to."""
        self._probes.discard(question)
        self._dead_until = max(self._dead_until or 0.0, now + REFUSED_PAUSE)

    def nothing(self, question: bytes) -> None:
        """The question ended in a way that says nothing about the server."""
        self._probes.discard(question)

    def _revive(self) -> None:
        self._silenced.clear()
        self._probes.clear()
        self._dead_until = None
