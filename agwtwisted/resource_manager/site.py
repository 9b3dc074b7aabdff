"""What the control plane answers: who may ask first, then the sign-in, then what the protocol says.

Reading does not wait for what changes something. Whatever may change something, or has a body, takes its turn as work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import parse_qsl
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.control.channel import ControlRequest
from agwtwisted.control.connections import ControlConnections
from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest
from agwtwisted.resource_manager.access import ArmAccess, refused
from agwtwisted.resource_manager.channel import arm_connections
from agwtwisted.resource_manager.sign_in import SignIn
from agwtwisted.transport.deferreds import log_failure

_MOST_PARAMETERS: Final = 50

_COMMON: Final = {"X-Content-Type-Options": "nosniff"}
"""Headers of every answer."""

_WITHOUT: Final = frozenset({"authorization", "cookie"})
"""Headers that go no further."""


class ArmWorker(Protocol):
    """What does the work."""

    def read(self, request: ArmRequest) -> Deferred[ArmAnswer]:
        """Fires with the answer to a request that changes nothing."""

    def work(self, request: ArmRequest, client: str) -> Deferred[ArmAnswer]:
        """Does what a client has requested; fires with the answer, and never fails."""


class ArmSite:
    """The answers.

    Args:
        reactor: has the clock.
        access: the rules.
        sign_in: answers without a token.
        worker: answers with one.
        now: returns the time (aware).
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        access: ArmAccess,
        sign_in: SignIn,
        worker: ArmWorker,
        now: Callable[[], datetime],
    ) -> None:
        self._access = access
        self._sign_in = sign_in
        self._worker = worker
        self._now = now
        self.connections: Final[ControlConnections] = arm_connections(reactor, self._respond, self._is_proven)

    def _is_proven(self, request: ControlRequest) -> bool:
        return self._access.foreign(request) is None and self._access.client(request) is not None

    def _respond(self, request: ControlRequest) -> None:
        answer = self._access.foreign(request) or self._answer(request)
        if answer is not None:
            _send(answer, request)

    def _answer(self, request: ControlRequest) -> ArmAnswer | None:
        """The answer; None: it comes later."""
        asked = self._asked(request)
        if isinstance(asked, ArmAnswer):
            return asked
        signed_in = None if request.fault else self._sign_in.answer(asked)
        if signed_in is not None:
            return signed_in
        client = self._access.client(request)
        if client is None:
            return self._access.unproven(request, asked.base_url)
        if request.fault is not None:
            status, text = request.fault
            return refused(status, "RequestEntityTooLarge" if status == 413 else "InvalidRequestFormat", text)
        is_read = asked.method in ("GET", "HEAD")
        found = self._worker.read(asked) if is_read else self._worker.work(asked, client)
        answer = found.addCallback(_send, request)
        log_failure(answer.addErrback(self._failed, request), self._log, "answering on the control plane")
        return None

    def _failed(self, failure: Failure, request: ControlRequest) -> None:
        self._log.failure("Unexpected error while answering on the control plane", failure)
        _send(refused(500, "InternalServerError", "A defect of the gateway, which is in its log."), request)

    def _asked(self, request: ControlRequest) -> ArmRequest | ArmAnswer:
        path, _, query = request.uri.partition(b"?")
        try:
            pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
        except ValueError:
            return refused(
                400, "InvalidRequestUri", f"The query is not ASCII, or has over {_MOST_PARAMETERS} parameters."
            )
        return ArmRequest(
            method=request.method.decode("latin-1"),
            path=path.decode("latin-1"),
            query={name.lower(): value for name, value in reversed(pairs)},
            headers=_headers(request),
            body=b"" if request.fault else request.body,
            base_url=f"https://{(request.header('Host') or '').lower()}",
            request_id=str(uuid4()),
            moment=self._now(),
        )


def _headers(request: ControlRequest) -> Mapping[str, str]:
    found = {
        name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    return {name: value for name, value in found.items() if name not in _WITHOUT}


def _send(answer: ArmAnswer, request: ControlRequest) -> None:
    body = b"" if answer.status == 204 else answer.body
    request.answer(answer.status, body, {**_COMMON, **answer.headers})
