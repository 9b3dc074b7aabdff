"""What the control API answers, by the table of `core/operations/routes.py`; every answer is made from a value.

The order of questions: may this client ask at all, which route is it, may it ask that. Files of the console need no
token: they are the same for every gateway.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, TimeoutError, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted._version import VERSION
from agwtwisted.answers.of_metrics import exposition
from agwtwisted.control.access import Access
from agwtwisted.control.channel import ControlRequest
from agwtwisted.control.connections import CONNECTIONS, STREAMS, ControlConnections
from agwtwisted.control.console_files import answer_file, is_file
from agwtwisted.control.streams import EventStreams
from agwtwisted.core.operations.control_requests import MethodError, RouteMatch, body_arguments, matched
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.core.operations.routes import ControlRoute, Form, Operation
from agwtwisted.core.operations.status import GatewayStatus
from agwtwisted.operations.events import KINDS
from agwtwisted.operations.late_imports import ReplacedError
from agwtwisted.reload import STOPPING, Rejected, ReloadOutcome
from agwtwisted.transport.deferreds import log_failure

ASK_TIMEOUT: Final = 30.0
"""Seconds for an answer other than that to a reload, whose own deadlines count."""

UNDER_WAY: Final = 2 * CONNECTIONS
"""Questions at once: a client that leaves ends its connection, but not always its question."""

HEADERS: Final = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer that is no file of the console and no stream."""


