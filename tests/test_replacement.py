"""Another generation takes the place of the one in force, on real sockets and files."""

from __future__ import annotations

import gc
import os
import socket
import threading
import weakref
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any
from unittest import mock

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from agwtwisted import replacement
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.core.plan.changes import Changes
from agwtwisted.generation import Generation
from agwtwisted.listening.activation import Binding, Inherited
from agwtwisted.listening.listener import BindError, InheritedSocket, bind
from agwtwisted.loading import Loaded
from agwtwisted.reload import STOPPING, FileSource, Rejected, Reloaded
from agwtwisted.revocation.ocsp_store import MemoryStore
from agwtwisted.revocation.sqlite_store import SqliteStore
from agwtwisted.service import GatewayService, build
from tests.clients import GET
from tests.configurations import redirect
from tests.running import free_ports
from tests.sockets import DEADLINE, connected, read, until
from tests.test_generation import both
from tests.test_loading import Directory

SHUFFLED = 40
"""Reloads with nothing in common."""

REPEATED = 12
"""Reloads one after the other."""


def listener(port: int, url: str = "https://one.example/", address: str = "127.0.0.1") -> str:
    """A listener without TLS that redirects."""
    name = f"l{port}"
    return f"""
[http_listener {name}]
address = {address}
port = {port}
protocol = Http

[request_routing_rule {name}]
priority = {port % 19997 + 1}
http_listener = {name}
redirect_configuration = {name}
{redirect(name, f"target_url = {url}")}"""


class RunningGateway(Directory, TestCase):
    """A gateway of this process, whose configuration a test changes."""

    def setUp(self) -> None:
        super().setUp()
        self.ports = free_ports(3)
        self.serve(listener(self.ports[0]))
        self.source = FileSource(self.file, partial(datetime.now, UTC))
        self.service = self.started()

    def serve(self, *sections: str, gateway: str = "") -> None:
        """Writes a configuration."""
        self.configure(lambda _: "".join((f"[gateway]\ndrain_timeout = 1\n{gateway}", *sections)))

    def started(self) -> GatewayService:
        """The gateway, which is stopped in the end."""
        loaded = self.source.load()
        sockets = {address: bind(*address) for address in loaded.plan.addresses}
        made = build(loaded.plan, reactor, sockets, source=self.source, files=loaded.files, descriptors=1 << 20)  # type: ignore[arg-type]
        made.startService()
        self.addCleanup(made.stopService)
        return made

    async def reloaded(self) -> Reloaded:
        """What comes of a reload, which is to succeed."""
        outcome = await self.service.reload()
        assert isinstance(outcome, Reloaded), outcome
        return outcome

    async def rejected(self) -> Rejected:
        """What comes of a reload, which is to fail."""
        outcome = await self.service.reload()
        assert isinstance(outcome, Rejected), outcome
        return outcome

    def client(self, port: int) -> socket.socket:
        """One that has connected, and is closed in the end."""
        made = connected(("127.0.0.1", port))
        self.addCleanup(made.close)
        return made

    async def location(self, client: socket.socket) -> str:
        """Where a request of this client is redirected to."""
        client.sendall(GET)
        answer: list[bytes] = []
        await until(lambda: answer.append(read(client) or b"") or b"".join(answer).endswith(b"</html>\r\n"))
        [line] = [each for each in b"".join(answer).decode().splitlines() if each.startswith("Location: ")]
        return line.removeprefix("Location: ")

    def assert_refused(self, port: int) -> None:
        """No socket listens there."""
        with self.assertRaises(ConnectionRefusedError):
            connected(("127.0.0.1", port))


