"""The workers of a gateway, of which the test plays the spawner and every worker."""

from __future__ import annotations

import os
import socket
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.loading import Files, Loaded
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.workers.configurations import files_of, refused
from agwtwisted.workers.messages import ChannelError, Message, MessageKind
from agwtwisted.workers.sockets import bind_all
from agwtwisted.workers.supervisor import AFTER_DRAIN, LOOK, PREPARE_TIMEOUT, SETTLE_TIMEOUT, Judged, Supervisor
from agwtwisted.workers.transactions import WorkersReplacement
from agwtwisted.workers.worker_slot import START_TIMEOUT, Common
from tests import configurations, running
from tests.workers.spawners import ScriptedSpawner, ScriptedWorker

WRONG = Problem(place=Place(file="gw.ini", line=3), message="is wrong")


class SupervisorCase(SynchronousTestCase):
    """A supervisor of two."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.ports = running.free_ports(2)
        self.memory = SharedMemory.create(100, 2)
        self.addCleanup(os.close, self.memory.descriptor)
        ScriptedSpawner.made = []
        patched = mock.patch("agwtwisted.workers.spawning.SpawnerProcess", ScriptedSpawner)
        patched.start()
        self.addCleanup(patched.stop)
        judged = self.judged("first", self.ports[0])
        sockets = bind_all(judged.loaded.plan.addresses, 2)
        self.supervisor = Supervisor(
            self.reactor, judged, sockets, Common(count=2, memory=self.memory, affinity_key=b"key")
        )
        self.workers: list[ScriptedWorker] = []
        self.addCleanup(self.close)

    def close(self) -> None:
        """Ends all that there is."""
        stopped = self.supervisor.stop(0.0)
        for worker in self.workers:
            worker.close()
        self.turn()
        self.reactor.pump([0.0, 5.0, 5.0, 5.0])
        self.successResultOf(stopped)

    def judged(self, text: str, *ports: int) -> Judged:
        """A configuration with listeners on these ports."""
        parts = [configurations.GOOD.replace("port = 8443", f"port = {ports[0]}")]
        parts += [configurations.with_listener(f"l{port}", port=port) for port in ports[1:]]
        plan = configurations.plan("".join(parts))
        main = SourceFile(data=text.encode(), mode=0o600)
        return Judged(loaded=Loaded(plan=plan, files=Files(file="gw.ini", main=main)), now=None)

    @property
    def spawner(self) -> ScriptedSpawner:
        """The present one."""
        return ScriptedSpawner.made[-1]

    def turn(self) -> None:
        """All that waits in channels is sent and received, as long as there is anything."""
        for _ in range(10):
            for each in (*self.reactor.writers, *self.reactor.readers):
                if each in self.reactor.writers:
                    each.doWrite()
                reason = each.doRead() if each in self.reactor.readers else None
                if reason is not None:
                    each.connectionLost(reason)

    def begin(self) -> Deferred[None]:
        """Starts; the spawner is ready then."""
        started = self.supervisor.start()
        self.spawner_ready("first")
        return started

    def spawner_ready(self, text: str) -> None:
        """A new spawner gets this configuration, and has it in force then."""
        [message] = self.spawner.take(MessageKind.PREPARE)
        self.assertEqual(files_of(message).main.data, text.encode())
        self.spawner.prepared(message)

    def fork(self, *kinds: MessageKind) -> list[ScriptedWorker]:
        """The spawner forks what it was asked to; `kinds` are orders before those."""
        orders = self.spawner.take(*kinds, *[MessageKind.FORK] * (len(self.spawner.sent) - len(kinds)))[len(kinds) :]
        forked = [ScriptedWorker(order) for order in orders]
        self.workers += forked
        for worker in forked:
            self.spawner.received(Message(kind=MessageKind.FORKED, fields={"serial": worker.serial, "process": 0}))
            self.turn()
            worker.receive(MessageKind.BEGIN)
        return forked

    def serve(self, *workers: ScriptedWorker) -> None:
        """They serve."""
        for worker in workers:
            worker.send(MessageKind.READY)
        self.turn()

    def started(self) -> list[ScriptedWorker]:
        """Two workers that serve."""
        started = self.begin()
        workers = self.fork(MessageKind.COMMIT)
        self.serve(*workers)
        self.successResultOf(started)
        return workers

    def end(self, worker: ScriptedWorker, status: int = -9) -> None:
        """A worker ends."""
        worker.close()
        self.turn()
        self.spawner.received(Message(kind=MessageKind.ENDED, fields={"serial": worker.serial, "status": status}))
        self.reactor.advance(0)


class StartTests(SupervisorCase):
    """Starting all."""

    def test_all_serve(self) -> None:
        """The spawner gets the configuration, then orders for the workers; started is what serves in all."""
        started = self.begin()
        first, second = self.fork(MessageKind.COMMIT)
        self.assertEqual([first.index, second.index], [1, 2])
        self.assertNotEqual(first.serial, second.serial)
        self.assertEqual(first.order.fields["addresses"], [("127.0.0.1", self.ports[0], False)])
        self.serve(first)
        self.assertNoResult(started)
        self.serve(second)
        self.assertIsNone(self.successResultOf(started))
        self.assertEqual([worker.index for worker in self.supervisor.workers], [1, 2])

    def test_connections(self) -> None:
        """Those of each worker are what it counts now, without asking it."""
        self.started()
        self.memory.connections[2] = 7
        self.assertEqual([worker.connections for worker in self.supervisor.workers], [0, 7])

    def test_spawner_refuses(self) -> None:
        """What the spawner cannot take stops the start, with its reasons."""
        started = self.supervisor.start()
        [message] = self.spawner.take(MessageKind.PREPARE)
        self.spawner.received(refused(message.fields["serial"], [WRONG]))
        self.assertEqual(self.failureResultOf(started, ConfigError).value.problems, (WRONG,))

    def test_no_spawner(self) -> None:
        """An interpreter that cannot be started stops it."""
        with mock.patch("agwtwisted.workers.spawning.SpawnerProcess", side_effect=OSError(11, "no processes left")):
            error = self.failureResultOf(self.supervisor.start(), ConfigError)
        self.assertIn("no processes left", str(error.value))

    def test_spawner_ends(self) -> None:
        """So does one that ends."""
        started = self.supervisor.start()
        self.spawner.take(MessageKind.PREPARE)
        self.spawner.lost()
        self.assertIn("has ended", str(self.failureResultOf(started, ConfigError).value))

    def test_worker_refuses(self) -> None:
        """So does a worker that cannot start, with its reasons."""
        started = self.begin()
        first, _ = self.fork(MessageKind.COMMIT)
        first.send(MessageKind.REFUSED, **refused(0, [WRONG]).fields)
        self.end(first, 1)
        self.assertEqual(self.failureResultOf(started, ConfigError).value.problems, (WRONG,))

    def assert_fails(self, kind: MessageKind, words: str, **answer: object) -> None:
        """The start fails where the spawner answers so about a worker."""
        started = self.begin()
        orders = self.spawner.take(MessageKind.COMMIT, MessageKind.FORK, MessageKind.FORK)[1:]
        self.workers += map(ScriptedWorker, orders)
        first = self.workers[0]
        first.close()
        self.turn()
        self.spawner.received(Message(kind=kind, fields={"serial": first.serial, **answer}))
        self.assertIn(words, str(self.failureResultOf(started, ConfigError).value))

    def test_worker_ends(self) -> None:
        """So does one that ends without a reason."""
        self.assert_fails(MessageKind.ENDED, "worker 1 has ended while it started: SIGKILL", status=-9)

    def test_no_process(self) -> None:
        """So does one that cannot be forked."""
        self.assert_fails(
            MessageKind.FORKED, "worker 1 has ended while it started: it cannot be forked: no memory", error="no memory"
        )


class StatusTests(SupervisorCase):
    """What is said about the workers."""

    def test_sums(self) -> None:
        """Connections of an address are those of all workers; those of a worker stand in the memory of all."""
        for worker, connections in zip(self.started(), (3, 4), strict=True):
            listeners = [["127.0.0.1", self.ports[0], connections]]
            worker.send(MessageKind.BEAT, connections=connections, listeners=listeners)
            self.memory.connections[worker.index] = connections
        self.turn()
        [listener] = self.supervisor.listeners
        self.assertEqual((listener.port, listener.connections), (self.ports[0], 7))
        self.assertEqual([worker.connections for worker in self.supervisor.workers], [3, 4])


class ReplacingTests(SupervisorCase):
    """Processes that end."""

    def test_worker(self) -> None:
        """The next worker has its index and sockets, another serial number, and counts that begin at nothing."""
        first, second = self.started()
        self.memory.connections[1] = 7
        self.memory.connections[2] = 8
        self.end(first)
        [again] = self.fork()
        self.assertEqual((again.index, again.order.fields["addresses"]), (1, first.order.fields["addresses"]))
        self.assertNotIn(again.serial, (first.serial, second.serial))
        self.assertEqual(self.memory.connections[:3].tolist(), [0, 0, 8])
        self.serve(again)
        self.assertEqual([worker.restarts for worker in self.supervisor.workers], [1, 0])
        self.end(again)
        self.spawner.take()
        self.reactor.advance(0.5)
        self.spawner.take(MessageKind.FORK)

    def test_late_answers(self) -> None:
        """What is said about a worker that was replaced is not about its successor."""
        first, _ = self.started()
        self.end(first)
        [again] = self.fork()
        self.serve(again)
        self.spawner.received(Message(kind=MessageKind.ENDED, fields={"serial": first.serial, "status": 0}))
        self.assertTrue(all(worker.restarts < 2 for worker in self.supervisor.workers))
        self.assertEqual(self.spawner.sent, [])

    def test_spawner(self) -> None:
        """The next spawner gets the configuration in force; then it forks the workers that are missing."""
        first, _ = self.started()
        gone = self.spawner
        gone.lost()
        first.close()
        self.turn()
        self.reactor.advance(0)
        self.assertIsNot(self.spawner, gone)
        self.spawner_ready("first")
        [again] = self.fork(MessageKind.COMMIT)
        self.assertEqual(again.index, 1)

    def test_spawner_cannot_start(self) -> None:
        """It is tried again, later and later."""
        self.started()
        gone = self.spawner
        with mock.patch("agwtwisted.workers.spawning.SpawnerProcess", side_effect=OSError):
            gone.lost()
            self.reactor.advance(0)
        self.reactor.advance(0.5)
        self.assertIsNot(self.spawner, gone)

    def test_no_descriptors(self) -> None:
        """A worker that cannot be started now is started later."""
        first, _ = self.started()
        with mock.patch("socket.socketpair", side_effect=OSError(24, "too many open files")):
            self.end(first)
        self.spawner.take()
        self.reactor.advance(LOOK)
        self.spawner.take(MessageKind.FORK)

    def test_no_descriptors_for_the_spawner(self) -> None:
        """One whose order cannot be sent is started later, too; nothing of the attempt stays open."""
        first, _ = self.started()
        before = len(os.listdir("/proc/self/fd"))
        with mock.patch.object(self.spawner, "send", side_effect=OSError(24, "too many open files")):
            self.end(first)
        self.assertEqual(self.supervisor.workers[0].restarts, 1)
        self.turn()
        self.assertLess(len(os.listdir("/proc/self/fd")), before)
        self.reactor.advance(LOOK)
        self.spawner.take(MessageKind.FORK)

    def test_deadlines(self) -> None:
        """What is overdue is looked for, but not after this process was held up itself."""
        self.started()
        with mock.patch("agwtwisted.workers.worker_slot.WorkerSlot.kill") as kill:
            self.reactor.advance(10 * START_TIMEOUT)
            kill.assert_not_called()
            self.reactor.pump([LOOK] * int(START_TIMEOUT / LOOK))
            kill.assert_not_called()
            self.reactor.pump([LOOK] * 2)
            self.assertTrue(kill.called)


class SiblingsTests(SupervisorCase):
    """What processes publish."""

    def test_relayed(self) -> None:
        """What a worker publishes reaches the others and the parent, not itself; what the parent does reaches all."""
        first, second = self.started()
        heard: list[bytes] = []
        self.supervisor.siblings.subscribe("health", heard.append)
        first.publish("health", b"up")
        self.turn()
        message = second.receive(MessageKind.PUBLISHED)
        self.assertEqual((message.fields, message.data, heard), ({"topic": "health"}, b"up", [b"up"]))
        self.assertFalse(first.has_received())
        self.supervisor.siblings.publish("health", b"down")
        self.turn()
        for worker in (first, second):
            self.assertEqual(worker.receive(MessageKind.PUBLISHED).data, b"down")

    def test_present(self) -> None:
        """A worker hears what the others know before it begins."""
        self.supervisor.present = lambda: [("health", b"up"), ("health", b"down")]
        started = self.begin()
        [_, first, second] = self.spawner.take(MessageKind.COMMIT, MessageKind.FORK, MessageKind.FORK)
        self.turn()
        for worker in (ScriptedWorker(first), ScriptedWorker(second)):
            self.workers.append(worker)
            self.assertEqual([worker.receive(MessageKind.PUBLISHED).data for _ in range(2)], [b"up", b"down"])
            worker.receive(MessageKind.BEGIN)
        self.serve(*self.workers)
        self.successResultOf(started)

    def test_reopen(self) -> None:
        """All reopen the access log."""
        workers = self.started()
        self.supervisor.reopen()
        self.turn()
        for worker in workers:
            worker.receive(MessageKind.REOPEN)


class PrepareTests(SupervisorCase):
    """Another configuration: all have it ready, or none has it in force."""

    def setUp(self) -> None:
        super().setUp()
        self.first, self.second = self.started()
        self.spawner.take()

    def prepare(self, text: str = "second", *ports: int) -> tuple[Deferred[WorkersReplacement], Message]:
        """Begins to prepare one; the spawner's message comes with it."""
        preparing = self.supervisor.prepare(self.judged(text, self.ports[0], *ports))
        self.turn()
        [message] = self.spawner.take(MessageKind.PREPARE)
        return preparing, message

    def answer(self, worker: ScriptedWorker, *warnings: str) -> Message:
        """A worker has it ready."""
        message = worker.receive(MessageKind.PREPARE)
        worker.send(MessageKind.PREPARED, serial=message.fields["serial"], warnings=list(warnings))
        self.turn()
        return message

    def all_ready(self, text: str = "second", *ports: int) -> WorkersReplacement:
        """All have it ready."""
        preparing, message = self.prepare(text, *ports)
        self.spawner.prepared(message, "odd")
        self.answer(self.first, "odd", "unwise")
        self.assertNoResult(preparing)
        self.answer(self.second, "unwise")
        return self.successResultOf(preparing)

    def assert_received(self, kind: MessageKind, *workers: ScriptedWorker) -> None:
        """They get this and nothing else, as does the spawner."""
        self.turn()
        for worker in workers:
            worker.receive(kind)
            self.assertFalse(worker.has_received())

    def test_commit(self) -> None:
        """Once all are ready it is committed in all; what they warn of is said once."""
        replacement = self.all_ready()
        self.assertEqual(replacement.warnings, ("odd", "unwise"))
        self.assertFalse(self.first.has_received())
        replacement.commit()
        self.spawner.take(MessageKind.COMMIT)
        self.assert_received(MessageKind.COMMIT, self.first, self.second)

    def test_settled(self) -> None:
        """It has settled once each worker has committed it; one that ends instead is awaited no longer."""
        replacement = self.all_ready()
        replacement.commit()
        settled = replacement.settled()
        self.turn()
        self.first.send(MessageKind.COMMITTED, serial=self.first.receive(MessageKind.COMMIT).fields["serial"])
        self.turn()
        self.assertNoResult(settled)
        self.end(self.second)
        self.assertIsNone(self.successResultOf(settled))

    def test_not_settled(self) -> None:
        """A worker that does not commit in time is named, and awaited no longer."""
        replacement = self.all_ready()
        replacement.commit()
        settled = replacement.settled()
        self.turn()
        self.first.send(MessageKind.COMMITTED, serial=self.first.receive(MessageKind.COMMIT).fields["serial"])
        self.turn()
        with capturedLogs() as events:
            self.reactor.advance(SETTLE_TIMEOUT)
        self.assertIsNone(self.successResultOf(settled))
        self.assertEqual(
            [formatEvent(each) for each in events], ["The configuration is in force, but not yet in worker 2"]
        )

    def test_settled_without_workers(self) -> None:
        """Where all have ended meanwhile there is none to wait for: the next ones are made from it."""
        replacement = self.all_ready()
        for worker in (self.first, self.second):
            self.end(worker)
        replacement.commit()
        self.assertIsNone(self.successResultOf(replacement.settled()))

    def test_files(self) -> None:
        """Every process gets the bytes, and each worker its own sockets for a new address."""
        preparing, message = self.prepare("second", self.ports[1])
        found = [message, self.first.receive(MessageKind.PREPARE), self.second.receive(MessageKind.PREPARE)]
        self.assertEqual([files_of(each).main.data for each in found], [b"second"] * 3)
        self.assertEqual([len(each.descriptors) for each in found], [0, 1, 1])
        for each in found[1:]:
            with socket.socket(fileno=each.descriptors[0]) as bound:
                self.assertEqual(bound.getsockname(), ("127.0.0.1", self.ports[1]))
        preparing.cancel()
        self.failureResultOf(preparing, CancelledError)

    def test_one_refuses(self) -> None:
        """One that cannot take it is enough: all give it up, and the new sockets are closed."""
        preparing, message = self.prepare("second", self.ports[1])
        self.spawner.prepared(message)
        self.answer(self.first)
        serial = self.second.receive(MessageKind.PREPARE).fields["serial"]
        self.second.send(MessageKind.REFUSED, **refused(serial, [WRONG]).fields)
        self.turn()
        self.assertEqual(self.failureResultOf(preparing, ConfigError).value.problems, (WRONG,))
        self.spawner.take(MessageKind.CANCEL)
        self.assert_received(MessageKind.CANCEL, self.first, self.second)

    def test_spawner_refuses(self) -> None:
        """The spawner's word counts as a worker's."""
        preparing, message = self.prepare()
        self.spawner.received(refused(message.fields["serial"], [WRONG]))
        self.assertEqual(self.failureResultOf(preparing, ConfigError).value.problems, (WRONG,))

    def test_busy(self) -> None:
        """A busy address: no process is asked."""
        with socket.create_server(("127.0.0.1", self.ports[1])):
            preparing = self.supervisor.prepare(self.judged("second", self.ports[0], self.ports[1]))
            self.assertIn("cannot listen", str(self.failureResultOf(preparing, ConfigError).value))
        self.spawner.take()
        self.turn()
        self.assertFalse(self.first.has_received())

    def test_cannot_be_sent(self) -> None:
        """Where a process cannot be asked, all give it up, and workers are replaced as before."""
        for error in (OSError(24, "too many open files"), ChannelError("a message of 9 bytes")):
            with mock.patch.object(self.spawner, "send", side_effect=[error, None]):
                preparing = self.supervisor.prepare(self.judged("second", self.ports[0], self.ports[1]))
            self.assertIn(str(error), str(self.failureResultOf(preparing, ConfigError).value))
        self.end(self.first)
        self.spawner.take(MessageKind.FORK)
        socket.create_server(("127.0.0.1", self.ports[1])).close()  # nothing listens there

    def test_late(self) -> None:
        """One that does not answer in time has all give it up; it is named."""
        preparing, message = self.prepare()
        self.spawner.prepared(message)
        self.answer(self.first)
        self.reactor.advance(PREPARE_TIMEOUT)
        self.assertIn("worker 2", str(self.failureResultOf(preparing, ConfigError).value))
        self.spawner.take(MessageKind.CANCEL)

    def test_cancelled(self) -> None:
        """It may be given up meanwhile."""
        preparing, _ = self.prepare()
        preparing.cancel()
        self.failureResultOf(preparing, CancelledError)
        self.spawner.take(MessageKind.CANCEL)

    def test_given_up(self) -> None:
        """Or once all are ready."""
        self.all_ready().cancel()
        self.spawner.take(MessageKind.CANCEL)
        self.assert_received(MessageKind.CANCEL, self.first, self.second)

    def test_worker_ends_before(self) -> None:
        """A worker that ends meanwhile is awaited no longer; the next one is forked only after the commit, from it."""
        preparing, message = self.prepare()
        self.end(self.first)
        self.spawner.take()  # no order: it is not clear from what it would be made
        self.spawner.prepared(message)
        self.answer(self.second)
        self.successResultOf(preparing).commit()
        [again] = self.fork(MessageKind.COMMIT)
        self.assertEqual(again.index, 1)
        self.assert_received(MessageKind.COMMIT, self.second)

    def test_worker_ends_and_it_is_given_up(self) -> None:
        """If the configuration is not taken, the next worker is forked after that, from what stays in force."""
        preparing, message = self.prepare()
        self.end(self.first)
        self.spawner.received(refused(message.fields["serial"], [WRONG]))
        self.failureResultOf(preparing, ConfigError)
        self.fork(MessageKind.CANCEL)

    def test_worker_that_starts(self) -> None:
        """A worker that was ordered just before prepares as well, as soon as it has started."""
        self.end(self.first)
        [again] = self.fork()
        preparing, message = self.prepare()
        self.spawner.prepared(message)
        self.answer(self.second)
        self.assertNoResult(preparing)
        again.send(MessageKind.READY)
        self.answer(again)
        self.successResultOf(preparing).commit()
        self.assert_received(MessageKind.COMMIT, again, self.second)

    def test_spawner_ends(self) -> None:
        """A spawner that ends meanwhile: the configuration is not taken, and the next spawner gets the one in force."""
        preparing, _ = self.prepare()
        self.spawner.lost()
        self.assertIn("spawner", str(self.failureResultOf(preparing, ConfigError).value))
        self.reactor.advance(0)
        self.spawner_ready("first")

    def test_no_spawner(self) -> None:
        """While there is none, no configuration can be prepared."""
        self.spawner.lost()
        error = self.failureResultOf(self.supervisor.prepare(self.judged("second", self.ports[0])), ConfigError)
        self.assertIn("try again", str(error.value))

    def test_spawner_ends_after(self) -> None:
        """After the commit the next spawner gets the new one, also where the last one ended just before."""
        replacement = self.all_ready()
        self.spawner.lost()
        self.reactor.advance(0)
        replacement.commit()
        self.reactor.advance(0.5)
        self.spawner_ready("second")

    def test_sockets_afterwards(self) -> None:
        """A worker that is forked after the commit gets the sockets of the addresses in force."""
        self.all_ready("second", self.ports[1]).commit()
        self.end(self.second)
        [again] = self.fork(MessageKind.COMMIT)
        addresses = [["127.0.0.1", port, False] for port in self.ports]
        self.assertEqual(sorted(map(list, again.order.fields["addresses"])), sorted(addresses))


