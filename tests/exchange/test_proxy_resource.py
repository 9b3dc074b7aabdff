"""ProxyResource: the gateway's exchange behind a twisted.web Site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import treq
from treq.client import HTTPClient
from twisted.internet import address, endpoints, reactor, ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, ResponseDone
from twisted.web.http import Request
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgentEndpointFactory, IBodyProducer
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.test.requesthelper import DummyChannel
from zope.interface import implementer

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.identity.clients import PendingClient
from agwtwisted.core.verification.verdicts import Absent, Missing, Refused, Trusted, Unchecked
from agwtwisted.exchange import deciding
from agwtwisted.exchange.exchange import HttpExchange
from agwtwisted.exchange.proxy_resource import ProxyResource, web_client
from tests import pki
from tests.identities import pending
from tests.running import free_ports

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
EXAMPLE = Path(__file__).parents[2] / "docs" / "proxy_resource.py"


class _Echo(Resource):
    """Answers with the request line, the headers and the body it got."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.content_type: bytes | None = b"text/html"

    def render(self, request: Request) -> bytes:
        """One line for each header, then the body."""
        self.requests.append(request)
        request.setHeader(b"X-Echo", b"yes")
        request.defaultContentType = self.content_type  # type: ignore[attr-defined]
        lines = [request.method + b" " + request.uri]
        lines += [name + b": " + b",".join(values) for name, values in request.requestHeaders.getAllRawHeaders()]
        return b"\n".join([*lines, b"", request.content.read()])


class _Collecting(Protocol):
    """Collects a response's body."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.whole: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """One piece more."""
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """That was all, or the rest was lost."""
        if reason.check(ResponseDone):
            self.whole.callback(b"".join(self.pieces))
        else:
            self.whole.errback(reason)


def body_of(response: Any) -> Deferred[bytes]:
    """The body; fails when it is cut."""
    collecting = _Collecting()
    response.deliverBody(collecting)
    return collecting.whole


@implementer(IBodyProducer)
class _Body:
    """A request's body, sent in one piece."""

    def __init__(self, data: bytes, length: Any) -> None:
        self._data = data
        self.length = length

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802
        """Writes the body."""
        consumer.write(self._data)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """It is written."""

    def resumeProducing(self) -> None:
        """It is written."""

    def stopProducing(self) -> None:
        """It is written."""