class CommitTests(RunningGateway):
    """What a reload changes."""

    async def test_another_rule(self) -> None:
        """A new connection on the same socket gets the new rules."""
        before = self.service.listeners
        self.assertEqual(await self.location(self.client(self.ports[0])), "https://one.example/")
        self.serve(listener(self.ports[0], "https://two.example/"))
        outcome = await self.reloaded()
        self.assertEqual(outcome.changes, Changes(changed=(f"redirect_configuration l{self.ports[0]}",)))
        self.assertEqual(outcome.fingerprint, self.service.generation.plan.fingerprint)
        self.assertEqual(self.service.listeners, before)
        self.assertEqual(await self.location(self.client(self.ports[0])), "https://two.example/")

    async def test_sockets_that_were_passed_on(self) -> None:
        """A new listener gets the socket that was passed on for it; one that loses its listener rejects the reload."""
        first, second = self.ports[:2]
        kept = bind("127.0.0.1", second)
        self.addCleanup(kept.close)
        address = ("127.0.0.1", second)
        inherited = Inherited({address: InheritedSocket(fileno=os.dup(kept.fileno()))}, {address: "web"})
        self.addCleanup(inherited.sockets[address].close)
        self.service.binding = Binding(inherited=inherited)
        rejected = await self.rejected_with(listener(self.ports[2]))
        reason = f"sockets of the service manager (LISTEN_FDS): no listener has the address 127.0.0.1:{second} ('web')"
        self.assertEqual(rejected.problems, (f"ERROR {self.file} {reason}",))
        self.serve(listener(first), listener(second))
        await self.reloaded()
        self.assertEqual(await self.location(self.client(second)), "https://one.example/")

    async def rejected_with(self, *sections: str) -> Rejected:
        """What comes of a reload of these."""
        self.serve(*sections)
        return await self.rejected()

    async def test_shared_ports(self) -> None:
        """With `reuse_port` a new address is shared like those of the start, and the key itself cannot change."""
        self.service.binding = Binding(reuse_port=True)
        with closing(Binding(reuse_port=True).bind(("127.0.0.1", self.ports[1]))) as other:
            self.serve(listener(self.ports[0]), listener(self.ports[1]))
            await self.reloaded()
            self.assertEqual(other.getsockname()[1], self.ports[1])
            self.assertEqual(await self.location(self.client(self.ports[1])), "https://one.example/")
        self.serve(listener(self.ports[0]), gateway="reuse_port = true\n")
        [problem] = (await self.rejected()).problems
        self.assertIn("reuse_port cannot change while the gateway runs: it is 'False' until a restart", problem)

    async def test_nothing(self) -> None:
        """What changes nothing leaves everything as it is."""
        generation = self.service.generation
        self.serve("\n; the same\n", listener(self.ports[0]))
        self.assertFalse((await self.reloaded()).changes)
        self.assertIs(self.service.generation, generation)

    async def test_to_nothing_and_back(self) -> None:
        """Where that is allowed, a configuration may serve nothing: no port stays bound, until one that serves comes.

        The clients of before are served to the end of their requests.
        """
        self.assertIn("serves nothing", (await self.rejected_with()).problems[0])
        self.service.reloads._source = attrs.evolve(self.source, may_be_empty=True)
        client = self.client(self.ports[0])
        self.assertEqual(await self.location(client), "https://one.example/")
        unserved, _, _ = listener(self.ports[1]).partition("\n[request_routing_rule")
        self.serve(unserved)
        outcome = await self.reloaded()
        self.assertIn(f"http_listener l{self.ports[1]}", outcome.changes.added)
        await until(lambda: read(client) is None)  # it was idle, so it is closed
        await self.service.retired.all_closed()
        for port in self.ports:
            self.assert_refused(port)
        self.assertEqual((self.service.listeners, self.service.status().listeners), ([], ()))
        client.close()
        await until(lambda: not self.service.connections)
        for question in Question:
            await self.service.ask(question, {}).addErrback(lambda failure: failure.trap(QuestionError))
        self.service.measurements()
        self.serve("")
        await self.reloaded()
        self.serve(listener(self.ports[0], "https://two.example/"))
        self.assertEqual((await self.reloaded()).generation, self.service.reloads.generation)
        self.assertEqual(await self.location(self.client(self.ports[0])), "https://two.example/")

    async def test_begun_with_nothing(self) -> None:
        """A gateway that starts without a listener serves the first one that comes."""
        self.serve("")
        self.source = attrs.evolve(self.source, may_be_empty=True)
        self.service = self.started()
        self.assertEqual(self.service.listeners, [])
        self.serve(listener(self.ports[1]))
        await self.reloaded()
        self.assertEqual(await self.location(self.client(self.ports[1])), "https://one.example/")

    async def test_added(self) -> None:
        """A new address is listened on, and is no address to ask about certificates."""
        self.serve(*map(listener, self.ports[:2]))
        await self.reloaded()
        self.assertEqual(await self.location(self.client(self.ports[1])), "https://one.example/")
        self.assertEqual(self.service.shared.own_ports, set(self.ports[:2]))

    async def test_removed(self) -> None:
        """An address that went is no longer listened on; a request that was under way there is answered."""
        self.serve(*map(listener, self.ports[:2]))
        await self.reloaded()
        begun = self.client(self.ports[1])
        begun.sendall(GET[:-2])
        await until(lambda: self.service.connections == 1)
        self.serve(listener(self.ports[0]))
        await self.reloaded()
        await self.service.retired.all_closed()
        self.assert_refused(self.ports[1])
        self.assertEqual((self.service.connections, self.service.shared.own_ports), (1, {self.ports[0]}))
        begun.sendall(GET[-2:])
        answer: list[bytes] = []
        await until(lambda: answer.append(read(begun) or b"") or b"".join(answer).endswith(b"</html>\r\n"))
        self.assertIn(b"Connection: close", b"".join(answer))
        await until(lambda: self.service.connections == 0)

    async def test_removed_and_back(self) -> None:
        """An address that comes back while the socket that it had is closed, or its connections end, is bound again."""
        for settled in (False, True):
            self.serve(*map(listener, self.ports[:2]))
            await self.reloaded()
            begun = self.client(self.ports[1])
            begun.sendall(GET[:-2])
            await until(lambda: self.service.connections == 1)
            self.serve(listener(self.ports[0]))
            await self.reloaded()
            if settled:
                await self.service.retired.all_closed()
            self.serve(listener(self.ports[0]), listener(self.ports[1], "https://two.example/"))
            await self.reloaded()
            with closing(connected(("127.0.0.1", self.ports[1]))) as client:
                self.assertEqual(await self.location(client), "https://two.example/")
            begun.close()
            await until(lambda: self.service.connections == 0)

    async def test_limits(self) -> None:
        """The numbers of connections that there may be are those of the new configuration."""
        self.serve(listener(self.ports[0]), gateway="max_connections = 7\nmax_connections_per_address = 1\n")
        await self.reloaded()
        limits = self.service.shared.limits
        self.assertEqual(limits.connections.room, 7)
        self.client(self.ports[0])
        await until(lambda: self.service.connections == 1)
        self.assertEqual(read(self.client(self.ports[0])) or b"", b"")

    async def test_descriptors(self) -> None:
        """Descriptors are counted again: where they are few, there are fewer connections, and the answer says so."""
        self.assertIn(self.service.shared.places.room, range(1 << 19, 1 << 20))  # those that are left
        self.service.descriptors = 512
        self.serve(listener(self.ports[0]), gateway="max_connections = 9000\n")
        outcome = await self.reloaded()
        [warning] = [each for each in outcome.warnings if "file descriptors" in each]
        self.assertRegex(warning, r"^WARNING .*gw\.ini:3 \[gateway\] max_connections = 9000 takes ")
        self.assertLess(self.service.shared.limits.connections.room, 512)
        self.assertLess(self.service.shared.places.room, 512)

    async def test_probes(self) -> None:
        """The servers of the new configuration are probed, and those of the old one no more."""
        before = self.service.generation.prober
        self.serve(listener(self.ports[0], "https://two.example/"))
        await self.reloaded()
        self.assertEqual((before.running, self.service.generation.prober.running), (0, 1))
        self.assertIs(self.service.getServiceNamed("probes"), self.service.generation.prober)

    async def test_staples(self) -> None:
        """Nothing of a configuration is in force before what is to be stapled to its certificates is prepared."""
        waiting: Deferred[None] = Deferred()
        prepare = mock.Mock(return_value=waiting)
        self.patch(self.service.shared.staples, "prepare", prepare)
        self.serve(listener(self.ports[0]), listener(self.ports[1]))
        outcome = self.service.reload()
        await until(lambda: prepare.called)
        self.assertNoResult(outcome)
        self.assertEqual(len(self.service.listeners), 1)
        waiting.callback(None)
        self.assertIsInstance(await outcome, Reloaded)
        self.assertEqual(len(self.service.listeners), 2)

    async def test_access_log(self) -> None:
        """Lines go to the new file after the commit; the former one has all of before."""
        for number, name in enumerate(("a.log", "b.log")):
            self.serve(listener(self.ports[0], f"https://{number}.example/"), gateway=f"access_log = {name}\n")
            await self.reloaded()
            await self.location(self.client(self.ports[0]))
        await self.service.stopService()
        for name in ("a.log", "b.log"):
            [line] = (self.directory / "conf" / name).read_text().splitlines()
            self.assertIn('"httpStatus":302', line)

    async def test_responses(self) -> None:
        """Where a reload is the first to ask about certificates, answers are stored on disk from then on, and renewed
        by its profiles.
        """
        await self.service.stopService()
        state = f"state_directory = {self.directory}/state\n"
        self.serve(listener(self.ports[0]), gateway=state)
        self.service = self.started()
        asking = "[ssl_profile strict]\nverify_client_revocation = OCSP\n"
        text = self.text.replace("access_log = -\n", f"drain_timeout = 1\n{state}").replace(
            "port = 8443", f"port = {self.ports[1]}"
        )
        for asks, store in ((False, MemoryStore), (True, SqliteStore)):
            section = asking if asks else "[ssl_profile strict]\n"
            written = text.replace("[ssl_profile strict]\n", section)
            self.configure(lambda _, written=written: written)  # type: ignore[misc]
            await self.reloaded()
            revocation = self.service.shared.ocsp_answers
            self.assertIsInstance(revocation._store, store)
            self.assertEqual(revocation._profiles.named("strict") is not None, asks)

    async def test_defect(self) -> None:
        """A defect in the commit is logged, and all the rest is done."""
        self.serve(*map(listener, self.ports[1:]))
        with mock.patch.object(self.service.shared.limits, "change", side_effect=ZeroDivisionError):
            await self.reloaded()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        await self.service.retired.all_closed()
        self.assert_refused(self.ports[0])
        for port in self.ports[1:]:
            self.assertEqual(await self.location(self.client(port)), "https://one.example/")


