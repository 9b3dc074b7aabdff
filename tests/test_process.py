"""The gateway as a process: what twistd starts, and what signals ask of it."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.application.service import Application, MultiService
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted._version import VERSION
from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.operations.status import GatewayPhase, GatewayStatus
from agwtwisted.core.plan.changes import Changes
from agwtwisted.core.resource_manager.messages import ArmState
from agwtwisted.operations.events import Events
from agwtwisted.operations.service_manager import EXTENSION
from agwtwisted.process import GatewayProcess
from agwtwisted.reload import Rejected, Reloaded, ReloadOutcome
from agwtwisted.resource_manager.source import PlaneSource
from agwtwisted.resource_manager.store import Store
from tests import configurations, running
from tests.operations.test_service_manager import Systemd
from tests.operations.test_signals import NUMBERS, FakeReactor

REUSED = Reloaded(generation=1, fingerprint="f", changes=Changes(), warnings=(), seconds=0.0)
PLAN = configurations.plan()
STATUS = GatewayStatus(generation=1, fingerprint="f", connections=3)


class FakeGateway(MultiService):
    """Notes what is asked of it; its end is when the test says so."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls
        self.drain_limit: float | None = 30.0
        self.events = Events(Clock())
        self.ended: Deferred[None] = succeed(None)
        self.reloads: Any = SimpleNamespace(
            reload=lambda: calls.append("reload"), subscribe=self.subscribe, in_force=SimpleNamespace(plan=PLAN)
        )

    def subscribe(self, begun: Callable[[], None], ended: Callable[[ReloadOutcome], None]) -> None:
        """Notes what a reload is to call."""
        self.begun, self.reloaded = begun, ended

    def stopService(self) -> Deferred[None]:
        """Stops."""
        self.running = 0
        return self.ended

    def status(self) -> GatewayStatus:
        """What it is."""
        return STATUS

    def reopen(self) -> None:
        """Opens its log."""
        self.calls.append("reopen")

    def drain_without_limit(self) -> None:
        """Has no limit."""
        self.drain_limit = None


class TimedReactor(FakeReactor, Clock):
    """One with time."""

    def __init__(self, events: list[str]) -> None:
        FakeReactor.__init__(self, events)
        Clock.__init__(self)

    def removeReader(self, reader: Any) -> None:  # noqa: N802
        """There is none."""


class ProcessCase(SynchronousTestCase):
    """A process of a fake gateway."""

    def setUp(self) -> None:
        for number in NUMBERS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.events: list[str] = []
        self.reactor: Any = TimedReactor(self.events)
        self.gateway = FakeGateway(self.events)
        self.systemd = Systemd(f"@agwtwisted-{os.getpid()}-{self.id()}"[:90])
        self.addCleanup(self.systemd.close)
        self.environment = {"NOTIFY_SOCKET": self.systemd.address, "WATCHDOG_USEC": "10000000"}

    def made(self, arm: PlaneSource | None = None, **options: Any) -> GatewayProcess:
        """With these options of twistd."""
        gateway: Any = self.gateway
        return GatewayProcess(self.reactor, gateway, options, environment=self.environment, arm=arm)

    def run_reactor(self) -> None:
        """The reactor begins to run."""
        for call in self.reactor.later:
            call()

    def shut_down(self) -> None:
        """The reactor ends."""
        for _, _, call in self.reactor.triggers:
            call()


