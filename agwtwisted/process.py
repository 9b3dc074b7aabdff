"""The gateway as a process that is operated: signals, systemd, its own log. What serves is a service, and knows nothing
of these.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

import attrs
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.components import Componentized

from agwtwisted.core.operations.status import GatewayPhase, GatewayStatus
from agwtwisted.operations.program_log import ProgramLogs
from agwtwisted.operations.service_manager import ServiceManager
from agwtwisted.operations.signals import handle_signals
from agwtwisted.reload import ReloadOutcome, Reloads


class Operated(Protocol):
    """What is asked of the service that serves, of one process or the parent of several."""

    @property
    def drain_limit(self) -> float | None:
        """Seconds that a stop takes at most; None: there is no limit."""

    @property
    def reloads(self) -> Reloads:
        """Its reloads."""

    def setServiceParent(self, parent: Any) -> None:
        """It starts and stops with its parent."""

    def status(self) -> GatewayStatus:
        """What it is at the moment."""

    def reopen(self) -> None:
        """Opens its logs anew."""

    def drain_without_limit(self) -> None:
        """Has the next stop wait for the last connection."""


class GatewayProcess(MultiService):
    """What twistd starts and stops.

    Args:
        reactor: runs all of it.
        gateway: the gateway, to be started.
        options: those of twistd.
        environment: of the process; what a service manager has put there for it is removed at the start.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        gateway: Operated,
        options: Mapping[str, Any],
        *,
        environment: MutableMapping[str, str] = os.environ,
    ) -> None:
        super().__init__()
        self.gateway = gateway
        self._reactor = reactor
        self._environment = environment
        self._logs = ProgramLogs(options)
        self._manager = ServiceManager("", reactor)
        self._phase = GatewayPhase.STARTING
        gateway.setServiceParent(self)
        handle_signals(
            reactor, reload=gateway.reloads.reload, reopen=self._reopen, drain_without_limit=gateway.drain_without_limit
        )
        gateway.reloads.subscribe(self._reload_begun, self._reload_ended)
        reactor.addSystemEventTrigger("before", "shutdown", self._stopping)

    def setServiceParent(self, parent: Any) -> None:
        """Has the application, which twistd has made for it, log to its file."""
        if isinstance(parent, Componentized):
            self._logs.install(parent)
        super().setServiceParent(parent)

    def startService(self) -> None:
        """Starts the gateway; the service manager hears of it once the reactor runs."""
        # Not before: a daemon has another process id than its start.
        self._manager = ServiceManager.of(self._environment, os.getpid(), self._reactor)
        super().startService()
        self._reactor.callWhenRunning(self._ready)

    def stopService(self) -> Deferred[None]:
        """Stops the gateway; fires when all is done."""
        stopped: Deferred[None] = super().stopService()

        def close(result: Any) -> Any:
            self._manager.close()
            return result

        return stopped.addBoth(close)

    def status(self) -> GatewayStatus:
        """What the gateway is at the moment."""
        return attrs.evolve(self.gateway.status(), phase=self._phase)

    def _ready(self) -> None:
        if self._phase is GatewayPhase.STARTING:
            self._phase = GatewayPhase.RUNNING
            self._manager.serve(lambda: self.status().line(), lambda: True)

    def _stopping(self) -> None:
        self._phase = GatewayPhase.STOPPING
        self._manager.stopping(self.gateway.drain_limit)

    def _reload_begun(self) -> None:
        if self._phase is GatewayPhase.RUNNING:
            self._phase = GatewayPhase.RELOADING
            self._manager.reloading()

    def _reload_ended(self, outcome: ReloadOutcome) -> None:
        if self._phase is GatewayPhase.RELOADING:
            self._phase = GatewayPhase.RUNNING
            self._manager.reloaded()

    def _reopen(self) -> None:
        self.gateway.reopen()
        self._logs.reopen()
