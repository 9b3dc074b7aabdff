"""Whether a server is well: a state that what is seen of it moves, and what an answer to a probe must look like.

The rules are the product's (page "Application Gateway health probes"): a server is unhealthy until a probe succeeds for
the first time, one success makes it healthy, and so many failures in a row as the probe says make it unhealthy again.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs

from agwtwisted.core.base.errors import UnacceptableError, shown

LOOKED_AT: Final = 4090
"""Bytes of a response's body in which `match_body` is looked for; the rest is not read (the product's limit)."""


class State(Enum):
    """What is known of a server, in the words of the product's backend health."""

    UNKNOWN = "Unknown"  # not probed yet
    UP = "Up"
    DOWN = "Down"


@attrs.frozen(kw_only=True)
class Health:
    """The state of one server under one backend settings."""

    state: State = State.UNKNOWN
    failures: int = 0  # in a row
    since: float = 0.0  # when the state began
    refused: bool = False  # the last failure was a refused connection: nobody listened, which a restart ends

    def succeeded(self, now: float) -> Health:
        """After an answer as it should be."""
        return Health(state=State.UP, since=self.since if self.state is State.UP else now)

    def failed(self, now: float, threshold: int, *, refused: bool = False) -> Health:
        """After no such answer, or a connection that was `refused`; `threshold` in a row end a healthy state."""
        failures = self.failures + 1
        if self.state is State.UP and failures < threshold:
            return attrs.evolve(self, failures=failures, refused=refused)
        since = self.since if self.state is State.DOWN else now
        return Health(state=State.DOWN, failures=failures, since=since, refused=refused)

    @property
    def refusing(self) -> bool:
        """Whether the server is down, and all that is known is that nobody listened there.

        That is a weaker fact than a bad answer: to ask costs nothing, and the server may be back by now.
        """
        return self.state is State.DOWN and self.refused


class Shortage(str):
    """The words for a probe that could not be sent for want of a descriptor: no news of the server."""

    __slots__ = ()


class ConnectionRefused(str):
    """What is wrong with a server whose probe was refused the connection."""

    __slots__ = ()


@attrs.frozen
class StatusRange:
    """Status codes from `lowest` to `highest`, both of them included."""

    lowest: int
    highest: int

    def __contains__(self, status: int) -> bool:
        return self.lowest <= status <= self.highest

    def __str__(self) -> str:
        return f"{self.lowest}-{self.highest}" if self.lowest < self.highest else str(self.lowest)


HEALTHY_STATUSES: Final = (StatusRange(200, 399),)
"""Of a probe that names none."""


@attrs.frozen(kw_only=True)
class Match:
    """What the answer of a healthy server looks like."""

    statuses: tuple[StatusRange, ...] = HEALTHY_STATUSES
    body: bytes = b""  # somewhere in the first LOOKED_AT bytes

    def problem(self, status: int, body: bytes) -> str:
        """Why an answer is another one; empty: it is as it should be."""
        if not any(status in each for each in self.statuses):
            return f"status {status} is not one of {', '.join(map(str, self.statuses))}"
        if self.body not in body[:LOOKED_AT]:
            return f"status {status}, but match_body is not in the first {LOOKED_AT} bytes of the answer"
        return ""


# -- as they stand in a configuration


def status_range(text: str) -> StatusRange:
    """``200``, or ``200-399``."""
    low, dash, high = (piece.strip() for piece in text.partition("-"))
    high = high if dash else low
    if not all(each.isascii() and each.isdigit() and len(each) == 3 for each in (low, high)):
        raise UnacceptableError(f"has {shown(text)}, which is neither a status code nor a range of them (200-399)")
    found = StatusRange(int(low), int(high))
    if not 100 <= found.lowest <= found.highest <= 599:
        raise UnacceptableError(f"has {shown(text)}: status codes are numbers from 100 to 599, the lower one first")
    return found


def match_body(text: str) -> str:
    """A text to look for in an answer."""
    size = len(text.encode())
    if size > LOOKED_AT:
        raise UnacceptableError(f"has {size} bytes, but only the first {LOOKED_AT} of an answer are looked at")
    return text
