"""What the gateway's own log says when it has started, after a reload, and when it stops; with workers the parent's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from agwtwisted._version import VERSION
from agwtwisted.core.operations.status import GatewayStatus
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.announcements import NOWHERE, reload_lines, start_lines

_log: Final = Logger()


class Announcements:
    """A line for each listener that comes or goes, and one that the gateway is ready.

    Args:
        seconds: the time, from a clock that cannot be set.
        begun: when the start began, by that clock.
    """

    def __init__(self, seconds: Callable[[], float], begun: float) -> None:
        self._seconds = seconds
        self._begun = begun
        self._plan: Plan | None = None

    def ready(self, plan: Plan, status: GatewayStatus) -> None:
        """Every listener accepts connections."""
        self._plan = plan
        lines = list(start_lines(plan))
        for line in lines:
            _log.info("{line}", line=line)
        counted = [_count(len(lines) - lines.count(NOWHERE), "listener")]
        counted += [_count(len(status.workers), "worker")] if status.workers else []
        _log.info(
            "agwtwisted {version} is ready in {milliseconds:.0f} ms: {counted}",
            version=VERSION,
            milliseconds=(self._seconds() - self._begun) * 1000,
            counted=", ".join(counted),
        )

    def reloaded(self, plan: Plan) -> None:
        """This configuration is in force, after a reload or as before."""
        before, self._plan = self._plan, plan
        if before is not None and before != plan:
            for line in reload_lines(before, plan):
                _log.info("{line}", line=line)

    def stopping(self, status: GatewayStatus, drain_limit: float | None) -> None:
        """The gateway accepts no more connections."""
        _log.info(
            "Stopping: {connections}, which may take {limit} to end",
            connections=_count(status.connections, "connection"),
            limit="any time" if drain_limit is None else f"{drain_limit:g} s",
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
