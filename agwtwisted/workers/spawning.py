"""Keeps a spawner there: one that ends is followed by another, which gets the configuration in force."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from agwtwisted.core.base.errors import Problem
from agwtwisted.workers.back_off import BackOff
from agwtwisted.workers.configurations import problems_of
from agwtwisted.workers.messages import Message, MessageKind
from agwtwisted.workers.spawner_process import SpawnerProcess

LOST: Final = "the spawner, which starts the workers, has ended"


class SpawnerUser(Protocol):
    """What has workers forked."""

    def configuration(self) -> Message:
        """What is in force, to be prepared by a new spawner."""

    def spawner_ready(self) -> None:
        """There is a spawner, which forks."""

    def spawner_refused(self, problems: Iterable[Problem]) -> None:
        """A new spawner cannot take what is in force."""

    def spawner_lost(self) -> None:
        """It has ended, and will answer nothing more."""

    def spawner_answered(self, message: Message) -> None:
        """An answer about a worker or a further configuration."""


class Spawning:
    """The spawner, whichever it is.

    Args:
        reactor: of this process.
        user: hears of it.
    """

    log = Logger()

    def __init__(self, reactor: Any, user: SpawnerUser) -> None:
        self._reactor = reactor
        self._user = user
        self._spawner: SpawnerProcess | None = None
        self._first = -1  # the number of the configuration that it was begun with
        self._since = 0.0
        self._back_off = BackOff()
        self._timer: IDelayedCall | None = None
        self.is_ready = False
        """Whether it forks."""

    @property
    def number(self) -> int:
        """Of its process; 0: there is none."""
        return 0 if self._spawner is None else self._spawner.number

    def start(self) -> None:
        """Starts one; raises OSError."""
        self._timer = None
        self._since = self._reactor.seconds()
        self._spawner = SpawnerProcess(self._reactor, self._received, self._lost)
        configuration = self._user.configuration()
        self._first = configuration.fields["serial"]
        self._spawner.send(configuration)

    def send(self, message: Message) -> None:
        """Sends it an order; only while it is ready."""
        assert self._spawner is not None
        self._spawner.send(message)

    def look(self, now: float) -> None:
        """Ends one that does not answer."""
        if self._spawner is not None:
            self._spawner.look(now)

    def forgive(self, now: float) -> None:
        """This process itself was held up."""
        if self._spawner is not None:
            self._spawner.forgive(now)

    def renew(self) -> None:
        """What is in force has changed: a spawner that was begun with what was before is ended."""
        if self._spawner is not None and not self.is_ready:
            self._spawner.kill()

    def stop(self) -> Deferred[None]:
        """Ends it for good, at once where it is not ready: it would not hear of it yet. Fires when it has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        spawner, self._spawner = self._spawner, None
        is_ready, self.is_ready = self.is_ready, False
        if spawner is None:
            return succeed(None)
        ended = spawner.close()
        if not is_ready:
            spawner.kill()
        return ended

    def _received(self, message: Message) -> None:
        if self.is_ready or message.kind not in (MessageKind.PREPARED, MessageKind.REFUSED):
            self._user.spawner_answered(message)
        elif message.kind is MessageKind.PREPARED:
            self.send(Message(kind=MessageKind.COMMIT, fields={"serial": self._first}))
            self.is_ready = True
            self._user.spawner_ready()
        else:
            problems = problems_of(message)
            for problem in problems:
                self.log.error("The spawner cannot take the configuration: {problem}", problem=str(problem))
            self._user.spawner_refused(problems)

    def _lost(self) -> None:
        self.is_ready, self._spawner = False, None
        self._timer = self._reactor.callLater(self._back_off.delay(self._reactor.seconds() - self._since), self._again)
        self._user.spawner_lost()

    def _again(self) -> None:
        try:
            self.start()
        except OSError as error:
            self.log.error("The spawner cannot be started: {reason}", reason=str(error))
            self._timer = self._reactor.callLater(self._back_off.delay(0.0), self._again)
