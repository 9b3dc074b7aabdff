"""The place of one worker: its listening sockets, which stay, and the process that serves, which may be replaced."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Protocol

import attrs
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.status import WorkerStatus
from agwtwisted.core.operations.worker_counts import WorkerCounts
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.workers.back_off import BackOff
from agwtwisted.workers.channel import CLOSED, Channel
from agwtwisted.workers.configurations import described, problems_of
from agwtwisted.workers.messages import Message, MessageKind
from agwtwisted.workers.process_handle import ProcessHandle, ending
from agwtwisted.workers.worker_log import StandardError, log_for

START_TIMEOUT: Final = 60.0
"""Seconds from the order to fork a worker until it serves."""

BEAT_TIMEOUT: Final = 60.0
"""Seconds without a sign of life, after which a worker is ended: its reactor hangs."""

STATUS_TIMEOUT: Final = 5.0
"""Seconds between the end of a worker's channel and the end of its process, whichever is first."""


DRAINED: Final = "exit status 0"
"""How a worker ends that has drained by a SIGTERM of its own."""

UNKNOWN: Final = "it is not known how"
"""Where the spawner, which would have seen it, has ended as well."""


class SlotState(Enum):
    """What the process of a slot does."""

    EMPTY = "none"  # there is none: the next one is due, or waits
    STARTING = "starting"
    SERVING = "serving"
    ENDING = "ending"  # its channel or its process has ended


class SlotOwner(Protocol):
    """What a slot reports to."""

    def serves(self, slot: WorkerSlot) -> None:
        """Its worker serves."""

    def ended(self, slot: WorkerSlot) -> None:
        """Its worker is gone."""

    def due(self, slot: WorkerSlot) -> None:
        """It is time for the next one."""

    def received(self, slot: WorkerSlot, message: Message) -> None:
        """Its worker has answered about a configuration, or has published something."""


@attrs.frozen(kw_only=True)
class Common:
    """What all workers of a gateway get."""

    count: int  # of them
    memory: SharedMemory
    affinity_key: bytes = attrs.field(repr=False)
    counts: WorkerCounts = attrs.field(factory=WorkerCounts, repr=False)