class ProxyResourceTests(TestCase):
    """A Site with the resource, between a real client and a real backend."""

    def setUp(self) -> None:
        """Starts the backend."""
        self.echo = _Echo()
        self.backend = self._listen(Site(self.echo))

    def _listen(self, factory: Factory) -> int:
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    async def _ask(
        self, resource: ProxyResource, method: bytes = b"GET", headers: Headers | None = None, body: Any = None
    ) -> tuple[int, bytes, Headers]:
        # Idle connections to the backend are closed before the test ends: it counts what is left open.
        self.addCleanup(resource.close_idle)
        port = self._listen(Site(resource))
        response = await Agent(reactor).request(method, b"http://127.0.0.1:%d/a?b=c" % port, headers, body)
        return response.code, await body_of(response), response.headers

    def _proxy(self, **options: Any) -> ProxyResource:
        return ProxyResource(reactor, [f"127.0.0.1:{self.backend}"], **options)

    async def test_forwards(self) -> None:
        """Method, path, query and header lines arrive; status, headers and body come back."""
        code, body, headers = await self._ask(self._proxy(), headers=Headers({b"X-Own": [b"1"]}))
        self.assertEqual(code, 200)
        self.assertTrue(body.startswith(b"GET /a?b=c\n"))
        self.assertIn(b"X-Own: 1", body)
        self.assertIn(b"X-Original-Url: /a?b=c", body)
        self.assertEqual(headers.getRawHeaders(b"X-Echo"), [b"yes"])

    async def test_body(self) -> None:
        """A body larger than a piece arrives whole, with a length or without."""
        data = bytes(range(256)) * 1024
        for length in (len(data), UNKNOWN_LENGTH):
            code, body, _ = await self._ask(self._proxy(), b"POST", body=_Body(data, length))
            self.assertEqual(code, 200)
            self.assertTrue(body.endswith(b"\n" + data))

    async def test_managed_headers(self) -> None:
        """A client cannot say who it is, in any spelling."""
        spoofed = Headers({b"X-Client-Certificate": [b"a"], b"x_client.certificate_subject": [b"CN=a"]})
        _, body, _ = await self._ask(self._proxy(), headers=spoofed)
        self.assertNotIn(b"client", re.sub(rb"(?m)^User-Agent.*$", b"", body).lower())

    async def test_peer(self) -> None:
        """What `client_of` returns about a certificate reaches the backend."""
        leaf = pki.Authority.root().issue("device")
        peer = pending(Trusted(), address="192.0.2.1", port=7, certificate=certificate_variables(leaf.der))
        _, body, _ = await self._ask(self._proxy(client_of=lambda request: peer))
        self.assertIn(b"X-Client-Certificate-Verification: SUCCESS", body.replace(b"\r", b""))
        self.assertIn(b"X-Forwarded-For: 192.0.2.1:7", body)

    async def test_refused_peer(self) -> None:
        """A peer whose verdict refuses gets the product's page, and the backend nothing."""
        for verdict, text in (
            (Missing(), b"No required SSL certificate"),
            (Refused("certificate revoked"), b"revoked"),
        ):
            peer = pending(verdict)
            code, body, _ = await self._ask(self._proxy(client_of=lambda request, peer=peer: peer))
            self.assertEqual(code, 400)
            self.assertIn(text, body)
        self.assertEqual(self.echo.requests, [])

    async def test_no_backend(self) -> None:
        """A server that does not answer means 502."""
        (port,) = free_ports(1)
        code, body, _ = await self._ask(ProxyResource(reactor, [f"127.0.0.1:{port}"]))
        self.assertEqual(code, 502)
        self.assertIn(b"Bad Gateway", body)

    async def test_defect(self) -> None:
        """An error of the gateway's own means 500, on the way there and while the answer comes."""
        for owner, name in ((deciding, "decide"), (HttpExchange, "response_whole")):
            patch = self.patch(owner, name, lambda *_: 1 / 0)
            code, body, _ = await self._ask(self._proxy())
            patch.restore()
            self.assertEqual(code, 500)
            self.assertIn(b"Internal Server Error", body)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_content_type(self) -> None:
        """The response has the type that the server gave it, and none where it gave none."""
        for content_type in (b"text/html", b"application/json", None):
            self.echo.content_type = content_type
            _, _, headers = await self._ask(self._proxy())
            self.assertEqual(headers.getRawHeaders(b"Content-Type"), [content_type] if content_type else None)

    def test_bad_address(self) -> None:
        """An invalid address of a server is an error at once, as in a configuration."""
        for addresses, words in (
            (["backend"], "has no port"),
            (["::1"], "has no port"),
            (["backend:"], "is neither host"),
            (["backend:0"], "a port is a number from 1"),
            (["backend:65536"], "a port is a number from 1"),
            (["backend:80x"], "is neither host"),
            (["bad name:80"], "is not a host name"),
            (["http://backend:80"], "is neither host"),
            (["user@backend:80"], "is not a host name"),
            (["[::1:80"], "is neither host"),
            ([""], "is neither host"),
            ([], "must be a list of one server or more"),
            ("backend:80", "must be a list of one server or more"),
        ):
            with self.assertRaises(ValueError) as raised:
                ProxyResource(reactor, addresses)
            self.assertIn(words, str(raised.exception), addresses)

    def test_addresses(self) -> None:
        """Names and addresses are in the form that a configuration has them in; IPv6 in brackets."""
        proxy = ProxyResource(reactor, ["Backend.Example.:80", "127.0.0.1:81", "[::1]:82"])
        pool = proxy._sites.all()[0].rule.backend_address_pool
        assert pool
        found = [(each.host, each.port) for each in pool.backend_addresses]
        self.assertEqual(found, [("backend.example", 80), ("127.0.0.1", 81), ("::1", 82)])


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """One endpoint, whatever the URL."""

    def __init__(self, port: int, options: Any) -> None:
        self._port, self._options = port, options

    def endpointForURI(self, uri: Any) -> endpoints.SSL4ClientEndpoint:  # noqa: N802
        """The port on this machine, with TLS."""
        return endpoints.SSL4ClientEndpoint(reactor, "127.0.0.1", self._port, self._options)


