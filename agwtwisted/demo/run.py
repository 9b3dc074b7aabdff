"""The demonstration itself: backend in this process, gateway as its child, until a signal ends both."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import CannotListenError, ConnectError, DNSLookupError
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.web.server import Site

from agwtwisted.core.http.destinations import destination
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import Config, HttpListener
from agwtwisted.demo import attempts, certificates
from agwtwisted.demo.backend import ReceivedRequest
from agwtwisted.demo.certificates import DemoError
from agwtwisted.demo.responder import Authority, ResponderResource
from agwtwisted.loading import load
from agwtwisted.transport.deferreds import log_failure

log = Logger()

LOOK_AGAIN = 0.1
"""Seconds between two looks whether the gateway accepts."""

AFTER_DRAIN = 5
"""Seconds that the gateway gets to end after its drain_timeout, before it is killed."""


def write_certificates(configuration: Path) -> Path:
    """See to the demo certificates beside the configuration file; returns their directory."""
    directory = configuration.parent / "pki"
    made = certificates.ensure(directory, datetime.now(UTC))
    print(f"{directory}: demo certificates {'made' if made else 'kept'}")
    return directory


def run(configuration: Path, reactor: PosixReactorBase) -> int:
    """Run until a signal comes or the gateway ends; returns the exit status.

    Raises DemoError where a port is taken or the configuration is not there, ConfigError where it is wrong.
    """
    if not configuration.is_file():
        raise DemoError(f"{configuration} is not there")
    directory = write_certificates(configuration)
    plan = load(str(configuration), datetime.now(UTC))  # the gateway itself prints the warnings
    config = plan.config
    for listener in config.http_listeners:
        _require_free(listener)
    _start_backends(plan, reactor)
    _start_responders(config, directory, reactor)
    demonstration = _Demonstration(configuration, config, directory, reactor)
    reactor.callWhenRunning(demonstration.start)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # the terminal is gone: Twisted leaves this one alone
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reactor.stop))
    reactor.run()
    return demonstration.status


def _require_free(listener: HttpListener) -> None:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    try:
        socket.create_server((listener.address, listener.port), family=family).close()
    except OSError as error:
        where = f"{listener.address}:{listener.port}"
        raise DemoError(f"listener {listener.name}: cannot listen on {where}: {_reason(error)}") from error


def _start_backends(plan: Plan, reactor: PosixReactorBase) -> None:
    """Answer at every backend address of the configuration, which therefore has to be one of this machine."""
    addresses = {
        (address.host, address.port or settings.port)
        for pool, settings in plan.routes
        for address in pool.backend_addresses
    }
    for host, port in sorted(addresses):
        try:
            reactor.listenTCP(port, Site(ReceivedRequest()), interface=host)
        except CannotListenError as error:
            raise DemoError(f"demo backend: cannot listen on {host}:{port}: {_reason(error.socketError)}") from error


def _start_responders(config: Config, directory: Path, reactor: PosixReactorBase) -> None:
    """Answer at every OCSP responder of the configuration's profiles."""
    profiles = [listener.ssl_profile for listener in config.http_listeners]
    for url in sorted({profile.ocsp_responder_url for profile in profiles if profile} - {""}):
        where = destination(url)
        site = Site(ResponderResource(Authority.of(directory), lambda: datetime.now(UTC)))
        try:
            reactor.listenTCP(where.port, site, interface=where.host)
        except CannotListenError as error:
            raise DemoError(
                f"demo responder: cannot listen on {where.host}:{where.port}: {_reason(error.socketError)}"
            ) from error


def _reason(error: OSError) -> str:
    """The system's words alone; Python adds to them what the message says already."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


class _Demonstration:
    """The gateway's process, from its start to its end."""

    def __init__(self, configuration: Path, config: Config, directory: Path, reactor: PosixReactorBase) -> None:
        self.status = 0
        self._configuration = configuration
        self._config = config
        self._directory = directory
        self._reactor = reactor
        self._stopping = False

    def start(self) -> None:
        """Start the gateway, and say what to try once it accepts."""
        twistd = Path(sys.executable).with_name("twistd")
        options = ["--nodaemon", "--pidfile=", "agwgateway", "--config", str(self._configuration)]
        # In a process group of its own: Ctrl-C reaches this process alone, and the gateway through it.
        self._gateway = subprocess.Popen(  # noqa: S603 - every word of it is ours
            [sys.executable, str(twistd), *options], stdin=subprocess.DEVNULL, process_group=0
        )
        self._ended = deferToThread(self._gateway.wait).addCallback(self._gateway_ended)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        log_failure(Deferred.fromCoroutine(self._announce()), log, "waiting for the gateway")

    async def _announce(self) -> None:
        while not await self._accepts(self._config.http_listeners[-1]):
            await deferLater(self._reactor, LOOK_AGAIN)
        table = "\n".join(attempts.lines(self._config, self._directory))
        print(f"\n{table}\n\nCtrl-C ends the gateway and the demo backend.\n", flush=True)

    async def _accepts(self, listener: HttpListener) -> bool:
        endpoint = HostnameEndpoint(self._reactor, listener.address, listener.port, timeout=1)
        try:
            protocol = cast(Protocol, await endpoint.connect(Factory.forProtocol(Protocol)))
        except (ConnectError, DNSLookupError):
            return False
        assert protocol.transport
        protocol.transport.loseConnection()
        return True

    def _gateway_ended(self, status: int) -> None:
        if not self._stopping:
            self.status = 1
            print(f"The gateway ended, with exit status {status}.", file=sys.stderr)
            self._reactor.stop()

    def _stop(self) -> Deferred[None]:
        """End the gateway first: what it still has to finish needs the backend. A second signal is impatience."""
        self._stopping = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._gateway.kill())
        killing = self._reactor.callLater(self._config.gateway.drain_timeout + AFTER_DRAIN, self._gateway.kill)
        self._gateway.terminate()
        return self._ended.addCallback(lambda _: killing.cancel() if killing.active() else None)
