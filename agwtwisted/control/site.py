"""What the control socket answers: twisted.web resources. Every answer is a JSON object (members: docs/operate.md).

Bounded: connections, the size of a request, the time in which it comes.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.http import Request as BaseRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from agwtwisted._version import VERSION
from agwtwisted.core.operations.status import GatewayStatus
from agwtwisted.reload import STOPPING, Rejected, ReloadOutcome
from agwtwisted.transport.deferreds import log_failure

CONNECTIONS: Final = 16
"""Connections at once; further ones are closed."""

REQUEST_TIMEOUT: Final = 10
"""Seconds in which a request comes, and between two of a connection."""

BODY: Final = 4096
"""Bytes of a request's body; a connection with more is cut off."""


class Controlled(Protocol):
    """What is asked of the gateway."""

    def reload(self) -> Deferred[ReloadOutcome]:
        """Takes the configuration as its files have it now."""

    def status(self) -> GatewayStatus:
        """What it is at the moment."""


def control_site(gateway: Controlled) -> WrappingFactory:
    """The factory of the control socket's connections."""
    site = Site(_Root(gateway), timeout=REQUEST_TIMEOUT, requestFactory=_BoundedRequest)
    site.noisy = False
    return _BoundedFactory(site)


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


class _BoundedFactory(WrappingFactory):
    """Takes no more connections than `CONNECTIONS`."""

    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper | None:  # type: ignore[override]  # as Factory may
        if len(self.protocols) >= CONNECTIONS:
            return None
        return super().buildProtocol(addr)


class _BoundedRequest(Request):
    """A request whose body is small, and kept nowhere else than in memory."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """The body's length; None: it is not said."""
        self.content = BytesIO()
        if length is None or length > BODY:
            _transport(self).abortConnection()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """What there is of one is not looked at."""

    def parseCookies(self) -> None:  # noqa: N802
        """There are none."""


class _Root(Resource):
    """Every path."""

    isLeaf = True
    _log = Logger()

    def __init__(self, gateway: Controlled) -> None:
        super().__init__()
        self._gateway = gateway
        self._paths: Mapping[bytes, tuple[bytes, Callable[[Request], object]]] = {
            b"/status": (b"GET", self._status),
            b"/reload": (b"POST", self._reload),
        }

    def render(self, request: Request) -> int:
        """Answers a request, now or later."""
        method, answer = self._paths.get(request.path, (b"", None))
        if not _from_owner(request):
            _answer(request, 403, {"error": "the control socket is its owner's alone"})
        elif answer is None:
            _answer(request, 404, {"error": "no such path", "paths": sorted(path.decode() for path in self._paths)})
        elif request.method != method:
            request.setHeader(b"Allow", method)
            _answer(request, 405, {"error": f"the method of this path is {method.decode()}"})
        else:
            answer(request)
        return NOT_DONE_YET

    def _status(self, request: Request) -> None:
        _answer(request, 200, {"version": VERSION, "pid": os.getpid(), **self._gateway.status().members()})

    def _reload(self, request: Request) -> None:
        left: list[object] = []
        # A client that does not wait changes nothing about the reload.
        request.notifyFinish().addErrback(left.append)  # type: ignore[unused-awaitable]  # it is handled

        def reloaded(outcome: ReloadOutcome) -> None:
            if not left:
                _answer(request, *outcome_members(outcome))

        log_failure(self._gateway.reload().addCallback(reloaded), self._log, "answering on the control socket")


def _answer(request: BaseRequest, status: int, members: Mapping[str, Any]) -> None:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Server", b"agwtwisted")
    body = json.dumps(members, indent=2).encode() + b"\n"
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()


def _transport(request: Request) -> Any:
    """The connection of a request."""
    return request.channel.transport


def _from_owner(request: Request) -> bool:
    """Whether the process at the other end runs as the gateway's user, or as root; the socket's mode says the same."""
    handle: socket.socket = _transport(request).getHandle()
    _, user, _ = struct.unpack("3i", handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return user in (0, os.geteuid())
