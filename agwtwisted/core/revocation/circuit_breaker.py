"""Whether requests are sent to a server at all: a circuit breaker that no single request can open.

While the circuit of a server is open, requests to it fail at once: only those that were first sent to a dead server
cost their time. But a request may also be the only one that gets no answer, and a client that can cause such a request
must not have the requests of others refused. So timeouts open the circuit only when several different requests met with
one, and those requests are not the ones that try whether the server answers again.

Caller: the responder throttle. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf
from typing import Final

TRIP_AFTER: Final = 5
"""Different requests that must have timed out, with no answer to any request meanwhile, for the circuit to open."""

WINDOW: Final = 60.0
"""Seconds for which a timeout counts; and after which a circuit closes by itself when no request came to try it."""

OPEN_SECONDS: Final = 10.0
"""Seconds for which the circuit stays open after timeouts, before trial requests are sent."""

REFUSED_OPEN_SECONDS: Final = 1.0
"""The same where the server refuses connections, or its name has no address: that holds for every request, is found out
at once, and ends as soon as the server is started."""

MAX_TIMED_OUT: Final = 1024
"""Requests that are remembered as timed out; the oldest ones are forgotten first."""

MAX_TRIALS: Final = 2
"""Trial requests in progress at once while the circuit is half open: a single one might be one that always times
out.
"""


class CircuitBreaker:
    """The circuit of one server. `key` distinguishes different requests."""

    def __init__(self) -> None:
        self._timed_out: OrderedDict[bytes, float] = OrderedDict()  # since the last answer: key, time of the timeout
        self._open_until: float | None = None  # None: the circuit is closed
        self._trials: set[bytes] = set()
        self._answered_at = -inf

    def admits(self, key: bytes, now: float) -> bool:
        """Whether a request may be sent now.

        When the circuit is half open, a few trial requests are sent. Requests that timed out before are not among them
        until another `OPEN_SECONDS` are over: with them alone a dead server could not be distinguished
        from one that never answers these.
        """
        if self._open_until is None:
            return True
        if now >= self._open_until + WINDOW:
            self._close()
            return True
        if now < self._open_until or len(self._trials) >= MAX_TRIALS:
            return False
        timed_out_at = self._timed_out.get(key) if len(self._timed_out) >= TRIP_AFTER else None
        return timed_out_at is None or now >= timed_out_at + 2 * OPEN_SECONDS

    def state(self, now: float) -> str:
        """In a word: ``closed``, ``open``, or ``half-open`` while a few requests try whether the server answers."""
        if self._open_until is None or now >= self._open_until + WINDOW:
            return "closed"
        return "open" if now < self._open_until else "half-open"

    def sent(self, key: bytes) -> None:
        """A request is sent; a call of one of the four methods below follows."""
        if self._open_until is not None:
            self._trials.add(key)

    def answered(self, now: float) -> None:
        """The server sent something."""
        self._answered_at = now
        self._close()

    def timed_out(self, key: bytes, began: float, now: float) -> None:
        """The server did not answer a request sent at `began`; if it answered another one since, this says nothing."""
        self._trials.discard(key)
        if self._answered_at >= began:
            return
        is_another = key not in self._timed_out
        self._timed_out[key] = now
        self._timed_out.move_to_end(key)
        while len(self._timed_out) > MAX_TIMED_OUT or next(iter(self._timed_out.values())) <= now - WINDOW:
            self._timed_out.popitem(last=False)
        if is_another and (self._open_until is not None or len(self._timed_out) >= TRIP_AFTER):
            self._open_until = now + OPEN_SECONDS

    def refused(self, key: bytes, now: float) -> None:
        """The server refused the connection, or its name has no address."""
        self._trials.discard(key)
        self._open_until = max(self._open_until or 0.0, now + REFUSED_OPEN_SECONDS)

    def inconclusive(self, key: bytes) -> None:
        """The request ended in a way that says nothing about the server."""
        self._trials.discard(key)

    def _close(self) -> None:
        self._timed_out.clear()
        self._trials.clear()
        self._open_until = None
