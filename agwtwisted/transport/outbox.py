"""Data that is written while a turn of the reactor is handled, and sent at the end of the turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.posixbase import PosixReactorBase
from twisted.python import log
from zope.interface import Attribute, Interface


class Held(Protocol):
    """What waits for the end of the turn."""

    def flush(self) -> None:
        """Sends it."""


class Outbox:
    """The connections that have something to send at the end of the turn; between turns it is not `open`, and each
    sends at once.
    """

    def __init__(self) -> None:
        self.open = False
        self.turn = 0  # counts them
        self._held: list[Held] = []
        self._writers: list[Callable[[], None]] = []
        self.add: Final[Callable[[Held], None]] = self._held.append
        """Has what it is given sent at the end of the turn."""

    def gather(self, write: Callable[[], None]) -> None:
        """Has everything that `write` writes sent at its end, where that happens outside the handling of events."""
        if self is NO_OUTBOX:
            write()
            return
        self.open = True
        try:
            write()
        finally:
            self.close()

    def before_sending(self, write: Callable[[], None]) -> None:
        """Has something written once all events of the turn are handled, and sent with it; between turns at once."""
        if self.open:
            self._writers.append(write)
        else:
            write()

    def close(self) -> None:
        """The turn is handled: all connections send. An exception of one is logged, and does not keep others from
        sending.
        """
        if self._writers:
            self._write()
        self.open = False
        self.turn += 1
        held = self._held.copy()
        self._held.clear()
        for each in held:
            try:
                each.flush()
            except Exception:
                log.err()

    def _write(self) -> None:
        """What is written may cause more to be written, which is sent with it."""
        while self._writers:
            writers = self._writers.copy()
            self._writers.clear()
            for write in writers:
                try:
                    write()
                except Exception:
                    log.err()


NO_OUTBOX = Outbox()
"""Of a reactor that has none: never open."""


class ITurns(Interface):
    """A reactor whose turns end with sending."""

    outbox: Outbox = Attribute("""What is sent then.""")
    turn_times: Any = Attribute("""How long they take: `turn_times.TurnTimes`.""")


def outbox_of(reactor: PosixReactorBase) -> Outbox:
    """That of a reactor."""
    return ITurns(reactor).outbox if ITurns.providedBy(reactor) else NO_OUTBOX
