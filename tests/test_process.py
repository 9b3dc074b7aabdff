"""The gateway as a process: what twistd starts, and what signals ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.application.service import Application, MultiService
from twisted.logger import ILogObserver
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.process import GatewayProcess
from tests.operations.test_signals import FakeReactor


class FakeGateway(MultiService):
    """Notes what is asked of it."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.reload = lambda: events.append("reload")
        self.reopen = lambda: events.append("reopen")
        self.drain_without_limit = lambda: events.append("without limit")


class ProcessTests(SynchronousTestCase):
    """What twistd gets."""

    def setUp(self) -> None:
        self.events: list[str] = []
        self.reactor: Any = FakeReactor(self.events)
        self.gateway: Any = FakeGateway(self.events)

    def made(self, **options: Any) -> GatewayProcess:
        """With these options of twistd."""
        return GatewayProcess(self.reactor, self.gateway, options)

    def test_starts_and_stops_the_gateway(self) -> None:
        """The gateway starts and stops with it."""
        process = self.made()
        process.startService()
        self.assertTrue(self.gateway.running)
        self.successResultOf(process.stopService())
        self.assertFalse(self.gateway.running)

    def test_logs(self) -> None:
        """twistd's application logs to the file that twistd was asked for, and its rotation is followed."""
        path = Path(self.mktemp()).absolute()
        process = self.made(logfile=str(path), nodaemon=1)
        application = Application("agwgateway")
        process.setServiceParent(application)
        self.assertTrue(path.exists())
        self.assertTrue(ILogObserver.providedBy(application.getComponent(ILogObserver)))
        path.unlink()
        process._reopen()
        self.assertTrue(path.exists())
        self.assertEqual(self.events, ["reopen"])
        file = process._logs._file
        assert file is not None
        file.close()
