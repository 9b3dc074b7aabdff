"""What the gateway's own log says when it has started, after a reload, and when it stops."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted._version import VERSION
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.operations.status import GatewayStatus, WorkerStatus
from agwtwisted.core.reports.announcements import NOWHERE
from agwtwisted.operations.announcements import Announcements
from tests import configurations

PLAN = configurations.plan()
NOTHING = parse(b"[gateway]\n", "gw.ini", configurations.files().read, may_be_empty=True)
OTHER = configurations.plan(configurations.GOOD.replace("port = 8443", "port = 8444"))
STATUS = GatewayStatus(generation=1, fingerprint="f", connections=1)


class AnnouncementsTests(SynchronousTestCase):
    """Lines of the log."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(10)
        self.announcements = Announcements(self.clock.seconds, 9.5)

    def test_nothing_to_serve(self) -> None:
        """A gateway without a listener says so, and counts none."""
        with capturedLogs() as events:
            self.announcements.ready(NOTHING, STATUS)
        lines = [str(formatEvent(each)) for each in events]
        self.assertEqual((lines[0], lines[1].rpartition(": ")[2]), (NOWHERE, "0 listeners"))

    def test_ready(self) -> None:
        """The time is counted from the beginning of the start; workers are, where there are any."""
        workers = tuple(WorkerStatus(index=index, pid=index, connections=0) for index in (1, 2))
        for status, counted in (
            (STATUS, "1 listener"),
            (attrs.evolve(STATUS, workers=workers), "1 listener, 2 workers"),
        ):
            with capturedLogs() as events:
                self.announcements.ready(PLAN, status)
            listening, ready = map(formatEvent, events)
            self.assertIn("Listening on 127.0.0.1:8443: http_listener public", listening)
            self.assertEqual(ready, f"agwtwisted {VERSION} is ready in 500 ms: {counted}")

    def test_reloaded(self) -> None:
        """Each reload is compared with what was in force before it; before the start is through nothing is."""
        with capturedLogs() as events:
            self.announcements.reloaded(PLAN)
        self.assertEqual(events, [])
        self.announcements.ready(PLAN, STATUS)
        for plan, count in ((PLAN, 0), (OTHER, 2), (OTHER, 0), (PLAN, 2)):
            with capturedLogs() as events:
                self.announcements.reloaded(plan)
            self.assertEqual(len(events), count)

    def test_stopping(self) -> None:
        """The end is announced with its limit, where it has one."""
        for limit, words in ((7.5, "7.5 s"), (None, "any time")):
            with capturedLogs() as events:
                self.announcements.stopping(STATUS, limit)
            [event] = events
            self.assertEqual(formatEvent(event), f"Stopping: 1 connection, which may take {words} to end")