class WorkerSlot:
    """One worker's place.

    Args:
        index: of the worker, from 1.
        sockets: the listening sockets that are its own.
        reactor: of this process.
        owner: hears what happens.
    """

    log = Logger()

    def __init__(self, index: int, sockets: Mapping[Address, socket.socket], reactor: Any, owner: SlotOwner) -> None:
        self.index = index
        self.sockets = dict(sockets)
        self.state = SlotState.EMPTY
        self.serial = 0
        """The number of the process, of all workers that there have been."""
        self.problems: Sequence[Problem] = ()
        """Why the last one could not start."""
        self.how = ""
        """How the last one ended."""
        self.by_address: Mapping[Address, int] = {}
        """Connections of the worker by the address that they came to, a second ago."""
        self._stopping = False
        self._connections = 0
        self._restarts = -1
        self._reactor = reactor
        self._owner = owner
        self._back_off = BackOff()
        self._process = ProcessHandle(0)
        self._is_reported = True
        self._counts = WorkerCounts()
        self._since = self._alive = reactor.seconds()
        self._channel: Channel | None = None
        self._errors: StandardError | None = None
        self._timer: IDelayedCall | None = None

    @property
    def name(self) -> str:
        """What the log calls the worker."""
        return f"worker {self.index}"

    @property
    def is_due(self) -> bool:
        """Whether a worker is to be forked now."""
        return self.state is SlotState.EMPTY and self._timer is None and not self._stopping

    @property
    def is_open(self) -> bool:
        """Whether there is a worker, which receives messages."""
        return self._channel is not None and self._channel.is_open

    @property
    def is_serving(self) -> bool:
        """Whether its worker accepts connections."""
        return self.state is SlotState.SERVING

    @property
    def status(self) -> WorkerStatus:
        """For people; the connections are those of a second ago."""
        return WorkerStatus(
            index=self.index,
            pid=self._process.number,
            connections=self._connections,
            restarts=max(self._restarts, 0),
        )

    # -- how a worker comes

    def order(self, serial: int, common: Common) -> tuple[Message, Sequence[int]]:
        """The order to fork the worker with this number; and the descriptors to close once it is sent."""
        own, other = socket.socketpair()
        read, write = os.pipe2(os.O_CLOEXEC)
        self.state, self.serial, self.problems = SlotState.STARTING, serial, ()
        self.how, self._is_reported, self._connections, self.by_address = "", True, 0, {}
        self._since = self._alive = self._reactor.seconds()
        self._restarts += 1
        self._counts = common.counts
        self._counts.began(self.index)
        self._channel = Channel(self._reactor, own, self._received, self._lost)
        self._errors = StandardError(self._reactor, read, self.name)
        fields = {
            "serial": serial,
            "index": self.index,
            "count": common.count,
            "addresses": described(self.sockets),
            "restarts": self._restarts,
        }
        given = [other.detach(), write]
        sockets = [each.fileno() for each in self.sockets.values()]
        descriptors = [*given, common.memory.descriptor, *sockets]
        return Message(kind=MessageKind.FORK, fields=fields, data=common.affinity_key, descriptors=descriptors), given

    def forked(self, process: int) -> None:
        """It is there."""
        if self.state is SlotState.STARTING:
            self._process = ProcessHandle(process)

    def send(self, message: Message, *, bounded: bool = True) -> None:
        """Sends the worker a message, where there is one."""
        if self._channel is not None:
            self._channel.send(message, bounded=bounded)

    # -- how it goes

    def change(self, plan: Plan, sockets: Mapping[Address, socket.socket]) -> None:
        """Another configuration is in force, with these new sockets. Those that its plan does not have are closed.

        The worker has them as well, and serves what waits in their queues.
        """
        self.sockets |= sockets
        for address in self.sockets.keys() - set(plan.addresses):
            self.sockets.pop(address).close()

    def stop(self, *, without_limit: bool) -> None:
        """Has the worker drain, and no other come. From here on its sockets are open only as long as it has them."""
        self._stopping = True
        if self.state is SlotState.EMPTY:
            self._cancel()
        self.send(Message(kind=MessageKind.STOP, fields={"without_limit": without_limit}), bounded=False)
        for bound in self.sockets.values():
            bound.close()

    def kill(self, reason: str) -> None:
        """Ends the worker at once."""
        self.log.error("{worker} is ended: {reason}", worker=self.name, reason=reason)
        self._process.kill()

    def look(self, now: float) -> None:
        """Ends a worker that does not start, or whose reactor hangs."""
        if self.state is SlotState.STARTING and now - self._since > START_TIMEOUT:
            self.kill(f"it does not serve after {START_TIMEOUT:.0f} s")
        elif self.state is SlotState.SERVING and now - self._alive > BEAT_TIMEOUT:
            self.kill(f"it has given no sign of life for {BEAT_TIMEOUT:.0f} s")

    def forgive(self, now: float) -> None:
        """This process itself was held up: the worker's silence until now does not count."""
        self._alive = now
        if self.state is SlotState.STARTING:
            self._since = now

    def reported(self, message: Message) -> None:
        """What the spawner says about the process."""
        fields = message.fields
        if message.kind is MessageKind.ENDED:
            self.ended_with(ending(fields["status"]))
        elif "error" in fields:
            self.ended_with(f"it cannot be forked: {fields['error']}")
        else:
            self.forked(fields["process"])

    def ended_with(self, how: str) -> None:
        """The spawner has seen the process end, or could not make it."""
        self.how = how
        self._process.forget()
        self._part_ended()

    def spawner_lost(self) -> None:
        """No spawner will say how the process ends."""
        self._is_reported = False
        if self.state is SlotState.ENDING:
            self._part_ended()

    def _lost(self, reason: str) -> None:
        if reason is not CLOSED:
            self.kill(reason)
        self._part_ended()

    def _part_ended(self) -> None:
        """The channel or the process has ended: waits for the other, for a while."""
        if not self.is_open and (self.how or not self._is_reported):
            self._finish()
        elif self.state is not SlotState.ENDING:
            self.state = SlotState.ENDING
            self._timer = self._reactor.callLater(STATUS_TIMEOUT, self._overdue)

    def _overdue(self) -> None:
        self._timer = None
        self._process.kill()
        self._finish()

    def close(self) -> None:
        """Lets go of the worker, whether it has ended or not."""
        self._cancel()
        self._process.forget()
        if self._channel is not None:
            self._channel.close()
        if self._errors is not None:
            self._errors.close()

    def _finish(self) -> None:
        """There is no worker any more."""
        self.close()
        self.state = SlotState.EMPTY
        self._counts.ended(self.index)
        if self._stopping:
            self.log.info("{worker} has ended: {how}", worker=self.name, how=self.how or UNKNOWN)
        else:
            self._await_next()
        self._owner.ended(self)

    def _await_next(self) -> None:
        lived = self._reactor.seconds() - self._since
        delay = self._back_off.delay(lived)
        if self.how == DRAINED:
            text = "{worker} has drained and ended after {lived:.1f} s; the next one starts in {delay} s"
            self.log.info(text, worker=self.name, lived=lived, delay=delay)
        else:
            self._log_loss(lived, delay)
        self._timer = self._reactor.callLater(delay, self._next)

    def _log_loss(self, lived: float, delay: float) -> None:
        self.log.error(
            "{worker} has ended after {lived:.1f} s: {how}; its connections ({connections}) are lost, the next one"
            " starts in {delay} s",
            worker=self.name,
            lived=lived,
            how=self.how or UNKNOWN,
            connections=self._connections,
            delay=delay,
        )

    def _next(self) -> None:
        self._timer = None
        self._owner.due(self)

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    # -- what the worker says

    def _received(self, message: Message) -> None:
        self._alive = self._reactor.seconds()
        match message.kind:
            case MessageKind.LOGGED:
                log_for(self.name, message)
            case MessageKind.BEAT:
                self._connections = message.fields["connections"]
                listeners = message.fields["listeners"]
                self.by_address = {(address, port): connections for address, port, connections in listeners}
            case MessageKind.COUNTED:
                self._counts.reported(self.index, Measurements.of_members(json.loads(message.data)))
            case MessageKind.READY:
                self._serves(message.fields.get("process", 0))
            case MessageKind.REFUSED if not message.fields["serial"]:
                self.problems = problems_of(message)
            case _:
                self._owner.received(self, message)

    def _serves(self, process: int) -> None:
        if self.state is SlotState.STARTING:
            if not self._process.number:  # the spawner has ended before it said which it is
                self._process = ProcessHandle(process)
            self.state = SlotState.SERVING
            self._owner.serves(self)
