"""Passes the console's requests on to the control socket, from a port of loopback with a token of its own.

The gateway takes what comes by its Unix socket for its owner's. So this port has the checks that the gateway's own one
has: the token, `Host`, and `Origin`. The files of the page are this package's, so they are shown without the gateway.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Final

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, FileBodyProducer, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from agwtwisted.control.access import AccessRefusal, TokenAccess
from agwtwisted.control.channel import ControlRequest
from agwtwisted.control.connections import ControlConnections
from agwtwisted.control.console_files import answer_file, is_file
from agwtwisted.control.site import HEADERS
from agwtwisted.core.base.errors import AgwError
from agwtwisted.transport.deferreds import log_failure

ADDRESS: Final = "127.0.0.1"
NAMES: Final = (ADDRESS, "localhost")

CONNECT_TIMEOUT: Final = 10
"""Seconds until the gateway has taken a connection."""

_ASKED: Final = ("Accept", "Content-Type", "Last-Event-ID")
_ANSWERED: Final = (
    "Content-Type",
    "Cache-Control",
    "X-Content-Type-Options",
    "Retry-After",
    "Allow",
    "X-Accel-Buffering",
)
_EVENTS: Final = b"/events"
_BACKLOG: Final = 16


class ConsolePortError(AgwError):
    """The console cannot be served on this port."""


class PassingSite:
    """What answers on the port.

    Args:
        reactor: runs it.
        path: of the control socket.
        port: that it is served on.
    """

    _log = Logger()

    def __init__(self, reactor: PosixReactorBase, path: str, port: int) -> None:
        self.token: Final = secrets.token_urlsafe(32)
        self.authority: Final = f"{ADDRESS}:{port}"
        self.used: Final[Deferred[None]] = Deferred()
        """Fires once a request had the token."""
        self.connections: Final = ControlConnections(reactor, self._respond)
        self._access = TokenAccess(self.token, [f"{name}:{port}" for name in NAMES], reactor.seconds)
        self._agent = Agent.usingEndpointFactory(reactor, _SocketEndpoint(reactor, path))

    def close(self) -> None:
        """Ends all connections."""
        for each in tuple(self.connections.channels):
            each.abort()

    def _respond(self, request: ControlRequest) -> None:
        foreign = self._access.foreign(request)
        if request.fault is not None:
            _refuse(request, *request.fault)
        elif foreign is not None:
            _refuse_access(request, foreign)
        elif is_file(request):
            answer_file(request)
        else:
            self._pass(request)

    def _pass(self, request: ControlRequest) -> None:
        unproven = self._access.unproven(request)
        if unproven is not None:
            _refuse_access(request, unproven)
            return
        if not self.used.called:
            self.used.callback(None)
        if request.path == _EVENTS and not self.connections.has_stream:
            _refuse(request, 503, "too many connections get events already")
            return
        passing = Deferred.fromCoroutine(self._passed(request))
        request.notifyFinish().addErrback(lambda _: passing.cancel())  # type: ignore[unused-awaitable]  # handled
        log_failure(passing, self._log, "passing a request on")

    async def _passed(self, request: ControlRequest) -> None:
        asked = Headers({name: [value] for name in _ASKED if (value := request.header(name)) is not None})
        body = FileBodyProducer(BytesIO(request.body)) if request.body else None
        try:
            response: IResponse = await self._agent.request(
                request.method, b"http://gateway" + request.uri, asked, body
            )
            if request.channel_is_gone:
                return
            if request.path == _EVENTS:
                request.channel.stream()
            await _handed_on(response, request)
        except CancelledError:
            return
        except Exception as error:
            if request.startedWriting:
                request.channel.abort()
            else:
                _refuse(request, 502, f"no gateway answers on the control socket: {type(error).__name__}")


class _Body(Protocol):
    """Hands the body of a response on; `ended` fires at its end, or fails where it was cut."""

    def __init__(self, request: ControlRequest) -> None:
        self.ended: Deferred[None] = Deferred()
        self._request = request

    def connectionMade(self) -> None:
        """The client reads it as fast as it can; where it goes, the connection to the gateway ends."""
        self._request.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        """A piece of the body."""
        self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Its end."""
        if self.ended.called:
            return
        self._request.unregisterProducer()
        if reason.check(ResponseDone, PotentialDataLoss):
            self.ended.callback(None)
        else:
            self.ended.errback(reason)


async def _handed_on(response: IResponse, request: ControlRequest) -> None:
    request.setResponseCode(response.code)
    for name in _ANSWERED:
        for value in response.headers.getRawHeaders(name, ()):
            request.responseHeaders.addRawHeader(name, value)
    if isinstance(response.length, int):
        request.setHeader(b"Content-Length", b"%d" % response.length)
    body = _Body(request)
    request.write(b"")  # the head goes without the first byte of the body
    response.deliverBody(body)
    await body.ended
    request.finish()


def _refuse_access(request: ControlRequest, refusal: AccessRefusal) -> None:
    _refuse(request, refusal.status, refusal.message, refusal.headers)


def _refuse(request: ControlRequest, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
    request.answer(status, json.dumps({"error": message}).encode() + b"\n", {**HEADERS, **(headers or {})})


@implementer(IAgentEndpointFactory)
@attrs.frozen
class _SocketEndpoint:
    """Leads every request to the control socket."""

    reactor: PosixReactorBase
    path: str

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """The socket."""
        return UNIXClientEndpoint(self.reactor, self.path, timeout=CONNECT_TIMEOUT)


@contextmanager
def serving(reactor: PosixReactorBase, path: str, port: int = 0) -> Iterator[PassingSite]:
    """Serves on a port of loopback, within the block.

    Args:
        reactor: runs it.
        path: of the control socket.
        port: of loopback; 0: any free one.

    Raises:
        ConsolePortError: the port is in use.
    """
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((ADDRESS, port))
        bound.listen(_BACKLOG)
        bound.setblocking(False)
        site = PassingSite(reactor, path, bound.getsockname()[1])
        listening = reactor.adoptStreamPort(bound.fileno(), socket.AF_INET, site.connections)
    except OSError as error:
        raise ConsolePortError(f"{ADDRESS}:{port} cannot be listened on: {error.strerror}") from error
    finally:
        bound.close()  # the reactor has its own descriptor
    try:
        yield site
    finally:
        listening.stopListening()
        site.close()
