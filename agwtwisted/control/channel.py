"""HTTP on one connection of the control API: one request, whose size and time are bounded, and one answer.

There is no second request on a connection: what comes behind the first one is read and dropped, so nothing that was
smuggled behind a body is ever taken for a request, and no answers pile up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from io import BytesIO
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from zope.interface import implementer

REQUEST_TIMEOUT: Final = 10.0
"""Seconds in which a whole request comes."""

ANSWER_TIMEOUT: Final = 30.0
"""Seconds in which the client takes the whole answer, and closes the connection."""

BODY: Final = 96 * 1024
"""Bytes of a request's body: that with the longest OCSP response has 88 KB."""

HEAD: Final = 16 * 1024
"""Bytes of a request's head."""

HEADER_LINES: Final = 100

_DROPPED: Final = 1024 * 1024
"""Bytes that may come behind a request; a client that sends more is cut off."""


_MALFORMED: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 44\r\n\r\n"
    b'{"error": "this is no request of HTTP/1.1"}\n'
)


class ChannelState(IntEnum):
    """What a connection waits for. The lower ones give way first to a new connection."""

    CLOSING = 0  # the client takes its answer
    WAITING = 1  # the request is not complete
    ASKING = 2  # for the answer of the gateway
    STREAMING = 3  # for events


class ChannelOwner(Protocol):
    """What answers, and has a clock."""

    def respond(self, request: ControlRequest) -> None:
        """A request is complete."""

    def closed(self, channel: ControlChannel) -> None:
        """A connection is gone."""

    def call_later(self, seconds: float, call: Any) -> IDelayedCall:
        """Has something called."""


class ControlRequest(Request):
    """A request, with its body in memory."""

    channel: ControlChannel
    content: BytesIO
    fault: tuple[int, str] | None = None
    """What is wrong with it, before it is looked at: a status of HTTP, and a text."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Its body is in memory alone."""
        self.content = BytesIO()

    def parseCookies(self) -> None:  # noqa: N802
        """There are none."""

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """It is complete. Neither the query nor the body is parsed here."""
        self.method, self.uri, self.clientproto = command, path, version
        self.path, self.args = path.partition(b"?")[0], {}
        self.channel.complete(self)

    @property
    def body(self) -> bytes:
        """What came behind its head."""
        return self.content.getvalue()

    def header(self, name: str) -> str | None:
        """The value of a header; None: there is none. Of several, which none of the headers here may have, "".

        An empty value is no value that any rule accepts.
        """
        values = self.requestHeaders.getRawHeaders(name.encode())
        if values is None:
            return None
        return values[0].decode("latin-1") if len(values) == 1 else ""

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Answers it, whole; nothing where the client has gone."""
        if self.channel_is_gone:
            return
        self.setResponseCode(status)
        for name, value in headers.items():
            self.setHeader(name, value)
        self.setHeader(b"Server", b"agwtwisted")
        self.setHeader(b"Content-Length", b"%d" % len(body))
        self.write(body)
        self.finish()

    @property
    def channel_is_gone(self) -> bool:
        """Whether nothing can be answered any more."""
        return bool(self._disconnected or self.finished)


@implementer(IHalfCloseableProtocol)
class ControlChannel(HTTPChannel):
    """One connection.

    Args:
        owner: answers its request.
    """

    requestFactory = ControlRequest  # noqa: N815 - as Twisted names them
    maxHeaders = HEADER_LINES  # noqa: N815
    totalHeadersSize = HEAD  # noqa: N815
    timeOut = None  # noqa: N815 - that of Twisted begins anew with each byte
    request_timeout = REQUEST_TIMEOUT
    malformed = _MALFORMED

    def __init__(self, owner: ChannelOwner) -> None:
        super().__init__()
        self.state = ChannelState.WAITING
        self._owner = owner
        self._dropped = 0
        self._has_sent_all = False
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Begins to wait for the request."""
        super().connectionMade()
        self._limit(self.request_timeout)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the request; others are dropped."""
        if self.state is ChannelState.WAITING:
            super().dataReceived(data)
            return
        self._dropped += len(data)
        if self._dropped > _DROPPED:
            self.abort()

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """A line of the head; none counts that comes behind a wrong one."""
        if self.state is ChannelState.WAITING:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes of the body; those behind it are dropped."""
        if self.state is ChannelState.WAITING:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802
        """The head is there: one with a body that is too long, or of unknown length, is complete by that."""
        request: ControlRequest = self.requests[-1]
        if self.length is None:
            request.fault = (411, "the body needs a Content-Length")
        elif self.length > (most := self.longest_body(request)):
            request.fault = (413, f"the body has {self.length} bytes, of at most {most}")
        if request.fault is not None:
            self.length = 0
            request.requestHeaders.removeHeader(b"Expect")
        super().allHeadersReceived()

    def longest_body(self, request: ControlRequest) -> int:
        """How many bytes a body may have, by the head of its request."""
        return BODY

    def checkPersistence(self, request: Request, version: bytes) -> bool:  # noqa: N802
        """No connection has a second request."""
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def complete(self, request: ControlRequest) -> None:
        """The request is there."""
        self.state = ChannelState.ASKING
        self._limit(None)
        self._owner.respond(request)

    @property
    def rank(self) -> int:
        """Of those that may be ended for another connection, the one with the lowest is."""
        return self.state

    @property
    def gives_way(self) -> bool:
        """Whether it may be ended for another connection: it only waits for its client, which may have gone."""
        return self.state <= ChannelState.WAITING or self._has_sent_all

    def readConnectionLost(self) -> None:
        """The client sends no more, and may still read the answer: ``socat`` ends so what it reads of a pipe."""
        self._has_sent_all = True
        match self.state:
            case ChannelState.ASKING:
                pass
            case ChannelState.CLOSING:
                self._close()
            case _:
                self.abort()

    def writeConnectionLost(self) -> None:
        """The answer is sent."""

    def stream(self) -> None:
        """The answer has no end of its own."""
        self.state = ChannelState.STREAMING

    def loseConnection(self) -> None:
        """Sends what there is, and the end; the client closes then, in time.

        Closing here would reset a client that is still sending, before it has read the answer.
        """
        transport: Any = self.transport
        if self.state is ChannelState.CLOSING or transport is None:
            return
        self.state = ChannelState.CLOSING
        self._limit(ANSWER_TIMEOUT)
        transport.unregisterProducer()
        if self._has_sent_all:
            self._close()
        else:
            transport.loseWriteConnection()
            transport.resumeProducing()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        if self.state is ChannelState.WAITING and self.transport is not None:
            self.transport.write(self.malformed)
            self.loseConnection()

    def _close(self) -> None:
        """Both ends are done, once what there is has been sent."""
        transport: Any = self.transport
        transport.loseConnection()

    def abort(self) -> None:
        """Ends the connection at once."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """It is gone."""
        self._limit(None)
        super().connectionLost(reason)
        self._owner.closed(self)

    def _limit(self, seconds: float | None) -> None:
        """From now on the connection has so many seconds; None: no limit."""
        deadline, self._deadline = self._deadline, None
        if deadline is not None and deadline.active():
            deadline.cancel()
        if seconds is not None:
            self._deadline = self._owner.call_later(seconds, self.abort)