class Controlled(Protocol):
    """What is asked of the gateway."""

    def reload(self) -> Deferred[ReloadOutcome]:
        """Takes the configuration as its files have it now."""

    def status(self) -> GatewayStatus:
        """What it is at the moment."""

    def reopen(self) -> None:
        """Opens its logs anew."""

    def explain(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """How a listener judges a certificate; fails with `QuestionError`, or raises it."""

    def check(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """What sources of revocation status say about a certificate now; fails with `QuestionError`, or raises it."""

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The answer to a question; fails with `QuestionError`, or raises it."""


class ControlSite:
    """The answers on one socket.

    Args:
        reactor: has the clock.
        gateway: is asked.
        access: the rules of the socket.
        streams: the readers of events.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorTime, gateway: Controlled, access: Access, streams: EventStreams) -> None:
        self._reactor = reactor
        self._gateway = gateway
        self._access = access
        self._streams = streams
        self.connections: Final = ControlConnections(reactor, self._respond)
        self._under_way = 0
        self._rendering = DeferredLock()  # one text of metrics at a time: each takes a thread
        self._operations: Mapping[Operation, Callable[[Mapping[str, Any]], object]] = {
            Operation.STATUS: self._status,
            Operation.RELOAD: self._reload,
            Operation.REOPEN: self._reopen,
            Operation.EXPLAIN: gateway.explain,
            Operation.CHECK: gateway.check,
        }

    # -- one request

    def _respond(self, request: ControlRequest) -> None:
        if request.fault is not None:
            _refuse(request, *request.fault)
            return
        foreign = self._access.foreign(request)
        if foreign is not None:
            _refuse(request, foreign.status, foreign.message, foreign.headers)
        elif is_file(request):
            answer_file(request)
        else:
            self._answer_question(request)

    def _answer_question(self, request: ControlRequest) -> None:
        try:
            unproven = self._access.unproven(request)
            if unproven is not None:
                _refuse(request, unproven.status, unproven.message, unproven.headers)
                return
            found = matched(request.method.decode("latin-1"), request.uri)
            arguments = {**found.arguments, **_body(request, found.route)}
            self._answer(request, found, arguments)
        except MethodError as error:
            _refuse(request, error.status, error.message, {"Allow": ", ".join(error.allowed)})
        except QuestionError as error:
            _refuse(request, error.status, error.message)

    def _answer(self, request: ControlRequest, found: RouteMatch, arguments: Mapping[str, Any]) -> None:
        asked = found.route.asks
        if asked is Operation.EVENTS:
            self._stream(request, arguments)
            return
        if self._under_way >= UNDER_WAY and asked is not Operation.RELOAD:
            _refuse(request, 503, f"{UNDER_WAY} questions are not answered yet: ask again", {"Retry-After": "1"})
            return
        self._under_way += 1
        ask = partial(self._gateway.ask, asked) if isinstance(asked, Question) else self._operations[asked]
        answer: Deferred[Any] = maybeDeferred(ask, arguments).addBoth(self._is_over)
        if found.route.form is Form.METRICS:
            answer = answer.addCallback(self._exposition, request.header("Accept") or "")
        if asked is not Operation.RELOAD:
            answer = answer.addTimeout(ASK_TIMEOUT, self._reactor)
        answer = answer.addCallback(_answered, request).addErrback(self._failed, request)
        log_failure(answer, self._log, "answering on the control API")

    def _is_over(self, outcome: Any) -> Any:
        self._under_way -= 1
        return outcome

    def _failed(self, failure: Failure, request: ControlRequest) -> None:
        error = failure.value
        match error:
            case QuestionError():
                _refuse(request, error.status, error.message)
            case ReplacedError():
                _refuse(request, 503, str(error))
            case TimeoutError() | CancelledError():
                _refuse(request, 504, f"the gateway has not answered in {ASK_TIMEOUT:.0f} s")
            case _:
                self._log.failure("Unexpected error while answering on the control API", failure)
                _refuse(request, 500, "a defect of the gateway, which is in its log")

    # -- what is no question to what serves

    def _exposition(self, members: Mapping[str, Any], accept: str) -> Deferred[tuple[str, bytes]]:
        """The media type and the text of metrics."""
        reactor: Any = self._reactor
        return self._rendering.run(lambda: Deferred.fromCoroutine(exposition(reactor, members, accept)))

    def _status(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"version": VERSION, "pid": os.getpid(), **self._gateway.status().members()}

    def _reload(self, arguments: Mapping[str, Any]) -> Deferred[tuple[int, Mapping[str, Any]]]:
        # A client that does not wait changes nothing about the reload.
        return self._gateway.reload().addCallback(outcome_members)

    def _reopen(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        self._gateway.reopen()
        return {"outcome": "reopened"}

    def _stream(self, request: ControlRequest, arguments: Mapping[str, Any]) -> None:
        kinds = frozenset(arguments["kinds"].split(",") if "kinds" in arguments else ())
        if not kinds <= frozenset(KINDS):
            raise QuestionError(400, f"kinds has to be some of {', '.join(KINDS)}, separated by commas")
        if not self.connections.has_stream:
            _refuse(request, 503, f"{STREAMS} connections get events already", {"Retry-After": "10"})
        elif request.method == b"HEAD":
            request.answer(200, b"", HEADERS)
        else:
            self._streams.open(request, kinds)


def outcome_members(outcome: ReloadOutcome) -> tuple[int, Mapping[str, Any]]:
    """The status of HTTP and the members of the answer to a reload."""
    common = {"generation": outcome.generation, "fingerprint": outcome.fingerprint}
    if isinstance(outcome, Rejected):
        status = 409 if outcome.problems == (STOPPING,) else 422
        return status, {"outcome": "rejected", **common, "problems": list(outcome.problems)}
    changes = outcome.changes
    return 200, {
        "outcome": "in_force",
        **common,
        "added": list(changes.added),
        "changed": list(changes.changed),
        "removed": list(changes.removed),
        "warnings": list(outcome.warnings),
        "seconds": round(outcome.seconds, 3),
    }


def _body(request: ControlRequest, route: ControlRoute) -> Mapping[str, Any]:
    """The arguments in the body of a request; raises QuestionError."""
    if not request.body:
        return {}
    if (request.header("Content-Type") or "").partition(";")[0].strip().lower() != "application/json":
        raise QuestionError(415, "a body has to be JSON, with the header Content-Type: application/json")
    return body_arguments(route, request.body)


def _answered(answer: Any, request: ControlRequest) -> None:
    """Answers with the members of an object, which a status may stand before, or a media type before a text."""
    match answer:
        case (str(media_type), bytes(text)):
            request.answer(200, text, {**HEADERS, "Content-Type": media_type})
        case (int(status), members):
            _answer_members(request, status, members, {})
        case _:
            _answer_members(request, 200, answer, {})


def _refuse(request: ControlRequest, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
    _answer_members(request, status, {"error": message}, headers or {})


def _answer_members(
    request: ControlRequest, status: int, members: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    # Indented it would be written by Python instead of C, which holds up the reactor for thousands of clients.
    request.answer(status, json.dumps(members).encode() + b"\n", {**HEADERS, **headers})
