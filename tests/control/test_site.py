"""What the control socket answers, over a real Unix socket."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from contextlib import closing
from typing import Any
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import TestCase

from agwtwisted._version import VERSION
from agwtwisted.cli.control import ControlPlace, NoGatewayError, ask
from agwtwisted.control.listening import ControlSocket
from agwtwisted.control.site import BODY, CONNECTIONS, REQUEST_TIMEOUT, control_site
from agwtwisted.core.operations.status import GatewayStatus
from agwtwisted.core.plan.changes import Changes
from agwtwisted.reload import STOPPING, Rejected, Reloaded, ReloadOutcome
from tests.sockets import until

STATUS = GatewayStatus(generation=3, fingerprint="f" * 64, connections=20)


class SiteCase(TestCase):
    """A control socket of a gateway that answers what the test says."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="agw-")  # its path is short enough for a socket
        self.addCleanup(temporary.cleanup)
        self.path = f"{temporary.name}/control.sock"
        rejected = Rejected(generation=3, fingerprint="f", problems=("one", "two"))
        self.outcome: Deferred[ReloadOutcome] = succeed(rejected)
        self.asked = 0
        self.served = ControlSocket(reactor, self.path, control_site(self))  # type: ignore[arg-type]
        self.served.startService()
        self.addCleanup(lambda: self.served.running and self.served.stopService())

    def status(self) -> GatewayStatus:
        """The gateway's."""
        return STATUS

    def reload(self) -> Deferred[ReloadOutcome]:
        """The gateway's."""
        self.asked += 1
        return self.outcome

    async def answer(self, method: str, target: str) -> tuple[int, dict[str, Any]]:
        """Status and members of an answer."""
        found = await ask(reactor, ControlPlace(path=self.path), method, target)  # type: ignore[arg-type]
        return found.status, dict(found.members)

    async def raw(self, data: bytes) -> bytes:
        """What comes for these bytes until the end of the connection."""
        received: list[bytes] = []
        with closing(self.client()) as client:
            client.sendall(data)
            client.setblocking(False)

            def ended() -> bool:
                try:
                    received.append(client.recv(1 << 16))
                except BlockingIOError:
                    return False
                except ConnectionError:
                    return True
                return received[-1] == b""

            await until(ended)
        return b"".join(received)

    def client(self) -> socket.socket:
        """One that has connected."""
        made = socket.socket(socket.AF_UNIX)
        made.connect(self.path)
        return made


