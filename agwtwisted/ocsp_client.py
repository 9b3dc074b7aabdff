"""Asks OCSP responders over HTTP: one question, one connection, one deadline over all of it (RFC 6960 appendix A).

Responders are named by certificates and mostly answer over plain HTTP, so neither side is believed anything: addresses
are looked at before they are connected to, and every byte that comes is counted. What an answer is worth is not decided
here.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Container
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import quote

import attrs
from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, TimeoutError, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError, RequestGenerationFailed, RequestTransmissionFailed
from twisted.web.client import URI, Agent, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from agwtwisted.core.destinations import Destination, Network, PortRange, closed
from agwtwisted.core.errors import AgwError
from agwtwisted.core.expiring import Expiring
from agwtwisted.core.ocsp import MAX_RESPONSE_BYTES, Unreachable, Unusable
from agwtwisted.turns import Turns

T = TypeVar("T")

MAX_HEAD_BYTES: Final = 16384
"""Room for the head of a response, and what TLS adds."""

MAX_GET_BYTES: Final = 255
"""The length of the encoded request up to which GET is used, where it is (RFC 5019 section 5)."""

MAX_RESPONDERS: Final = 1024
"""Servers of which it is remembered how they fare."""

MAX_QUESTIONS: Final = 512
"""Questions under way at once, to whomever."""

_CONTENT_TYPE: Final = b"application/ocsp-response"


@attrs.frozen(kw_only=True)
class Way:
    """Whom to ask, in order, and within which limits; `open_networks` and `open_ports` are None for the operator's."""

    destinations: tuple[Destination, ...]
    timeout: float  # seconds, for all of it
    open_networks: tuple[Network, ...] | None
    open_ports: tuple[PortRange, ...] | None


class OcspClient:
    """Puts questions to responders.

    Args:
        reactor: resolves and connects.
        own_ports: those that the gateway listens on: it does not ask itself.
        use_get: whether small requests go by GET, which caches between here and the responder may answer.
    """

    def __init__(self, reactor: Any, *, own_ports: Container[int] = (), use_get: bool = False) -> None:
        self._reactor = reactor
        self._own_ports = own_ports
        self._use_get = use_get
        self._room = DeferredSemaphore(MAX_QUESTIONS)
        self._turns: Expiring[tuple[str, int], Turns] = Expiring(MAX_RESPONDERS)

    def ask(
        self, request: bytes, way: Way, accept: Callable[[bytes], T | Unusable]
    ) -> Deferred[T | Unusable | Unreachable]:
        """What `accept` makes of the first response that it does not find unusable; else why there is none.

        Each destination gets its share of the time. Cancelling ends the question, and closes its connection.
        """
        return Deferred.fromCoroutine(self._ask(request, way, accept))

    async def _ask(
        self, request: bytes, way: Way, accept: Callable[[bytes], T | Unusable]
    ) -> T | Unusable | Unreachable:
        outcome: T | Unusable | Unreachable = Unreachable("the certificate names no responder")
        end = self._reactor.seconds() + way.timeout
        for index, destination in enumerate(way.destinations):
            share = (end - self._reactor.seconds()) / (len(way.destinations) - index)
            response = await self._in_time(request, destination, way, max(share, 0.0))
            outcome = response if isinstance(response, Unreachable) else accept(response)
            if not isinstance(outcome, Unusable | Unreachable):
                break
        return outcome

    async def _in_time(self, request: bytes, destination: Destination, way: Way, seconds: float) -> bytes | Unreachable:
        if way.open_ports is not None and not any(destination.port in each for each in way.open_ports):
            return Unreachable(f"port {destination.port} is not one of ocsp_allowed_ports")
        try:
            return await Deferred.fromCoroutine(self._in_turn(request, destination, way, seconds)).addTimeout(
                seconds, self._reactor
            )
        except TimeoutError:
            return Unreachable("too many questions are under way")

    async def _in_turn(self, request: bytes, destination: Destination, way: Way, seconds: float) -> bytes | Unreachable:
        end = self._reactor.seconds() + seconds
        left_alone = _Outcome(Unreachable("the responder did not answer a moment ago"), answered=False)

        async def ask() -> _Outcome:
            # A little before the end of the question as a whole, so that it is known who was late.
            left = max(end - self._reactor.seconds(), 0.02) - 0.01
            return await self._exchange(request, destination, way, left)

        await self._room.acquire()
        try:
            outcome = await self._turns_of(destination).take(ask, lambda outcome: outcome.answered, left_alone)
            return outcome.result
        finally:
            self._room.release()

    def _turns_of(self, destination: Destination) -> Turns:
        key = (destination.host, destination.port)
        turns = self._turns.get(key, 0.0)
        if turns is None:
            turns = Turns(self._reactor)
            self._turns.put(key, turns, float("inf"))
        return turns

    async def _exchange(self, request: bytes, destination: Destination, way: Way, seconds: float) -> _Outcome:
        """One request and its response."""
        line = _Line(self._reactor, destination, way.open_networks, self._own_ports)
        try:
            talking = _given_up(Deferred.fromCoroutine(self._talk(request, destination, line)))
            return _Outcome(await talking.addTimeout(seconds, self._reactor, _late), answered=True)
        except TimeoutError:
            return _Outcome(Unreachable("no answer in time"), answered=False)
        except _NoAnswerError as error:
            return _Outcome(Unreachable(line.reason or str(error)), answered=True)
        except _FAILURES as error:
            return _Outcome(Unreachable(line.reason or _words(error)), answered=bool(line.reason))
        finally:
            line.abort()

    async def _talk(self, request: bytes, destination: Destination, line: _Line) -> bytes:
        agent = _PlainAgent(Agent.usingEndpointFactory(self._reactor, line))
        client = HTTPClient(agent, data_to_body_producer=_Body)
        options: dict[str, Any] = {
            "allow_redirects": False,
            "unbuffered": True,
            "reactor": self._reactor,
        }
        url = self._get_url(request, destination) if self._use_get else ""
        if url:
            response = await client.get(url, headers=Headers({b"Accept": [_CONTENT_TYPE]}), **options)
        else:
            headers = Headers({b"Content-Type": [b"application/ocsp-request"], b"Accept": [_CONTENT_TYPE]})
            response = await client.post(destination.url, headers=headers, data=request, **options)
        body = _Collected(line.abort)
        response.deliverBody(body)
        whole = await body.whole
        if line.reason:  # it was cut; without a length the library takes what came for the whole
            raise _NoAnswerError(line.reason)
        return whole

    def _get_url(self, request: bytes, destination: Destination) -> str:
        encoded = quote(b64encode(request), safe="")
        if len(encoded) > MAX_GET_BYTES or "?" in destination.url:
            return ""
        return f"{destination.url.removesuffix('/')}/{encoded}"


