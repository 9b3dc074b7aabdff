"""Asks OCSP responders over HTTP: one question, one connection, one deadline over all of it (RFC 6960 appendix A).

Responders are named by certificates and mostly answer over plain HTTP, so neither side is believed anything: addresses
are looked at before they are connected to, and every byte that comes is counted. What an answer is worth is not decided
here.
"""

from __future__ import annotations

import errno
import os
import socket
from base64 import b64encode
from collections.abc import Awaitable, Callable, Container, Sequence
from contextlib import nullcontext
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import quote, urljoin

import attrs
from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError, TCPTimedOutError
from twisted.internet.error import TimeoutError as ConnectTimedOut
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
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
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone, ResponseFailed, _HTTP11ClientFactory
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from agwtwisted.core.destinations import Destination, Network, PortRange, closed, destination, refusal_of
from agwtwisted.core.errors import AgwError, UnacceptableError
from agwtwisted.core.ocsp import MAX_RESPONSE_BYTES, NotAsked, Unreachable, Unusable
from agwtwisted.lateness import Lateness
from agwtwisted.lookups import Lookups
from agwtwisted.turns import Fared, Missed, Turns

T = TypeVar("T")

MAX_HEAD_BYTES: Final = 16384
"""Room for the head of a response, and what TLS adds."""

MAX_GET_BYTES: Final = 255
"""The length of the encoded request up to which GET is used, where it is (RFC 5019 section 5)."""

_CONTENT_TYPE: Final = b"application/ocsp-response"

MAX_LATENESS: Final = 30.0
"""Seconds that a question lasts longer at most because the gateway was late itself."""

EVEN: Final = 0.001
"""Seconds that do not count."""

_REDIRECTS: Final = (301, 302, 307, 308)

_LACKS: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
"""What a socket cannot be made for want of: descriptors, memory, local ports."""


@attrs.frozen(kw_only=True)
class Way:
    """Whom to ask, in order, and within which limits.

    The operator's own destinations are asked wherever they are. The rules are for those that certificates name, and for
    wherever anybody is redirected to.
    """

    destinations: tuple[Destination, ...]
    timeout: float  # seconds, for asking them all, the time in which a question waits for its turn not counted
    open_networks: tuple[Network, ...]
    open_ports: tuple[PortRange, ...]
    is_operators: bool = False


