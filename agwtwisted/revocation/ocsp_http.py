"""One OCSP request and its response by HTTP, over a connection that is given (RFC 6960 appendix A).

Accepted is only a plain response: status 200, the right content type, not encoded, no longer than it may be. Whether it
proves anything is not decided here. Caller: the OCSP client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urljoin

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone, _HTTP11ClientFactory
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from agwtwisted.core.base.errors import AgwError, UnacceptableError
from agwtwisted.core.http.destinations import Destination, destination
from agwtwisted.core.revocation.ocsp import MAX_RESPONSE_BYTES

T = TypeVar("T")

_CONTENT_TYPE: Final = b"application/ocsp-response"
_HEADERS: Final = {b"Content-Type": [b"application/ocsp-request"], b"Accept": [_CONTENT_TYPE]}
_REDIRECTS: Final = (301, 302, 307, 308)


class BadResponseError(AgwError):
    """What came is no response to an OCSP request."""


class RedirectError(AgwError):
    """The response is to be had at `destination` instead."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination.url)
        self.destination = destination


def post(
    reactor: PosixReactorBase,
    endpoints: IAgentEndpointFactory,
    to: Destination,
    request: bytes,
    abort: Callable[[], None],
) -> Deferred[bytes]:
    """The body of the response to a request by POST.

    Fails with BadResponseError, RedirectError, or what Twisted's HTTP client and `endpoints` fail with. May be
    cancelled, and fails with CancelledError then.

    Args:
        reactor: the request runs on it.
        endpoints: makes the connection.
        to: whose URL is requested.
        request: an OCSPRequest in DER.
        abort: ends the connection.
    """
    return _cancellable(Deferred.fromCoroutine(_post(reactor, endpoints, to, request, abort)))


async def _post(
    reactor: PosixReactorBase,
    endpoints: IAgentEndpointFactory,
    to: Destination,
    request: bytes,
    abort: Callable[[], None],
) -> bytes:
    agent = Agent.usingEndpointFactory(reactor, endpoints, _QuietPool(reactor, persistent=False))
    response = await agent.request(b"POST", to.url.encode("ascii"), Headers(_HEADERS), _Body(request))
    check(response, to)
    body = _Collected(abort)
    response.deliverBody(body)
    return await body.whole


def check(response: IResponse, asked: Destination) -> None:
    """Raises BadResponseError or RedirectError where the head of a response is not that of a plain one."""
    values = response.headers.getRawHeaders
    kind = values(b"content-type", [b""])[-1].partition(b";")[0].strip().lower()
    if response.code in _REDIRECTS:
        raise RedirectError(_redirected(values(b"location", []), asked))
    if response.code != 200:
        raise BadResponseError(f"the responder answers with HTTP status {response.code}")
    if kind != _CONTENT_TYPE:
        raise BadResponseError("the response has another content type")
    if values(b"content-encoding"):
        raise BadResponseError("the response has a Content-Encoding")
    if isinstance(response.length, int) and response.length > MAX_RESPONSE_BYTES:
        raise BadResponseError("the response is too long")


def _redirected(locations: list[bytes], asked: Destination) -> Destination:
    """Where a redirect leads. One from https to http is not followed."""
    try:
        [location] = locations
        found = destination(urljoin(asked.url, location.decode("ascii")))
    except (UnacceptableError, ValueError):
        raise BadResponseError("the responder redirects to an invalid URL") from None
    if asked.scheme == "https" and found.scheme != "https":
        raise BadResponseError("the responder redirects from https to http")
    return found


def _cancellable(asked: Deferred[T]) -> Deferred[T]:
    """The same, but cancelling gives CancelledError: Twisted's client makes other errors of it, or even results."""
    is_cancelled = False

    def cancel(_: Deferred[T]) -> None:
        nonlocal is_cancelled
        is_cancelled = True
        asked.cancel()  # before the caller goes on: it may count on it

    def pass_on(result: T | Failure) -> None:
        if not is_cancelled:
            waiting.callback(result)  # a Failure is passed on as one

    waiting: Deferred[T] = Deferred(cancel)
    asked.addBoth(pass_on)  # type: ignore[unused-awaitable]  # its result is passed on
    return waiting


class _QuietFactory(_HTTP11ClientFactory):
    """Of Twisted's connections, without its two lines in the log for each of them."""

    noisy = False


class _QuietPool(HTTPConnectionPool):
    """Connections without lines in the log."""

    _factory = _QuietFactory


@implementer(IBodyProducer)
class _Body:
    """A request's body, sent as a whole; Twisted's own producer would need the global reactor."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802
        """Sends it."""
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is sent."""

    def resumeProducing(self) -> None:
        """All is sent."""

    def stopProducing(self) -> None:
        """All is sent."""


class _Collected(Protocol):
    """A response's body; `whole` fires with it, and ends the connection when it is cancelled."""

    def __init__(self, abort: Callable[[], None]) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _: abort())
        self._pieces: list[bytes] = []
        self._room = MAX_RESPONSE_BYTES
        self._abort = abort

    def dataReceived(self, data: bytes) -> None:
        """Takes a piece."""
        self._room -= len(data)
        if self._room < 0:
            self._fail("the response is too long")
            self._abort()
        else:
            self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Ends the body. Where only the end of the connection marks its end, DER shows whether it is whole."""
        if reason.check(ResponseDone, PotentialDataLoss):
            if not self.whole.called:
                self.whole.callback(b"".join(self._pieces))
        else:
            self._fail("the response is truncated")

    def _fail(self, reason: str) -> None:
        if not self.whole.called:
            self.whole.errback(BadResponseError(reason))
