"""The health of one backend server, and what follows from it: draining, and cutting what is left.

Callers: servers of pools are targets; probes and requests report what they find; pools are notified of changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol
from weakref import ref

from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.backends.health import Health, HealthState, LastProbe
from agwtwisted.transport.deadlines import Deadline

_DOWN: Final = HealthState.DOWN  # before Python 3.12 each look at a member of an Enum costs a call


class Cuttable(Protocol):
    """A connection to a target that can be cut."""

    def cut(self, reason: str) -> None:
        """Closes it at once, and fails what is in progress on it."""


class Target:
    """A server under one backend settings: its health, and the connections to it that are in use.

    When it goes down, requests and upgraded connections there have the draining time to finish, and are cut then (the
    product's connection draining).

    Args:
        clock: runs the timer.
        drain_timeout: seconds; `connection_draining_timeout` of the settings.
    """

    def __init__(self, clock: IReactorTime, drain_timeout: float) -> None:
        self.health = Health()
        self.state = HealthState.UNKNOWN  # that of the health; read for every request
        self.refusing = False  # that of the health
        self.draining = False
        self.drained_by_operator = False
        self.kept = False  # its state is up, though its health is down: a pool counts it as healthy
        self._keepers: list[object] = []
        self.last_probe: LastProbe | None = None  # None: it was not probed, or not by this process
        self.requests = 0  # that have gone there; of L4, sessions
        self.when_refused: Callable[[], None] | None = None  # called by `refused`: set by the watch
        self.when_reached: Callable[[], None] | None = None
        self._drain_timeout = drain_timeout
        self._drain = Deadline(clock, partial(_drained, ref(self)))
        self._retired = False
        self._why_cut = "the server is down, and connection_draining_timeout is over"
        self._in_use: set[Cuttable] = set()
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Has `changed` called whenever `state` or `refusing` changes, by which requests are distributed."""
        self._subscribers.append(changed)

    def unsubscribe(self, changed: Callable[[], None]) -> None:
        """Ends what `subscribe` began."""
        self._subscribers.remove(changed)

    def found(self, health: Health) -> None:
        """Sets the health."""
        before, self.health = self.health, health
        if (health.state, health.refusing) != (before.state, before.refusing):
            if health.state is not before.state:
                self._drain_or_not()
            self._distribute()

    def keep(self, keeper: object, *, kept: bool) -> None:
        """That a pool counts it as healthy whatever its probes find (`min_servers`), or does so no more."""
        before = bool(self._keepers)
        (self._keepers.append if kept else self._keepers.remove)(keeper)
        if bool(self._keepers) is not before and self.health.state is _DOWN:
            self._drain_or_not()
            self._distribute()

    def drain_for_operator(self, drained: bool) -> None:
        """Takes the server out, or in again: nothing new goes there, and what is under way goes on without a limit.

        Clients that a cookie binds to it still go there, as while a server is drained that has gone down.
        """
        if drained is not self.drained_by_operator:
            self.drained_by_operator = drained
            if drained:
                self.close_idle()
            if self.health.state is not _DOWN or self._keepers:
                self.draining = drained
            self._distribute()

    def _distribute(self) -> None:
        """By what is known now."""
        health, drained = self.health, self.drained_by_operator
        self.kept = bool(self._keepers) and not drained and health.state is _DOWN
        state = HealthState.UP if self.kept else health.state
        self.state, self.refusing = _DOWN if drained else state, health.refusing and not drained and not self.kept
        for changed in self._subscribers:
            changed()

    @property
    def connections(self) -> int:
        """How many are in use."""
        return len(self._in_use) - self.idle_connections  # which have been in use

    @property
    def idle_connections(self) -> int:
        """How many are not; for subclasses that keep any."""
        return 0

    def retire(self, *, drain: bool) -> None:
        """No configuration in force knows it under these settings: what is in progress goes on, and nothing is kept.

        Args:
            drain: whether no settings lead to the server any more. It is drained then, as one that goes down (so the
                product does it with servers that are removed from their pool).
        """
        self._retired = True
        self._why_cut = "the server was removed, and connection_draining_timeout is over"
        self.close_idle()
        if not self._in_use:
            self._drain.stop()
        elif drain and self._drain.at is None:
            self._drain.set(self._drain_timeout)

    def _drain_or_not(self) -> None:
        if self.health.state is _DOWN and not self._keepers:
            self.close_idle()
            self.draining = True
            self._drain.set(self._drain_timeout)
        else:
            self.draining = self.drained_by_operator
            self._drain.stop()

    def refused(self) -> None:
        """A request was refused a connection."""
        if self.when_refused is not None:
            self.when_refused()

    def reached(self) -> None:
        """A request found that the server, though down, accepts connections."""
        is_out = self.drained_by_operator and self.health.state is not _DOWN  # which is known, and no news
        if self.when_reached is not None and not is_out:
            self.when_reached()

    def used(self, connection: Cuttable) -> None:
        """A connection is in use, perhaps not for the first time."""
        self._in_use.add(connection)
        self.requests += 1
        if self.state is _DOWN and self.health.state is _DOWN and not self.draining:
            self._drain.set(self._drain_timeout)  # its request came before the draining was over, and has its own time

    def ended(self, connection: Cuttable) -> None:
        """A connection has ended."""
        self._in_use.discard(connection)
        if self._retired and not self._in_use:
            self._drain.stop()

    def close_idle(self) -> None:
        """Closes connections that are not in use; for subclasses."""

    def stop(self) -> None:
        """Stops the timer."""
        self._drain.stop()

    def drained(self) -> None:
        """The draining is over."""
        self.draining = False
        for connection in tuple(self._in_use):
            connection.cut(self._why_cut)


def _drained(target: ref[Target]) -> None:
    """Not by a method of the target, whose timer would keep it: a key that it shows to its server is to go with it."""
    found = target()
    if found is not None:
        found.drained()
