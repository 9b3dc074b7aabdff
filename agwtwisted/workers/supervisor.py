"""The workers of a gateway, as the parent has them: forked, replaced, given configurations together, and ended."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.operations.happenings import worker_event
from agwtwisted.core.operations.status import ListenerStatus, WorkerStatus
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.listening.activation import OWN_SOCKETS, Binding
from agwtwisted.loading import Loaded, placed
from agwtwisted.operations.events import WORKER
from agwtwisted.transport.deferreds import TrackedSet
from agwtwisted.workers.asking import Questions
from agwtwisted.workers.configurations import prepare, problems_of
from agwtwisted.workers.messages import ChannelError, Message, MessageKind
from agwtwisted.workers.siblings import Publisher
from agwtwisted.workers.sockets import Sockets, bind_all, close_all
from agwtwisted.workers.spawning import LOST, Spawning
from agwtwisted.workers.transactions import SPAWNER, Transaction, WorkersReplacement
from agwtwisted.workers.worker_slot import UNKNOWN, Common, WorkerSlot

LOOK: Final = 5.0
"""Seconds between two looks at deadlines."""

PREPARE_TIMEOUT: Final = 120.0
"""Seconds in which all processes prepare a configuration."""

SETTLE_TIMEOUT: Final = 30.0
"""Seconds after the commit in which all workers have a configuration in force; then the reload is answered."""

AFTER_DRAIN: Final = 5.0
"""Seconds that workers have to end after `drain_timeout`, before they are ended."""


@attrs.frozen(kw_only=True)
class Judged:
    """A configuration that the parent takes, and the time at which it has judged it: the same in every process."""

    loaded: Loaded
    now: datetime | None


class Supervisor:
    """All workers of a gateway, and their spawner.

    Args:
        reactor: of this process.
        judged: the configuration of the start.
        sockets: for each of its addresses one for each worker; they are the supervisor's from now on.
        common: what all workers get.
        binding: gives the sockets of further addresses.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, judged: Judged, sockets: Sockets, common: Common, binding: Binding = OWN_SOCKETS
    ) -> None:
        self.siblings = Publisher(self._publish)
        self._reactor = reactor
        self._judged = judged
        self._common = common
        self._binding = binding
        self.present: Callable[[], Iterable[tuple[str, bytes]]] = tuple
        """Returns what a worker has to hear before it serves: topics and payloads of what was published."""
        self._slots = [
            WorkerSlot(index + 1, {address: bound[index] for address, bound in sockets.items()}, reactor, self)
            for index in range(common.count)
        ]
        self.questions: Final = Questions(reactor, self._slots, common.counts)
        self._spawning = Spawning(reactor, self)
        self._configurations = 0  # that were numbered
        self._workers = 0  # the same
        self._transaction: Transaction | None = None
        self._committed: Transaction | None = None  # the last one, of which workers say that it is in force
        self._started: Deferred[None] | None = None
        self._stopping = False
        self._living: TrackedSet[WorkerSlot] = TrackedSet()
        self._looking: IDelayedCall | None = None
        self._looked = reactor.seconds()

    @property
    def workers(self) -> tuple[WorkerStatus, ...]:
        """Each worker, for people; its connections are those that it counts now, in the memory of all."""
        connections = self._common.memory.connections
        return tuple(attrs.evolve(slot.status, connections=connections[slot.index]) for slot in self._slots)

    @property
    def listeners(self) -> tuple[ListenerStatus, ...]:
        """Each address in force, with its connections in all workers."""
        return tuple(
            ListenerStatus(address=address, port=port, connections=self._connections((address, port)))
            for address, port in self._judged.loaded.plan.addresses
        )

    def _connections(self, address: Address) -> int:
        return sum(slot.by_address.get(address, 0) for slot in self._slots)

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """All listening sockets."""
        return [each for slot in self._slots for each in slot.sockets.values()]

    # -- starting

    def start(self) -> Deferred[None]:
        """Starts the spawner and the workers; fires when all serve, and fails with `ConfigError` if one cannot."""
        started = self._started = Deferred()
        self._look()
        try:
            self._spawning.start()
        except OSError as error:
            self._fail([self._problem(f"the spawner cannot be started: {error}")])
        return started

    def _fail(self, problems: Iterable[Problem]) -> None:
        """The start has failed, where this is one: no further process is started."""
        started, self._started = self._started, None
        if started is not None:
            self._stopping = True
            started.errback(ConfigError(problems))

    def _problem(self, text: str) -> Problem:
        return Problem(place=Place(file=self._judged.loaded.files.file), message=text)

    def configuration(self) -> Message:
        """As `SpawnerUser` has it."""
        return prepare(self._numbered(), self._judged.loaded.files, self._judged.now)

    def _numbered(self) -> int:
        self._configurations += 1
        return self._configurations

    def spawner_ready(self) -> None:
        """As `SpawnerUser` has it."""
        self.log.info("The spawner (process {number}) has made the TLS contexts", number=self._spawning.number)
        self._fill()

    def spawner_refused(self, problems: Iterable[Problem]) -> None:
        """As `SpawnerUser` has it."""
        self._fail(problems)

    def spawner_lost(self) -> None:
        """As `SpawnerUser` has it."""
        for slot in self._slots:
            slot.spawner_lost()
        if self._transaction is not None:
            self._transaction.refuse(self._transaction.serial, [self._problem(LOST)])
        self._fail([self._problem(LOST)])

    def _fill(self) -> None:
        """Has a worker forked for each slot that is due. While a transaction is under way it is not clear from what."""
        if self._spawning.is_ready and self._transaction is None and not self._stopping:
            for slot in self._slots:
                if slot.is_due:
                    self._order(slot)

    def _order(self, slot: WorkerSlot) -> None:
        self._workers += 1
        given: Sequence[int] = ()
        try:
            message, given = slot.order(self._workers, self._common)
            self._living.add(slot)
            self._spawning.send(message)
        except OSError as error:  # it is tried again with the next look, or after the back-off
            self._cannot_start(slot, error)
            return
        finally:
            for descriptor in given:
                os.close(descriptor)
        for topic, payload in self.present():
            slot.send(Message(kind=MessageKind.PUBLISHED, fields={"topic": topic}, data=payload), bounded=False)
        slot.send(Message(kind=MessageKind.BEGIN))
        self.questions.begun(slot)

    def _cannot_start(self, slot: WorkerSlot, error: OSError) -> None:
        self.log.error("{worker} cannot be started: {reason}", worker=slot.name, reason=str(error))
        self._fail([self._problem(f"{slot.name} cannot be started: {error}")])
        if not slot.is_due:  # the spawner, which knows nothing of it, will not say that it has ended
            slot.ended_with(f"it cannot be started: {error}")

    def spawner_answered(self, message: Message) -> None:
        """As `SpawnerUser` has it."""
        fields = message.fields
        match message.kind:
            case MessageKind.FORKED | MessageKind.ENDED:
                for slot in self._slots:
                    if slot.serial == fields["serial"]:
                        slot.reported(message)
            case _:
                self._answered(SPAWNER, message)

    # -- what slots report

    def serves(self, slot: WorkerSlot) -> None:
        """As `SlotOwner` has it."""
        self.log.info("{worker} (process {pid}) serves", worker=slot.name, pid=slot.status.pid)
        self.questions.events.publish(WORKER, worker_event(slot.index, "started"))
        started = self._started
        if started is not None and all(each.is_serving for each in self._slots):
            self._started = None
            started.callback(None)

    def ended(self, slot: WorkerSlot) -> None:
        """As `SlotOwner` has it."""
        self._common.memory.clear(slot.index)  # of its connections, before the next one counts there
        self._living.discard(slot)
        self.questions.gone(slot.index)
        self.questions.events.publish(WORKER, worker_event(slot.index, "ended", slot.how))
        for transaction in (self._transaction, self._committed):
            if transaction is not None:
                transaction.gone(slot.serial)
        self._fail(slot.problems or [self._problem(f"{slot.name} has ended while it started: {slot.how or UNKNOWN}")])

    def due(self, slot: WorkerSlot) -> None:
        """As `SlotOwner` has it."""
        self._fill()

    def received(self, slot: WorkerSlot, message: Message) -> None:
        """As `SlotOwner` has it."""
        if self.questions.received(slot, message):
            return
        if message.kind is not MessageKind.PUBLISHED:
            self._answered(slot.serial, message)
            return
        for each in self._slots:
            if each is not slot:
                each.send(message)
        self.siblings.heard(message)

    def _publish(self, message: Message) -> None:
        for slot in self._slots:
            slot.send(message)

    def reopen(self) -> None:
        """Has all workers reopen the access log."""
        self._publish(Message(kind=MessageKind.REOPEN))

    # -- deadlines

    def _look(self) -> None:
        self._looking = self._reactor.callLater(LOOK, self._look)
        now = self._reactor.seconds()
        held_up = now - self._looked > 2 * LOOK
        self._looked = now
        watched: Sequence[WorkerSlot | Spawning] = (self._spawning, *self._slots)
        for each in watched:
            if held_up:
                each.forgive(now)
            else:
                each.look(now)
        self._fill()

    # -- another configuration

    def prepare(self, judged: Judged) -> Deferred[WorkersReplacement]:
        """Has all processes prepare a configuration; fails with `ConfigError`, and leaves nothing behind then."""
        return Deferred.fromCoroutine(self._prepared(judged))

    async def _prepared(self, judged: Judged) -> WorkersReplacement:
        if not self._spawning.is_ready:
            raise ConfigError([self._problem("the spawner, which starts the workers, is being started: try again")])
        sockets = self._bound(judged.loaded.plan)
        asked = [slot for slot in self._slots if slot.is_open]
        transaction = self._transaction = Transaction(self._numbered(), [SPAWNER, *(slot.serial for slot in asked)])
        try:
            self._ask(asked, transaction.serial, judged, sockets)
            await transaction.decided.addTimeout(PREPARE_TIMEOUT, self._reactor)
        except BaseException as error:
            self._give_up(transaction, sockets)
            reason = self._reason(error, transaction)
            if reason:
                raise ConfigError([self._problem(reason)]) from error
            raise
        return WorkersReplacement(
            transaction,
            commit=lambda: self._commit(transaction, judged, sockets),
            settled=self._settled,
            cancel=lambda: self._give_up(transaction, sockets),
        )

    def _bound(self, plan: Plan) -> Sockets:
        """Sockets for the addresses of a plan that the workers have none for; raises ConfigError."""
        with placed(plan):
            self._binding.check(plan.addresses)
            new = (each for each in plan.addresses if each not in self._slots[0].sockets)
            return bind_all(new, self._common.count, self._binding)

    def _reason(self, error: BaseException, transaction: Transaction) -> str:
        """Why not all processes have prepared a configuration; empty where the error says it itself."""
        match error:
            case TimeoutError():
                return f"not ready after {PREPARE_TIMEOUT:.0f} s: {self._named(transaction.awaited)}"
            case OSError() | ChannelError():
                return f"cannot be sent to all processes: {error}"
            case _:
                return ""

    def _ask(self, workers: Iterable[WorkerSlot], serial: int, judged: Judged, sockets: Sockets) -> None:
        """Has the spawner and these workers prepare a configuration; raises OSError, ChannelError."""
        files = judged.loaded.files
        self._spawning.send(prepare(serial, files, judged.now))
        for slot in workers:
            own = {address: bound[slot.index - 1] for address, bound in sockets.items()}
            slot.send(prepare(serial, files, judged.now, own), bounded=False)

    def _answered(self, process: int, message: Message) -> None:
        transaction = self._committed if message.kind is MessageKind.COMMITTED else self._transaction
        if transaction is None:
            return
        match message.kind:
            case MessageKind.COMMITTED:
                transaction.ready(process, message.fields["serial"], ())
            case MessageKind.PREPARED:
                transaction.ready(process, message.fields["serial"], message.fields["warnings"])
            case MessageKind.REFUSED:
                transaction.refuse(message.fields["serial"], problems_of(message))
            case _:
                self.log.error("Unexpected message of the kind {kind}", kind=message.kind.name)

    def _named(self, processes: Iterable[int]) -> str:
        names = {slot.serial: slot.name for slot in self._slots} | {SPAWNER: "the spawner"}
        return ", ".join(names[process] for process in sorted(processes) if process in names)

    def _give_up(self, transaction: Transaction, sockets: Sockets) -> None:
        message = Message(kind=MessageKind.CANCEL, fields={"serial": transaction.serial})
        self._send_all(message)
        close_all(sockets)
        self._transaction = None
        self._fill()

    def _send_all(self, message: Message) -> None:
        for slot in self._slots:
            slot.send(message, bounded=False)
        if self._spawning.is_ready:
            self._spawning.send(message)

    def _commit(self, transaction: Transaction, judged: Judged, sockets: Sockets) -> None:
        self._send_all(Message(kind=MessageKind.COMMIT, fields={"serial": transaction.serial}))
        self._judged = judged
        self._spawning.renew()
        for slot in self._slots:
            own = {address: bound[slot.index - 1] for address, bound in sockets.items()}
            slot.change(judged.loaded.plan, own)
        self._transaction = None
        self._committed = Transaction(transaction.serial, transaction.prepared.keys() - {SPAWNER})
        self._fill()

    def _settled(self) -> Deferred[None]:
        """Fires once each worker that has prepared the configuration in force has committed it, or has ended."""
        if self._committed is None:
            return succeed(None)
        return self._committed.decided.addTimeout(SETTLE_TIMEOUT, self._reactor).addErrback(self._unsettled)

    def _unsettled(self, failure: Failure) -> None:
        """A worker hangs, which `WorkerSlot.look` ends, or drains because it could not commit."""
        failure.trap(TimeoutError)
        awaited = frozenset() if self._committed is None else self._committed.awaited
        self.log.warn("The configuration is in force, but not yet in {workers}", workers=self._named(awaited))

    # -- stopping

    def stop(self, limit: float | None) -> Deferred[None]:
        """Has all workers drain, for so many seconds at most, and ends the spawner; fires when all have ended."""
        return Deferred.fromCoroutine(self._stop(limit))

    async def _stop(self, limit: float | None) -> None:
        self._stopping = True
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()
        for slot in self._slots:
            slot.stop(without_limit=limit is None)
        if not await self._all_ended(None if limit is None else limit + AFTER_DRAIN):
            for slot in self._living.snapshot():
                slot.kill("drain_timeout is over")
            await self._all_ended(AFTER_DRAIN)
        for slot in self._living.snapshot():
            slot.close()
        await self._spawning.stop()

    async def _all_ended(self, limit: float | None) -> bool:
        ended = self._living.when_empty()
        try:
            await (ended if limit is None else ended.addTimeout(limit, self._reactor))
        except (TimeoutError, CancelledError):
            return False
        return True