@attrs.frozen
class _Outcome:
    """What came of a question, and whether the server said anything at all."""

    result: bytes | Unreachable
    answered: bool = attrs.field(kw_only=True)


class _NoAnswerError(AgwError):
    """What came is no answer to a question."""


_FAILURES = (
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    ParseError,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    SSL.Error,
    ValueError,
)


def _given_up(asked: Deferred[T]) -> Deferred[T]:
    """The same, but who cancels it gets CancelledError: the libraries make other errors of it, or even results."""

    def cancel(waiting: Deferred[T]) -> None:
        waiting.errback(CancelledError())
        asked.cancel()

    def pass_on(result: T | Failure) -> None:
        if not waiting.called:
            waiting.callback(result)  # a Failure is passed on as one

    waiting: Deferred[T] = Deferred(cancel)
    asked.addBoth(pass_on)  # type: ignore[unused-awaitable]  # nothing is left in it
    return waiting


def _late(result: object, seconds: float) -> NoReturn:
    """In place of whatever the libraries make of a cancellation."""
    raise TimeoutError(seconds, "Deferred")


def _cause(error: BaseException) -> BaseException:
    """What went wrong in the first place; the libraries wrap it in lists of failures."""
    reasons = getattr(error, "reasons", None)
    return _cause(reasons[0].value) if reasons else error


def _words(error: Exception) -> str:
    """What went wrong, on one line."""
    cause = _cause(error)
    if isinstance(cause, ParseError):
        return "the responder does not speak HTTP"
    return str(cause).partition("\n")[0].rstrip(".") or type(cause).__name__