class StopTests(SupervisorCase):
    """Ending all."""

    def test_all_end(self) -> None:
        """All drain; the spawner ends last."""
        workers = self.started()
        stopped = self.supervisor.stop(30.0)
        self.turn()
        for worker in workers:
            self.assertEqual(worker.receive(MessageKind.STOP).fields, {"without_limit": False})
            self.assertFalse(self.spawner.closed)
            self.end(worker, 0)
        self.successResultOf(stopped)
        self.assertTrue(self.spawner.closed)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_not_in_time(self) -> None:
        """Workers that do not end in time are ended."""
        self.started()
        stopped = self.supervisor.stop(30.0)
        with mock.patch("agwtwisted.workers.worker_slot.WorkerSlot.kill") as kill:
            self.reactor.advance(29.0 + AFTER_DRAIN)
            kill.assert_not_called()
            self.reactor.advance(1.0)
            self.assertEqual(kill.call_count, 2)
        self.reactor.advance(AFTER_DRAIN)
        self.successResultOf(stopped)

    def test_without_limit(self) -> None:
        """Where there is no limit, they have all the time."""
        workers = self.started()
        stopped = self.supervisor.stop(None)
        self.turn()
        self.reactor.advance(1e6)
        self.assertNoResult(stopped)
        for worker in workers:
            self.assertEqual(worker.receive(MessageKind.STOP).fields, {"without_limit": True})
            self.end(worker, 0)
        self.successResultOf(stopped)

    def test_no_successors(self) -> None:
        """A worker that ends while the gateway stops has none, nor has the spawner."""
        first, second = self.started()
        self.end(first)
        [again] = self.fork()
        stopped = self.supervisor.stop(30.0)
        self.turn()
        self.end(second, 0)
        self.end(again, 0)
        self.successResultOf(stopped)
        self.assertEqual((len(ScriptedSpawner.made), self.spawner.sent), (1, []))
