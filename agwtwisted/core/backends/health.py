"""Whether a server is healthy: a state that probes and requests change, and what the response to a probe must be.

The rules are the product's (page "Application Gateway health probes"): a server is unhealthy until a probe succeeds for
the first time, one success makes it healthy, and `unhealthy_threshold` failures in a row make it unhealthy again.
Callers: targets and the prober; the configuration for `status_range` and `match_body`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Self

import attrs

from agwtwisted.core.base.errors import UnacceptableError, shown

LOOKED_AT: Final = 4090
"""Bytes of a response's body that are searched for `match_body`; the rest is not read (the product's limit)."""


class HealthState(Enum):
    """What is known of a server, in the words of the product's backend health."""

    UNKNOWN = "Unknown"  # not probed yet
    UP = "Up"
    DOWN = "Down"


@attrs.frozen(kw_only=True)
class Health:
    """The state of one server under one backend settings."""

    state: HealthState = HealthState.UNKNOWN
    failures: int = 0  # in a row
    since: float = 0.0  # when the state began
    refused: bool = False  # the last failure was a refused connection, as while the server restarts

    def succeeded(self, now: float) -> Health:
        """The health after a successful probe."""
        return Health(state=HealthState.UP, since=self.since if self.state is HealthState.UP else now)

    def failed(self, now: float, threshold: int, *, refused: bool = False) -> Health:
        """The health after a failed probe or a `refused` connection; `threshold` failures in a row mean down."""
        failures = self.failures + 1
        if self.state is HealthState.UP and failures < threshold:
            return attrs.evolve(self, failures=failures, refused=refused)
        since = self.since if self.state is HealthState.DOWN else now
        return Health(state=HealthState.DOWN, failures=failures, since=since, refused=refused)

    def anew(self) -> Health:
        """The health as far as it counts for another probe: failures that were found by the one before do not."""
        return attrs.evolve(self, failures=0)

    @property
    def refusing(self) -> bool:
        """Whether the server is down, and all that is known is that it refused the last connection.

        That says less than a bad response: another try costs nothing, and the server may be back by now.
        """
        return self.state is HealthState.DOWN and self.refused


class ProbeFinding(str):
    """The problem that a probe has found, empty where there is none; `log` says it in the product's words."""

    __slots__ = ("log",)

    log: str

    def __new__(cls, problem: str, log: str = "") -> Self:
        """Without a `log` the problem stands for itself."""
        found = super().__new__(cls, problem)
        found.log = log or problem
        return found


class Shortage(ProbeFinding):
    """Why a probe could not be sent: no descriptor was left. It says nothing about the server."""

    __slots__ = ()


class ConnectionRefused(ProbeFinding):
    """The problem of a server that refused the probe's connection."""

    __slots__ = ()


@attrs.frozen(kw_only=True)
class LastProbe:
    """The last probe of a server that was answered, or was not; a request that was refused a connection is one, too."""

    at: float  # on the monotonic clock
    log: str  # `healthProbeLog` in the product's words


SUCCEEDED: Final = "Success. Received {status} status code"
CONNECTED: Final = "Success. The server accepts connections"
TIMED_OUT: Final = (
    "Time taken by the backend to respond to application gateway's health probe is more than the timeout threshold in "
    "the probe setting."
)
NOT_RESOLVED: Final = (
    "Application Gateway could not create a probe for this backend. This usually happens when the FQDN of the backend "
    "has not been entered correctly."
)
NOT_CONNECTED: Final = (
    "Application Gateway could not connect to the backend. Check that the backend responds on the port used for the "
    "probe. Also check whether any NSG/UDR/Firewall is blocking access to the Ip and port of this backend."
)
OTHER_STATUS: Final = (
    "Status code of the backend's HTTP response did not match the probe setting. Expected:{expected} Received:{status}."
)
OTHER_BODY: Final = (
    "Body of the backend's HTTP response did not match the probe setting. Received response body does not contain "
    "{expected}."
)
"""The product's words (page "Troubleshoot backend health issues in Application Gateway"); of L4 it names none."""


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
"""Those that a probe accepts which names none."""


@attrs.frozen(kw_only=True)
class ProbeMatch:
    """What the response of a healthy server must be."""

    statuses: tuple[StatusRange, ...] = HEALTHY_STATUSES
    body: bytes = b""  # somewhere in the first LOOKED_AT bytes

    def problem(self, status: int, body: bytes) -> ProbeFinding:
        """Why a response does not match; empty where it does."""
        if not any(status in each for each in self.statuses):
            expected = ", ".join(map(str, self.statuses))
            log = OTHER_STATUS.format(expected=expected, status=status)
            return ProbeFinding(f"status {status} is not one of {expected}", log)
        if self.body not in body[:LOOKED_AT]:
            log = OTHER_BODY.format(expected=shown(self.body.decode("utf-8", "replace")))
            problem = f"status {status}, but match_body is not in the first {LOOKED_AT} bytes of the response"
            return ProbeFinding(problem, log)
        return ProbeFinding("", SUCCEEDED.format(status=status))


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
    """A text to search for in a response."""
    size = len(text.encode())
    if size > LOOKED_AT:
        raise UnacceptableError(f"has {size} bytes, but only the first {LOOKED_AT} of a response are read")
    return text
