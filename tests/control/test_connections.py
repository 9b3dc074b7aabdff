"""How many connections the control API has, which of them give way, and how long each may take."""

from __future__ import annotations

import socket
from contextlib import closing

from twisted.internet.defer import Deferred

from agwtwisted.control.channel import ANSWER_TIMEOUT, REQUEST_TIMEOUT
from agwtwisted.control.connections import CONNECTIONS, STREAMS
from agwtwisted.core.operations.questions import Question
from tests.control.sites import SiteCase, received
from tests.sockets import until


class FairnessTests(SiteCase):
    """Who gives way."""

    async def connected(self, count: int, data: bytes = b"") -> list[socket.socket]:
        """So many clients, which have sent this."""
        clients: list[socket.socket] = []
        before = len(self.site.connections.channels)
        for _ in range(count):
            clients.append(self.client())
            self.addCleanup(clients[-1].close)
            clients[-1].sendall(data)
            expected = min(before + len(clients), CONNECTIONS)
            await until(lambda: len(self.site.connections.channels) >= expected)  # noqa: B023
        return clients

    async def test_silent_ones_give_way(self) -> None:
        """Clients that hold every connection, and send nothing or half a request, keep none from being answered."""
        clients = await self.connected(CONNECTIONS, b"POST /reload HTTP/1.1\r\nX:")
        self.assertEqual((await self.exchange("GET", "/status")).status, 200)
        self.assertEqual(await received(clients[0]), b"")  # the oldest one has given way
        self.assertEqual(self.asked, [])

    async def test_those_that_do_not_close_give_way_first(self) -> None:
        """A client that has its answer, and does not close, gives way before one that has not asked yet."""
        waiting = await self.connected(CONNECTIONS - 1)
        answered = await self.connected(1, b"GET /status HTTP/1.1\r\nHost: g\r\n\r\n")
        await received(answered[0])
        self.assertEqual((await self.exchange("GET", "/status")).status, 200)
        waiting[0].setblocking(False)
        with self.assertRaises(BlockingIOError):
            waiting[0].recv(1)

    async def test_those_that_are_answered_stay(self) -> None:
        """A connection whose answer is being made does not give way: further ones are closed."""
        self.answers[Question.BACKENDS] = answer = Deferred[object]()
        for client in await self.connected(CONNECTIONS, b"GET /backends HTTP/1.1\r\nHost: g\r\n\r\n"):
            self.addCleanup(client.close)
        await until(lambda: len(self.asked) == CONNECTIONS)
        self.assertEqual(await self.raw(b""), b"")
        self.assertEqual(len(self.site.connections.channels), CONNECTIONS)
        answer.callback({})

    async def test_those_that_have_gone_give_way(self) -> None:
        """A client that has gone while its answer is made does not keep its place."""
        self.answers[Question.BACKENDS] = answer = Deferred[object]()
        for client in await self.connected(CONNECTIONS, b"GET /backends HTTP/1.1\r\nHost: g\r\n\r\n"):
            client.close()
        await until(lambda: all(each.gives_way for each in self.site.connections.channels))
        self.assertEqual((await self.exchange("GET", "/status")).status, 200)
        answer.callback({})
        await self.settled()

    async def test_streams_leave_a_reserve(self) -> None:
        """Of the connections so many may carry events; the next one that asks for them gets 503, and others theirs."""
        await self.connected(STREAMS, b"GET /events HTTP/1.1\r\nHost: g\r\n\r\n")
        await until(lambda: len(self.streams.readers) == STREAMS)
        answer = await self.exchange("GET", "/events")
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "10"))
        await until(lambda: len(self.site.connections.channels) == STREAMS)
        await self.connected(CONNECTIONS - STREAMS)
        self.assertEqual((await self.exchange("GET", "/status")).status, 200)
        self.assertEqual(len(self.streams.readers), STREAMS)

    async def test_room_again(self) -> None:
        """A connection that ends gives back its place."""
        for client in await self.connected(CONNECTIONS):
            client.close()
        await self.settled()


class DeadlineTests(SiteCase):
    """How long a connection may take."""

    async def test_slow_request(self) -> None:
        """A request has its seconds as a whole, however its bytes trickle in."""
        with closing(self.client()) as client:
            for byte in b"POST /reload":
                client.sendall(bytes([byte]))
                await until(lambda: self.site.connections.channels)
                self.clock.advance(REQUEST_TIMEOUT / 12)
            self.assertEqual(await received(client), b"")
        self.assertEqual(self.asked, [])

    async def test_slow_body(self) -> None:
        """So has a body."""
        head = b"POST /revocation/forget HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"
        with closing(self.client()) as client:
            client.sendall(head)
            await until(lambda: [each for each in self.site.connections.channels if each.requests])
            self.clock.advance(REQUEST_TIMEOUT / 2)
            client.sendall(b"{}")
            self.clock.advance(REQUEST_TIMEOUT / 2)
            self.assertEqual(await received(client), b"")
        self.assertEqual(self.asked, [])

    async def test_reader_that_does_not_read(self) -> None:
        """An answer that is not read in time is given up."""
        self.answers[Question.BACKENDS] = answer = Deferred[object]()
        with closing(self.client()) as client:
            client.sendall(b"GET /backends HTTP/1.1\r\nHost: g\r\n\r\n")
            await until(lambda: self.asked)
            answer.callback({"backend_pools": "x" * 10_000_000})
            self.assertEqual(len(self.site.connections.channels), 1)
            self.clock.advance(ANSWER_TIMEOUT)
            await self.settled()

    async def test_no_timers_left(self) -> None:
        """A connection that ends leaves no timer."""
        self.assertEqual((await self.exchange("GET", "/status")).status, 200)
        await self.settled()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    async def test_endless_rest(self) -> None:
        """A client that goes on to send behind its request is cut off."""
        with closing(self.client()) as client:
            client.setblocking(False)
            client.sendall(b"GET /status HTTP/1.1\r\nHost: g\r\n\r\n")

            def cut_off() -> bool:
                try:
                    client.send(b"x" * 65536)
                except BlockingIOError:
                    return False
                except OSError:
                    return True
                return False

            await until(cut_off)
