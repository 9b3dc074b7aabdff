"""The place of one worker; the test is the worker's end of its channel, and the spawner."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Problem
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.plan.plan import Address
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.workers.channel import MOST_QUEUED, receive_waiting, send_waiting
from agwtwisted.workers.configurations import refused
from agwtwisted.workers.messages import Decoder, Message, MessageKind
from agwtwisted.workers.worker_slot import BEAT_TIMEOUT, START_TIMEOUT, STATUS_TIMEOUT, Common, SlotState, WorkerSlot
from tests import configurations

ADDRESS: Address = ("192.0.2.1", 1)


class Reports:
    """A owner that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.messages: list[Message] = []

    def serves(self, slot: WorkerSlot) -> None:
        """Its worker serves."""
        self.heard.append("serves")

    def ended(self, slot: WorkerSlot) -> None:
        """Its worker is gone."""
        self.heard.append("ended")

    def due(self, slot: WorkerSlot) -> None:
        """It is time for the next one."""
        self.heard.append("due")

    def received(self, slot: WorkerSlot, message: Message) -> None:
        """An answer."""
        self.messages.append(message)


class WorkerSlotTests(SynchronousTestCase):
    """A worker comes and goes."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.reports = Reports()
        self.socket = socket.socket()
        self.addCleanup(self.socket.close)
        self.slot = WorkerSlot(2, {ADDRESS: self.socket}, self.reactor, self.reports)
        self.common = Common(count=3, memory=SharedMemory.create(100, 3), affinity_key=b"key")
        self.addCleanup(os.close, self.common.memory.descriptor)
        self.addCleanup(self.close_all)
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def close_all(self) -> None:
        """Closes whatever the slot reads."""
        for each in tuple(self.reactor.readers):
            each.close()

    def logged(self) -> str:
        """What is in the log."""
        return "\n".join(formatEvent(event) for event in self.events)

    def order(self, serial: int = 7) -> Message:
        """The order to fork a worker; from now on the test has its end of the channel and its standard error."""
        message, given = self.slot.order(serial, self.common)
        self.end = socket.socket(fileno=given[0])
        self.errors = given[1]
        self.addCleanup(self.end.close)
        return message

    def read(self) -> None:
        """The slot reads whatever there is, and sends what waits."""
        for each in (*self.reactor.readers, *self.reactor.writers):
            if each in self.reactor.writers:
                each.doWrite()
            reason = each.doRead() if each in self.reactor.readers else None
            if reason is not None:
                each.connectionLost(reason)

    def serve(self) -> None:
        """A worker is forked, and serves."""
        self.order()
        self.slot.forked(self.process().pid)
        send_waiting(self.end, Message(kind=MessageKind.READY))
        self.read()

    def process(self) -> subprocess.Popen[bytes]:
        """A process that may be ended."""
        self.worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.addCleanup(self.worker.__exit__, None, None, None)
        self.addCleanup(self.worker.kill)
        return self.worker

    def close(self) -> None:
        """The worker's end of the channel is closed."""
        self.end.close()
        os.close(self.errors)
        self.read()

    def test_order(self) -> None:
        """A worker gets its place, the key, its end of the channel, standard error, the memory and its sockets."""
        self.assertTrue(self.slot.is_due)
        message = self.order()
        self.assertEqual(message.kind, MessageKind.FORK)
        self.assertEqual(
            message.fields,
            {"serial": 7, "index": 2, "count": 3, "addresses": [(*ADDRESS, False)], "restarts": 0},
        )
        self.assertEqual(message.data, b"key")
        self.assertEqual(message.descriptors[2:], [self.common.memory.descriptor, self.socket.fileno()])
        self.assertEqual((self.slot.state, self.slot.is_due), (SlotState.STARTING, False))
        self.assertNotIn("key", repr(self.common).replace("affinity_key", ""))

    def test_spawner_ended_before_it_said(self) -> None:
        """A worker whose spawner has ended before it said which process it is says so itself, and can be ended."""
        self.order()
        self.slot.spawner_lost()
        process = self.process()
        send_waiting(self.end, Message(kind=MessageKind.READY, fields={"process": process.pid}))
        self.read()
        self.assertEqual(self.slot.status.pid, process.pid)
        self.slot.kill("a test")
        self.assertEqual(process.wait(60), -9)

    def test_counts(self) -> None:
        """What a worker has counted is kept when it reports it, and counts on when it has ended."""
        self.serve()
        counted = Measurements({"agw_http_requests": {("a", "b", "2xx"): 7}})
        send_waiting(self.end, Message(kind=MessageKind.COUNTED, data=json.dumps(counted.members()).encode()))
        self.read()
        self.assertEqual(self.common.counts.all_together([2], 0.0), counted)
        self.worker.kill()
        self.close()
        self.slot.ended_with("killed")
        self.assertEqual(self.common.counts.all_together([], 0.0), counted)

    def test_serves(self) -> None:
        """It serves once it says so; its connections are counted, its events logged, its answers handed on."""
        self.serve()
        self.assertEqual((self.slot.is_serving, self.reports.heard), (True, ["serves"]))
        send_waiting(
            self.end, Message(kind=MessageKind.BEAT, fields={"connections": 5, "listeners": [["::1", 443, 4]]})
        )
        fields = {"level": "warn", "namespace": "x", "text": "odd"}
        send_waiting(self.end, Message(kind=MessageKind.LOGGED, fields=fields))
        send_waiting(self.end, Message(kind=MessageKind.PREPARED, fields={"serial": 1, "warnings": []}))
        self.read()
        status = self.slot.status
        self.assertEqual((status.index, status.pid, status.connections, status.restarts), (2, self.worker.pid, 5, 0))
        self.assertEqual(self.slot.by_address, {("::1", 443): 4})
        self.assertIn("worker 2: odd", self.logged())
        self.assertEqual([message.kind for message in self.reports.messages], [MessageKind.PREPARED])

    def test_ends(self) -> None:
        """It has ended when both its channel and its process have; the next one is due at once, and later then."""
        for delay, restarts in ((0.0, 0), (0.5, 1), (1.0, 2)):
            self.order()
            self.slot.ended_with("SIGKILL")
            self.assertEqual(self.reports.heard, [])
            self.close()
            self.assertEqual((self.reports.heard, self.slot.state), (["ended"], SlotState.EMPTY))
            self.assertFalse(self.slot.is_due)
            self.reactor.advance(delay)
            self.assertEqual((self.reports.heard, self.slot.is_due), (["ended", "due"], True))
            self.assertEqual(self.slot.status.restarts, restarts)
            self.reports.heard.clear()
        self.assertIn("worker 2 has ended after 0.0 s: SIGKILL; its connections (0) are lost", self.logged())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_drains(self) -> None:
        """The end of a worker that was told to drain by a signal of its own is no error, and loses no connection."""
        self.order()
        self.slot.ended_with("exit status 0")
        self.close()
        self.reactor.advance(0.0)
        self.assertEqual(self.reports.heard, ["ended", "due"])
        self.assertIn("worker 2 has drained and ended after 0.0 s; the next one starts in 0.0 s", self.logged())
        self.assertNotIn("lost", self.logged())

    def test_channel_first(self) -> None:
        """The other way round; what it wrote to its standard error is in the log."""
        self.serve()
        os.write(self.errors, b"Fatal Python error\n")
        self.close()
        self.assertEqual((self.slot.state, self.reports.heard), (SlotState.ENDING, ["serves"]))
        self.slot.ended_with("SIGSEGV")
        self.assertEqual(self.reports.heard, ["serves", "ended"])
        self.assertIn("worker 2: Fatal Python error", self.logged())

    def test_does_not_end(self) -> None:
        """A process whose channel is closed gets a while to end."""
        self.serve()
        self.close()
        self.reactor.advance(STATUS_TIMEOUT)
        self.assertEqual(self.worker.wait(60), -signal.SIGKILL)
        self.assertEqual(self.reports.heard[:2], ["serves", "ended"])

    def test_without_spawner(self) -> None:
        """Where the spawner is gone, it is the channel that says that a worker has ended; before, it serves on."""
        self.serve()
        self.slot.spawner_lost()
        self.assertTrue(self.slot.is_serving)
        self.close()
        self.assertEqual(self.reports.heard, ["serves", "ended"])
        self.assertIn("it is not known how", self.logged())

    def test_spawner_ends_afterwards(self) -> None:
        """A worker whose end the spawner has not seen any more."""
        self.serve()
        self.close()
        self.slot.spawner_lost()
        self.assertEqual(self.reports.heard, ["serves", "ended"])

    def test_does_not_start(self) -> None:
        """A worker has a while to start."""
        self.order()
        self.slot.forked(self.process().pid)
        self.slot.look(self.reactor.seconds() + START_TIMEOUT)
        self.assertIsNone(self.worker.poll())
        self.slot.look(self.reactor.seconds() + START_TIMEOUT + 1)
        self.assertEqual(self.worker.wait(60), -signal.SIGKILL)

    def test_hangs(self) -> None:
        """One that gives no sign of life is ended, unless this process was held up itself."""
        self.serve()
        later = self.reactor.seconds() + BEAT_TIMEOUT + 1
        self.slot.forgive(later)
        self.slot.look(later + BEAT_TIMEOUT)
        self.assertIsNone(self.worker.poll())
        self.slot.look(later + BEAT_TIMEOUT + 1)
        self.assertEqual(self.worker.wait(60), -signal.SIGKILL)
        self.assertIn("no sign of life", self.logged())

    def test_does_not_read(self) -> None:
        """One that does not read what it is sent is ended, before it takes this process's memory."""
        self.serve()
        for _ in range(9):
            self.slot.send(Message(kind=MessageKind.PUBLISHED, fields={"topic": "t"}, data=bytes(MOST_QUEUED // 8)))
        self.reactor.advance(0)
        self.assertEqual(self.worker.wait(60), -signal.SIGKILL)
        self.assertIn("it does not read what it is sent", self.logged())

    def test_cannot_start(self) -> None:
        """The reasons why a worker cannot start are kept."""
        problem = Problem(place=Place(file="gw.ini"), message="is wrong")
        self.order()
        send_waiting(self.end, refused(0, [problem]))
        self.close()
        self.assertEqual(tuple(self.slot.problems), (problem,))

    def test_stop(self) -> None:
        """It drains, and no other comes; the sockets here are closed, so that they are open only as long as its own."""
        self.serve()
        self.slot.stop(without_limit=True)
        self.assertEqual(self.socket.fileno(), -1)
        for each in tuple(self.reactor.writers):
            each.doWrite()
        decoder = Decoder()
        receive_waiting(self.end, decoder)
        self.assertEqual(list(decoder.messages()), [Message(kind=MessageKind.STOP, fields={"without_limit": True})])
        self.slot.ended_with("exit status 0")
        self.close()
        self.assertEqual((self.reports.heard, self.slot.is_due), (["serves", "ended"], False))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stop_between(self) -> None:
        """A stop while the next worker is awaited: it does not come."""
        self.order()
        self.slot.ended_with("SIGKILL")
        self.close()
        self.slot.stop(without_limit=False)
        self.assertEqual((self.reactor.getDelayedCalls(), self.slot.is_due), ([], False))

    def test_change(self) -> None:
        """After a reload there are the sockets of the addresses in force, and those of others are closed."""
        plan = configurations.plan()
        [address] = plan.addresses
        with socket.socket() as new:
            self.slot.change(plan, {address: new})
            self.assertEqual(self.slot.sockets, {address: new})
            self.assertEqual(self.socket.fileno(), -1)
