"""The gateway as a process that is operated: signals, systemd, its own log. What serves is a service, and knows nothing
of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger
from twisted.python.components import Componentized

from agwtwisted.core.base.errors import AgwError, ConfigError, Problem
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.status import GatewayPhase, GatewayStatus
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.gateway import Control
from agwtwisted.core.sections.control_keys import TOKEN_NAME, socket_path, token_path
from agwtwisted.operations.announcements import Announcements
from agwtwisted.operations.events import Events
from agwtwisted.operations.program_log import ProgramLogs
from agwtwisted.operations.service_manager import ServiceManager
from agwtwisted.operations.signals import handle_signals
from agwtwisted.reload import ReloadOutcome, Reloads
from agwtwisted.resource_manager.source import PlaneSource
from agwtwisted.transport.clocks import system_time
from agwtwisted.transport.deferreds import log_failure

if TYPE_CHECKING:  # a gateway without a control socket or port runs without them, and without an HTTP server for it
    from agwtwisted.control.access import OwnersAccess, TokenAccess
    from agwtwisted.control.explanations import Explanations
    from agwtwisted.control.listening import ControlSocket
    from agwtwisted.control.site import ControlSite
    from agwtwisted.control.streams import EventStreams

_log = Logger()


def _port_problem(control: Control, error: OSError) -> str:
    from agwtwisted.control.port import authority

    if error.filename:
        return f"the token {error.filename} cannot be read or made: {error.strerror}"
    return f"cannot listen on {authority(control.address, control.port or 0)}: {error.strerror or error}"


def control_path(plan: Plan, environment: Mapping[str, str] = os.environ) -> str | None:
    """Where the control socket of this process is; None: it has none."""
    control = plan.config.control
    runtime_directory, _, _ = environment.get("RUNTIME_DIRECTORY", "").partition(":")  # systemd lists several
    return socket_path(None if control is None else control.socket, plan.gateway.state_directory, runtime_directory)


class Operated(Protocol):
    """What is asked of the service that serves, of one process or the parent of several."""

    @property
    def drain_limit(self) -> float | None:
        """Seconds that a stop takes at most; None: there is no limit."""

    @property
    def reloads(self) -> Reloads:
        """Its reloads."""

    @property
    def events(self) -> Events:
        """What happens."""

    def setServiceParent(self, parent: Any) -> None:
        """It starts and stops with its parent."""

    def status(self) -> GatewayStatus:
        """What it is at the moment."""

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """Its answer to a question of the control API; fails with `QuestionError`."""

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
        control: the path of the control socket; None: there is none.
        environment: of the process; what a service manager has put there for it is removed at the start.
        begun: when the start began, by the reactor's clock; None: now.
        arm: gives the configurations that clients of the control plane put; None: there is no control plane.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        gateway: Operated,
        options: Mapping[str, Any],
        *,
        control: str | None = None,
        environment: MutableMapping[str, str] = os.environ,
        begun: float | None = None,
        arm: PlaneSource | None = None,
    ) -> None:
        super().__init__()
        self._announcements = Announcements(reactor.seconds, reactor.seconds() if begun is None else begun)
        self.gateway = gateway
        self._reactor = reactor
        self._arm = arm
        self._environment = environment
        self._logs = ProgramLogs(options)
        self._streams: EventStreams | None = None  # of the control API, where it is served
        self._explanations: Explanations | None = None
        self.control = None if control is None else self._control_socket(control)
        self._manager = ServiceManager("", reactor)
        self._phase = GatewayPhase.STARTING
        self._clock: IReactorTime = reactor
        self._started, self._began = system_time(), self._clock.seconds()
        gateway.setServiceParent(self)
        if self.control is not None:
            self.control.setServiceParent(self)  # after it, and at the end before it: the next gateway may have it
        handle_signals(reactor, reload=self.reload, reopen=self.reopen, drain_without_limit=gateway.drain_without_limit)
        gateway.reloads.subscribe(self._reload_begun, self._reload_ended)
        reactor.addSystemEventTrigger("before", "shutdown", self._stopping)

    def _control_socket(self, path: str) -> ControlSocket:
        from agwtwisted.control.access import OwnersAccess
        from agwtwisted.control.listening import ControlSocket

        return ControlSocket(self._reactor, path, self._control_site(OwnersAccess()).connections)

    def _control_site(self, access: OwnersAccess | TokenAccess) -> ControlSite:
        from agwtwisted.control.site import ControlSite
        from agwtwisted.control.streams import EventStreams

        if self._streams is None:
            self._streams = EventStreams(self._reactor, self.gateway.events)
        return ControlSite(self._reactor, self, access, self._streams)

    def take_control(self, plan: Plan) -> Iterator[str]:
        """Takes the control socket and port ahead of the start; yields warnings.

        Another gateway may have the socket until it ends, and where ports are shared, the port.

        Raises:
            ConfigError: one cannot be had that the configuration asks for.
        """
        control = plan.config.control
        if control is not None and control.port is not None:
            from agwtwisted.control.token_file import TokenFileError

            try:
                yield from self._take_port(plan, control, control.port)
            except (OSError, TokenFileError) as error:
                key = "token_file" if isinstance(error, TokenFileError) or error.filename else "port"
                message = str(error) if isinstance(error, TokenFileError) else _port_problem(control, error)
                place = plan.origins.place("control", key)
                raise ConfigError([Problem(place=place, section="control", message=message)]) from error
        if self._arm is not None and control is not None:
            yield from self._take_plane(plan, control, self._arm)
        yield from self._take_socket(plan)

    def _take_plane(self, plan: Plan, control: Control, arm: PlaneSource) -> Iterator[str]:
        """Raises ConfigError."""
        from agwtwisted.control.port import authority
        from agwtwisted.resource_manager.plane import ControlPlane  # not before: it takes time

        directory, in_force = Path(plan.gateway.state_directory or ""), lambda: self.gateway.reloads.in_force.plan
        waits, where = plan.gateway.reuse_port, authority(control.address, control.arm_port)
        try:
            plane = ControlPlane(self._reactor, self.gateway, arm, control, directory, in_force, waits=waits)
            if not plane.open():
                yield f"WARNING the control plane's port {where} and state are another gateway's, until that ends"
        except (OSError, AgwError) as error:
            key = "arm_port" if isinstance(error, OSError) and not error.filename else "arm"
            message = f"the control plane cannot serve on {where}: {error}"
            place = plan.origins.place("control", key)
            raise ConfigError([Problem(place=place, section="control", message=message)]) from error
        plane.setServiceParent(self)

    def _take_port(self, plan: Plan, control: Control, port: int) -> Iterator[str]:
        """Raises OSError, TokenFileError."""
        from agwtwisted.control.access import TokenAccess
        from agwtwisted.control.port import ControlPort, hosts
        from agwtwisted.control.token_file import token_of

        token = token_of(token_path(control.token_file, plan.gateway.state_directory) or TOKEN_NAME)
        access = TokenAccess(token, hosts(control.address, port), self._reactor.seconds)
        site = self._control_site(access)
        waits = plan.gateway.reuse_port
        taken = ControlPort(self._reactor, control.address, port, site.connections, waits=waits)
        if not taken.open():
            yield f"WARNING the control port {taken.where} is another program's, until that ends"
        taken.setServiceParent(self)

    def _take_socket(self, plan: Plan) -> Iterator[str]:
        control = self.control
        if control is None:
            return
        try:
            if not control.open():
                yield f"WARNING the control socket {control.path} is another gateway's, until that ends"
        except OSError as error:
            from agwtwisted.control.listening import reason

            message = f"the control socket {control.path} cannot be made: {reason(error)}"
            place = plan.origins.place("control", "socket")
            if plan.config.control is not None and plan.config.control.socket is not None:
                raise ConfigError([Problem(place=place, section="control", message=message)]) from error
            yield f"WARNING {message}"
            log_failure(maybeDeferred(control.disownServiceParent), _log, "going on without a control socket")
            self.control = None

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
        if self._streams is not None:
            self._streams.close()
        stopped: Deferred[None] = super().stopService()

        def close(result: Any) -> Any:
            self._manager.close()
            return result

        return stopped.addBoth(close)

    def reload(self) -> Deferred[ReloadOutcome]:
        """Takes the configuration as its files have it now, or nothing of it."""
        return self.gateway.reloads.reload()

    def status(self) -> GatewayStatus:
        """What the gateway is at the moment."""
        uptime = self._clock.seconds() - self._began
        return attrs.evolve(self.gateway.status(), phase=self._phase, started=self._started, uptime=uptime)

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The gateway's answer to a question of the control API; fails with `QuestionError`."""
        return self.gateway.ask(question, arguments)

    def explain(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """How a listener judges a certificate; fails with `QuestionError`, or raises it."""
        return self._explaining().ask(arguments)

    def check(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """What sources of revocation status say about a certificate now; fails with `QuestionError`, or raises it."""
        return self._explaining().check(arguments)

    def _explaining(self) -> Explanations:
        from agwtwisted.control.explanations import Explanations

        if self._explanations is None:
            reloads = self.gateway.reloads
            self._explanations = Explanations(self._reactor, lambda: reloads.in_force.plan, self.ask, system_time)
        return self._explanations

    def reopen(self) -> None:
        """Opens all logs anew."""
        self.gateway.reopen()
        self._logs.reopen()

    def _ready(self) -> None:
        if self._phase is GatewayPhase.STARTING:
            self._phase = GatewayPhase.RUNNING
            self._manager.serve(lambda: self.status().line())
            self._announcements.ready(self.gateway.reloads.in_force.plan, self.status())

    def _stopping(self) -> None:
        self._phase = GatewayPhase.STOPPING
        self._manager.stopping(self.gateway.drain_limit)
        self._announcements.stopping(self.gateway.status(), self.gateway.drain_limit)

    def _reload_begun(self) -> None:
        if self._phase is GatewayPhase.RUNNING:
            self._phase = GatewayPhase.RELOADING
            self._manager.reloading()

    def _reload_ended(self, outcome: ReloadOutcome) -> None:
        if self._phase is GatewayPhase.RELOADING:
            self._phase = GatewayPhase.RUNNING
            self._manager.reloaded()
        self._announcements.reloaded(self.gateway.reloads.in_force.plan)