class StatusTests(RunningGateway):
    """What the gateway says about itself."""

    async def test_reloads(self) -> None:
        """The generation in force, its connections by listener, and how the last reload ended."""
        self.client(self.ports[0])
        await until(lambda: self.service.connections == 1)
        first = self.service.status()
        fingerprint = self.source.load().plan.fingerprint
        self.assertEqual((first.generation, first.fingerprint, first.connections), (1, fingerprint, 1))
        self.assertIsNone(first.last_reload)
        [shown] = first.listeners
        self.assertEqual((shown.address, shown.port, shown.connections), ("127.0.0.1", self.ports[0], 1))
        self.serve(*map(listener, self.ports[:2]))
        await self.service.reload()
        second = self.service.status()
        assert second.last_reload is not None
        self.assertEqual((second.generation, len(second.listeners), second.last_reload.problems), (2, 2, ()))
        self.serve("nonsense")
        outcome = await self.rejected()
        last = self.service.status().last_reload
        assert last is not None
        self.assertEqual((last.problems, self.service.status().generation), (outcome.problems, 2))
        self.assertLessEqual(second.last_reload.at, last.at)
        self.assertLessEqual(last.at, self.service.shared.wall.seconds())


class RefusedTests(RunningGateway):
    """What stays as it was."""

    async def test_busy(self) -> None:
        """A new port that is in use is said with its line; the other new one is let go, and all goes on."""
        self.serve(*map(listener, self.ports))
        generation = self.service.generation
        with closing(bind("127.0.0.1", self.ports[2])):
            outcome = await self.rejected()
        [problem] = outcome.problems
        line = self.line(f"port = {self.ports[2]}")
        said = f"[http_listener l{self.ports[2]}] cannot listen on 127.0.0.1:{self.ports[2]}: Address already in use"
        self.assertEqual(problem, f"ERROR {self.file}:{line} {said}")
        self.assertIs(self.service.generation, generation)
        self.assert_refused(self.ports[1])
        self.assertEqual(await self.location(self.client(self.ports[0])), "https://one.example/")

    async def test_what_openssl_refuses(self) -> None:
        """What only OpenSSL, or a generation, finds wrong rejects the reload, and lets the new port go."""
        self.serve(*map(listener, self.ports))
        for made in (mock.patch.object(Generation, "make"), mock.patch.object(replacement, "make_contexts")):
            with made as failing:
                failing.side_effect = OSError(13, "Permission denied", "/x")
                [problem] = (await self.rejected()).problems
            self.assertIn("/x cannot be opened: Permission denied", problem)
            self.assert_refused(self.ports[1])

    async def test_stop_while_preparing(self) -> None:
        """A gateway that stops meanwhile does so at once, and what was bound is let go."""
        self.serve(*map(listener, self.ports))
        making: Deferred[Any] = Deferred()
        self.patch(replacement, "in_thread", lambda *_: making)
        reload = self.service.reload()
        await until(lambda: self.is_bound(self.ports[1]))
        stopped = self.service.stopService()
        self.assertEqual((await reload).problems, (STOPPING,))  # type: ignore[union-attr]
        self.assert_refused(self.ports[1])
        await stopped
        self.assert_refused(self.ports[0])

    def is_bound(self, port: int) -> bool:
        """Whether some socket listens there."""
        try:
            bind("127.0.0.1", port).close()
        except BindError:
            return True
        return False

    async def test_access_log(self) -> None:
        """A log that cannot be opened is said with its line, and the new port is let go."""
        self.serve(*map(listener, self.ports), gateway="access_log = missing/a.log\n")
        [problem] = (await self.rejected()).problems
        path = self.directory / "conf" / "missing" / "a.log"
        said = f"[gateway] access_log {path} cannot be opened: No such file or directory"
        self.assertEqual(problem, f"ERROR {self.file}:3 {said}")
        self.assert_refused(self.ports[1])

    async def test_cancelled(self) -> None:
        """What is prepared and given up leaves nothing behind."""
        self.serve(*map(listener, self.ports), gateway="access_log = a.log\n")
        generation = self.service.generation
        prepared = await self.service.prepare(self.source.load())
        prepared.cancel()
        for port in self.ports[1:]:
            self.assert_refused(port)
        self.assertIs(self.service.generation, generation)

    async def test_commit_after_the_stop(self) -> None:
        """What was prepared before the gateway stopped is not put in force after it."""
        self.serve(*map(listener, self.ports))
        generation = self.service.generation
        prepared = await self.service.prepare(self.source.load())
        stopped = self.service.stopService()
        prepared.commit()
        await stopped
        self.assertIs(self.service.generation, generation)
        for port in self.ports:
            self.assert_refused(port)

    async def test_given_sockets(self) -> None:
        """Sockets of new addresses that are bound already are taken."""
        self.serve(*map(listener, self.ports))
        loaded: Loaded = self.source.load()
        new = {("127.0.0.1", port): bind("127.0.0.1", port) for port in self.ports[1:]}
        (await self.service.prepare(loaded, new)).commit()
        for port in self.ports:
            self.assertEqual(await self.location(self.client(port)), "https://one.example/")


