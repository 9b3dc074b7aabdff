"""The spawner, as its parent sees it: a fresh interpreter at the other end of a channel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.threads import in_thread
from agwtwisted.workers.channel import Channel
from agwtwisted.workers.messages import Message, MessageKind
from agwtwisted.workers.process_handle import ending
from agwtwisted.workers.worker_log import StandardError

ANSWER_TIMEOUT: Final = 180.0
"""Seconds in which the spawner answers an order; it makes all TLS contexts of a configuration in that time."""

EXIT_TIMEOUT: Final = 5.0
"""Seconds in which it ends once its channel is closed."""

_ANSWERED: Final = (MessageKind.PREPARE, MessageKind.FORK)


class SpawnerProcess:
    """One spawner, from its start to its end.

    Args:
        reactor: of this process.
        received: called with each answer.
        lost: called once, when it has ended without being closed.
    """

    log = Logger()

    def __init__(self, reactor: Any, received: Callable[[Message], None], lost: Callable[[], None]) -> None:
        self._reactor = reactor
        self._on_received = received
        self._on_lost = lost
        self._asked: deque[float] = deque()  # when each order was sent that has no answer yet
        own, other = socket.socketpair()
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = _started(other, write)
        except BaseException:
            own.close()
            os.close(read)
            raise
        finally:
            other.close()
            os.close(write)
        self._errors = StandardError(reactor, read, "spawner")
        self._channel = Channel(reactor, own, self._received, self._lost)

    @property
    def number(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Sends it an order."""
        if message.kind in _ANSWERED:
            self._asked.append(self._reactor.seconds())
        self._channel.send(message, bounded=False)

    def look(self, now: float) -> None:
        """Ends a spawner that does not answer."""
        if self._asked and now - self._asked[0] > ANSWER_TIMEOUT:
            self.log.error("The spawner is ended: it has not answered for {seconds:.0f} s", seconds=ANSWER_TIMEOUT)
            self._asked.clear()
            self._process.kill()

    def forgive(self, now: float) -> None:
        """This process itself was held up."""
        self._asked = deque(now for _ in self._asked)

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()

    def close(self) -> Deferred[None]:
        """Has it end, and fires when it has."""
        self._channel.close()
        return Deferred.fromCoroutine(self._end())

    async def _end(self) -> None:
        await in_thread(self._reactor, partial(_waited, self._process), "spawner")
        self._errors.close()

    def _received(self, message: Message) -> None:
        if message.kind is not MessageKind.ENDED and self._asked:
            self._asked.popleft()
        self._on_received(message)

    def _lost(self, reason: str) -> None:
        self._process.kill()
        log_failure(Deferred.fromCoroutine(self._report()), self.log, "waiting for the spawner")
        self._on_lost()

    async def _report(self) -> None:
        await self._end()
        how = ending(self._process.returncode)
        self.log.error("The spawner (process {number}) has ended: {how}", number=self.number, how=how)


def _started(end: socket.socket, errors: int) -> subprocess.Popen[bytes]:
    """A fresh interpreter, which finds its modules where this one does; raises OSError."""
    descriptor = end.fileno()
    return subprocess.Popen(  # noqa: S603 - every word of it is ours
        [sys.executable, "-P", "-m", "agwtwisted.workers.spawner", str(descriptor)],
        stdin=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=[descriptor],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _waited(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(EXIT_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
