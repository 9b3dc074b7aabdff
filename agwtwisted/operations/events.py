"""What happens in a running gateway, for those that listen: refusals, health, reloads, workers, certificates.

Nothing is kept, and nothing costs more than a look at `wanted` while there is no subscriber. In a second each kind has
so many events at most; those beyond are counted, and the count goes out when the second is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.operations.backend_servers import DRAINING
from agwtwisted.core.operations.happenings import health_event

REFUSAL: Final = "refusal"
HEALTH: Final = "health"
RELOAD: Final = "reload"
WORKER: Final = "worker"
CERTIFICATE: Final = "certificate"

KINDS: Final = (REFUSAL, HEALTH, RELOAD, WORKER, CERTIFICATE)
"""All of them; the names stay."""

MOST: Final = 200
"""Events of one kind in a second."""

SECOND: Final = 1.0

Heard: TypeAlias = Callable[[str, Mapping[str, Any]], object]
"""Is called with the kind of an event, and its members."""


class Events:
    """The events of one process, or of all of a gateway.

    Args:
        clock: counts seconds.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self.wanted = False  # whether anything listens: looked at before the members of an event are made
        self._clock = clock
        self._subscribers: list[Heard] = []
        self._numbers: Counter[str] = Counter()  # in this second
        self._second: IDelayedCall | None = None

    def subscribe(self, heard: Heard) -> Callable[[], None]:
        """Has `heard` called with each event from now on, until what is returned is called."""
        self._subscribers.append(heard)
        self.wanted = True
        return partial(self._unsubscribe, heard)

    def publish(self, kind: str, members: Mapping[str, Any]) -> None:
        """Something has happened. What a subscriber raises is logged, and others hear it all the same."""
        self.publish_made(kind, lambda: members)

    def publish_made(self, kind: str, members: Callable[[], Mapping[str, Any]]) -> None:
        """The same with members that are made where the event is not beyond the bound."""
        if not self.wanted:
            return
        if self._second is None:
            self._second = self._clock.callLater(SECOND, self._over)
        self._numbers[kind] += 1
        if self._numbers[kind] <= MOST:
            self._hand_on(kind, members())

    def moved(self, server: str, before: HealthState, after: HealthState, reason: str) -> None:
        """A server's state is another one."""
        if self.wanted:
            self.publish(HEALTH, health_event(server, before.value, after.value, reason))

    def drained(self, server: str, state: HealthState, drained: bool) -> None:
        """An operator has taken a server out that is in this state, or in again."""
        if self.wanted:
            before, after = (state.value, DRAINING) if drained else (DRAINING, state.value)
            reason = "an operator drains it" if drained else "an operator has taken it in again"
            self.publish(HEALTH, health_event(server, before, after, reason))

    def relay(self, kind: str, members: Mapping[str, Any]) -> None:
        """The same in another process, which has counted it already: that of one counts not against another's."""
        self._hand_on(kind, members)

    def stop(self) -> None:
        """Leaves no timer behind."""
        self._subscribers.clear()
        self.wanted = False
        if self._second is not None:
            self._second.cancel()
            self._second = None

    def _over(self) -> None:
        self._second = None
        numbers, self._numbers = self._numbers, Counter()
        for kind, number in numbers.items():
            if number > MOST:
                self._hand_on(kind, {"omitted": number - MOST})

    def _hand_on(self, kind: str, members: Mapping[str, Any]) -> None:
        for heard in tuple(self._subscribers):
            try:
                heard(kind, members)
            except Exception:
                self._log.failure("Unexpected error about an event of the kind {kind}", kind=kind)

    def _unsubscribe(self, heard: Heard) -> None:
        if heard in self._subscribers:
            self._subscribers.remove(heard)
        if not self._subscribers:
            self.stop()
