"""What a worker does with what its parent sends; whole ones are in `test_spawner` and `test_parent`."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ReactorNotRunning
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.status import GatewayStatus, ListenerStatus
from agwtwisted.core.plan.plan import Address
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.loading import Files, Loaded
from agwtwisted.workers import worker
from agwtwisted.workers.channel import receive_waiting, send_waiting
from agwtwisted.workers.configurations import prepare, problems_of
from agwtwisted.workers.messages import ChannelError, Decoder, Message, MessageKind
from agwtwisted.workers.worker import BEAT, Worker
from tests import configurations

WRONG = Problem(place=Place(file="gw.ini"), message="is wrong")
FILES = Files(file="gw.ini", main=SourceFile(data=b"", mode=0o600))


class Reactor(MemoryReactorClock):
    """Notes that it is stopped, which it can be only while it runs, and calls what threads give it at once."""

    stopped = False

    def __init__(self) -> None:
        super().__init__()
        self.running = True

    def stop(self) -> None:
        """It stops."""
        if not self.running:
            raise ReactorNotRunning
        self.stopped = True


class Service:
    """A gateway that only notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.warnings = ("unwise",)
        self.preparing: Deferred[Any] = succeed(self)
        self.sockets: list[socket.socket] = []
        self.closed: Deferred[None] = succeed(None)

    @property
    def retired(self) -> Service:
        """Its ports that went."""
        return self

    def all_closed(self) -> Deferred[None]:
        """Fires once their sockets are closed."""
        return self.closed

    def prepare(self, loaded: Loaded, sockets: Mapping[Address, socket.socket]) -> Deferred[Any]:
        """Prepares a configuration."""
        self.sockets += sockets.values()
        return self.preparing

    def commit(self) -> None:
        """It is in force."""
        self.calls.append("commit")

    def cancel(self) -> None:
        """It is given up."""
        self.calls.append("cancel")

    def status(self) -> GatewayStatus:
        """What it is."""
        listeners = (ListenerStatus(address="::1", port=443, connections=2),)
        return GatewayStatus(generation=1, fingerprint="", connections=3, listeners=listeners)

    def measurements(self) -> Measurements:
        """What it has counted."""
        return Measurements({"agw_connections_evicted": {(): 7}})

    def reopen(self) -> None:
        """Its log is reopened."""
        self.calls.append("reopen")

    def drain_without_limit(self) -> None:
        """It has no limit."""
        self.calls.append("drain without limit")

    def leave_sockets(self) -> None:
        """Another process serves its sockets next."""
        self.calls.append("leave sockets")


