"""What reloads leave in memory while connections of every kind live on: nothing, without the collector of cycles."""

from __future__ import annotations

import gc
import re
import ssl
import weakref
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import time
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from agwtwisted.control.explanations import Explanations
from agwtwisted.core.operations.questions import Question
from agwtwisted.listening.listener import bind
from agwtwisted.reload import FileSource, Rejected, Reloaded
from agwtwisted.service import GatewayService, build
from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.changes import GET, Behind, Lives, Living, Pages, ends
from tests.end_to_end.lines import Line
from tests.end_to_end.test_relays import echoing
from tests.end_to_end.test_websockets import Speaker
from tests.sockets import until

RELOADS = 6
"""Each changes something else than the one before."""

REJECTED = 3
"""Reloads of each configuration that cannot be taken."""

DOORS = ("strict", "passthrough", "socket", "relay", "proxied")
PROXY = b"PROXY TCP4 192.0.2.7 127.0.0.1 56324 443\r\n"


class MemoryTests(TestCase):
    """A gateway of this process, with live connections; the collector is off, but for what the tests look at."""

    maxDiff = None

    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(lambda: deferToThread(self.stack.close))
        self.doors = dict(zip(DOORS, running.free_ports(len(DOORS)), strict=True))
        self.gateway = gateway.Gateway(self.path(), self.text())
        second = gateway.pki.Authority.root("Second root").issue_server(*gateway.NAMES)
        second.write(self.gateway.directory, "second")
        self.first = self.gateway.file.read_text()
        self.source = FileSource(str(self.gateway.file.absolute()), partial(datetime.now, UTC))
        self.service = self.started()
        self.speak = partial(deferToThread, lambda: [each.speak() for each in self.living])
        self.living: list[Living] = []
        self.kinds: set[str] = set()

    def path(self) -> Path:
        """A directory of its own."""
        directory = Path(self.mktemp()).absolute()
        directory.mkdir(parents=True)
        return directory

    def text(self) -> str:
        """Doors of every kind."""
        self.pages, self.speaker = Pages("one"), self.stack.enter_context(closing(Speaker()))
        app, echo = (self.stack.enter_context(closing(Backend(talk))) for talk in (self.pages, echoing))
        self.pages_port = app.port
        self.stack.callback(lambda: [stream.put(b"") for stream in self.pages.streams])
        self.stack.callback(self.pages.go_on.set)
        doors = self.doors
        return "".join(
            (
                gateway.gateway_section(drain_timeout=5),
                gateway.PROFILES,
                gateway.pool("app", app.port),
                gateway.pool("socket", self.speaker.port),
                gateway.relay_pool("echo", echo.port, timeout=600),
                gateway.door("strict", doors["strict"], "strict"),
                gateway.door("passthrough", doors["passthrough"], "passthrough"),
                gateway.door("socket", doors["socket"], "strict", to="socket"),
                gateway.door("proxied", doors["proxied"], "strict", accept_proxy_protocol="127.0.0.1/32"),
                gateway.relay_door("relay", doors["relay"], "strict", to="echo"),
            )
        )

    def started(self) -> GatewayService:
        """The gateway, which is stopped in the end."""
        loaded = self.source.load()
        sockets = {address: bind(*address) for address in loaded.plan.addresses}
        made = build(loaded.plan, reactor, sockets, source=self.source, files=loaded.files, descriptors=1 << 20)  # type: ignore[arg-type]
        made.startService()
        self.addCleanup(made.stopService)
        return made

    def connections(self) -> list[Living]:
        """One of every kind; in a thread."""
        behind = Behind(one=self.pages, two=self.pages, speaker=self.speaker)
        lives = Lives(gateway.Scene(gateway=self.gateway, doors=self.doors, backend=behind), self.stack)
        return [
            lives.kept(),
            lives.kept("passthrough"),
            lives.events(),
            lives.socket(),
            lives.relayed(),
            self.proxied(),
        ]

    def proxied(self) -> Living:
        """An HTTP connection behind a balancer, which has sent its header."""
        plain = clients.plain(self.doors["proxied"])
        plain.send(PROXY)
        context = clients.context(self.gateway.call(self.doors["proxied"], "ecdsa"))
        line = self.stack.enter_context(closing(Line(context.wrap_socket(plain.socket, server_hostname="localhost"))))

        def speak() -> None:
            line.send(GET % b"/")
            assert line.response().status == 200

        return Living("proxied", speak, lambda: ends(line))

    def configure(self, number: int) -> None:
        """Another configuration: profiles, certificates, limits."""
        text = self.first.replace("drain_timeout = 5", f"drain_timeout = {number + 6}")
        if number % 2:
            text = re.sub(r"(?m)^(certificate_file|key_file) = server\.", r"\1 = second.", text)
        if number % 3:
            text = text.replace("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_cert_issuer_dn = true\n")
        self.gateway.file.write_text(text)

    def without_collector(self) -> None:
        """What is made from now on is freed by its last reference; of what other tests have made nothing is found."""
        gc.collect()
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        gc.disable()
        self.addCleanup(gc.enable)

    def garbage(self) -> dict[str, int]:
        """What of the gateway and of OpenSSL waits for the collector, by its class."""
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
            found = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        return {name: count for name, count in found.items() if name.startswith(("agwtwisted.", "OpenSSL.", "_cffi"))}

    def parts(self) -> dict[str, weakref.ref[Any]]:
        """References to the parts of the generation in force."""
        generation = self.service.generation
        found: dict[str, Any] = {
            "generation": generation,
            "plan": generation.plan,
            "backends": generation.backends,
            "relay backends": generation.relay_backends,
            "prober": generation.prober,
        }
        for address, port in generation.ports.items():
            found[f"port {address[1]}"] = port
        for address, contexts in generation.contexts.items():
            found[f"contexts {address[1]}"] = contexts
        return {name: weakref.ref(part) for name, part in found.items()}

    async def test_live_connections(self) -> None:
        """Of former generations nothing is left, nor does a connection that went over leave anything to the collector:
        kept ones, one behind a balancer, a stream of events, a WebSocket, an L4 session. Nor do questions to it.
        """
        unsubscribe = self.service.events.subscribe(self.heard)
        self.addCleanup(lambda: unsubscribe())
        self.living = await deferToThread(self.connections)
        await self.speak()
        self.configure(-1)
        await self.service.reload()
        await self.speak()
        await self.ask()
        self.without_collector()
        parts = []
        for number in range(RELOADS):
            parts.append(self.parts())
            self.configure(number)
            outcome = await self.service.reload()
            assert isinstance(outcome, Reloaded), outcome
            await self.speak()
            await self.ask()
        await until(lambda: not any(self.alive(each) for each in parts))
        self.assertEqual(self.garbage(), {})

    async def ask(self) -> None:
        """Has a client refused, a server drained and taken in again, a certificate explained, and asks everything."""
        self.kinds.discard("refusal")
        await deferToThread(self.refused)
        server = {"pool": "app", "settings": "app", "server": f"127.0.0.1:{self.pages_port}"}
        for question in (*(each for each in Question if not each.is_action), Question.DRAIN, Question.UNDRAIN):
            answer = await self.service.ask(question, server if question.is_action else {})
            self.assertNotEqual(answer, {}, question)
        await until(lambda: "refusal" in self.kinds)
        last = (await self.service.ask(Question.REFUSALS, {"limit": 1}))["refusals"][0]
        explanations = Explanations(cast(Any, reactor), lambda: self.service.generation.plan, self.service.ask, time)
        self.assertFalse((await explanations.ask({"refusal": last["id"]}))["accepted"])

    def refused(self) -> None:
        """A client whose certificate is not accepted, whatever certificate the gateway has; in a thread."""
        context = clients.context(self.gateway.call(self.doors["strict"], "stranger"))
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with closing(clients.plain(self.doors["strict"])) as line, self.assertRaises(ssl.SSLError):
            line.socket = context.wrap_socket(line.socket, server_hostname="localhost")
            line.socket.recv(1)

    def heard(self, kind: str, members: Mapping[str, Any]) -> None:
        """An event."""
        self.kinds.add(kind)

    def alive(self, references: dict[str, weakref.ref[Any]]) -> list[str]:
        """The names of those that are still there."""
        return sorted(name for name, reference in references.items() if reference() is not None)

    async def test_closed(self) -> None:
        """Nor does a connection that has ended, whatever it was, and however: a port goes with its configuration."""
        self.without_collector()
        self.living = await deferToThread(self.connections)
        await self.speak()
        alive = self.service.connections
        await deferToThread(self.strangers)
        await until(lambda: self.service.connections == alive)
        self.assertEqual(self.garbage(), {})
        await deferToThread(self.stack.close)
        await until(lambda: self.service.connections == 0)
        await until(lambda: any("sessionEnd" in each for each in self.gateway.records()))  # the last user of a session
        self.assertEqual(self.garbage(), {})

    def strangers(self) -> None:
        """Clients that are refused or do not say what they should; in a thread."""
        for door in ("strict", "relay", "passthrough"):
            clients.by_python(self.gateway.call(self.doors[door], "stranger"))
        for door in ("strict", "proxied"):
            with closing(clients.plain(self.doors[door])) as line:
                line.send(GET % b"/")
                line.rest()
        with closing(clients.plain(self.doors["proxied"])) as line:
            line.send(PROXY[:9])

    async def test_rejected(self) -> None:
        """A configuration that is not taken leaves nothing, private keys least of all."""
        busy = bind("127.0.0.1", 0)
        self.addCleanup(busy.close)
        port = busy.getsockname()[1]
        self.without_collector()
        for text in (
            self.first.replace("drain_timeout = 5", "drain_timeout = 5\nnonsense = 1"),
            self.first.replace("drain_timeout = 5", "drain_timeout = soon"),
            self.first.replace("certificate_file = server.pem", "certificate_file = rsa.pem"),
            self.first.replace("certificate_file = server.pem", "certificate_file = missing.pem"),
            self.first.replace("file = trusted.pem", "file = server.key"),
            self.first + gateway.door("busy", port, "strict"),
            self.first.replace("access_log = access.log", "access_log = missing/access.log"),
            "[",
        ):
            self.gateway.file.write_text(text)
            for _ in range(REJECTED):
                outcome = await self.service.reload()
                assert isinstance(outcome, Rejected), text
            self.assertEqual(self.garbage(), {})