class OcspClient:
    """Puts questions to responders.

    Args:
        reactor: resolves and connects.
        own_ports: those that the gateway listens on: it does not ask itself.
        use_get: whether small requests go by GET, which caches between here and the responder may answer.
        lateness: the reactor's, which is no responder's; None: it is never late.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        own_ports: Container[int] = (),
        use_get: bool = False,
        lateness: Lateness | None = None,
    ) -> None:
        self._reactor = reactor
        self._lateness = lateness
        self._own_ports = own_ports
        self._use_get = use_get
        self._turns = Turns(reactor)
        self._lookups = Lookups(reactor)

    def ask(
        self, request: bytes, way: Way, accept: Callable[[bytes], T | Unusable]
    ) -> Deferred[T | Unusable | Unreachable | NotAsked]:
        """What `accept` makes of the first response that it does not find unusable; else why there is none.

        Each destination gets its share of the time. Cancelling ends the question, and closes its connection.
        """
        return Deferred.fromCoroutine(self._ask(request, way, accept))

    async def _ask(
        self, request: bytes, way: Way, accept: Callable[[bytes], T | Unusable]
    ) -> T | Unusable | Unreachable | NotAsked:
        failures: list[Unusable | Unreachable | NotAsked] = []
        left = way.timeout
        for index, responder in enumerate(way.destinations):
            share = max(left / (len(way.destinations) - index), 0.0)

            async def ask(responder: Destination = responder, share: float = share) -> _Outcome:
                nonlocal left
                began = self._reactor.seconds()
                try:
                    return await self._exchange(request, responder, way, share)
                finally:
                    left -= min(self._reactor.seconds() - began, share)

            response = await self._in_turn(request, responder, ask)
            outcome = accept(response) if isinstance(response, bytes) else response
            if not isinstance(outcome, Unusable | Unreachable | NotAsked):
                return outcome
            failures.append(outcome)
        return max(reversed(failures), key=_weight, default=Unreachable("the certificate names no responder"))

    async def _in_turn(
        self, request: bytes, destination: Destination, ask: Callable[[], Awaitable[_Outcome]]
    ) -> bytes | Unreachable | NotAsked:
        """The response to a question once it is its turn; its time begins there."""
        server, question = (destination.host, destination.port), sha256(request).digest()
        outcome = await self._turns.take(server, question, ask, lambda outcome: outcome.fared)
        match outcome:
            case Missed.LEFT_ALONE:
                return Unreachable("the responder did not answer a moment ago", was_asked=False)
            case Missed.NO_TURN:
                return NotAsked("too many questions wait for the responder")
            case _Outcome():
                return outcome.result

    async def _exchange(self, request: bytes, destination: Destination, way: Way, seconds: float) -> _Outcome:
        """One request and its response, which may come from where the responder redirects to."""
        clock = _Patience(self._reactor, self._lateness, seconds)
        rules = _AddressRules(networks=way.open_networks, ports=way.open_ports, own_ports=self._own_ports)
        first = await self._hop(request, destination, None if way.is_operators else rules, clock)
        if isinstance(first, _Outcome):
            return first
        is_same = (first.host, first.port) == (destination.host, destination.port)
        second = await self._hop(request, first, None if way.is_operators and is_same else rules, clock)
        if not isinstance(second, _Outcome):
            return _Outcome(Unreachable("the responder redirects more than once"), Fared.ANSWERED)
        return attrs.evolve(second, fared=Fared.ANSWERED)  # by the one whose turn it is

    async def _hop(
        self, request: bytes, destination: Destination, rules: _AddressRules | None, patience: _Patience
    ) -> _Outcome | Destination:
        """One request over one connection, and its response or where it is to be had instead."""
        line = _Line(self._reactor, destination, rules, self._lookups)
        try:
            talking = _given_up(Deferred.fromCoroutine(self._talk(request, destination, line)))
            response: bytes = await patience.wait_for(talking)
            return _Outcome(response, Fared.ANSWERED)
        except _RedirectError as redirect:
            return redirect.destination
        except _NoAnswerError as error:
            return _Outcome(Unreachable(line.reason or str(error)), Fared.ANSWERED)
        except _AgainstRulesError as error:
            return _Outcome(Unreachable(str(error)), Fared.NOTHING)
        except TimeoutError:
            if line.waits:
                return _Outcome(NotAsked("too many names are being looked up"), Fared.NOTHING)
            if patience.is_lost:
                return _Outcome(NotAsked("the gateway is too busy to read answers in time"), Fared.NOTHING)
            return _Outcome(Unreachable("no answer in time"), Fared.SILENT)
        except MemoryError:
            return _Outcome(NotAsked("there is no memory left"), Fared.NOTHING)
        except _FAILURES as error:
            if lack := line.lack or _descriptor_lack():
                return _Outcome(NotAsked(lack), Fared.NOTHING)
            return _Outcome(Unreachable(line.reason or _words(error)), _fared(error))
        finally:
            line.abort()

    async def _talk(self, request: bytes, destination: Destination, line: _Line) -> bytes:
        pool = _QuietPool(self._reactor, persistent=False)
        agent = _PlainAgent(Agent.usingEndpointFactory(self._reactor, line, pool), destination)
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


class _QuietFactory(_HTTP11ClientFactory):
    """Of the library's connections, without its two lines in the log for each of them."""

    noisy = False


class _QuietPool(HTTPConnectionPool):
    """Connections that nothing is logged about."""

    _factory = _QuietFactory


@attrs.frozen(kw_only=True)
class _AddressRules:
    """Where connections may go: beside what is open anyway to these `networks`, on these `ports`, not to ourselves."""

    networks: tuple[Network, ...]
    ports: tuple[PortRange, ...]
    own_ports: Container[int]


@attrs.frozen
class _Outcome:
    """What came of a question, and what it says about the responder."""

    result: bytes | Unreachable | NotAsked
    fared: Fared


def _weight(failure: Unusable | Unreachable | NotAsked) -> int:
    """Which of several failures counts: one of our own before all, then one that is about this very question."""
    if isinstance(failure, NotAsked):
        return 2
    return 0 if isinstance(failure, Unreachable) and not failure.was_asked else 1


class _NoAnswerError(AgwError):
    """What came is no answer to a question."""


class _AgainstRulesError(AgwError):
    """The address rules do not let the question go where it should."""


