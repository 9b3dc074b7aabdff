"""The gateway's exchange behind any twisted.web Site: `ProxyResource`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import SEEK_END
from random import Random, SystemRandom
from typing import IO, Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from agwtwisted.backends.pools import Backends
from agwtwisted.backends.resolver import Resolver
from agwtwisted.backends.system_resolver import SystemResolver
from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.exchange.forwarding import client_address, identity_block
from agwtwisted.core.http.framing import request_head as checked_head
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.host_names import host_and_port
from agwtwisted.core.http.messages import BadRequest, Framing, RequestHead, ResponseHead, UnfitRequest, WholeResponse
from agwtwisted.core.identity.clients import (
    NO_PROOF,
    NOT_CHECKED,
    Admitted,
    CertificateProof,
    Client,
    ClientConnection,
    PendingClient,
    identify,
)
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    CertificateHeaders,
    HttpListener,
    Protocol,
    RequestRoutingRule,
    SslProfile,
)
from agwtwisted.core.tls import policies
from agwtwisted.core.verification.verdicts import Absent, Missing, Refused, Trusted, Unchecked, Verdict
from agwtwisted.exchange.exchange import HttpExchanges
from agwtwisted.interfaces import Exchange, KeptForClient
from agwtwisted.operations.access_log import AccessLog
from agwtwisted.transport.clocks import system_time
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.outbox import outbox_of

BODY_PIECE = 65536
"""Bytes of a request's body that are handed on at a time."""


def without_certificate(request: Request) -> PendingClient:
    """The client of a request where no certificate is asked for: its address, and whether there is TLS."""
    return PendingClient(connection=_connection(request), proof=NO_PROOF)


def web_client(
    request: Request,
    certificate: bytes | None,
    *,
    chain: Sequence[bytes] = (),
    verified: bool = True,
    refused: str = "",
) -> PendingClient:
    """The client of a request, by what the caller found out about its certificate: for `ProxyResource`, `client_of`.

    Nothing is verified here: the backend reads what the caller says about the certificate.

    Args:
        request: its transport has the address, and whether there is TLS.
        certificate: the client's, in DER, whatever it holds; None: the client was asked for one and sent none.
        chain: the certificates after it on the path by which it was verified, in DER, the trust anchor included.
        verified: whether the caller has verified the certificate; if not, the backend reads PASSTHROUGH.
        refused: why the client gets the page with status 400, in words for that page; empty: it is admitted.

    Raises:
        ValueError: a chain is given of a certificate that is not verified.
    """
    if chain and (certificate is None or not verified or refused):
        raise ValueError("chain is that of a certificate that was verified and is not refused")
    return PendingClient(
        connection=_connection(request),
        proof=CertificateProof(
            verdict=_verdict(certificate, verified=verified, refused=refused),
            certificate=None if certificate is None else certificate_variables(certificate),
            chain_der=tuple(chain),
        ),
    )


def _verdict(certificate: bytes | None, *, verified: bool, refused: str) -> Verdict:
    if refused:
        return Missing() if certificate is None else Refused(refused)
    if certificate is None:
        return Absent()
    return Trusted() if verified else Unchecked()


def _connection(request: Request) -> ClientConnection:
    client = request.getClientAddress()
    return ClientConnection(
        address=getattr(client, "host", ""),
        port=getattr(client, "port", 0),
        tls_version="TLS" if request.isSecure() else "",
    )