class ProcessTests(ProcessCase):
    """What twistd gets."""

    def test_starts_and_stops_the_gateway(self) -> None:
        """The gateway starts and stops with it, and no timer is left."""
        process = self.made()
        process.startService()
        self.assertTrue(self.gateway.running)
        self.run_reactor()
        self.successResultOf(process.stopService())
        self.assertFalse(self.gateway.running)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_notifies(self) -> None:
        """systemd hears that it is ready once the reactor runs, then that it lives, and at the end that it drains."""
        self.gateway.ended = Deferred()
        process = self.made()
        process.startService()
        self.assertEqual((self.systemd.received(), self.environment), ([], {}))
        self.run_reactor()
        ready = "READY=1\nSTATUS=3 connections, generation 1"
        self.assertEqual(self.systemd.received(), [ready, "WATCHDOG=1"])
        self.reactor.advance(5)
        self.assertEqual(self.systemd.received(), ["WATCHDOG=1"])
        self.shut_down()
        stopped = process.stopService()
        [stopping] = self.systemd.received()
        self.assertRegex(
            stopping, r"^STOPPING=1\nEXTEND_TIMEOUT_USEC=\d+\nSTATUS=stopping, 3 connections, generation 1$"
        )
        self.assertIs(process.status().phase, GatewayPhase.STOPPING)
        self.reactor.advance(5)
        self.assertEqual(self.systemd.received(), ["WATCHDOG=1"])
        self.gateway.ended.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_announces(self) -> None:
        """The log has the listeners, and how long the start took, what a reload changed, and the end."""
        process = self.made()
        process.startService()
        self.reactor.advance(0.25)
        with capturedLogs() as events:
            self.run_reactor()
            self.gateway.begun()
            self.gateway.reloads.in_force.plan = configurations.plan(configurations.GOOD.replace("= 8443", "= 8444"))
            self.gateway.reloaded(REUSED)
            self.shut_down()
        self.assertEqual(
            [formatEvent(event) for event in events],
            [
                "Listening on 127.0.0.1:8443: http_listener public (Https, any host; ssl_profile strict: Strict,"
                " Handshake)",
                f"agwtwisted {VERSION} is ready in 250 ms: 1 listener",
                "No longer listening on 127.0.0.1:8443: http_listener public",
                "Listening on 127.0.0.1:8444: http_listener public (Https, any host; ssl_profile strict: Strict,"
                " Handshake)",
                "Stopping: 3 connections, which may take 30 s to end",
            ],
        )
        self.successResultOf(process.stopService())

    def test_reload(self) -> None:
        """systemd hears of a reload, whatever asked for it, and that it has ended."""
        process = self.made()
        process.startService()
        self.run_reactor()
        self.systemd.received()
        self.gateway.begun()
        self.assertIs(process.status().phase, GatewayPhase.RELOADING)
        self.gateway.reloaded(Rejected(generation=1, fingerprint="f", problems=("ERROR gw.ini:1 one",)))
        begun, ended = self.systemd.received()
        self.assertTrue(begun.startswith("RELOADING=1\nMONOTONIC_USEC="))
        self.assertEqual(ended, "READY=1\nSTATUS=3 connections, generation 1")
        self.assertIs(process.status().phase, GatewayPhase.RUNNING)
        self.successResultOf(process.stopService())

    def test_reload_that_a_stop_ends(self) -> None:
        """A reload that ends while the gateway stops does not make it ready again."""
        self.gateway.ended = Deferred()
        process = self.made()
        process.startService()
        self.run_reactor()
        self.gateway.begun()
        self.shut_down()
        stopped = process.stopService()
        self.systemd.received()
        self.gateway.reloaded(REUSED)
        self.assertEqual(self.systemd.received(), [])
        self.assertIs(process.status().phase, GatewayPhase.STOPPING)
        self.gateway.ended.callback(None)
        self.successResultOf(stopped)

    def test_hangup(self) -> None:
        """SIGHUP asks for a reload."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.made()
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.events, ["in the reactor:", "reload"])

    def test_drain_without_limit(self) -> None:
        """systemd's timeout is extended for as long as a drain without limit takes."""
        self.gateway.ended = Deferred()
        process = self.made()
        process.startService()
        self.run_reactor()
        self.gateway.drain_without_limit()
        self.shut_down()
        stopped = process.stopService()
        self.systemd.received()
        self.reactor.advance(EXTENSION / 4)
        self.assertTrue(any(each.startswith("EXTEND_TIMEOUT_USEC=") for each in self.systemd.received()))
        self.gateway.ended.callback(None)
        self.successResultOf(stopped)

    def test_ends_before_it_runs(self) -> None:
        """A gateway that is stopped before its reactor runs was never ready."""
        process = self.made()
        process.startService()
        self.shut_down()
        self.successResultOf(process.stopService())
        self.run_reactor()
        self.assertNotIn("READY", "".join(self.systemd.received()))

    def test_logs(self) -> None:
        """twistd's application logs to the file that twistd was asked for, and its rotation is followed."""
        path = Path(self.mktemp()).absolute()
        process = self.made(logfile=str(path), nodaemon=1)
        application = Application("agwgateway")
        process.setServiceParent(application)
        self.assertTrue(path.exists())
        self.assertTrue(ILogObserver.providedBy(application.getComponent(ILogObserver)))
        path.unlink()
        process.reopen()
        self.assertTrue(path.exists())
        self.assertEqual(self.events, ["reopen"])
        file = process._logs._file
        assert file is not None
        file.close()


