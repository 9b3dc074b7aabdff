"""The gateway as a process that is operated: signals, systemd, its own log. What serves is a service, and knows nothing
of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.components import Componentized

from agwtwisted.operations.program_log import ProgramLogs
from agwtwisted.operations.signals import handle_signals
from agwtwisted.service import GatewayService


class GatewayProcess(MultiService):
    """What twistd starts and stops.

    Args:
        reactor: runs all of it.
        gateway: the gateway, to be started.
        options: those of twistd.
    """

    def __init__(self, reactor: PosixReactorBase, gateway: GatewayService, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.gateway = gateway
        self._logs = ProgramLogs(options)
        gateway.setServiceParent(self)
        handle_signals(
            reactor, reload=gateway.reload, reopen=self._reopen, drain_without_limit=gateway.drain_without_limit
        )

    def setServiceParent(self, parent: Any) -> None:
        """Has the application, which twistd has made for it, log to its file."""
        if isinstance(parent, Componentized):
            self._logs.install(parent)
        super().setServiceParent(parent)

    def _reopen(self) -> None:
        self.gateway.reopen()
        self._logs.reopen()
