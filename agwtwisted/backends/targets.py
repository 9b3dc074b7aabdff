"""Backend servers as targets: how well each is, and what becomes of its connections when it no longer is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.backends.health import Health, State
from agwtwisted.transport.deadlines import Deadline


class Connection(Protocol):
    """A connection to a target, as far as its end goes."""

    def cut(self, reason: str) -> None:
        """Ends it at once, and what is under way on it, if anything is."""


class Target:
    """A server under one backend settings: its health, and the connections to it that are in use.

    When it goes down, whatever is under way there has the draining time to finish, upgraded connections included, and
    is cut then (the product's connection draining). The timer is the target's.

    Args:
        clock: holds the timer.
        drain_timeout: seconds; `connection_draining_timeout` of the settings.
    """

    def __init__(self, clock: IReactorTime, drain_timeout: float) -> None:
        self.health = Health()
        self.state = State.UNKNOWN  # of the health: looked at for every request
        self.refusing = False  # of the health, too
        self.draining = False
        self.when_refused: Callable[[], None] | None = None  # for whoever watches the target
        self.when_reached: Callable[[], None] | None = None
        self._drain_timeout = drain_timeout
        self._drain = Deadline(clock, self._drained)
        self._in_use: set[Connection] = set()
        self._told: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Has `changed` called whenever it may be asked by another rule: `state` or `refusing` is another one."""
        self._told.append(changed)

    def found(self, health: Health) -> None:
        """Its health is this from now on."""
        before, self.health = (self.state, self.refusing), health
        if (health.state, health.refusing) == before:
            return
        self.state, self.refusing = health.state, health.refusing
        if self.state is not before[0]:
            self._drain_or_not()
        for changed in self._told:
            changed()

    def _drain_or_not(self) -> None:
        if self.state is State.DOWN:
            self.close_idle()
            self.draining = True
            self._drain.set(self._drain_timeout)
        else:
            self.draining = False
            self._drain.stop()

    def refused(self) -> None:
        """A request found out that nobody listens there."""
        if self.when_refused is not None:
            self.when_refused()

    def reached(self) -> None:
        """A request found out that the server, though down, accepts connections."""
        if self.when_reached is not None:
            self.when_reached()

    def used(self, connection: Connection) -> None:
        """A connection is in use, perhaps not for the first time."""
        self._in_use.add(connection)
        if self.state is State.DOWN and not self.draining:
            self._drain.set(self._drain_timeout)  # its request came before that was over, and has its time, too

    def ended(self, connection: Connection) -> None:
        """A connection is gone."""
        self._in_use.discard(connection)

    def close_idle(self) -> None:
        """Closes what is not in use; for subclasses."""

    def stop(self) -> None:
        """Leaves no timer behind."""
        self._drain.stop()

    def _drained(self) -> None:
        self.draining = False
        for connection in tuple(self._in_use):
            connection.cut("the server is down, and connection_draining_timeout is over")
