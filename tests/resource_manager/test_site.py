"""The control plane over real TLS: who is answered, and in which order questions are asked."""

from __future__ import annotations

import socket
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from agwtwisted.control.channel import BODY
from agwtwisted.control.port import ControlPort, hosts
from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest
from agwtwisted.resource_manager.access import ArmAccess
from agwtwisted.resource_manager.authority import LocalAuthority, ServerConnections
from agwtwisted.resource_manager.channel import CONNECTIONS, LONGEST_BODY, TlsConnections
from agwtwisted.resource_manager.sign_in import SignIn
from agwtwisted.resource_manager.site import ArmSite
from agwtwisted.resource_manager.tokens import Tokens
from tests.control.sites import ClockedReactor, Exchanged
from tests.resource_manager.test_tokens import SECRET
from tests.running import free_ports
from tests.sockets import until


class SiteCase(TestCase):
    """A control plane on a port; the test does its work."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.clock: Any = ClockedReactor()
        self.asked: list[tuple[ArmRequest, str]] = []
        self.outcome: Deferred[ArmAnswer] = succeed(ArmAnswer(status=201, headers={"X-Done": "yes"}, body=b"{}"))
        (self.port,) = free_ports(1)
        self.tokens = Tokens(ec.generate_private_key(ec.SECP256R1()), SECRET, self.now)
        access = ArmAccess(self.tokens, hosts("127.0.0.1", self.port), self.clock.seconds)
        self.site = ArmSite(self.clock, access, SignIn(self.tokens, access.wrong), self, self.now)
        authority = LocalAuthority(Path(temporary.name), "127.0.0.1", self.now)
        connections = TlsConnections(ServerConnections(authority, self.now), self.site.connections, self.clock)
        self.context = ssl.create_default_context(cafile=str(authority.ca_file))
        served = ControlPort(self.clock, "127.0.0.1", self.port, connections)
        served.startService()
        self.addCleanup(self.settled)
        self.addCleanup(served.stopService)

    def now(self) -> datetime:
        """The time of certificates and tokens."""
        return datetime.now(UTC)

    async def settled(self) -> None:
        """No connection is left."""
        await until(lambda: not self.site.connections.channels)

    # -- the worker

    def read(self, request: ArmRequest) -> Deferred[ArmAnswer]:
        """As `ArmWorker` has it."""
        self.asked.append((request, ""))
        return succeed(ArmAnswer(status=200, body=b'{"value": []}'))

    def work(self, request: ArmRequest, client: str) -> Deferred[ArmAnswer]:
        """As `ArmWorker` has it."""
        self.asked.append((request, client))
        return self.outcome

    # -- its clients

    def raw(self, data: bytes) -> bytes:
        """What comes for these bytes; in a thread."""
        plain = socket.create_connection(("127.0.0.1", self.port), 30)
        with self.context.wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(data)
            return b"".join(iter(lambda: client.recv(1 << 16), b""))

    async def exchange(
        self, method: str, target: str, body: bytes = b"", *, bearer: str = SECRET, **headers: str
    ) -> Exchanged:
        """An answer."""
        lines = {"Host": f"localhost:{self.port}", "Authorization": f"Bearer {bearer}" if bearer else ""}
        if body:
            lines["Content-Length"] = str(len(body))
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        data = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body
        return Exchanged(await deferToThread(self.raw, data))


class OrderTests(SiteCase):
    """Which question comes first."""

    async def test_reads(self) -> None:
        """A GET is answered with what the worker has for it: query, base URL, no Authorization."""
        found = await self.exchange("GET", "/subscriptions/S?Api-Version=2025-03-01&$filter=a%20b", X_Ms_Odd="1")
        self.assertEqual((found.status, found.members), (200, {"value": []}))
        ((request, _),) = self.asked
        self.assertEqual((request.method, request.path), ("GET", "/subscriptions/S"))
        self.assertEqual(request.query, {"api-version": "2025-03-01", "$filter": "a b"})
        self.assertEqual(request.base_url, f"https://localhost:{self.port}")
        self.assertEqual(request.headers["x-ms-odd"], "1")
        self.assertNotIn("authorization", request.headers)

    async def test_works(self) -> None:
        """Whatever else is asked is work, for the client that the token was given to."""
        token = self.tokens.issue("ci", "a", "i")
        found = await self.exchange("PUT", "/subscriptions/S/x", b'{"a": 1}', bearer=token)
        self.assertEqual((found.status, found.headers["x-done"]), (201, "yes"))
        ((request, client),) = self.asked
        self.assertEqual((request.body, client), (b'{"a": 1}', "ci"))

    async def test_unproven(self) -> None:
        """Without a token nothing is asked, whatever the method or the body is; the challenge says where to get one."""
        for method, body in (("GET", b""), ("PUT", b"{}"), ("PUT", b"x" * (BODY + 1)), ("DELETE", b"")):
            for bearer in ("", "wrong"):
                found = await self.exchange(method, "/subscriptions", body, bearer=bearer)
                self.assertEqual((found.status, self.asked), (401, []))
                self.assertIn("authorization_uri=", found.headers["www-authenticate"])

    async def test_before_a_token(self) -> None:
        """Metadata and the sign-in need none."""
        found = await self.exchange("GET", "/metadata/endpoints?api-version=2022-09-01", bearer="")
        self.assertEqual(found.members["resourceManager"], f"https://localhost:{self.port}")

    async def test_foreign(self) -> None:
        """A page of a browser and another name get nothing, with the right token or on the sign-in either."""
        for target in ("/subscriptions", "/metadata/endpoints"):
            self.assertEqual((await self.exchange("GET", target, Origin="https://localhost")).status, 403)
            self.assertEqual((await self.exchange("GET", target, Host="example.com")).status, 421)
            self.assertEqual((await self.exchange("OPTIONS", target, Origin="null")).status, 403)
        self.assertEqual(self.asked, [])

    async def test_no_cross_origin(self) -> None:
        """No answer permits a page of another origin to read it."""
        found = await self.exchange("GET", "/subscriptions")
        self.assertFalse([each for each in found.headers if each.startswith("access-control")])

    async def test_defect(self) -> None:
        """A defect is answered by 500, and is in the log."""
        self.outcome = Deferred()
        self.outcome.errback(ZeroDivisionError())
        found = await self.exchange("PUT", "/subscriptions/S/x", b"{}")
        self.assertEqual((found.status, found.members["error"]["code"]), (500, "InternalServerError"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class BoundTests(SiteCase):
    """Sizes and numbers."""

    async def test_body(self) -> None:
        """A client with a token may send 16 MiB, and no more; the answer comes before the body is read."""
        head = {"Content_Length": str(LONGEST_BODY + 1)}
        found = await self.exchange("PUT", "/x", **head)
        self.assertEqual((found.status, found.members["error"]["code"]), (413, "RequestEntityTooLarge"))
        body = b"x" * (BODY + 1)
        self.assertEqual((await self.exchange("PUT", "/x", body)).status, 201)
        self.assertEqual(self.asked[-1][0].body, body)

    async def test_chunked(self) -> None:
        """A body of unknown length is refused."""
        found = await self.exchange("PUT", "/x", Transfer_Encoding="chunked")
        self.assertEqual(found.status, 411)

    async def test_malformed(self) -> None:
        """What is no HTTP, or has too many parameters, gets an error in the usual shape."""
        found = Exchanged(await deferToThread(self.raw, b"nonsense\r\n\r\n"))
        self.assertEqual((found.status, found.members["error"]["code"]), (400, "InvalidRequestFormat"))
        found = await self.exchange("GET", f"/x?{'a=1&' * 100}a=1")
        self.assertEqual((found.status, found.members["error"]["code"]), (400, "InvalidRequestUri"))

    async def test_silent_connections(self) -> None:
        """Connections that send nothing, not even a handshake, shut out none that asks, and end in time."""

        def connected() -> list[socket.socket]:
            """More of them than the backlog of the port takes at once."""
            return [socket.create_connection(("127.0.0.1", self.port), 30) for _ in range(CONNECTIONS + 5)]

        silent = await deferToThread(connected)
        try:
            await until(lambda: len(self.site.connections.channels) == CONNECTIONS)
            self.assertEqual((await self.exchange("GET", "/subscriptions")).status, 200)
            self.clock.advance(60)
            await self.settled()
        finally:
            for each in silent:
                each.close()

    async def test_plain_http(self) -> None:
        """A client that speaks HTTP without TLS gets no answer."""

        def plain() -> bytes:
            """A client without TLS."""
            with socket.create_connection(("127.0.0.1", self.port), 30) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                return client.recv(100)

        self.assertNotIn(b"HTTP", await deferToThread(plain))
