"""The control API on TCP: who gets in, and who has the port."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from agwtwisted.control.accepting import AGAIN
from agwtwisted.control.access import Access, TokenAccess
from agwtwisted.control.port import ControlPort, hosts
from tests.control.sites import ClockedReactor, SiteCase
from tests.running import free_ports

TOKEN = "t" * 43


class PortSiteCase(SiteCase):
    """A control API on a port of this machine."""

    address = "127.0.0.1"

    def setUp(self) -> None:
        (self.port,) = free_ports(1)
        super().setUp()
        self.listening = ControlPort(self.clock, self.address, self.port, self.site.connections)
        self.assertTrue(self.listening.open())
        self.listening.startService()
        self.addCleanup(self.listening.stopService)
        self.right = {"Host": self.listening.where, "Authorization": f"Bearer {TOKEN}"}

    def access(self) -> Access:
        """The rules of TCP."""
        return TokenAccess(TOKEN, hosts(self.address, self.port), lambda: 0.0)

    def client(self) -> socket.socket:
        """One that has connected."""
        return socket.create_connection((self.address, self.port))


class AccessTests(PortSiteCase):
    """Requests of clients that are, or are not, let in."""

    async def test_right(self) -> None:
        """With the token, by the address or by localhost, everything is answered."""
        for host in (self.listening.where, f"localhost:{self.port}"):
            answer = await self.exchange("POST", "/log/reopen", Host=host, Authorization=f"Bearer {TOKEN}")
            self.assertEqual(answer.status, 200)
        own = f"http://localhost:{self.port}"
        self.assertEqual((await self.exchange("GET", "/backends", Origin=own, **self.right)).status, 200)

    async def test_no_token(self) -> None:
        """Without the token nothing about the gateway is answered, and nothing done; wherever else it stands."""
        host = {"Host": self.listening.where}
        for method, target in (("GET", "/status"), ("POST", "/reload"), ("GET", "/events"), ("GET", "/nothing")):
            answer = await self.exchange(method, target, **host)
            self.assertEqual(answer.status, 401, target)
            self.assertEqual(answer.headers["www-authenticate"], 'Bearer realm="agwtwisted"')
        for target in (f"/status?token={TOKEN}", f"/status?access_token={TOKEN}", f"/status#{TOKEN}"):
            self.assertEqual((await self.exchange("GET", target, **host)).status, 401)
        for name, value in (("Cookie", f"token={TOKEN}"), ("X-Token", TOKEN), ("Authorization", f"Basic {TOKEN}")):
            self.assertEqual((await self.exchange("GET", "/status", **host, **{name: value})).status, 401)
        twice = f"Authorization: Bearer {TOKEN}\r\n" * 2
        data = await self.raw(f"GET /status HTTP/1.1\r\nHost: {self.listening.where}\r\n{twice}\r\n".encode())
        self.assertTrue(data.startswith(b"HTTP/1.1 401 "), data)
        self.assertEqual(self.asked, [])

    async def test_other_hosts(self) -> None:
        """A name that was pointed to this address gets nothing, with the token neither, not even the console."""
        for host in ("evil.example", f"evil.example:{self.port}", self.address, "", f"{self.address}:{self.port + 1}"):
            headers = {"Host": host, "Authorization": f"Bearer {TOKEN}"}
            self.assertEqual((await self.exchange("POST", "/reload", **headers)).status, 421, host)
            self.assertEqual((await self.exchange("GET", "/console/", Host=host)).status, 421, host)
        self.assertEqual(self.asked, [])

    async def test_other_origins(self) -> None:
        """A page of another origin may not ask, whatever it knows; there is no header that lets it read an answer."""
        for origin in ("http://evil.example", "null", f"https://localhost:{self.port}"):
            answer = await self.exchange("POST", "/reload", Origin=origin, **self.right)
            self.assertEqual(answer.status, 403, origin)
            self.assertFalse([each for each in answer.headers if each.startswith("access-control")])
        self.assertEqual(self.asked, [])

    async def test_preflight(self) -> None:
        """A preflight of a browser is refused, so that no other site can send the header with the token."""
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        for origin in ("http://evil.example", f"http://localhost:{self.port}"):
            answer = await self.exchange("OPTIONS", "/reload", Host=self.listening.where, Origin=origin, **preflight)
            self.assertIn(answer.status, (401, 403, 405))
            self.assertFalse([each for each in answer.headers if each.startswith("access-control")])
        self.assertEqual((await self.exchange("OPTIONS", "/reload", **self.right)).status, 405)

    async def test_form(self) -> None:
        """A form of another page, which needs no preflight, is no JSON."""
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            headers = {**self.right, "Content-Type": media_type}
            answer = await self.exchange("POST", "/revocation/forget", b'{"serial": "0A"}', **headers)
            self.assertEqual(answer.status, 415)
        self.assertEqual(self.asked, [])

    async def test_console(self) -> None:
        """The console needs no token: it holds no secret. The first page leads there."""
        self.assertEqual((await self.exchange("GET", "/console/", Host=self.listening.where)).status, 200)
        answer = await self.exchange("GET", "/", Host=self.listening.where)
        self.assertEqual((answer.status, answer.headers["location"]), (302, "/console/"))

    async def test_wrong_tokens(self) -> None:
        """Many wrong tokens get 429; the right one is let in meanwhile."""
        wrong = {"Host": self.listening.where, "Authorization": "Bearer " + "x" * 43}
        with capturedLogs() as events:
            statuses = [(await self.exchange("GET", "/status", **wrong)).status for _ in range(15)]
        self.assertEqual(set(statuses), {401, 429})
        self.assertNotIn("x" * 43, "".join(str(formatEvent(each)) for each in events))
        self.assertEqual((await self.exchange("GET", "/status", **self.right)).status, 200)


class HostsTests(TestCase):
    """What the header Host may be."""

    def test_names(self) -> None:
        """Address or localhost, with the port, which a client leaves out where it is that of HTTP."""
        self.assertEqual(hosts("127.0.0.1", 90), {"127.0.0.1:90", "localhost:90"})
        self.assertEqual(hosts("::1", 90), {"[::1]:90", "localhost:90"})
        self.assertEqual(hosts("127.0.0.1", 80), {"127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost"})


class TakingTests(TestCase):
    """Who has the port."""

    def setUp(self) -> None:
        self.clock: Any = ClockedReactor()
        (self.port,) = free_ports(1)

    def made(self, *, waits: bool) -> ControlPort:
        """One of a gateway."""
        factory: Any = None
        made = ControlPort(self.clock, "127.0.0.1", self.port, factory, waits=waits)
        self.addCleanup(made.stopService)
        return made

    async def test_busy(self) -> None:
        """A port that another program has is an error."""
        with closing(socket.create_server(("127.0.0.1", self.port))), self.assertRaises(OSError):
            self.made(waits=False).open()

    async def test_waits(self) -> None:
        """Where gateways share their ports, it is taken once the other one ends."""
        first, second = self.made(waits=True), self.made(waits=True)
        self.assertTrue(first.open())
        self.assertFalse(second.open())
        with capturedLogs() as events:
            second.startService()
        self.assertIn("waiting for its end", formatEvent(events[0]) or "")
        self.clock.advance(AGAIN)
        first.stopService()
        with capturedLogs() as events:
            self.clock.advance(AGAIN)
        self.assertIn(f"http://127.0.0.1:{self.port}/", formatEvent(events[0]) or "")
        second.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        with closing(socket.create_server(("127.0.0.1", self.port))):  # it is free again
            pass
