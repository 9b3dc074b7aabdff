"""The spawner: makes the TLS contexts of a configuration, then forks the workers that inherit them.

``python -P -m agwtwisted.workers.spawner DESCRIPTOR``, started by the parent, with one end of a channel. It never has
a reactor or a second thread, so it can fork at any time; a fork of the parent would have both. The keys of TLS tickets
are made with the contexts, and there is no way to set them: what one worker has issued another one takes, since all
have the same.

It holds no listening socket and no channel of a worker longer than the fork takes, and it ends when the parent does.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NoReturn

import attrs

from agwtwisted._version import VERSION
from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.plan.plan import Address
from agwtwisted.loading import Loaded, placed, plan_of
from agwtwisted.operations.late_imports import refuse_replaced
from agwtwisted.tls.contexts import VariablesOf, trusted_variables
from agwtwisted.tls.plan_contexts import make_contexts
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.process import keep_freed_memory, spare_the_collector
from agwtwisted.workers import worker
from agwtwisted.workers.channel import receive_waiting, send_waiting
from agwtwisted.workers.configurations import files_of, now_of, refused
from agwtwisted.workers.messages import Decoder, Message, MessageKind

IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that a terminal or systemd sends to all processes of a gateway: the parent acts on them."""


@attrs.frozen(kw_only=True)
class _Ready:
    """A configuration from which workers can be made."""

    serial: int
    loaded: Loaded
    contexts: Mapping[Address, PortContexts]
    variables_of: VariablesOf


class Spawner:
    """Obeys the parent until that closes the channel.

    Args:
        end: of the channel, blocking.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._decoder = Decoder()
        self._ready: _Ready | None = None
        self._in_force: _Ready | None = None
        self._workers: dict[int, int] = {}  # the serial number of each by its process
        self._woken, self._waker = socket.socketpair()

    def run(self) -> None:
        """Until the channel is closed."""
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        waiting = select.poll()
        waiting.register(self._end, select.POLLIN)
        waiting.register(self._woken, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            with suppress(BlockingIOError):
                self._woken.recv(4096)
            self._reap()
            if self._end.fileno() in ready and not self._receive():
                return

    def _receive(self) -> bool:
        if not receive_waiting(self._end, self._decoder):
            return False
        for message in self._decoder.messages():
            self._obey(message)
        return True

    def _reap(self) -> None:
        """Reports the workers that have ended."""
        while self._workers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            serial = self._workers.pop(process, None)
            if serial is not None:
                fields = {"serial": serial, "status": os.waitstatus_to_exitcode(status)}
                self._answer(Message(kind=MessageKind.ENDED, fields=fields))

    def _obey(self, message: Message) -> None:
        match message.kind:
            case MessageKind.PREPARE:
                self._prepare(message)
            case MessageKind.COMMIT:
                if self._ready is not None and self._ready.serial == message.fields["serial"]:
                    self._in_force, self._ready = self._ready, None
            case MessageKind.CANCEL:
                self._ready = None
            case MessageKind.FORK:
                self._fork(message)
            case _:
                pass
        for descriptor in message.descriptors:
            os.close(descriptor)

    def _prepare(self, message: Message) -> None:
        serial = message.fields["serial"]
        self._ready = None
        try:
            self._ready = self._made(message)
        except ConfigError as error:
            self._answer(refused(serial, error.problems))
        except Exception as defect:
            traceback.print_exc()
            self._answer(refused(serial, [_defect(message.fields["file"], defect)]))
        else:
            gc.collect()  # what was made is looked through no more, here and in workers, until much else is there
            self._answer(Message(kind=MessageKind.PREPARED, fields={"serial": serial, "warnings": []}))

    def _made(self, message: Message) -> _Ready:
        if message.fields["version"] != VERSION:
            raise ConfigError([_problem(message.fields["file"], _OTHER_VERSION.format(message.fields["version"]))])
        files = files_of(message)
        plan = plan_of(files, now_of(message))
        kept = self._in_force
        variables_of = trusted_variables() if kept is None else kept.variables_of
        with placed(plan):
            contexts = make_contexts(plan, variables_of, {} if kept is None else kept.contexts)
        return _Ready(
            serial=message.fields["serial"],
            loaded=Loaded(plan=plan, files=files),
            contexts=contexts,
            variables_of=variables_of,
        )

    def _fork(self, message: Message) -> None:
        serial, made = message.fields["serial"], self._in_force
        assert made is not None, "a worker was asked for before a configuration"
        try:
            process = os.fork()
        except OSError as error:
            fields = {"serial": serial, "error": error.strerror}
            self._answer(Message(kind=MessageKind.FORKED, fields=fields))
            return
        if not process:
            self._become_worker(message, made)
        self._workers[process] = serial
        self._answer(Message(kind=MessageKind.FORKED, fields={"serial": serial, "process": process}))

    def _become_worker(self, message: Message, made: _Ready) -> NoReturn:
        """In the new process: lets go of all that is the spawner's, and serves."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for mine in (self._end, self._woken, self._waker):
                mine.close()
            self._decoder.close()  # the channels of workers that are to be forked next
            status = worker.serve(message, made.loaded, made.contexts, made.variables_of)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def _answer(self, message: Message) -> None:
        with suppress(OSError):  # the parent is gone, as the next read says
            send_waiting(self._end, message)


_OTHER_VERSION: Final = (
    f"another version of agwtwisted ({VERSION}) is installed than the one that runs ({{}}): restart the gateway"
)


def _problem(file: str, text: str) -> Problem:
    return Problem(place=Place(file=file), message=text)


def _defect(file: str, defect: Exception) -> Problem:
    return _problem(file, f"a defect of the gateway in its spawner: {type(defect).__name__}: {defect}")


def main(descriptor: int) -> None:
    """Runs a spawner on one end of a channel."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    end = socket.socket(fileno=descriptor)
    end.setblocking(True)
    end.set_inheritable(False)
    refuse_replaced()
    keep_freed_memory()
    spare_the_collector()  # both also of the workers, which share the memory of what it does not look at
    Spawner(end).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
