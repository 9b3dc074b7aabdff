"""What all gateways have to hear of, until a store has taken it: a store may be away, or full, at that very moment.

Caller: the knowledge shared over Redis.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.transport.deferreds import log_failure

RETRY: Final = 0.5
"""Seconds until another attempt, while there is something that the store has not taken."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of values that the store has not taken: those of thousand revocations; the oldest ones make room."""


@attrs.frozen(eq=False, kw_only=True)
class ValueWithNews:
    """A value to be stored, and the news of it."""

    key: str
    value: bytes = attrs.field(repr=False)
    until: float  # on the clock: when the value ends
    topic: str
    news: bytes


class UnsentNews:
    """Those that the store has not taken yet.

    Args:
        clock: monotonic.
        send: stores a value and publishes the news; whether both was done.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, send: Callable[[ValueWithNews], Deferred[bool]]) -> None:
        self._clock = clock
        self._send = send
        self._waiting: OrderedDict[str, ValueWithNews] = OrderedDict()
        self._bytes = 0
        self._timer: IDelayedCall | None = None
        self._stopped = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, announced: ValueWithNews) -> None:
        """Sends it now, and again until it is taken."""
        self._discard(announced.key)
        self._waiting[announced.key] = announced
        self._bytes += len(announced.value)
        while self._bytes > MAX_BYTES:
            self._discard(next(iter(self._waiting)))
        self._attempt(announced)

    def stop(self) -> None:
        """Sends nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _attempt(self, announced: ValueWithNews) -> None:
        log_failure(self._send(announced).addCallback(self._sent, announced), self.log, "letting other gateways know")

    def _sent(self, is_taken: bool, announced: ValueWithNews) -> None:
        if is_taken and self._waiting.get(announced.key) is announced:
            self._discard(announced.key)
        if self._waiting and self._timer is None and not self._stopped:
            self._timer = self._clock.callLater(0.0 if is_taken else RETRY, self._again)

    def _again(self) -> None:
        """Sends the oldest one, and once that is taken the next."""
        self._timer = None
        now = self._clock.seconds()
        for each in [each for each in self._waiting.values() if each.until <= now]:
            self._discard(each.key)
        if self._waiting:
            oldest = next(iter(self._waiting))
            self._waiting.move_to_end(oldest)  # one that is never taken does not hold up the others
            self._attempt(self._waiting[oldest])

    def _discard(self, key: str) -> None:
        found = self._waiting.pop(key, None)
        self._bytes -= 0 if found is None else len(found.value)
