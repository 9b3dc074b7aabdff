"""What workers and the spawner log."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger, LogLevel, formatEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.workers.messages import Message
from agwtwisted.workers.worker_log import MOST_TEXT, MOST_WAITING, ChannelObserver, StandardError, log_for


class ChannelObserverTests(SynchronousTestCase):
    """A worker's events, on their way."""

    def setUp(self) -> None:
        self.sent: list[Message] = []
        self.waiting = 0
        self.observer = ChannelObserver(self.sent.append, lambda: self.waiting)
        self.log = Logger(namespace="agwtwisted.test", observer=self.observer)
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def logged(self) -> list[tuple[str, str, str]]:
        """Level, namespace and text of what the parent logs of it."""
        for message in self.sent:
            log_for("worker 2", message)
        return [(event["log_level"].name, event["log_namespace"], formatEvent(event)) for event in self.events]

    def test_events(self) -> None:
        """The parent logs them at their level, with the worker in front; braces in them stay as they are."""
        self.log.info("one {braces}", braces="{}")
        self.log.error("two")
        self.log.debug("three")
        self.assertEqual(
            self.logged(),
            [("info", "agwtwisted.test", "worker 2: one {}"), ("error", "agwtwisted.test", "worker 2: two")],
        )

    def test_failures(self) -> None:
        """A failure comes with its traceback."""
        try:
            raise KeyError("the cause")
        except KeyError:
            self.log.failure("Unexpected")
        [(level, _, text)] = self.logged()
        self.assertEqual(level, "critical")
        for words in ("worker 2: Unexpected\n", "Traceback", "test_failures", "KeyError", "the cause"):
            self.assertIn(words, text)

    def test_old_events(self) -> None:
        """Events of Twisted's older log, which have no namespace and no level, are logged as well."""
        self.observer({"log_format": "old"})
        self.observer({"log_level": LogLevel.warn, "log_format": "broken {name"})
        self.assertEqual([level for level, _, _ in self.logged()], ["info", "warn"])

    def test_long(self) -> None:
        """The text of an event is bounded."""
        self.log.info("{text}", text="x" * 10 * MOST_TEXT)
        self.assertLess(len(self.sent[0].fields["text"]), MOST_TEXT + 100)

    def test_too_many(self) -> None:
        """While the parent does not read, events are left out; how many is said afterwards."""
        self.waiting = MOST_WAITING + 1
        for _ in range(3):
            self.log.info("left out")
        self.waiting = 0
        self.log.info("next")
        self.assertEqual(
            [text for _, _, text in self.logged()],
            ["worker 2: 3 events were left out of this log", "worker 2: next"],
        )


class StandardErrorTests(SynchronousTestCase):
    """What is written to the standard error of a worker."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        read, self.write = os.pipe()
        self.errors = StandardError(self.reactor, read, "worker 1")
        self.addCleanup(self.errors.close)
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def logged(self) -> list[str]:
        """The texts in the log."""
        return [formatEvent(event) for event in self.events]

    def end(self) -> None:
        """The process has ended."""
        os.close(self.write)
        reason = self.errors.doRead()
        self.assertIsInstance(reason, ConnectionDone)
        self.errors.connectionLost(Failure(reason))

    def test_lines(self) -> None:
        """Whole lines that come together are one event, with the process in front; bytes that are no text are shown."""
        for data in (b"one\ntw", b"o {x}\nthr\xffee\n"):
            os.write(self.write, data)
            self.assertIsNone(self.errors.doRead())
        self.assertEqual(self.logged(), ["worker 1: one", "worker 1: two {x}\nthr\\xffee"])
        self.assertIsNone(self.errors.doRead())
        self.end()

    def test_rest(self) -> None:
        """A line without an end is logged at the end of the process."""
        os.write(self.write, b"Fatal Python error")
        self.errors.doRead()
        self.assertEqual(self.logged(), [])
        self.end()
        self.assertEqual((self.logged(), self.reactor.readers), (["worker 1: Fatal Python error"], set()))

    def test_close(self) -> None:
        """What the process wrote just before is read first; afterwards nothing is."""
        os.write(self.write, b"last\nwords")
        self.errors.close()
        self.errors.close()
        self.assertEqual(self.logged(), ["worker 1: last", "worker 1: words"])
        self.assertEqual((self.errors.fileno(), self.reactor.readers), (-1, set()))
        os.close(self.write)

    def test_long_line(self) -> None:
        """A line has no bound, but what is kept of it has."""
        for _ in range(3):
            os.write(self.write, b"x" * MOST_TEXT)
            self.errors.doRead()
        self.assertLessEqual(sum(map(len, self.logged())), 3 * MOST_TEXT + 100)
        self.assertTrue(self.logged())
        self.end()

    def test_flood(self) -> None:
        """A process that writes without end does not fill the log; what is left out is counted."""
        for _ in range(200):
            os.write(self.write, b"again\n")
            self.errors.doRead()
        self.assertEqual(len(self.logged()), 60)
        self.reactor.advance(61.0)
        os.write(self.write, b"later\n")
        self.errors.doRead()
        self.assertEqual(self.logged()[-1], "worker 1: later (140 more of these before)")
        self.end()