class StopTests(RunningGateway):
    """The gateway stops after reloads."""

    async def test_retired_ports(self) -> None:
        """Connections of removed listeners are waited for like all others, and ended with them."""
        self.serve(*map(listener, self.ports[:2]))
        await self.reloaded()
        idle = [self.client(port) for port in self.ports[:2]]
        for client in idle:
            client.sendall(GET[:-2])
        await until(lambda: self.service.connections == 2)
        self.serve(listener(self.ports[0]))
        await self.reloaded()
        await self.service.stopService()
        self.assertEqual(self.service.connections, 0)
        self.assert_refused(self.ports[0])
        for client in idle:
            await until(partial(self.has_ended, client))

    def has_ended(self, client: socket.socket) -> bool:
        """Whether the gateway has closed this connection."""
        try:
            return read(client) == b""
        except ConnectionResetError:
            return True


class Coming:
    """A client on a thread of its own that connects, asks and leaves, again and again."""

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.failures: list[Exception] = []
        self._port = port
        self._over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """It comes no more."""
        self._over.set()
        self.thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._ask()
            except Exception as error:  # which the test finds
                self.failures.append(error)
            else:
                self.answered += 1

    def _ask(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), DEADLINE) as client:
            client.sendall(GET)
            answer = b""
            while not answer.endswith(b"</html>\r\n"):
                answer += client.recv(1 << 16) or _cut()