class ControlPortTests(ProcessCase):
    """The control API on TCP, before the start."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.token = Path(temporary.name) / "control.token"
        self.port = running.free_ports(1)[0]

    def take(self) -> list[str]:
        """Takes the port; the warnings."""
        control = f"\n[control]\nport = {self.port}\ntoken_file = {self.token}\n"
        process = self.made()
        try:
            return list(process.take_control(configurations.plan(configurations.GOOD + control)))
        finally:
            self.successResultOf(maybeDeferred(process.stopService))

    def test_taken(self) -> None:
        """The port is bound, and the token made, ahead of the start; both are given back at the end."""
        self.assertEqual(self.take(), [])
        self.assertEqual(self.token.stat().st_mode & 0o777, 0o600)
        with closing(socket.create_server(("127.0.0.1", self.port))):
            pass

    def test_busy(self) -> None:
        """A busy port is an error of the configuration, with its line."""
        with closing(socket.create_server(("127.0.0.1", self.port))):
            error = self.assertRaises(ConfigError, self.take)
        self.assertRegex(str(error), rf"gw.ini:\d+ \[control\] cannot listen on 127.0.0.1:{self.port}: Address already")

    def test_token(self) -> None:
        """So is a token that others can read, or that has no place."""
        self.token.write_text("t" * 43)
        self.token.chmod(0o644)
        self.assertIn("can be read or written by other users", str(self.assertRaises(ConfigError, self.take)))
        self.token = self.token / "none"
        self.assertIn("cannot be read or made", str(self.assertRaises(ConfigError, self.take)))


class ControlPlaneTests(ProcessCase):
    """The control plane, before the start."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.port = running.free_ports(1)[0]

    def take(self) -> list[str]:
        """Takes its port; the warnings."""
        text = f"{configurations.GOOD}\n[control]\narm = true\narm_port = {self.port}\nsocket = off\n"
        plan = configurations.plan(text.replace("[gateway]\n", f"[gateway]\nstate_directory = {self.directory}\n"))
        state = ArmState(tenant="t", subscription="s")
        process = self.made(PlaneSource("gw.ini", lambda: datetime.now(UTC), Store(self.directory), state, None))
        try:
            return list(process.take_control(plan))
        finally:
            self.successResultOf(maybeDeferred(process.stopService))

    def test_taken(self) -> None:
        """The port is bound, and what it needs is made, ahead of the start; the next process may have it then."""
        self.assertEqual((self.take(), self.take()), ([], []))
        self.assertTrue((self.directory / "ca.pem").exists())

    def test_busy(self) -> None:
        """A port of another program ends the start, with the line that asks for it."""
        with closing(socket.socket()) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", self.port))
            other.listen()
            error = str(self.assertRaises(ConfigError, self.take))
        self.assertIn(f"[control] the control plane cannot serve on 127.0.0.1:{self.port}", error)
        self.assertIn("in use", error)

    def test_unusable(self) -> None:
        """A key that others can read ends the start."""
        self.take()
        (self.directory / "ca.key").chmod(0o644)
        self.assertIn("chmod 600", str(self.assertRaises(ConfigError, self.take)))