class AnswerTests(SiteCase):
    """Paths and methods."""

    async def test_status(self) -> None:
        """GET /status: the members of the status, version and process."""
        status, members = await self.answer("GET", "/status")
        self.assertEqual(status, 200)
        self.assertEqual(members, {"version": VERSION, "pid": os.getpid(), **STATUS.members()})

    async def test_in_force(self) -> None:
        """POST /reload: 200 once the configuration is in force, with all that changed, and the warnings."""
        changes = Changes(added=("listener a",), changed=("gateway",), removed=("listener b",))
        self.outcome = Deferred()
        answer = Deferred.fromCoroutine(self.answer("POST", "/reload"))
        await until(lambda: self.asked)
        self.assertNoResult(answer)
        done = Reloaded(generation=4, fingerprint="a", changes=changes, warnings=("WARNING w",), seconds=0.12345)
        self.outcome.callback(done)
        expected = {
            "outcome": "in_force",
            "generation": 4,
            "fingerprint": "a",
            "warnings": ["WARNING w"],
            "seconds": 0.123,
            "added": ["listener a"],
            "changed": ["gateway"],
            "removed": ["listener b"],
        }
        self.assertEqual(await answer, (200, expected))

    async def test_rejected(self) -> None:
        """422 with every problem, where the configuration is not taken; 409 where the gateway stops."""
        members = {"outcome": "rejected", "generation": 3, "fingerprint": "f", "problems": ["one", "two"]}
        self.assertEqual(await self.answer("POST", "/reload"), (422, members))
        self.outcome = succeed(Rejected(generation=3, fingerprint="f", problems=(STOPPING,)))
        status, members = await self.answer("POST", "/reload")
        self.assertEqual((status, members["problems"]), (409, [STOPPING]))

    async def test_others(self) -> None:
        """Other paths and methods are refused, and reload nothing."""
        status, members = await self.answer("GET", "/")
        self.assertEqual((status, members["paths"]), (404, ["/reload", "/status"]))
        status, members = await self.answer("GET", "/reload")
        self.assertEqual((status, members), (405, {"error": "the method of this path is POST"}))
        self.assertEqual(self.asked, 0)

    async def test_client_that_leaves(self) -> None:
        """A client that does not wait for the answer changes nothing about the reload."""
        self.outcome = Deferred()
        client = self.client()
        client.sendall(b"POST /reload HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: self.asked)
        client.close()
        await until(lambda: not self.served._factory.protocols)  # type: ignore[attr-defined]
        self.outcome.callback(Rejected(generation=3, fingerprint="f", problems=("one",)))
        self.assertEqual((await self.answer("GET", "/status"))[0], 200)


class BoundsTests(SiteCase):
    """What a client cannot do."""

    async def test_another_user(self) -> None:
        """A process of another user is refused, even where the socket's mode would let it in."""
        with (
            mock.patch("agwtwisted.control.site.os.geteuid", return_value=12345),
            mock.patch("agwtwisted.control.site.struct.unpack", return_value=(1, 4711, 1)),
        ):
            status, members = await self.answer("POST", "/reload")
        self.assertEqual((status, self.asked), (403, 0))
        self.assertIn("owner", members["error"])

    async def test_large_body(self) -> None:
        """A body that is large, or does not say how long it is, ends the connection."""
        head = b"POST /reload HTTP/1.1\r\nHost: gateway\r\n"
        self.assertEqual(await self.raw(head + b"Content-Length: %d\r\n\r\n" % (BODY + 1)), b"")
        self.assertEqual(await self.raw(head + b"Transfer-Encoding: chunked\r\n\r\n"), b"")
        self.assertEqual(self.asked, 0)
        small = await self.raw(head + b"Connection: close\r\nContent-Length: 3\r\n\r\nabc")
        self.assertIn(b" 422 ", small)
        self.assertIsInstance(json.loads(small.partition(b"\r\n\r\n")[2]), dict)

    async def test_large_head(self) -> None:
        """So do endless header lines."""
        received = await self.raw(b"GET /status HTTP/1.1\r\n" + b"X: %s\r\n" % (b"x" * 1000) * 100)
        self.assertNotIn(b" 200 ", received)

    async def test_many_connections(self) -> None:
        """Connections beyond the limit are closed, and get room when others end."""
        held: list[socket.socket] = []
        try:
            for _ in range(CONNECTIONS):
                held.append(self.client())
                await until(lambda: len(self.served._factory.protocols) == len(held))  # type: ignore[attr-defined]
            self.assertEqual(await self.raw(b""), b"")
        finally:
            for each in held:
                each.close()
        await until(lambda: not self.served._factory.protocols)  # type: ignore[attr-defined]
        self.assertEqual((await self.answer("GET", "/status"))[0], 200)

    async def test_silence(self) -> None:
        """A connection that asks nothing has a deadline."""
        with closing(self.client()):
            await until(lambda: self.served._factory.protocols)  # type: ignore[attr-defined]
            deadlines = [each.getTime() - reactor.seconds() for each in reactor.getDelayedCalls()]  # type: ignore[attr-defined]
            self.assertTrue(any(0 < each <= REQUEST_TIMEOUT for each in deadlines), deadlines)
        await until(lambda: not self.served._factory.protocols)  # type: ignore[attr-defined]

    async def test_gone(self) -> None:
        """Nothing answers after the end."""
        self.served.stopService()
        with self.assertRaises(NoGatewayError) as caught:
            await self.answer("GET", "/status")
        self.assertIn("No such file", str(caught.exception))
