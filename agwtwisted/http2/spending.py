"""What one client has the gateway do for little, counted: `core.http2.budgets` on a clock."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.http2.budgets import TINY_DATA, TINY_MESSAGE, AbuseBudget, CheapFrame
from agwtwisted.core.http2.frame_values import DataFrame


class Spending:
    """The budget of a connection; once it is overdrawn, the connection ends behind the frame that is handled.

    Args:
        clock: time.
    """

    __slots__ = ("budget", "clock", "overdrawn")

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self.budget = AbuseBudget(clock.seconds())
        self.overdrawn = ""  # on what the client has spent most, once it is too much

    def spend(self, kind: CheapFrame, times: int = 1) -> None:
        """So many of a kind came."""
        self.overdrawn = self.budget.spend(kind, self.clock.seconds(), times) or self.overdrawn

    def data(self, frame: DataFrame, *, in_tunnel: bool) -> None:
        """DATA came; in a tunnel messages are short, and elsewhere bodies are not."""
        size = len(frame.data)
        if size < (TINY_MESSAGE if in_tunnel else TINY_DATA) and not (frame.end_stream or frame.part):
            self.overdrawn = self.budget.data(size, self.clock.seconds()) or self.overdrawn
        self.budget.received += size

    def window_update(self, frames: int, sent: int) -> None:
        """A WINDOW_UPDATE came, when so many DATA frames with so many octets had been sent."""
        self.overdrawn = self.budget.window_update(frames, sent, self.clock.seconds()) or self.overdrawn
