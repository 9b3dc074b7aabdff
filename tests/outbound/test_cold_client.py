"""The client of the gateway's own questions, before servers on real sockets."""

from __future__ import annotations

import attrs
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from agwtwisted.core.http.service_urls import proxy_address
from agwtwisted.outbound.exchange import IDLE_TIMEOUT
from agwtwisted.outbound.fetching import Fetched, FetchProblem, NotFetched, OutboundRequest
from agwtwisted.outbound.kept_connections import MAX_KEPT
from tests.ocsp_clients import Timed
from tests.outbound.servers import ANYWHERE, HELLO, LOOPBACK, OK, ClientCase, ServedConnection


class Hurrying:
    """A sink that lets time pass with each piece."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def write(self, data: bytes) -> None:
        """Takes a piece."""
        self.clock.advance(5)


class FetchCase(ClientCase):
    """What comes of requests."""

    def assert_hello(self, found: Fetched | NotFetched) -> None:
        """The response came whole."""
        assert isinstance(found, Fetched), found
        self.assertEqual((found.status, found.body), (200, b"hello"))

    def assert_problem(self, found: Fetched | NotFetched, problem: FetchProblem, words: str = "") -> None:
        """There is none, for this reason."""
        assert isinstance(found, NotFetched), found
        self.assertEqual(found.problem, problem, found.reason)
        self.assertIn(words, found.reason)


class KeepingTests(FetchCase):
    """Connections that are kept."""

    async def test_kept(self) -> None:
        """Requests to one server, one after the other, have one connection."""
        server = self.server()
        for path in ("/a", "/b", "/c"):
            self.assert_hello(await self.get(server.at(path)))
        self.assertEqual((len(server.connections), len(server.requests), self.client.kept), (1, 3, 1))

    async def test_few(self) -> None:
        """Of many connections to one server a few are kept."""
        server = self.server()
        asked = [self.get(server.at()) for _ in range(3 * MAX_KEPT)]
        for each in asked:
            self.assert_hello(await each)
        self.assertEqual((len(server.connections), self.client.kept), (3 * MAX_KEPT, MAX_KEPT))

    async def test_not_where_the_server_closes(self) -> None:
        """A connection that the server does not keep is not kept, nor one that had more bytes than the response."""
        for answer in (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", HELLO + b"!"):
            server = self.server(answer)
            for _ in range(2):
                self.assert_hello(await self.get(server.at()))
            self.assertEqual((len(server.connections), self.client.kept), (2, 0))

    async def test_again_where_it_was_closed(self) -> None:
        """A request on a kept connection that the server closes without a byte is sent again on a new one: once."""

        def once(connection: ServedConnection, _: bytes) -> None:
            """Answers the first request of a connection."""
            if len(server.requests) % 2:
                connection.send(HELLO)
            else:
                connection.close()

        server = self.server(once)
        for _ in range(3):
            self.assert_hello(await self.get(server.at()))
        self.assertEqual((len(server.connections), len(server.requests)), (3, 5))
        server.say = lambda connection, _: connection.close()
        self.assert_problem(await self.get(server.at()), FetchProblem.CLOSED, "without a response")
        self.assertEqual(len(server.requests), 7)

    async def test_not_again_after_a_byte(self) -> None:
        """Where a part of the response came, the request is not sent again."""
        server = self.server()
        self.assert_hello(await self.get(server.at()))

        def cut(connection: ServedConnection, _: bytes) -> None:
            """Answers half."""
            connection.send(OK + b"Content-Length: 5\r\n\r\nhe")
            connection.close()

        server.say = cut
        self.assert_problem(await self.get(server.at()), FetchProblem.CLOSED, "truncated")
        self.assertEqual(len(server.requests), 2)

    async def test_idle_speech(self) -> None:
        """A server that speaks without being asked loses its connection."""
        server = self.server()
        self.assert_hello(await self.get(server.at()))
        lost = server.next_lost()
        server.connections[0].send(HELLO)
        await lost
        self.assertEqual(self.client.kept, 0)
        self.assert_hello(await self.get(server.at()))

    async def test_idle_time(self) -> None:
        """An idle connection is closed after a while."""
        clock = Timed()
        self.client = self.made(clock)
        server = self.server()
        self.assert_hello(await self.get(server.at()))
        clock.advance(IDLE_TIMEOUT - 1)
        self.assertEqual(self.client.kept, 1)
        lost = server.next_lost()
        clock.advance(1)
        await lost
        self.assertEqual((self.client.kept, clock.getDelayedCalls()), (0, []))

    async def test_by_the_rules(self) -> None:
        """A connection that is there is used only by rules that allow its address."""
        server = self.server()
        self.assert_hello(await self.get(server.at()))
        for rules in (
            attrs.evolve(LOOPBACK, networks=()),
            attrs.evolve(LOOPBACK, ports=()),
            attrs.evolve(LOOPBACK, own_ports=(server.port,)),
        ):
            self.assert_problem(await self.get(server.at(), rules), FetchProblem.ADDRESS_REFUSED, "127.0.0.1")
        self.assertEqual((len(server.requests), self.client.kept), (1, 1))
        self.assert_hello(await self.get(server.at(), LOOPBACK))
        self.assertEqual(len(server.connections), 1)

    async def test_stopped(self) -> None:
        """Once it is stopped none is kept."""
        server = self.server()
        self.assert_hello(await self.get(server.at()))
        lost = server.next_lost()
        self.client.stop()
        await lost
        self.assert_hello(await self.get(server.at()))
        self.assertEqual(self.client.kept, 0)

    async def test_given_up(self) -> None:
        """A request that is not waited for any more ends its connection, which is not kept."""
        server = self.server(lambda *_: None)
        asked = self.get(server.at())
        lost = server.next_lost()
        server.say = lambda *_: asked.cancel()
        await self.assertFailure(asked, CancelledError)
        await lost
        self.assertEqual(self.client.kept, 0)


class OutcomeTests(FetchCase):
    """What is known where no response came."""

    async def test_refused(self) -> None:
        """A closed port refuses, and a name without an address."""
        for url in ("http://127.0.0.1:1/", "http://no-such-host.invalid/"):
            found = await self.get(attrs.evolve(self.server().at(), url=url, host=url[7:-1].split(":")[0], port=1))
            self.assert_problem(found, FetchProblem.REFUSED)

    async def test_silent(self) -> None:
        """One time is over all of it, and whether any byte came is known."""
        clock = Timed()
        self.client = self.made(clock)
        server = self.server(lambda *_: clock.advance(5))
        found = await self.get(server.at(), seconds=5)
        self.assert_problem(found, FetchProblem.TIMED_OUT, "no response in time")
        self.assertEqual(isinstance(found, NotFetched) and found.was_answered, False)
        found = await self.get(self.server(HELLO[:-1]).at(), seconds=5, into=Hurrying(clock))
        self.assert_problem(found, FetchProblem.TIMED_OUT, "no response in time")
        self.assertEqual(isinstance(found, NotFetched) and found.was_answered, True)

    async def test_other_statuses(self) -> None:
        """A response of another status is one, without its body."""
        server = self.server(b'HTTP/1.1 304 Not Modified\r\nETag: "2"\r\n\r\n')
        found = await self.get(server.at())
        assert isinstance(found, Fetched)
        self.assertEqual((found.status, found.body, found.header(b"etag"), self.client.kept), (304, b"", b'"2"', 1))

    async def test_redirect(self) -> None:
        """A redirect is followed once, by the same method; what becomes of it is an answer of the first server."""
        end = self.server()
        begin = self.server(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/x\r\n\r\n" % end.port)
        self.assert_hello(await self.get(begin.at(), attrs.evolve(LOOPBACK, chosen_by_operator=True)))
        post = OutboundRequest(method=b"POST", destination=begin.at(), body=b"ask")
        self.assert_hello(await self.client.fetch(post, LOOPBACK, 60, most=9))
        self.assertEqual([each[:7] for each in end.requests], [b"GET /x ", b"POST /x"])
        found = await self.get(begin.at(), ANYWHERE)
        self.assert_problem(found, FetchProblem.ADDRESS_REFUSED, "ocsp_allowed_networks = 127.0.0.1")
        self.assertTrue(isinstance(found, NotFetched) and found.was_answered)
        again = self.server(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\n\r\n" % begin.port)
        self.assert_problem(await self.get(again.at(), LOOPBACK), FetchProblem.BAD_RESPONSE, "more than once")


class ProxyTests(FetchCase):
    """Everything through a proxy."""

    async def test_http(self) -> None:
        """A proxy gets the whole URL and the credentials, and one connection to it has requests to all servers."""
        proxy = self.server()
        self.client = self.made(proxy=proxy_address(f"http://u:p@127.0.0.1:{proxy.port}"))
        for host in ("a.example", "b.example"):
            asked = attrs.evolve(proxy.at(), url=f"http://{host}/x", host=host, port=80)
            self.assert_hello(await self.get(asked, attrs.evolve(LOOPBACK, networks=())))
        self.assertEqual([each.split(b"\r\n")[0] for each in proxy.requests], [
            b"GET http://a.example/x HTTP/1.1",
            b"GET http://b.example/x HTTP/1.1",
        ])  # fmt: skip
        self.assertIn(b"\r\nProxy-Authorization: Basic dTpw\r\n", proxy.requests[0])
        self.assertEqual(len(proxy.connections), 1)

    async def test_rules(self) -> None:
        """What is known of a destination counts: its port, a literal, a number for one, names of the machine itself."""
        proxy = self.server()
        self.client = self.made(proxy=proxy_address(f"http://127.0.0.1:{proxy.port}"))
        strict = attrs.evolve(LOOPBACK, networks=(), own_ports=(81,))
        self.assert_hello(await self.get(attrs.evolve(proxy.at(), host="b.example", port=80), strict))
        self.assertEqual(self.client.kept, 1)
        for host, port in (
            *(("127.0.0.1", 80), ("169.254.169.254", 80), ("::1", 80), ("0x7f000001", 80), ("localhost", 80)),
            *(("x.localhost", 80),),
        ):
            asked = attrs.evolve(proxy.at(), host=host, port=port)
            self.assert_problem(await self.get(asked, strict), FetchProblem.ADDRESS_REFUSED, host)
        closed = attrs.evolve(strict, ports=())
        asked = attrs.evolve(proxy.at(), host="a.example", port=80)
        self.assert_problem(await self.get(asked, closed), FetchProblem.ADDRESS_REFUSED, "ocsp_allowed_ports = 80")
        self.assertEqual(len(proxy.requests), 1)

    async def test_password(self) -> None:
        """A proxy that wants other credentials has not asked the server."""
        proxy = self.server(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        self.client = self.made(proxy=proxy_address(f"http://u:secret@127.0.0.1:{proxy.port}"))
        found = await self.get(attrs.evolve(proxy.at(), host="a.example"), LOOPBACK)
        self.assert_problem(found, FetchProblem.PROXY, "status 407")
        self.assertNotIn("secret", repr(found))

    async def test_dead(self) -> None:
        """A proxy that refuses connections is said to, without its credentials."""
        self.client = self.made(proxy=proxy_address("http://u:secret@127.0.0.1:1"))
        found = await self.get(self.server().at())
        self.assert_problem(found, FetchProblem.PROXY, "outbound_proxy http://127.0.0.1:1: ")
        self.assertNotIn("secret", repr(found))
