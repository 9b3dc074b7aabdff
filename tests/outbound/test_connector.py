"""Connections through proxies, with TLS, and to names that move."""

from __future__ import annotations

import os
from typing import Any

import attrs
from twisted.internet.ssl import DefaultOpenSSLContextFactory

from agwtwisted.core.http.destinations import destination
from agwtwisted.core.http.service_urls import proxy_address
from agwtwisted.outbound.connector import NAME_TTL
from agwtwisted.outbound.fetching import FetchProblem, NotFetched
from agwtwisted.tls.backend_contexts import BackendTls
from tests import pki
from tests.ocsp_clients import Reactor, Resolver, Timed
from tests.outbound.servers import HELLO, LOOPBACK, ServedConnection, Server, reactor, tunnel
from tests.outbound.test_cold_client import FetchCase

ROOT = pki.Authority.root("Root of the responder")


class TlsCase(FetchCase):
    """A server that speaks TLS for a name, whose root the client trusts."""

    def tls_server(self, name: str) -> Server:
        """The server."""
        directory = self.mktemp()
        os.mkdir(directory)
        certificate, key = ROOT.issue(name, san=(name,), eku=(pki.SERVER_AUTH,)).write(directory)
        return self.server(tls=DefaultOpenSSLContextFactory(key, certificate))

    def trust(self) -> None:
        """The client trusts the root."""
        trusted = BackendTls.trusting([ROOT.parsed])
        self.patch(self.client._connector, "_trust", lambda: trusted)


class TunnelTests(TlsCase):
    """https through a proxy."""

    def proxy_to(self, server: Server) -> Server:
        """A proxy that leads to the server whatever it is asked for."""

        def say(connection: ServedConnection, request: bytes) -> None:
            tunnel(connection, server.port)

        proxy = self.server(say)
        self.client = self.made(proxy=proxy_address(f"http://u:p@127.0.0.1:{proxy.port}"))
        self.trust()
        return proxy

    async def test_connect(self) -> None:
        """The proxy gets a CONNECT with its credentials, the server a request without; the tunnel is kept."""
        server = self.tls_server("a.example")
        proxy = self.proxy_to(server)
        asked = destination("https://a.example/x")
        for _ in range(2):
            self.assert_hello(await self.get(asked, LOOPBACK))
        expected = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        self.assertEqual(proxy.requests, [expected])
        self.assertEqual(server.requests, [b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"] * 2)

    async def test_other_server(self) -> None:
        """A proxy that leads to another server gains nothing: the name is proven end to end."""
        server = self.tls_server("b.example")
        self.proxy_to(server)
        found = await self.get(destination("https://a.example/x"), LOOPBACK)
        self.assert_problem(found, FetchProblem.UNTRUSTED, "not for a.example")
        self.assertEqual(server.requests, [])

    async def test_refused(self) -> None:
        """What the proxy refuses is said."""
        proxy = self.server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        self.client = self.made(proxy=proxy_address(f"http://u:secret@127.0.0.1:{proxy.port}"))
        found = await self.get(destination("https://a.example/x"), LOOPBACK)
        self.assert_problem(found, FetchProblem.PROXY, "status 403")
        self.assertNotIn("secret", repr(found))

    async def test_silent(self) -> None:
        """A proxy that does not answer costs the time of the request and not more."""
        clock = Timed()
        proxy = self.server(lambda *_: clock.advance(5))
        self.client = self.made(clock, proxy=proxy_address(f"http://127.0.0.1:{proxy.port}"))
        found = await self.get(destination("https://a.example/x"), LOOPBACK, seconds=5)
        self.assert_problem(found, FetchProblem.TIMED_OUT)


class DirectTests(TlsCase):
    """Without a proxy."""

    async def test_https(self) -> None:
        """A server over TLS is asked once it has proven its address, or its name."""
        server = self.tls_server("127.0.0.1")
        self.trust()
        self.assert_hello(await self.get(server.at(scheme="https"), LOOPBACK))
        other = self.tls_server("127.0.0.2")
        self.assert_problem(await self.get(other.at(scheme="https"), LOOPBACK), FetchProblem.UNTRUSTED, "127.0.0.1")
        self.assertEqual((len(server.requests), other.requests), (1, []))

    async def test_roots_are_read_once(self) -> None:
        """The system's roots take their time: they are read again only once they are others."""
        connector = self.client._connector
        first = connector._trust()
        self.assertIs(connector._trust(), first)
        self.patch(connector, "_tls", (("others",), first))
        self.assertIsNot(connector._trust(), first)

    async def test_names(self) -> None:
        """A name is looked up once for the requests of a few seconds, and again once nothing answers there."""
        server = self.server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
        resolver = Resolver({"a.example": ["127.0.0.1"]})
        self.client = self.made(Reactor(resolver))
        asked = destination(f"http://a.example:{server.port}/")
        for _ in range(3):
            self.assert_hello(await self.get(asked, LOOPBACK))
        self.assertEqual(resolver.asked, ["a.example"])
        dead = destination("http://a.example:1/")
        self.assert_problem(await self.get(dead, LOOPBACK), FetchProblem.REFUSED)
        self.assert_hello(await self.get(asked, LOOPBACK))
        self.assertEqual(resolver.asked, ["a.example", "a.example"])

    async def test_names_for_a_while(self) -> None:
        """After that it is looked up again; no address is kept for a name without one."""
        clock: Any = Timed()
        clock.nameResolver = resolver = Resolver({})
        self.client = self.made(clock)
        server = self.server(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
        asked = destination(f"http://a.example:{server.port}/")
        self.assert_problem(await self.get(asked, LOOPBACK), FetchProblem.REFUSED, "DNS lookup")
        resolver.names["a.example"] = ["127.0.0.1"]
        self.assert_hello(await self.get(asked, LOOPBACK))
        clock.advance(NAME_TTL)
        self.assert_hello(await self.get(asked, LOOPBACK))
        self.assertEqual(resolver.asked, ["a.example"] * 3)

    async def test_dead_address(self) -> None:
        """Where the first address of a name refuses, the next one is tried, by the same rules."""
        resolver = Resolver({"a.example": ["127.0.0.3", "127.0.0.1", "10.0.0.1"]})
        made = Reactor(resolver)
        self.client = self.made(made)
        server = self.server(HELLO)
        self.assert_hello(await self.get(destination(f"http://a.example:{server.port}/"), LOOPBACK))
        self.assertEqual(made.connected, ["127.0.0.3", "127.0.0.1"])
        closed = attrs.evolve(LOOPBACK, networks=(), own_ports=())
        found = await self.get(destination(f"http://b.example:{server.port}/"), closed)
        assert isinstance(found, NotFetched)
        self.assertTrue(reactor)
