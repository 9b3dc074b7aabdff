"""The demonstration itself: backend in this process, gateway as its child, until a signal ends both."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from agwtwisted.core.configuration.coherence import AnyListener
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.report import every_listener
from agwtwisted.core.reports.route_report import address_and_port
from agwtwisted.demo import attempts, certificates
from agwtwisted.demo.certificates import DemoError
from agwtwisted.demo.servers import reason, start_servers, stop_at_hangup
from agwtwisted.loading import load
from agwtwisted.transport.deferreds import log_failure

log = Logger()

NAME = "gw.ini"

CHECKOUT = Path("conf/gw.ini")
"""Where it is in a checkout."""

LOOK_AGAIN = 0.1
"""Seconds between two looks whether the gateway accepts."""

AFTER_DRAIN = 5
"""Seconds that the gateway gets to end after its drain_timeout, before it is killed."""


@contextmanager
def own_directory(directory: Path | None) -> Iterator[Path]:
    """The demo's own configuration file, put into a directory unless there is one.

    Args:
        directory: made if it is missing, and kept; None: one for temporary files, removed at the end.

    Raises:
        DemoError: it cannot be written.
    """
    with ExitStack() as stack:
        try:
            if directory is None:
                directory = Path(stack.enter_context(TemporaryDirectory(prefix="agw-demo-")))
            directory.mkdir(parents=True, exist_ok=True)
            configuration = directory / NAME
            if not configuration.exists():
                configuration.write_bytes((files("agwtwisted") / "demo" / NAME).read_bytes())
        except OSError as error:
            raise DemoError(f"{error.filename} cannot be written: {error.strerror}") from error
        yield configuration


def only_certificates(configuration: Path | None, directory: Path | None) -> None:
    """Makes the demo certificates, and starts nothing; raises DemoError where it is not clear for what."""
    chosen = _chosen(configuration, directory)
    if chosen is not None:
        write_certificates(chosen)
    elif directory is not None:
        with own_directory(directory) as own:
            write_certificates(own)
    else:
        raise DemoError(f"{CHECKOUT} is not there: --config or --directory says where the certificates are to be")


def demonstrate(configuration: Path | None, directory: Path | None, reactor: PosixReactorBase) -> int:
    """Runs with a configuration file, or else with the demo's own in a directory; returns the exit status.

    Args:
        configuration: the file; None: that of a checkout, where there is one, else the demo's own.
        directory: for the demo's own, as `own_directory` has it.
        reactor: runs it.
    """
    chosen = _chosen(configuration, directory)
    if chosen is not None:
        return run(chosen, reactor)
    with own_directory(directory) as own:
        return run(own, reactor)


def _chosen(configuration: Path | None, directory: Path | None) -> Path | None:
    if configuration is not None and directory is not None:
        raise DemoError("--config and --directory: give one of them")
    checkout = CHECKOUT if directory is None and CHECKOUT.is_file() else None
    return checkout if configuration is None else configuration


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
    for listener in every_listener(plan.config):
        _require_free(listener)
    start_servers(plan, directory, reactor)
    demonstration = _Demonstration(configuration, plan, directory, reactor)
    reactor.callWhenRunning(demonstration.start)
    stop_at_hangup(reactor)
    reactor.run()
    return demonstration.status


def _require_free(listener: AnyListener) -> None:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    try:
        socket.create_server((listener.address, listener.port), family=family).close()
    except OSError as error:
        where = address_and_port(listener.address, listener.port)
        raise DemoError(f"listener {listener.name}: cannot listen on {where}: {reason(error)}") from error


class _Demonstration:
    """The gateway's process, from its start to its end."""

    def __init__(self, configuration: Path, plan: Plan, directory: Path, reactor: PosixReactorBase) -> None:
        self.status = 0
        self._configuration = configuration
        self._plan = plan
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
        last = every_listener(self._plan.config)[-1]
        while not await self._accepts(last.address, last.port):
            await deferLater(self._reactor, LOOK_AGAIN)
        table = "\n".join(attempts.lines(self._plan.config, self._directory.absolute()))
        print(f"\n{table}\n\nCtrl-C ends the gateway and the demo backend.\n", flush=True)

    async def _accepts(self, host: str, port: int) -> bool:
        endpoint = HostnameEndpoint(self._reactor, host, port, timeout=1)
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
        killing = self._reactor.callLater(self._plan.gateway.drain_timeout + AFTER_DRAIN, self._gateway.kill)
        self._gateway.terminate()
        return self._ended.addCallback(lambda _: killing.cancel() if killing.active() else None)
