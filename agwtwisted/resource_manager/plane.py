"""The control plane as a part of the process: its port, bound before the start, and all that is behind it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from agwtwisted.control.port import ControlPort, hosts
from agwtwisted.control.token_file import token_of
from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.gateway import Control
from agwtwisted.resource_manager.access import ArmAccess
from agwtwisted.resource_manager.authority import LocalAuthority, ServerConnections
from agwtwisted.resource_manager.channel import TlsConnections
from agwtwisted.resource_manager.probing import ProbesOnce
from agwtwisted.resource_manager.sign_in import SignIn
from agwtwisted.resource_manager.site import ArmSite
from agwtwisted.resource_manager.source import PlaneSource
from agwtwisted.resource_manager.tokens import Tokens, key_of
from agwtwisted.resource_manager.works import ServedGateway, Works
from agwtwisted.transport.deferreds import log_failure

SECRET: Final = "arm.secret"  # noqa: S105 - the name of its file
"""In the state directory."""


END: Final = 10.0
"""Seconds that a stop waits for work that is under way."""


class StoreTakenError(AgwError):
    """Another gateway has the state directory."""


@attrs.frozen
class Credentials:
    """What is made at the first start, in a state directory: the CA, the secret, and the key that signs tokens."""

    authority: LocalAuthority
    secret: str = attrs.field(repr=False)
    tokens: Tokens = attrs.field(repr=False)

    @classmethod
    def of(cls, directory: Path, address: str, now: Callable[[], datetime]) -> Credentials:
        """Those of a directory, made where they are missing; raises AgwError, OSError."""
        authority = LocalAuthority(directory, address, now)
        authority.server()
        secret = token_of(str(directory / SECRET))
        return cls(authority, secret, Tokens(key_of(directory), secret, now))


class ControlPlane(ControlPort):
    """Serves clients of Azure Resource Manager on a port of loopback.

    Args:
        reactor: runs it.
        gateway: what serves.
        source: gives the configurations, and has the state.
        control: the section of the configuration.
        directory: that of the state.
        plan: returns the configuration in force.
        waits: whether a busy port, and a state that another gateway has, are waited for.

    Raises:
        AgwError: a file in the directory is not what it should be.
        OSError: one can be neither read nor made.
    """

    _log = Logger()
    serves = "Control plane for clients of Azure Resource Manager on https://{where}"

    def __init__(
        self,
        reactor: PosixReactorBase,
        gateway: ServedGateway,
        source: PlaneSource,
        control: Control,
        directory: Path,
        plan: Callable[[], Plan],
        *,
        waits: bool = False,
    ) -> None:
        anything: Any = reactor
        credentials = Credentials.of(directory, control.address, source.now)
        access = ArmAccess(credentials.tokens, hosts(control.address, control.arm_port), reactor.seconds)
        self.works = Works(reactor, gateway, source, ProbesOnce(reactor, plan).probe)
        site = ArmSite(anything, access, SignIn(credentials.tokens, access.wrong), self.works, source.now)
        tls = ServerConnections(credentials.authority, source.now)
        connections = TlsConnections(tls, site.connections, anything)
        super().__init__(reactor, control.address, control.arm_port, connections, waits=waits)
        self.setName("control plane")
        self._store = source.store
        self._clock: IReactorTime = anything

    def open(self) -> bool:
        """Takes the store and the port, if it has not yet; False: another gateway has them, and they are waited for.

        Raises:
            StoreTakenError: another gateway has the state directory, and is not waited for.
            OSError: the port, or a file, cannot be had.
        """
        if not self._store.lock():
            if not self._waits:
                raise StoreTakenError(f"{self._store.directory} is another gateway's, which runs")
            return False
        return super().open()

    def stopService(self) -> Deferred[None]:
        """Closes it, and lets go of the store once nothing is written any more: the next gateway may have both."""
        super().stopService()
        ended = self.works.idle().addTimeout(END, self._clock)
        return ended.addErrback(lambda failure: failure.trap(TimeoutError)).addCallback(self._let_go)

    def _let_go(self, _: object) -> None:
        self._store.unlock()

    def _serve(self) -> bool:
        taken = super()._serve()
        if taken:  # and what another gateway has kept last, as the one whose place this one takes in an upgrade
            log_failure(self.works.refresh(), self._log, "taking what another gateway has kept")
        return taken
