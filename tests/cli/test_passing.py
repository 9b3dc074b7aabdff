"""Requests of the console on their way to the control socket."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing

from agwtwisted.cli.passing import ConsolePortError, serving
from agwtwisted.core.operations.questions import Question
from tests.control.sites import Exchanged, SiteCase, received
from tests.sockets import until


class PassingTests(SiteCase):
    """With a control API behind it."""

    def setUp(self) -> None:
        super().setUp()
        stack = ExitStack()
        self.passing = stack.enter_context(serving(self.clock, self.path))
        self.addCleanup(stack.close)
        self.port = int(self.passing.authority.rpartition(":")[2])

    def client(self) -> socket.socket:
        """One of the port."""
        return socket.create_connection(("127.0.0.1", self.port))

    def events(self) -> bytes:
        """The request of a page for events."""
        lines = (f"Host: {self.passing.authority}", f"Authorization: Bearer {self.passing.token}")
        return "\r\n".join(("GET /events HTTP/1.1", *lines, "", "")).encode()

    async def call(self, method: str, target: str, body: bytes = b"", **headers: str) -> Exchanged:
        """What a page with the token gets."""
        given = {"Host": self.passing.authority, "Authorization": f"Bearer {self.passing.token}"}
        return await self.exchange(method, target, body, **(given | headers))

    async def test_passes_on(self) -> None:
        """A request reaches the gateway with its body, and the answer the page, with its status."""
        answer = await self.call("GET", "/backends")
        self.assertEqual((answer.status, answer.members), (200, {"question": "backends"}))
        self.assertEqual(answer.headers["content-type"], "application/json")
        answer = await self.call("POST", "/revocation/forget", b'{"serial": "aa", "issuer": "CN=x"}')
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.asked[-1], (Question.FORGET, {"serial": "aa", "issuer": "CN=x"}))
        answer = await self.call("POST", "/reload")
        self.assertEqual((answer.status, answer.members["problems"]), (422, ["one", "two"]))

    async def test_segments_stay(self) -> None:
        """What is percent-encoded reaches the gateway as it is."""
        await self.call("POST", "/backends/a%2Fb/s/h%3A1/drain")
        self.assertEqual(self.asked[-1], (Question.DRAIN, {"pool": "a/b", "settings": "s", "server": "h:1"}))

    async def test_token(self) -> None:
        """Without the token nothing is passed on, and of the token nothing is: the gateway gets none."""
        for token in ("", "Bearer wrong", self.passing.token):
            answer = await self.call("POST", "/reload", Authorization=token)
            self.assertEqual(answer.status, 401)
        self.assertEqual(self.asked, [])
        self.assertFalse(self.passing.used.called)
        await self.call("POST", "/reload")
        self.assertTrue(self.passing.used.called)

    async def test_other_pages(self) -> None:
        """A page of another origin, or by another name, gets nothing, not even with the token."""
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Host": "127.0.0.1"}):
            self.assertIn((await self.call("POST", "/reload", **headers)).status, (403, 421))
        self.assertEqual(self.asked, [])
        own = {"Origin": f"http://localhost:{self.port}", "Host": f"localhost:{self.port}"}
        self.assertEqual((await self.call("GET", "/backends", **own)).status, 200)

    async def test_files_need_no_token(self) -> None:
        """The page is there before it has the token."""
        answer = await self.call("GET", "/console/", Authorization="")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/html; charset=utf-8"))

    async def test_no_gateway(self) -> None:
        """Where no gateway answers the page is there, and its questions get 502."""
        self.served.stopService()
        answer = await self.call("GET", "/backends")
        self.assertEqual(answer.status, 502)
        self.assertIn("no gateway answers", answer.members["error"])
        self.assertEqual((await self.call("GET", "/console/")).status, 200)

    async def test_events(self) -> None:
        """Events come as they happen, and the gateway hears of a page that has gone."""
        with closing(self.client()) as client:
            client.sendall(self.events())
            begun = await received(client, lambda data: b"retry" in data)
            self.assertIn(b"text/event-stream", begun)
            self.happenings.publish("health", {"health": "Down"})
            event = await received(client, lambda data: b"\n\n" in data)
            self.assertIn(b'event: health\ndata: {"health": "Down"}', event)
        await until(lambda: not self.streams.readers)

    async def test_end_of_the_gateway(self) -> None:
        """Events end where the gateway ends."""
        with closing(self.client()) as client:
            client.sendall(self.events())
            await received(client, lambda data: b"retry" in data)
            self.streams.close()
            await received(client)

    def test_port_in_use(self) -> None:
        """A port that is taken is an error that says so."""
        with self.assertRaises(ConsolePortError) as caught, serving(self.clock, self.path, self.port):
            self.fail("it was served")
        self.assertIn(f"127.0.0.1:{self.port} cannot be listened on: Address already in use", str(caught.exception))