class WorkerTests(SynchronousTestCase):
    """One worker, of which the test is the parent."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        end, self.parent = socket.socketpair()
        self.parent.settimeout(60.0)
        self.addCleanup(self.parent.close)
        plan = configurations.plan()
        self.worker = Worker(self.reactor, end, plan)
        self.addCleanup(self.worker._channel.close)
        self.service: Any = Service()
        self.worker._service = self.service
        self.decoder = Decoder()
        for name, replaced in (
            ("in_thread", lambda reactor, call, name: succeed(call())),
            ("plan_of", lambda files, now: plan),
        ):
            patched = mock.patch.object(worker, name, replaced)
            patched.start()
            self.addCleanup(patched.stop)

    def send(self, kind: MessageKind, **fields: Any) -> None:
        """The parent sends a message."""
        self.give(Message(kind=kind, fields=fields))

    def give(self, message: Message) -> None:
        """The same, whole."""
        send_waiting(self.parent, message)
        self.turn()

    def turn(self) -> None:
        """What has come is handled, and what waits is sent."""
        channel = self.worker._channel
        for _ in range(5):  # a descriptor ends what is read at once
            channel.doRead()
            if channel in self.reactor.writers:
                channel.doWrite()

    def answer(self) -> Message:
        """The one message that the parent gets."""
        found: list[Message] = []
        while not found:
            self.assertTrue(receive_waiting(self.parent, self.decoder))
            found += self.decoder.messages()
        [message] = found
        return message

    def test_commits(self) -> None:
        """What is prepared is put in force by the parent's word."""
        self.give(prepare(5, FILES, None))
        answer = self.answer()
        self.assertEqual((answer.kind, answer.fields), (MessageKind.PREPARED, {"serial": 5, "warnings": ["unwise"]}))
        self.assertEqual(self.service.calls, [])
        self.send(MessageKind.COMMIT, serial=5)
        self.assertEqual((self.service.calls, self.reactor.stopped), (["commit"], False))
        answer = self.answer()
        self.assertEqual((answer.kind, answer.fields), (MessageKind.COMMITTED, {"serial": 5}))

    def test_addresses_that_went(self) -> None:
        """The parent hears that it is done once they are closed: it may be asked to bind them at once."""
        self.service.closed = Deferred()
        self.give(prepare(5, FILES, None))
        self.answer()
        self.send(MessageKind.COMMIT, serial=5)
        self.parent.setblocking(False)
        self.assertRaises(BlockingIOError, self.parent.recv, 1)
        self.parent.settimeout(60.0)
        self.service.closed.callback(None)
        self.turn()
        self.assertIs(self.answer().kind, MessageKind.COMMITTED)

    def test_considerate(self) -> None:
        """While it prepares, threads have the interpreter for a moment only, as in a reload of one process."""
        usual = sys.getswitchinterval()
        self.service.preparing = Deferred()
        self.give(prepare(5, FILES, None))
        self.assertLess(sys.getswitchinterval(), usual)
        self.send(MessageKind.CANCEL, serial=5)
        self.assertEqual(sys.getswitchinterval(), usual)

    def test_other_commit(self) -> None:
        """A worker that has not prepared what comes into force ends: its successor has it."""
        for serial in (None, 4):
            self.setUp()
            if serial:
                self.give(prepare(serial, FILES, None))
            self.send(MessageKind.COMMIT, serial=5)
            self.assertEqual((self.service.calls, self.reactor.stopped), (["leave sockets"], True))

    def test_defect_while_committing(self) -> None:
        """Nor does one go on that could not put in force all of it."""
        self.give(prepare(5, FILES, None))
        with mock.patch.object(self.service, "commit", side_effect=ZeroDivisionError):
            self.send(MessageKind.COMMIT, serial=5)
        self.assertTrue(self.reactor.stopped)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_cancels(self) -> None:
        """What is prepared is given up by the parent's word, and before another one is prepared."""
        self.give(prepare(5, FILES, None))
        self.send(MessageKind.CANCEL, serial=5)
        self.assertEqual(self.service.calls, ["cancel"])
        for serial in (6, 7):
            self.give(prepare(serial, FILES, None))
        self.assertEqual(self.service.calls, ["cancel", "cancel"])

    def test_cancels_while_preparing(self) -> None:
        """So is what is being prepared; its sockets are closed."""
        self.service.preparing = Deferred()
        with socket.socket() as bound:
            self.give(prepare(5, FILES, None, {("127.0.0.1", 1): bound}))
        [own] = self.service.sockets
        self.assertNotEqual(own.fileno(), -1)
        self.send(MessageKind.CANCEL, serial=5)
        self.assertEqual((own.fileno(), self.service.calls), (-1, []))

    def test_refuses(self) -> None:
        """What is wrong is answered; the sockets are closed."""
        self.service.preparing = fail(ConfigError([WRONG]))
        with socket.socket() as bound:
            self.give(prepare(5, FILES, None, {("127.0.0.1", 1): bound}))
        answer = self.answer()
        self.assertEqual((answer.fields["serial"], problems_of(answer)), (5, (WRONG,)))
        self.assertEqual(self.service.sockets[0].fileno(), -1)

    def test_defect(self) -> None:
        """A defect while it prepares is logged, and refuses the configuration."""
        self.service.preparing = fail(ZeroDivisionError())
        self.give(prepare(5, FILES, None))
        self.assertIn("ZeroDivisionError", str(problems_of(self.answer())[0]))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stops(self) -> None:
        """It drains, once, also without a limit; the log is reopened."""
        self.send(MessageKind.REOPEN)
        self.send(MessageKind.STOP, without_limit=True)
        self.assertEqual((self.service.calls, self.reactor.stopped), (["reopen", "drain without limit"], True))
        self.reactor.stopped = False
        self.send(MessageKind.STOP, without_limit=False)
        self.assertFalse(self.reactor.stopped)

    def test_stops_before_it_serves(self) -> None:
        """One that is to stop while it starts does so as soon as its reactor runs."""
        self.reactor.running = False
        self.send(MessageKind.STOP, without_limit=False)
        self.assertFalse(self.reactor.stopped)
        self.reactor.running = True
        for hook, args, kwargs in self.reactor.whenRunningHooks:
            hook(*args, **kwargs)
        self.assertTrue(self.reactor.stopped)

    def test_parent_gone(self) -> None:
        """Without a parent it drains; if it drains already, a second signal has ended the parent: it ends at once."""
        self.worker._lost("gone")
        self.assertTrue(self.reactor.stopped)
        with mock.patch.object(os, "_exit") as ended:
            self.worker._lost("gone")
        ended.assert_called_once_with(1)

    def test_begins(self) -> None:
        """Before it serves it hears what the others know; if the parent says nothing, it does not start."""
        heard: list[bytes] = []
        self.worker.siblings.subscribe("health", heard.append)
        for message in (
            Message(kind=MessageKind.PUBLISHED, fields={"topic": "health"}, data=b"up"),
            Message(kind=MessageKind.BEGIN),
        ):
            send_waiting(self.parent, message)
        self.worker._await_begin()
        self.assertEqual(heard, [b"up"])
        with mock.patch.object(worker, "BEGIN_TIMEOUT", 0.0):
            self.worker._begins = False
            self.assertRaises(ChannelError, self.worker._await_begin)

    def test_beats(self) -> None:
        """It says that it is ready, and how many connections it has, every second."""
        self.worker._running()
        self.turn()
        receive_waiting(self.parent, self.decoder)
        ready, beat = self.decoder.messages()
        self.assertEqual((ready.kind, beat.kind), (MessageKind.READY, MessageKind.BEAT))
        self.assertEqual(ready.fields, {"process": os.getpid()})
        self.assertEqual(beat.fields, {"connections": 3, "listeners": [["::1", 443, 2]]})
        self.reactor.advance(BEAT)
        self.turn()
        self.assertEqual(self.answer().kind, MessageKind.BEAT)

    def test_reports(self) -> None:
        """It reports what it has counted every few seconds, and at its end."""
        counted = json.loads(json.dumps(self.service.measurements().members()))
        with mock.patch.object(worker, "REPORT", BEAT / 2):
            self.worker._running()
            self.reactor.advance(BEAT / 2)
        self.turn()
        receive_waiting(self.parent, self.decoder)
        *_, report = self.decoder.messages()
        self.assertEqual((report.kind, json.loads(report.data)), (MessageKind.COUNTED, counted))
        self.worker._stopped(None)
        self.assertEqual(json.loads(self.answer().data), counted)

    def test_siblings(self) -> None:
        """What others publish is heard, and what is published here is sent."""
        heard: list[bytes] = []
        self.worker.siblings.subscribe("health", heard.append)
        self.give(Message(kind=MessageKind.PUBLISHED, fields={"topic": "health"}, data=b"up"))
        self.assertEqual(heard, [b"up"])
        self.worker.siblings.publish("health", b"down")
        self.turn()
        self.assertEqual(self.answer().data, b"down")

    def test_unexpected(self) -> None:
        """A message that is not for workers changes nothing."""
        self.send(MessageKind.FORK)
        self.assertEqual((self.service.calls, self.reactor.stopped), ([], False))