class ProxyResource(Resource):
    """Forwards every request below it to backend servers, as the gateway does.

    The whole path goes on, whatever the resource is mounted at. twisted.web reads a request's body before it renders
    the resource, and knows no upgrades: those are forwarded without.

    Deadlines run on the reactor's time, which for Twisted's reactors is the system's: `count_monotonically`
    keeps them from lasting too long when that is set.

    Args:
        reactor: connects to the backends.
        backend_addresses: ``host:port`` or ``[IPv6 address]:port`` of each server; they take turns.
        client_of: says who sent a request: `web_client`. Unless it is given, no client is asked for a certificate.
        certificate_headers: which headers describe the client's certificate to the backend.
        request_timeout: seconds that a backend may be silent.
        access_log: takes a line for each request; the caller starts and stops it.

    Raises:
        ValueError: a backend address that is none, or no address at all.
    """

    isLeaf = True

    def __init__(
        self,
        reactor: Any,
        backend_addresses: Sequence[str],
        *,
        client_of: Callable[[Request], PendingClient] = without_certificate,
        certificate_headers: frozenset[CertificateHeaders] = frozenset({CertificateHeaders.ON}),
        request_timeout: float = 20.0,
        access_log: AccessLog | None = None,
    ) -> None:
        super().__init__()
        pool = BackendAddressPool(name="backends", backend_addresses=_addresses(backend_addresses))
        settings = BackendHttpSettings(
            name="backends", request_timeout=request_timeout, client_certificate_headers=certificate_headers
        )
        self._sites = _one_site(pool, settings)
        self._names = HeaderNames()
        self._client_of = client_of
        self._resolver = Resolver(reactor, SystemResolver(reactor).look_up)
        self._backends = Backends(reactor, self._resolver, outbox=outbox_of(reactor))
        self._exchanges = HttpExchanges(
            Gateway(ssl_policy=_policy()),
            self._backends,
            reactor,
            access_log or AccessLog(None, reactor),
            Random(SystemRandom().getrandbits(128)),  # noqa: S311 - trace ids are no secret
            wall=system_time,
        )

    def close_idle(self) -> None:
        """Closes the connections to backends that no request uses, for an end in good order."""
        self._resolver.stop()
        self._backends.close_idle()

    def render(self, request: Request) -> int:
        """Begins the exchange; the answer comes later."""
        session = _WebSession(self._sites, self._client_of(request), request.getHost().port)
        writer = _WebWriter(request)
        writer.run(self._exchanges.exchange(_request_head(request, self._names), writer, session))
        return NOT_DONE_YET


class _WebSession:
    """What an exchange asks about the connection of one request, as interfaces.Session says."""

    profile: SslProfile | None = None
    listener = "resource"
    draining = False
    expelled = False
    requests = 0
    host = b""
    dedicated: KeptForClient | None = None  # no settings here ask for any

    def __init__(self, sites: Sites, pending: PendingClient, port: int) -> None:
        self.sites = sites
        connection = attrs.evolve(pending.connection, gateway_port=port)
        self._pending = attrs.evolve(pending, connection=connection)
        self.client = identify(self._pending, NOT_CHECKED)
        self.address = client_address(connection)

    def strict_client(self) -> Deferred[Client]:
        """The client as a path that requires a certificate takes it, with the verdict that `client_of` gave."""
        return succeed(identify(self._pending.strict(), NOT_CHECKED))

    def identity(self, action: Action, client: Admitted) -> bytes:
        """The request header lines that identify the client to the backend."""
        return identity_block(client, action.certificate_headers)


