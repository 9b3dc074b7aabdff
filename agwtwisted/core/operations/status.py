"""What a running gateway says about itself: in one line to systemd, and as the members of a JSON object to `agw`.

The names of the members are stable: programs read them (docs/operate.md, "Control socket").
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from agwtwisted.core.base.moments import utc_text


class GatewayPhase(Enum):
    """What the gateway is doing."""

    STARTING = "starting"
    RUNNING = "running"
    RELOADING = "reloading"
    STOPPING = "stopping"


@attrs.frozen(kw_only=True)
class ListenerStatus:
    """One address and port, and the connections that came by it."""

    address: str
    port: int
    connections: int


@attrs.frozen(kw_only=True)
class WorkerStatus:
    """One process of several that serve."""

    index: int
    pid: int
    connections: int
    restarts: int = 0  # how many that had this index ended before it


@attrs.frozen(kw_only=True)
class LastReload:
    """How the last reload ended; without problems its configuration is in force."""

    at: float  # seconds since 1970
    problems: tuple[str, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether the configuration before it serves on."""
        return bool(self.problems)


@attrs.frozen(kw_only=True)
class GatewayStatus:
    """The gateway at one moment."""

    generation: int  # 1 is the one of the start
    fingerprint: str  # of the configuration in force
    connections: int
    phase: GatewayPhase = GatewayPhase.RUNNING  # as `process.GatewayProcess` has it, and so the next two
    started: float = 0.0  # seconds since 1970
    uptime: float = 0.0  # seconds
    listeners: tuple[ListenerStatus, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()  # empty: the gateway is one process
    last_reload: LastReload | None = None

    def line(self) -> str:
        """It as one line, for STATUS= of systemd."""
        parts = [f"{self.connections} connections", f"generation {self.generation}"]
        if self.workers:
            parts.append(f"{len(self.workers)} workers")
        if self.last_reload is not None:
            parts.append(_reload_text(self.last_reload))
        if self.phase is not GatewayPhase.RUNNING:
            parts.insert(0, self.phase.value)
        return ", ".join(parts)

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        last = self.last_reload
        return {
            "started": utc_text(self.started),
            "uptime": round(self.uptime, 3),
            "phase": self.phase.value,
            "generation": self.generation,
            "fingerprint": self.fingerprint,
            "connections": self.connections,
            "listeners": [attrs.asdict(each) for each in self.listeners],
            "workers": [attrs.asdict(each) for each in self.workers],
            "last_reload": None if last is None else _reload_members(last),
        }


def _reload_text(last: LastReload) -> str:
    if not last.rejected:
        return f"last reload at {utc_text(last.at)}"
    # Warnings are among them, too.
    count = sum(not each.startswith("WARNING ") for each in last.problems)
    return f"last reload rejected at {utc_text(last.at)} ({count} problem{'' if count == 1 else 's'}, see the log)"


def _reload_members(last: LastReload) -> Mapping[str, Any]:
    outcome = "rejected" if last.rejected else "in_force"
    return {"at": utc_text(last.at), "outcome": outcome, "problems": list(last.problems)}
