"""The spawner as its parent sees it: real ones, and orders without an answer."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.loading import Files
from agwtwisted.workers.configurations import prepare, problems_of
from agwtwisted.workers.messages import Message, MessageKind
from agwtwisted.workers.spawner_process import ANSWER_TIMEOUT, SpawnerProcess
from tests import running

NOTHING = Files(file="gw.ini", main=SourceFile(data=b"[http_listener]\n", mode=0o600))


class SpawnerProcessTests(TestCase):
    """A fresh interpreter."""

    timeout = running.PATIENCE

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.answer: Deferred[Message] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self.ended: Deferred[str] = Deferred()
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)
        self.spawner = SpawnerProcess(
            cast(PosixReactorBase, reactor), self.answer.callback, lambda: self.lost.callback(None)
        )

    def observe(self, event: dict[str, Any]) -> None:
        """Waits for the end that is logged."""
        text = formatEvent(event)
        if "The spawner" in text and "has ended" in text:
            self.ended.callback(text)

    @inlineCallbacks
    def test_answers(self) -> Any:
        """It answers, and it has nothing of its parent's: no secret in its arguments or environment, no descriptor."""
        self.spawner.send(prepare(3, NOTHING, None))
        message = yield self.answer
        self.assertEqual((message.kind, message.fields["serial"]), (MessageKind.REFUSED, 3))
        self.assertIn("http_listener", str(problems_of(message)[0]))
        process = self.spawner.number
        with open(f"/proc/{process}/cmdline", "rb") as line:
            words = line.read().split(b"\0")
        self.assertEqual(words[1:4], [b"-P", b"-m", b"agwtwisted.workers.spawner"])
        threads = os.listdir(f"/proc/{process}/task")
        self.assertEqual(len(threads), 1)
        yield self.spawner.close()
        self.assertNoResult(self.lost)
        self.assertRaises(ProcessLookupError, os.kill, process, 0)

    @inlineCallbacks
    def test_signals(self) -> Any:
        """Signals that a terminal or systemd sends to all processes do not end it."""
        self.spawner.send(prepare(1, NOTHING, None))
        yield self.answer
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
            os.kill(self.spawner.number, number)
        self.answer = Deferred()
        self.spawner._on_received = self.answer.callback
        self.spawner.send(prepare(2, NOTHING, None))
        message = yield self.answer
        self.assertEqual(message.fields["serial"], 2)
        yield self.spawner.close()

    @inlineCallbacks
    def test_ends(self) -> Any:
        """Its end is noticed, and logged with its cause."""
        os.kill(self.spawner.number, signal.SIGKILL)
        yield self.lost
        text = yield self.ended
        self.assertIn(f"(process {self.spawner.number}) has ended: SIGKILL", text)

    @inlineCallbacks
    def test_does_not_answer(self) -> Any:
        """One that does not answer an order is ended, but not while this process itself was held up."""
        self.spawner.send(prepare(1, NOTHING, None))
        now = self.spawner._reactor.seconds() + ANSWER_TIMEOUT + 1
        self.spawner.forgive(now)
        self.spawner.look(now + ANSWER_TIMEOUT)
        self.assertIsNone(self.spawner._process.poll())
        os.kill(self.spawner.number, signal.SIGSTOP)
        self.spawner.look(now + ANSWER_TIMEOUT + 1)
        yield self.lost
        yield self.ended

    @inlineCallbacks
    def test_other_version(self) -> Any:
        """Another version of the package, installed meanwhile, does not go on for this one."""
        message = prepare(1, NOTHING, None)
        other = Message(kind=message.kind, fields={**message.fields, "version": "0"}, data=message.data)
        self.spawner.send(other)
        answer = yield self.answer
        self.assertIn("another version of agwtwisted", str(problems_of(answer)[0]))
        yield self.spawner.close()
