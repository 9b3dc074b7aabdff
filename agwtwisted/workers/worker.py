"""One worker: a whole gateway on its own listening sockets, which does what its parent says.

It is forked by the spawner. It installs its reactor, reports to the parent, and serves until the parent has it stop; if
the parent is gone, it drains by itself. Signals that a terminal sends to all processes are the parent's; SIGTERM to a
worker alone has it drain, and another takes its place.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger, globalLogBeginner
from twisted.python.failure import Failure

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.loading import Loaded, plan_of
from agwtwisted.reload import Prepared
from agwtwisted.service import GatewayService, build
from agwtwisted.shared import WorkerPlace
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.tls.contexts import VariablesOf
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.clocks import count_monotonically
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.descriptors import raise_limit
from agwtwisted.transport.process import install_reactor
from agwtwisted.transport.threads import considerate, in_thread
from agwtwisted.workers.answering import WorkerAnswers
from agwtwisted.workers.channel import Channel
from agwtwisted.workers.configurations import files_of, now_of, refused, sockets_of
from agwtwisted.workers.messages import Message, MessageKind
from agwtwisted.workers.siblings import Publisher
from agwtwisted.workers.worker_log import ChannelObserver

BEAT: Final = 1.0
"""Seconds between two signs of life."""

REPORT: Final = 5.0
"""Seconds between two reports of what was counted: so much is lost with a worker that is killed."""

NUMBERS: Final = 1_000_000_000
"""By which connections and refusals of one process are known; those of its successor go on behind them."""

BEGIN_TIMEOUT: Final = 60.0
"""Seconds in which the parent sends what the others know."""

LAST_WORDS: Final = 2.0
"""Seconds in which the parent gets what was logged at the end."""


def serve(order: Message, loaded: Loaded, contexts: Mapping[Address, PortContexts], variables_of: VariablesOf) -> int:
    """Runs a worker to its end, in a process that was forked for it; returns its exit status.

    Args:
        order: of the kind FORK; its descriptors are the channel, standard error, the shared memory, and the sockets.
        loaded: the configuration in force.
        contexts: its TLS contexts.
        variables_of: with which they were made.
    """
    channel, errors, memory, *sockets = order.descriptors
    os.dup2(errors, 2)
    os.close(errors)
    faulthandler.enable()
    _be_named(order.fields["index"])
    install_reactor()
    from twisted.internet import reactor

    count_monotonically(reactor)
    worker = Worker(cast(PosixReactorBase, reactor), socket.socket(fileno=channel), loaded.plan)
    place = WorkerPlace(
        index=order.fields["index"],
        count=order.fields["count"],
        siblings=worker.siblings,
        memory=SharedMemory(memory),
        affinity_key=order.data,
        first_number=1 + order.fields["restarts"] * NUMBERS,
        variables_of=variables_of,
    )
    listening = sockets_of(order, sockets)
    return worker.run(partial(_built, loaded, contexts, place, listening))


def _be_named(index: int) -> None:
    """Names the process as `ps` and `top` show it."""
    with suppress(OSError), open("/proc/self/comm", "w") as name:
        name.write(f"agw worker {index}")


def _built(
    loaded: Loaded,
    contexts: Mapping[Address, PortContexts],
    place: WorkerPlace,
    sockets: Mapping[Address, socket.socket],
    reactor: PosixReactorBase,
) -> GatewayService:
    return build(
        loaded.plan,
        reactor,
        sockets,
        files=loaded.files,
        descriptors=raise_limit(),
        place=place,
        contexts=contexts,
    )


class Worker:
    """The parent's side of a worker: what comes through the channel, and what goes.

    Args:
        reactor: of this process, not running yet.
        end: of the channel.
        plan: of the configuration in force.
    """

    _log = Logger()

    def __init__(self, reactor: PosixReactorBase, end: socket.socket, plan: Plan) -> None:
        self._reactor = reactor
        self._channel = Channel(reactor, end, self._received, self._lost)
        self._file = plan.origins.file
        self._begins = False
        self._stopping = False
        self._status = 0
        self._preparing: Deferred[Any] | None = None
        self._prepared: tuple[int, Prepared] | None = None
        self.siblings = Publisher(self._channel.send)

    def run(self, built: Any) -> int:
        """Serves with the service that `built` makes on the reactor; returns the exit status."""
        globalLogBeginner.beginLoggingTo([ChannelObserver(self._channel.send, lambda: self._channel.queued)])
        try:
            self._service = built(self._reactor)
            self._answering = WorkerAnswers(self._service, self._channel)
            self._await_begin()
            self._service.privilegedStartService()
            self._service.startService()
        except ConfigError as error:
            return self._failed(error.problems)
        except Exception as defect:
            self._log.failure("Unexpected error while starting")
            return self._failed([_defect(self._file, defect)])
        self._serve()
        return self._status

    def _await_begin(self) -> None:
        """Hears what the others know, before the reactor runs and a client comes."""
        while not self._begins:
            self._channel.wait(BEGIN_TIMEOUT)

    def _failed(self, problems: Iterable[Problem]) -> int:
        self._channel.send(refused(0, problems))
        self._channel.finish(LAST_WORDS)
        return 1

    def _serve(self) -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, frame: self._reactor.callFromThread(self._leave))
        self._reactor.callWhenRunning(self._running)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._end)
        self._reactor.run(installSignalHandlers=False)

    def _running(self) -> None:
        self._channel.send(Message(kind=MessageKind.READY, fields={"process": os.getpid()}))
        self._beat()
        self._reactor.callLater(REPORT, self._report)

    def _beat(self) -> None:
        status = self._service.status()
        listeners = [(each.address, each.port, each.connections) for each in status.listeners]
        fields = {"connections": status.connections, "listeners": listeners}
        self._channel.send(Message(kind=MessageKind.BEAT, fields=fields))
        self._reactor.callLater(BEAT, self._beat)

    def _report(self) -> None:
        self._send_counts()
        self._reactor.callLater(REPORT, self._report)

    def _send_counts(self) -> None:
        members = self._service.measurements().members()
        self._channel.send(Message(kind=MessageKind.COUNTED, data=json.dumps(members).encode()))

    def _leave(self) -> None:
        """Drains alone, and leaves the listening sockets to the worker that takes its place."""
        if not self._stopping:
            self._log.info("Draining; then another worker takes its place")
        self._service.leave_sockets()
        self._stop()

    def _stop(self) -> None:
        """Drains, and ends then; one that only starts does so once its reactor runs."""
        if not self._stopping:
            self._stopping = True
            self._reactor.callWhenRunning(self._reactor.stop)

    def _end(self) -> Deferred[None]:
        """Drains; then the parent gets what is left for it, before the reactor closes all that it watches."""
        stopped: Deferred[None] = self._service.stopService()
        return stopped.addBoth(self._stopped)

    def _stopped(self, outcome: object) -> None:
        if isinstance(outcome, Failure):
            self._log.failure("Unexpected error while stopping", outcome)
            self._status = 1
        try:
            self._send_counts()
        except Exception:
            self._log.failure("Unexpected error while reporting what was counted")
        self._channel.finish(LAST_WORDS)

    def _lost(self, reason: str) -> None:
        """The parent is gone. While this process drains, that is by a second signal, which has everything end."""
        if self._stopping:
            os._exit(1)
        self._status = 1
        self._stop()

    def _received(self, message: Message) -> None:
        match message.kind:
            case MessageKind.BEGIN:
                self._begins = True
            case MessageKind.PREPARE:
                self._prepare(message)
            case MessageKind.COMMIT:
                self._commit(message.fields["serial"])
            case MessageKind.CANCEL:
                self._cancel()
            case MessageKind.REOPEN:
                self._service.reopen()
            case MessageKind.STOP:
                if message.fields["without_limit"]:
                    self._service.drain_without_limit()
                self._stop()
            case MessageKind.ASK:
                self._answering.ask(message)
            case MessageKind.LISTEN:
                self._answering.listen(message)
            case MessageKind.PUBLISHED:
                self.siblings.heard(message)
            case _:
                self._log.error("Unexpected message of the kind {kind}", kind=message.kind.name)

    def _prepare(self, message: Message) -> None:
        self._cancel()
        preparing = self._preparing = Deferred.fromCoroutine(self._prepared_of(message))
        log_failure(preparing, self._log, "preparing a configuration")

    async def _prepared_of(self, message: Message) -> None:
        serial = message.fields["serial"]
        sockets = sockets_of(message, message.descriptors)
        try:
            files = files_of(message)
            with considerate():
                plan = await in_thread(self._reactor, partial(plan_of, files, now_of(message)), "reload")
                prepared = await self._service.prepare(Loaded(plan=plan, files=files), sockets)
        except ConfigError as error:
            self._channel.send(refused(serial, error.problems))
        except CancelledError:  # another one is wanted, or none
            pass
        except Exception as defect:
            self._log.failure("Unexpected error while a configuration is prepared")
            self._channel.send(refused(serial, [_defect(message.fields["file"], defect)]))
        else:
            self._prepared = (serial, prepared)
            self._channel.send(
                Message(kind=MessageKind.PREPARED, fields={"serial": serial, "warnings": list(prepared.warnings)})
            )
        finally:
            if self._prepared is None:
                _close(sockets)

    def _commit(self, serial: int) -> None:
        """Puts in force what is prepared. A worker that cannot ends, and another takes its place with all of it."""
        prepared, self._prepared = self._prepared, None
        try:
            if prepared is not None and prepared[0] == serial:
                prepared[1].commit()
                # Not before: the parent may be asked to bind an address that went here.
                closed = self._service.retired.all_closed().addCallback(lambda _: self._committed(serial))
                log_failure(closed, self._log, "saying that a configuration is in force")
                return
            self._log.error("Configuration {serial} is in force, but was not prepared here", serial=serial)
        except Exception:
            self._log.failure("Unexpected error while a configuration is put in force")
        self._status = 1
        self._leave()

    def _committed(self, serial: int) -> None:
        self._channel.send(Message(kind=MessageKind.COMMITTED, fields={"serial": serial}))

    def _cancel(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared[1].cancel()
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None


def _defect(file: str, defect: Exception) -> Problem:
    text = f"a defect of the gateway in a worker, which is in the log: {type(defect).__name__}"
    return Problem(place=Place(file=file), message=text)


def _close(sockets: Mapping[Address, socket.socket]) -> None:
    for bound in sockets.values():
        bound.close()