@implementer(IAgent)
class _PlainAgent:
    """Lets nothing but a plain response through: 200, the right type, not encoded, no longer than it may be."""

    def __init__(self, agent: IAgent) -> None:
        self._agent = agent

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,  # noqa: N803
    ) -> Deferred[IResponse]:
        """As IAgent says. treq above asks for compression, which is taken back."""
        plain = headers.copy() if headers is not None else Headers()
        plain.removeHeader(b"accept-encoding")
        asked: Deferred[IResponse] = self._agent.request(method, uri, plain, bodyProducer)
        return asked.addCallback(self._checked)

    def _checked(self, response: IResponse) -> IResponse:
        values = response.headers.getRawHeaders
        kind = values(b"content-type", [b""])[-1].partition(b";")[0].strip().lower()
        if response.code != 200:
            raise _NoAnswerError(f"the responder answers with HTTP status {response.code}")
        if kind != _CONTENT_TYPE:
            raise _NoAnswerError("the responder's answer is of another content type")
        if values(b"content-encoding"):
            raise _NoAnswerError("the responder's answer is encoded")
        if isinstance(response.length, int) and response.length > MAX_RESPONSE_BYTES:
            raise _NoAnswerError("the responder's answer is too long")
        return response


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
        """A piece."""
        self._room -= len(data)
        if self._room < 0:
            self._fail("the responder's answer is too long")
            self._abort()
        else:
            self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end. Where only the end of the connection marks it, DER tells whether all has come."""
        if reason.check(ResponseDone, PotentialDataLoss):
            if not self.whole.called:
                self.whole.callback(b"".join(self._pieces))
        else:
            self._fail("the responder's answer is cut")

    def _fail(self, reason: str) -> None:
        if not self.whole.called:
            self.whole.errback(_NoAnswerError(reason))


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class _Line:
    """The one connection of a question: to an address that may be connected to, every byte counted."""

    def __init__(
        self, reactor: Any, destination: Destination, open_networks: tuple[Network, ...] | None, own: Container[int]
    ) -> None:
        self.reason = ""  # why it was not made, or cut
        self._reactor = _Reactor(reactor, self, open_networks)
        self._destination = destination
        self._own_ports = own if open_networks is not None else ()
        self._counted: list[_Counted] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """Of the destination; there is no other, since nothing is redirected."""
        if self._destination.scheme == "https":
            options = optionsForClientTLS(self._destination.host)
            endpoint: IStreamClientEndpoint = wrapClientTLS(options, self)
            return endpoint
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Connects, to the first permitted address that answers."""
        endpoint = HostnameEndpoint(self._reactor, self._destination.host, self._destination.port)
        counting: Any = WrappingFactory(protocolFactory)
        counting.noisy = False
        counting.protocol = self._count
        connected: Deferred[Any] = endpoint.connect(counting)
        return connected.addCallback(lambda counted: counted.wrappedProtocol)

    def abort(self) -> None:
        """Ends it, if it is there."""
        for counted in self._counted:
            counted.cut()

    def leads_home(self, transport: Any) -> bool:
        """Whether the other end is a listener of this gateway."""
        host, peer = transport.getHost(), transport.getPeer()
        return peer.port in self._own_ports and peer.host == host.host

    def _count(self, factory: Any, wrapped: IProtocol) -> _Counted:
        counted = _Counted(factory, wrapped, self)
        self._counted.append(counted)
        return counted


class _Counted(ProtocolWrapper):
    """Counts what comes, and cuts the connection when it is too much."""

    def __init__(self, factory: Any, wrapped: IProtocol, line: _Line) -> None:
        super().__init__(factory, wrapped)
        self._line = line
        self._room = MAX_HEAD_BYTES + MAX_RESPONSE_BYTES

    def makeConnection(self, transport: Any) -> None:
        """Connected; nothing has been sent yet."""
        super().makeConnection(transport)
        if self._line.leads_home(transport):
            self._line.reason = "the responder's address is one of the gateway's own listeners"
            self.cut()

    def dataReceived(self, data: bytes) -> None:
        """Bytes."""
        self._room -= len(data)
        if self._room < 0:
            self._line.reason = "the responder's answer is too long"
            self.cut()
        else:
            super().dataReceived(data)

    def cut(self) -> None:
        """Ends the connection at once."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


@implementer(IReactorTime, IReactorTCP, IReactorPluggableNameResolver)
class _Reactor:
    """What an endpoint needs of a reactor, with a resolver that keeps addresses to itself that may not be connected to.

    What is looked at is what is connected to: nothing is resolved twice.
    """

    def __init__(self, reactor: Any, line: _Line, open_networks: tuple[Network, ...] | None) -> None:
        self.seconds = reactor.seconds
        self.callLater = reactor.callLater
        self.getDelayedCalls = reactor.getDelayedCalls
        self.connectTCP = reactor.connectTCP
        self.listenTCP = reactor.listenTCP
        resolver = reactor.nameResolver
        self.nameResolver = resolver if open_networks is None else _Resolver(resolver, line, open_networks)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:  # noqa: N802
        """Nobody does."""
        raise NotImplementedError


@implementer(IHostnameResolver)
class _Resolver:
    """Resolves, and leaves out closed addresses."""

    def __init__(self, resolver: IHostnameResolver, line: _Line, open_networks: tuple[Network, ...]) -> None:
        self._resolver = resolver
        self._line = line
        self._open_networks = open_networks

    def resolveHostName(self, resolutionReceiver: IResolutionReceiver, *args: Any, **options: Any) -> IHostResolution:  # noqa: N802, N803
        """As IHostnameResolver says."""
        receiver = _OpenAddresses(resolutionReceiver, self._line, self._open_networks)
        return self._resolver.resolveHostName(receiver, *args, **options)


@implementer(IResolutionReceiver)
class _OpenAddresses:
    """Passes on the addresses that may be connected to; a closed one is a reason where there is no other."""

    def __init__(self, receiver: IResolutionReceiver, line: _Line, open_networks: tuple[Network, ...]) -> None:
        self._line = line
        self._open_networks = open_networks
        self._receiver = receiver
        self._refused = ""
        self._passed_on = False
        self.resolutionBegan = receiver.resolutionBegan

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        """One more."""
        host: str = address.host  # type: ignore[attr-defined]
        if closed(host, self._open_networks):
            self._refused = f"the responder's address {host} is not in ocsp_allowed_networks"
        else:
            self._passed_on = True
            self._receiver.addressResolved(address)

    def resolutionComplete(self) -> None:  # noqa: N802
        """There are no more."""
        if not self._passed_on:
            self._line.reason = self._refused
        self._receiver.resolutionComplete()