def _cut() -> bytes:
    raise ConnectionError("the answer was cut")


class GapTests(RunningGateway):
    """Clients that come while configurations change."""

    async def test_no_gap(self) -> None:
        """In forty reloads, which add listeners and remove them, no client that connects is refused or cut."""
        clients = [Coming(self.ports[0]) for _ in range(2)]
        try:
            for number in range(40):
                others = self.ports[1 : 1 + number % 3]
                self.serve(listener(self.ports[0], f"https://{number}.example/"), *map(listener, others))
                await self.reloaded()
            before = sum(each.answered for each in clients)
            await until(lambda: sum(each.answered for each in clients) > before)
        finally:
            stopped = [deferToThread(each.stop) for each in clients]
            for each in stopped:
                await each
        self.assertEqual([failure for each in clients for failure in each.failures], [])
        self.assertEqual(self.service.reloads.generation, 41)


class AnyChangeTests(RunningGateway):
    """Configurations in no sensible order."""

    KINDS = ("none", "http", "strict", "partners", "tls", "tcp")

    async def test_whatever_comes(self) -> None:
        """Ports that come, go, and change what they speak: each is what the last configuration says, with no defect."""
        random = Random(7)
        clients: list[socket.socket] = []
        for _ in range(SHUFFLED):
            kinds = {port: random.choice(self.KINDS) for port in self.ports[1:]}
            self.shuffle(kinds, random.randrange(3))
            await self.reloaded()
            listening = {port for port, kind in kinds.items() if kind != "none"} | {self.ports[0]}
            self.assertEqual({port for _, port in self.service.sockets}, listening)
            self.assertEqual(self.service.shared.own_ports, listening)
            for port in sorted(listening):
                clients.append(connected(("127.0.0.1", port)))
                if random.random() < 0.7:
                    clients[-1].sendall(GET if random.random() < 0.5 else GET[:9])
            if random.random() < 0.5:
                random.choice(clients).close()
        for client in clients:
            client.close()
        await until(lambda: self.service.connections == 0)
        self.assertEqual(await self.location(self.client(self.ports[0])), "https://one.example/")

    def shuffle(self, kinds: dict[int, str], timeout: int) -> None:
        """Writes a configuration whose ports are of these kinds."""
        text = both(f"request_timeout = {timeout + 1}\n").partition("\n[listener ")[0]
        sections = [self.section(port, kind) for port, kind in kinds.items() if kind != "none"]
        self.configure(
            lambda _: text.replace("access_log = -\n", "drain_timeout = 1\n") + "".join(sections) + self.first()
        )

    def first(self) -> str:
        """The listener that is always there."""
        return listener(self.ports[0])

    def section(self, port: int, kind: str) -> str:
        """A listener, and its rule."""
        if kind == "http":
            return listener(port)
        protocols = {"tls": "Tls", "tcp": "Tcp"}
        secure = "" if kind == "tcp" else "ssl_certificate = site\n"
        profile = f"ssl_profile = {kind}\n" if kind in ("strict", "partners") else ""
        kind_of = "listener" if kind in protocols else "http_listener"
        rule = "routing_rule" if kind in protocols else "request_routing_rule"
        ends = (
            "backend_address_pool = brokers\nbackend_settings = mqtt\n"
            if kind in protocols
            else "backend_address_pool = app\nbackend_http_settings = app\n"
        )
        return (
            f"\n[{kind_of} l{port}]\naddress = 127.0.0.1\nport = {port}\nprotocol = {protocols.get(kind, 'Https')}\n"
            f"{secure}{profile}\n[{rule} l{port}]\npriority = {port % 19997 + 1}\n{kind_of} = l{port}\n{ends}"
        )