class WebClientTests(TestCase):
    """The client of a request, by what the caller knows of its certificate."""

    DER = pki.Authority.root().issue("device").der

    def client(self, *args: Any, **options: Any) -> PendingClient:
        """The client of a request that came from 192.0.2.1 over TLS."""
        request = Request(DummyChannel(), False)
        request.client = address.IPv4Address("TCP", "192.0.2.1", 7)
        request.isSecure = lambda: True  # type: ignore[method-assign]
        return web_client(request, *args, **options)

    def test_verdicts(self) -> None:
        """Verified or not, absent, or refused: each is what the gateway calls it."""
        for found, verdict in (
            (self.client(self.DER), Trusted()),
            (self.client(self.DER, verified=False), Unchecked()),
            (self.client(None), Absent()),
            (self.client(None, verified=False), Absent()),
            (self.client(None, refused="a certificate is needed"), Missing()),
            (self.client(self.DER, refused="revoked"), Refused("revoked")),
            (self.client(self.DER, refused="revoked", verified=False), Refused("revoked")),
        ):
            self.assertEqual(found.proof.verdict, verdict)
            self.assertEqual((found.connection.address, found.connection.port), ("192.0.2.1", 7))
            self.assertTrue(found.connection.tls_version)

    def test_chain(self) -> None:
        """A chain goes with a verified certificate alone."""
        self.assertEqual(self.client(self.DER, chain=[self.DER]).proof.chain_der, (self.DER,))
        for certificate, options in ((None, {}), (self.DER, {"verified": False}), (self.DER, {"refused": "x"})):
            self.assertRaises(ValueError, self.client, certificate, chain=[self.DER], **options)

    async def test_over_tls(self) -> None:
        """The program of the documentation sends the backend the client's identity from Twisted's own TLS."""
        [source] = [
            each for each in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "client_of" in each
        ]
        names: dict[str, Any] = {}
        exec(compile(source, str(PAGE), "exec"), names)
        backend = reactor.listenTCP(0, Site(_Echo()), interface="127.0.0.1")
        self.addCleanup(backend.stopListening)
        root = pki.Authority.root("Root")
        authority = ssl.Certificate.loadPEM(root.pem)
        server, device = (
            ssl.PrivateCertificate.loadPEM(each.pem + each.key_pem)
            for each in (root.issue_server("localhost"), root.issue("device 7"))
        )
        resource = ProxyResource(reactor, [f"127.0.0.1:{backend.getHost().port}"], client_of=names["client_of"])
        self.addCleanup(resource.close_idle)
        listening = reactor.listenSSL(0, Site(resource), server.options(authority), interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        options = ssl.optionsForClientTLS("localhost", ssl.trustRootFromCertificates([authority]), device)
        client = HTTPClient(Agent.usingEndpointFactory(reactor, _Endpoints(listening.getHost().port, options)))
        body = await treq.content(await client.get("https://localhost/"))
        self.assertIn(b"X-Client-Certificate-Verification: SUCCESS\n", body)
        self.assertIn(b"X-Client-Certificate-Subject: CN=device 7\n", body)
        # Of Twisted's own use of pyOpenSSL.
        self.assertEqual({each["message"][:17] for each in self.flushWarnings()}, {"Passing pyOpenSSL"})


class ExampleTests(TestCase):
    """The example of the documentation."""

    async def test_example(self) -> None:
        """It is ten lines, and it forwards."""
        text = EXAMPLE.read_text()
        self.assertLessEqual(len([line for line in text.splitlines() if line.strip()]), 10)
        echo = _Echo()
        backend = reactor.listenTCP(0, Site(echo), interface="127.0.0.1")
        self.addCleanup(backend.stopListening)
        (free,) = free_ports(1)
        text = text.replace("127.0.0.1:9000", f"127.0.0.1:{backend.getHost().port}").replace("tcp:8081", f"tcp:{free}")
        self.assertIn("reactor.run()", text)
        names: dict[str, Any] = {}
        exec(compile(text.replace("reactor.run()", ""), str(EXAMPLE), "exec"), names)  # the file itself, on free ports
        listening = await names["listening"]
        self.addCleanup(listening.stopListening)
        self.addCleanup(names["resource"].close_idle)
        response = await Agent(reactor).request(b"GET", b"http://127.0.0.1:%d/x" % free)
        self.assertTrue((await body_of(response)).startswith(b"GET /x\n"))
