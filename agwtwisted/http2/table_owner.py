"""What the streams of a connection ask of the connection that they are on."""

from __future__ import annotations

from typing import Final, Protocol


class TableOwner(Protocol):
    """The connection that the streams are on."""

    @property
    def rests(self) -> bool:
        """Whether nothing of it is handled now, at the end of which `StreamTable.end_turn` is called."""

    def in_next_turn(self) -> None:
        """Has `StreamTable.end_turn` called in the next turn of the reactor."""

    def begun(self, count: int) -> None:
        """One more request begins, `count` in all."""

    def emptied(self) -> None:
        """No stream is open any more."""


class _NoTableOwner:
    """Of streams whose connection is over."""

    rests = False

    def in_next_turn(self) -> None:
        """There is none."""

    def begun(self, count: int) -> None:
        """None is counted."""

    def emptied(self) -> None:
        """It is known."""


NO_TABLE_OWNER: Final[TableOwner] = _NoTableOwner()