class FreedTests(RunningGateway):
    """What a generation leaves behind."""

    async def test_nothing(self) -> None:
        """Of those that were, nothing is left, without the collector, though a connection of the first one lives on."""
        self.ports += free_ports(1)
        client = self.client(self.ports[0])
        self.reload_to(0)
        await self.reloaded()
        await self.location(client)
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        parts = [self.parts()]
        for number in range(1, REPEATED):
            self.reload_to(number)
            self.assertEqual((await self.reloaded()).generation, number + 2)
            self.assertEqual(await self.location(client), f"https://{number}.example/")
            parts.append(self.parts())
        kept = parts.pop()
        await until(lambda: not any(self.alive(each) for each in parts))
        self.assertEqual(self.alive(kept), sorted(kept))

    def reload_to(self, number: int) -> None:
        """Another configuration, in which each kind of thing is another."""
        dn = "verify_client_cert_issuer_dn = true\n" * (number % 2)
        text = both(f"request_timeout = {number + 1}\n").replace(
            "[ssl_profile strict]\n", f"[ssl_profile strict]\n{dn}"
        )
        text = text.replace("port = 8443\n", f"port = {self.ports[1]}\naddress = 127.0.0.1\n")
        text = text.replace("port = 8883\n", f"port = {self.ports[2]}\naddress = 127.0.0.1\n")
        text = text.replace("access_log = -\n", f"drain_timeout = {number + 1}\n")
        self.configure(lambda _: text + listener(self.ports[0], f"https://{number}.example/"))

    def parts(self) -> dict[str, weakref.ref[Any]]:
        """References to the parts of the generation in force."""
        generation = self.service.generation
        [profile] = {each.ssl_profile for each in generation.plan.config.http_listeners if each.ssl_profile}
        found: dict[str, Any] = {
            "generation": generation,
            "plan": generation.plan,
            "profile": profile,
            "backends": generation.backends,
            "relay backends": generation.relay_backends,
            "prober": generation.prober,
        }
        for address, port in generation.ports.items():
            found[f"port {address[1]}"] = port
            found[f"parser {address[1]}"] = getattr(port, "parser", port)
        for address, contexts in generation.contexts.items():
            found[f"contexts {address[1]}"] = contexts
            for site in contexts.by_site.values():
                found[f"a TLS context of {address[1]}"] = site.context
        return {name: weakref.ref(part) for name, part in found.items()}

    def alive(self, references: dict[str, weakref.ref[Any]]) -> list[str]:
        """The names of those that are still there."""
        return sorted(name for name, reference in references.items() if reference() is not None)
