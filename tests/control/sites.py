"""A control API on a real Unix socket, of a gateway that answers what a test says."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from agwtwisted.control.access import Access, OwnersAccess
from agwtwisted.control.listening import ControlSocket
from agwtwisted.control.site import ControlSite
from agwtwisted.control.streams import EventStreams
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.status import GatewayStatus
from agwtwisted.reload import Rejected, ReloadOutcome
from tests.sockets import until

STATUS = GatewayStatus(generation=3, fingerprint="f" * 64, connections=20)


class ClockedReactor(Clock):
    """The real one, with a clock of its own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class Happenings:
    """A source of events."""

    def __init__(self) -> None:
        self.heard: list[Callable[[str, Mapping[str, Any]], object]] = []

    def subscribe(self, heard: Callable[[str, Mapping[str, Any]], object]) -> Callable[[], None]:
        """As `EventSource` has it."""
        self.heard.append(heard)
        return lambda: self.heard.remove(heard)

    def publish(self, kind: str, members: Mapping[str, Any]) -> None:
        """Something happens."""
        for each in tuple(self.heard):
            each(kind, members)


class SiteCase(TestCase):
    """A control API; the test is its gateway."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="agw-")  # its path is short enough for a socket
        self.addCleanup(temporary.cleanup)
        self.path = f"{temporary.name}/control.sock"
        rejected = Rejected(generation=3, fingerprint="f", problems=("one", "two"))
        self.outcome: Deferred[ReloadOutcome] = succeed(rejected)
        self.answers: dict[Question, Any] = {}
        self.asked: list[Any] = []
        self.clock: Any = ClockedReactor()
        self.happenings = Happenings()
        self.streams = EventStreams(self.clock, self.happenings)
        self.addCleanup(self.streams.close)
        self.site = ControlSite(self.clock, self, self.access(), self.streams)
        self.served = ControlSocket(self.clock, self.path, self.site.connections)
        self.served.startService()
        self.addCleanup(lambda: self.served.running and self.served.stopService())

    def access(self) -> Access:
        """The rules of the socket."""
        return OwnersAccess()

    # -- the gateway

    def status(self) -> GatewayStatus:
        """The gateway's."""
        return STATUS

    def reload(self) -> Deferred[ReloadOutcome]:
        """The gateway's."""
        self.asked.append("reload")
        return self.outcome

    def reopen(self) -> None:
        """The gateway's."""
        self.asked.append("reopen")

    def explain(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The gateway's."""
        self.asked.append(("explain", dict(arguments)))
        return succeed({"accepted": True})

    def check(self, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The gateway's."""
        self.asked.append(("check", dict(arguments)))
        return succeed({"accepted": True})

    def ask(self, question: Question, arguments: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        """The gateway's."""
        self.asked.append((question, dict(arguments)))
        answer = self.answers.get(question, {"question": question.value})
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Deferred) else succeed(answer)

    # -- its clients

    def client(self) -> socket.socket:
        """One that has connected."""
        made = socket.socket(socket.AF_UNIX)
        made.connect(self.path)
        return made

    async def raw(self, data: bytes) -> bytes:
        """What comes for these bytes until the end of the connection."""
        with closing(self.client()) as client:
            client.sendall(data)
            return await received(client)

    async def exchange(self, method: str, target: str, body: bytes = b"", **headers: str) -> Exchanged:
        """An answer."""
        lines = {"Host": "gateway", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body:
            lines = {"Content-Type": "application/json", "Content-Length": str(len(body))} | lines
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        return Exchanged(await self.raw(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body))

    async def settled(self) -> None:
        """No connection is left."""
        await until(lambda: not self.site.connections.channels)


class Exchanged:
    """An answer, taken apart."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split()[1]) if status else 0
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def members(self) -> dict[str, Any]:
        """Of the JSON object."""
        members: dict[str, Any] = json.loads(self.body)
        return members


async def received(client: socket.socket, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """What comes until the end of the connection, or until it is enough."""
    client.setblocking(False)
    data = bytearray()

    def ended() -> bool:
        try:
            piece = client.recv(1 << 16)
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        data.extend(piece)
        return piece == b"" or enough(bytes(data))

    await until(ended)
    return bytes(data)
