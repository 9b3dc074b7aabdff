"""Questions of the control API to one worker, and its events: the worker's side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.operations.events import Events
from agwtwisted.workers.asking import ANSWERED, DEFECT
from agwtwisted.workers.channel import Channel
from agwtwisted.workers.messages import Message, MessageKind

MOST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer."""

MOST_WAITING: Final = 128 * 1024
"""Bytes that wait in the channel, above which events are counted and left out: signs of life come behind them."""


class AskedService(Protocol):
    """What answers: `service.GatewayService`."""

    @property
    def events(self) -> Events:
        """What happens there."""

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The answer; fails with `QuestionError`."""


class WorkerAnswers:
    """Answers the parent.

    Args:
        service: is asked.
        channel: to the parent.
    """

    _log = Logger()

    def __init__(self, service: AskedService, channel: Channel) -> None:
        self._service = service
        self._channel = channel
        self._unsubscribe: Callable[[], None] | None = None
        self._omitted: Counter[str] = Counter()

    def ask(self, message: Message) -> None:
        """The parent asks."""
        fields = message.fields
        serial = fields["serial"]
        answer = maybeDeferred(lambda: self._service.ask(Question(fields["question"]), fields["arguments"]))
        answer.addCallback(self._answer, serial).addErrback(self._failed, serial)  # type: ignore[unused-awaitable]

    def listen(self, message: Message) -> None:
        """The parent wants to hear what happens, or does not any more."""
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()
        if message.fields["wanted"]:
            self._unsubscribe = self._service.events.subscribe(self._happened)

    def _answer(self, members: Mapping[str, Any], serial: int) -> None:
        data = json.dumps(members).encode()
        if len(data) > MOST_ANSWER:
            raise QuestionError(413, f"the answer is longer than {MOST_ANSWER} bytes: ask for less")
        self._send({"serial": serial, "status": ANSWERED}, data)

    def _failed(self, failure: Failure, serial: int) -> None:
        error = failure.value
        if isinstance(error, QuestionError):
            self._send({"serial": serial, "status": error.status, "error": error.message})
        else:
            self._log.failure("Unexpected error while answering a question of the control API", failure)
            self._send({"serial": serial, "status": DEFECT})

    def _send(self, fields: Mapping[str, Any], data: bytes = b"") -> None:
        # Not bounded: the parent has so many questions open at most, and a long answer must not end this worker.
        self._channel.send(Message(kind=MessageKind.ANSWERED, fields=fields, data=data), bounded=False)

    def _happened(self, kind: str, members: Mapping[str, Any]) -> None:
        if self._channel.queued > MOST_WAITING:
            self._omitted[kind] += 1
            return
        omitted = self._omitted.pop(kind, 0)
        if omitted:
            self._happening(kind, {"omitted": omitted})
        self._happening(kind, members)

    def _happening(self, kind: str, members: Mapping[str, Any]) -> None:
        self._channel.send(Message(kind=MessageKind.HAPPENED, fields={"kind": kind, "members": members}))