class _RedirectError(AgwError):
    """The response is to be had elsewhere."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination.url)
        self.destination = destination


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


class _Patience:
    """How long an answer is waited for: so many seconds in which the gateway has listened."""

    def __init__(self, clock: Any, lateness: Lateness | None, seconds: float) -> None:
        self.is_lost = False  # the gateway was too late itself for anybody to be blamed
        self._clock = clock
        self._lateness = lateness
        self._end = clock.seconds() + seconds
        self._late_at_first = 0.0 if lateness is None else lateness.total

    async def wait_for(self, talking: Deferred[T]) -> T:
        """What comes of it in time, else TimeoutError.

        When the time is over the reactor gets a turn first: it may not have read yet what came in time.
        """
        timer: IDelayedCall = self._clock.callLater(self._left(), lambda: over())
        late = False

        def over() -> None:
            nonlocal timer
            left = self._left()
            timer = self._clock.callLater(left, over if left else end)

        def end() -> None:
            nonlocal late
            late = True
            talking.cancel()

        try:
            with nullcontext() if self._lateness is None else self._lateness.watched():
                return await talking
        except CancelledError:
            if late:
                raise TimeoutError from None
            raise
        finally:
            if timer.active():
                timer.cancel()

    def _left(self) -> float:
        """Seconds; what the gateway was late is on top, as far as that goes."""
        late = 0.0 if self._lateness is None else self._lateness.total - self._late_at_first
        self.is_lost = late > MAX_LATENESS
        left = self._end + min(late, MAX_LATENESS) - self._clock.seconds()
        return left if left > EVEN else 0.0


def _descriptor_lack() -> str:
    """Why no descriptor is to be had now; empty where one is. Resolvers and TLS do not say that they lacked one."""
    try:
        socket.socket().close()
    except OSError as error:
        return _lack_words(error.errno)
    return ""


def _lack_words(code: int | None) -> str:
    return f"the gateway cannot open a connection: {os.strerror(code or 0)}"


def _fared(error: Exception) -> Fared:
    """What a failed connection says about a responder: that nobody is there, or only that nobody answered."""
    cause = _cause(error)
    if isinstance(cause, DNSLookupError):
        return Fared.REFUSED
    is_late = isinstance(cause, ConnectTimedOut | TCPTimedOutError)
    return Fared.REFUSED if isinstance(cause, ConnectError) and not is_late else Fared.SILENT


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
    """Lets nothing but a plain response through: 200, the right type, not encoded, no longer than it may be.

    A redirect fails with where it leads, if that is a URL at all.
    """

    def __init__(self, agent: IAgent, destination: Destination) -> None:
        self._agent = agent
        self._destination = destination

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
        if response.code in _REDIRECTS:
            raise self._redirected(values(b"location", []))
        if response.code != 200:
            raise _NoAnswerError(f"the responder answers with HTTP status {response.code}")
        if kind != _CONTENT_TYPE:
            raise _NoAnswerError("the responder's answer is of another content type")
        if values(b"content-encoding"):
            raise _NoAnswerError("the responder's answer is encoded")
        if isinstance(response.length, int) and response.length > MAX_RESPONSE_BYTES:
            raise _NoAnswerError("the responder's answer is too long")
        return response

    def _redirected(self, locations: list[bytes]) -> AgwError:
        """What to raise. Without encryption nobody goes on who began with it."""
        try:
            [location] = locations
            found = destination(urljoin(self._destination.url, location.decode("ascii")))
        except (UnacceptableError, ValueError):
            return _NoAnswerError("the responder redirects to what is no URL of a responder")
        if self._destination.scheme == "https" and found.scheme != "https":
            return _NoAnswerError("the responder redirects from https to http")
        return _RedirectError(found)


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

    def __init__(self, reactor: Any, destination: Destination, rules: _AddressRules | None, lookups: Lookups) -> None:
        """`rules` are None where the operator says where to go."""
        self.reason = ""  # why it was cut
        self.waits = False  # for others' names to be looked up before its own
        self._reactor = reactor
        self._destination = destination
        self._rules = rules
        self._lookups = lookups
        self._counted: list[_Counted] = []
        self._lacks: list[str] = []
        self._failures = 0

    @property
    def lack(self) -> str:
        """What of our own was lacking when it was not made; empty where it was not for that.

        Without IPv6 of our own there is no local address for it either: where others were tried, that counts for
        nothing.
        """
        sure = [each for each in self._lacks if each]
        if sure:
            return sure[0]
        return _lack_words(errno.EADDRNOTAVAIL) if self._lacks and len(self._lacks) == self._failures else ""

    def failed(self, host: str, code: int | None) -> None:
        """An address of the responder could not be connected to, with this error code of the system."""
        self._failures += 1
        if code in _LACKS:
            is_sure = code != errno.EADDRNOTAVAIL or not isIPv6Address(host)
            self._lacks.append(_lack_words(code) if is_sure else "")

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """Of the destination; there is no other: a redirect gets a line of its own."""
        if self._destination.scheme == "https":
            options = optionsForClientTLS(self._destination.host)
            endpoint: IStreamClientEndpoint = wrapClientTLS(options, self)
            return endpoint
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        """Connects, to the first permitted address that answers."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        endpoint = self._endpoint(await self._addresses(self._destination.host))
        counting: Any = WrappingFactory(factory)
        counting.noisy = False
        counting.protocol = self._count
        counted: Any = await endpoint.connect(counting)
        protocol: IProtocol = counted.wrappedProtocol
        return protocol

    def _endpoint(self, addresses: Sequence[str]) -> IStreamClientEndpoint:
        """Of these addresses. The one for several learns of the last one's failure only a while later."""
        reactor, port = _Reactor(self._reactor, self, addresses), self._destination.port
        if len(addresses) != 1:
            several: IStreamClientEndpoint = HostnameEndpoint(reactor, self._destination.host, port)
            return several
        kind = TCP6ClientEndpoint if isIPv6Address(addresses[0]) else TCP4ClientEndpoint
        single: IStreamClientEndpoint = kind(reactor, addresses[0], port)
        return single

    async def _addresses(self, host: str) -> Sequence[str]:
        """Those that may be connected to; none where the name has none at all."""
        found: Sequence[str] = (host,)
        if not isIPAddress(host) and not isIPv6Address(host):

            def begun() -> None:
                self.waits = False

            self.waits = True
            found = await self._lookups.addresses(host, begun)
        if self._rules is None:
            return found
        permitted = [each for each in found if not closed(each, self._rules.networks)]
        is_port_open = any(self._destination.port in each for each in self._rules.ports)
        if is_port_open and (permitted or not found):
            return permitted
        raise _AgainstRulesError(refusal_of(self._destination, () if permitted else found, self._rules.ports))

    def abort(self) -> None:
        """Ends it, if it is there."""
        for counted in self._counted:
            counted.cut()

    def leads_home(self, transport: Any) -> bool:
        """Whether the other end is a listener of this gateway."""
        host, peer = transport.getHost(), transport.getPeer()
        return self._rules is not None and peer.port in self._rules.own_ports and peer.host == host.host

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
            peer = transport.getPeer()
            where = f"{peer.host} port {peer.port}"
            self._line.reason = f"the responder's address {where} is one of the gateway's own listeners"
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
    """What an endpoint needs of a reactor, with a resolver that knows these addresses and no others.

    What was looked at is what is connected to: nothing is resolved twice.
    """

    def __init__(self, reactor: Any, line: _Line, addresses: Sequence[str]) -> None:
        self.seconds = reactor.seconds
        self.callLater = reactor.callLater
        self.getDelayedCalls = reactor.getDelayedCalls
        self.listenTCP = reactor.listenTCP
        self.nameResolver = _Resolved(addresses)
        self._connect_tcp = reactor.connectTCP
        self._line = line

    def connectTCP(self, host: str, port: int, factory: Any, *args: Any, **options: Any) -> Any:  # noqa: N802
        """As the reactor's, and the line learns why it failed: endpoints keep one reason of several."""
        fails = factory.clientConnectionFailed

        def failed(connector: Any, reason: Failure) -> None:
            self._line.failed(host, getattr(reason.value, "osError", None))
            fails(connector, reason)

        factory.clientConnectionFailed = failed
        return self._connect_tcp(host, port, factory, *args, **options)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:  # noqa: N802
        """Nobody does."""
        raise NotImplementedError


@implementer(IHostResolution)
@attrs.frozen
class _Resolution:
    """A resolution that needs no time."""

    name: str

    def cancel(self) -> None:
        """It is complete."""


@implementer(IHostnameResolver)
class _Resolved:
    """Knows the addresses already."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    def resolveHostName(  # noqa: N802
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        *args: Any,
        **options: Any,
    ) -> IHostResolution:
        """As IHostnameResolver says, at once."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for each in self._addresses:
            kind = IPv6Address if isIPv6Address(each) else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", each, portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution
