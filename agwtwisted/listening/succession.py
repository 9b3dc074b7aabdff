"""How the connections of an address get from the port of one configuration to that of the next.

A port that takes the place of another has each of the connections moved, once: what stands behind it asks here where it
belongs now, and is called for the rest of its work in one of the next turns of the reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from agwtwisted.transport.spread_calls import SpreadCalls

MOVED_A_TURN: Final = 128
"""Connections that go over to a new configuration in one turn of the reactor: a millisecond for all of them."""

JUDGED_A_TURN: Final = 8
"""Clients that are judged by a changed SSL profile in one turn: OpenSSL verifies the certificates of each."""


_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class Belonging:
    """Where a connection belongs under a new configuration."""

    port: Any  # of the class of the one before
    site: Any  # of the port; None on a plain one
    trust: object  # by what its clients are judged: a value that equals another where the judgement does


class Turns:
    """The turns in which connections are moved, and their clients judged: a few in each, on whatever port they are."""

    def __init__(self, clock: IReactorTime) -> None:
        self.moves = SpreadCalls(clock, MOVED_A_TURN, _failed)
        self.judgements = SpreadCalls(clock, JUDGED_A_TURN, _failed)


def _failed() -> None:
    _log.failure("Unexpected error while a connection goes over to a new configuration")


class Succession:
    """One port takes the place of another.

    Args:
        port: the new one, of the class of the one before.
        belonging_of: where a connection with this server name (SNI) belongs there; None: nowhere any more.
    """

    def __init__(self, port: Any, belonging_of: Callable[[str], Belonging | None]) -> None:
        self.port = port
        self._belonging_of = belonging_of
        self._known: dict[str, Belonging | None] = {}
        self._moves: list[Callable[[], None]] = []
        self._judgements: list[Callable[[], None]] = []
        self._judgements_of_idle: list[Callable[[], None]] = []

    def belonging(self, server_name: str) -> Belonging | None:
        """Where a connection with this server name belongs now; None: nowhere, and it ends."""
        try:
            return self._known[server_name]
        except KeyError:
            found = self._known[server_name] = self._belonging_of(server_name)
            return found

    def move(self, call: Callable[[], None]) -> None:
        """Has `call` called in one of the next turns, to do what a move takes."""
        self._moves.append(call)

    def judge(self, call: Callable[[], None], *, idle: bool = False) -> None:
        """Has `call` called in one of the next turns, to have a client judged by a changed profile.

        Those of `idle` connections come after all others: nothing is forwarded there meanwhile.
        """
        (self._judgements_of_idle if idle else self._judgements).append(call)

    def schedule(self, clock: IReactorTime, turns: Turns) -> None:
        """All are moved: has the calls made from the next turn on. In this one other parts are still being replaced."""
        judgements = self._judgements + self._judgements_of_idle
        for calls, spread in ((judgements, turns.judgements), (self._moves, turns.moves)):
            if calls:
                clock.callLater(0, spread.add, calls)