@implementer(IPushProducer)
class _WebWriter:
    """The way back through a twisted.web request, as interfaces.ResponseWriter says; also sends the request's body."""

    log = Logger()
    read_size = 0  # as much as is usual

    def __init__(self, request: Request) -> None:
        self.bytes_sent = 0
        self.full = False
        self._request = request
        self._exchange: Exchange | None = None
        self._content = _content(request)
        self._body_paused = False
        self._body_done = False

    def run(self, exchange: Exchange) -> None:
        """Begins an exchange and hands it the body."""
        self._exchange = exchange
        log_failure(self._request.notifyFinish().addErrback(self._client_lost), self.log, "serving a request")
        self._request.registerProducer(self, True)
        exchange.begin(None)
        try:
            self._send_body()
        except Exception:
            self.log.failure("Unexpected error while reading a request's body")
            exchange.broken()

    # -- the request's body

    def _send_body(self) -> None:
        while self._exchange is not None and not self._body_paused and not self._body_done:
            piece = self._content.read(BODY_PIECE)
            if piece:
                self._exchange.body(piece)
            else:
                self._body_done = True
                self._exchange.body_complete()
            if self._exchange is not None:
                self._exchange.flush()

    def pause_body(self) -> None:
        """Stops the request's body."""
        self._body_paused = True

    def resume_body(self) -> None:
        """Lets the request's body flow on."""
        if self._body_paused:
            self._body_paused = False
            self._send_body()

    # -- the response

    def misleads(self, head: ResponseHead) -> bool:
        """Never: no upgrade is passed on."""
        return False

    def informational(self, status: int, reason: bytes, headers: Sequence[Header]) -> None:
        """Left out: twisted.web cannot send any."""

    def switch(self, protocol: bytes, headers: Sequence[Header]) -> None:
        """Never called: the request that went on asked for no upgrade."""
        raise AssertionError("an upgrade that was not asked for")

    def head(self, head: ResponseHead, *, last: bool = False) -> None:
        """Sends the head of the response."""
        request = self._request
        request.setResponseCode(head.status, head.reason)
        for name in (b"Server", b"Date", b"Content-Type"):
            request.responseHeaders.removeHeader(name)  # what twisted.web would say of itself
        request.defaultContentType = None  # type: ignore[attr-defined]  # and would add once the body begins
        for name, value in head.headers:
            request.responseHeaders.addRawHeader(name, value)
        if head.framing is Framing.LENGTH:
            request.responseHeaders.setRawHeaders(b"Content-Length", [b"%d" % head.content_length])

    def body(self, data: bytes) -> None:
        """Sends a piece of the body."""
        self.bytes_sent += len(data)
        self._request.write(data)

    def whole(self, head: ResponseHead, response: WholeResponse) -> None:
        """Sends this head, and the body of the response."""
        self.head(head)
        self.body(response.body)

    def flush(self) -> None:
        """Nothing is kept back."""

    def end(self) -> None:
        """The response is whole."""
        self._exchange = None
        self._request.unregisterProducer()
        self._request.finish()

    def release(self) -> None:
        """The connection is twisted.web's."""

    def abort(self) -> None:
        """Ends the connection, so that the client sees the response cut."""
        self._exchange = None
        self._request.unregisterProducer()
        self._request.loseConnection()

    # -- called by twisted.web

    def pauseProducing(self) -> None:
        """The client takes bytes more slowly than they come."""
        self.full = True

    def resumeProducing(self) -> None:
        """The client takes bytes again."""
        self.full = False
        if self._exchange is not None:
            self._exchange.client_drained()

    def stopProducing(self) -> None:
        """The client has disconnected; notifyFinish reports it, too."""

    def _client_lost(self, failure: Failure) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.client_lost()


def _request_head(request: Request, names: HeaderNames) -> RequestHead | UnfitRequest:
    lines = [
        (name, value)
        for name, values in request.requestHeaders.getAllRawHeaders()
        for value in values
        if name.lower() not in (b"transfer-encoding", b"content-length", b"upgrade", b"expect")
    ]
    content = _content(request)
    length = content.seek(0, SEEK_END)
    content.seek(0)
    if length or request.method in (b"POST", b"PUT", b"PATCH"):
        lines.append((b"Content-Length", b"%d" % length))
    size = sum(len(name) + len(value) + 4 for name, value in lines) + len(request.uri) + 16
    head = checked_head(request.method, request.uri, request.clientproto.rpartition(b"/")[2], lines, names, size)
    if isinstance(head, BadRequest):
        return UnfitRequest(
            status=head.status, error_info=head.error_info, method=request.method, target=request.uri, size=size
        )
    return head


def _content(request: Request) -> IO[bytes]:
    content: IO[bytes] | None = request.content
    if content is None:
        raise AssertionError("a request is rendered once its body is there")
    return content


def _addresses(texts: Sequence[str]) -> tuple[BackendAddress, ...]:
    """The servers, as a configuration has them; raises ValueError for what one would not take, and for none."""
    if isinstance(texts, str) or not texts:
        raise ValueError(f"backend_addresses is {texts!r}, but must be a list of one server or more, each host:port")
    return tuple(map(_address, texts))


def _address(text: str) -> BackendAddress:
    try:
        host, port = host_and_port(text)
    except UnacceptableError as error:
        raise ValueError(f"backend_addresses {error}") from error
    if port is None:
        raise ValueError(f"backend_addresses has {text!r}, which has no port: write host:port or [IPv6 address]:port")
    return BackendAddress(host=host, port=port)


def _one_site(pool: BackendAddressPool, settings: BackendHttpSettings) -> Sites:
    listener = HttpListener(name="resource", port=0, protocol=Protocol.HTTP)
    rule = RequestRoutingRule(
        name="resource",
        priority=1,
        http_listener=listener,
        backend_address_pool=pool,
        backend_http_settings=settings,
    )
    return Sites.of([Site(listener=listener, rule=rule)])


def _policy() -> policies.TlsPolicy:
    policy = policies.predefined(policies.DEFAULT)
    if isinstance(policy, str):
        raise AssertionError(policy)
    return policy
