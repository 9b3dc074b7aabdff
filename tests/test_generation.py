"""Everything that belongs to one configuration, from its making to its end."""

from __future__ import annotations

import gc
import weakref
from socket import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import directlyProvides, providedBy

from agwtwisted.core.plan.plan import Plan
from agwtwisted.generation import Generation
from agwtwisted.listening.listener import ListeningSocket, bind
from agwtwisted.shared import Shared
from agwtwisted.transport.outbox import ITurns, Outbox
from tests import clients, configurations, pki, relays
from tests.clients import GET, Client, Transport, client_context
from tests.clocks import ThreadedReactor
from tests.running import free_ports
from tests.sockets import connected, read, until

HTTP_PORT, L4_PORT = ("0.0.0.0", 8443), ("0.0.0.0", 8883)


def both(settings: str = "") -> str:
    """A configuration with listeners of HTTP and of L4, both with TLS on both sides."""
    text = relays.text("mqtt strict", settings="protocol = Tls\n")
    text += clients.text("basic strict", "named strict a.example").removeprefix(clients.text())
    return text.replace("port = 9000\n", f"port = 9000\nprotocol = Https\n{settings}")


class Gateway(SynchronousTestCase):
    """A generation on a clock, with connections in memory."""

    def setUp(self) -> None:
        self.reactor = ThreadedReactor()
        self.reactor.advance(pki.NOW.timestamp())
        plan = self.plan()
        self.shared = Shared.make(plan, self.reactor, seconds=self.reactor.seconds)
        self.generation = Generation.make(plan, self.shared)

    def plan(self, text: str = "") -> Plan:
        """A plan with an access log that is nowhere."""
        return configurations.plan((text or both()).replace("access_log = -\n", ""), clients.files())

    def served(self, generation: Generation) -> Client:
        """A client of the HTTP port whose request is with a backend."""
        port: Any = generation.ports[HTTP_PORT]
        client = Client(port, client_context(clients.device()), "", "192.0.2.7")
        client.talk()
        client.say(GET)
        return client


class GenerationTests(Gateway):
    """What it is made of, and how it ends."""

    def test_made_whole(self) -> None:
        """Every port of the plan is there, with contexts where TLS is spoken, and nothing has begun."""
        self.assertEqual([*self.generation.ports], [HTTP_PORT, L4_PORT])
        self.assertTrue(all(port._contexts for port in self.generation.ports.values()))
        self.assertEqual((self.reactor.getDelayedCalls(), self.reactor.tcpClients), ([], []))
        self.assertEqual(len(self.generation.prober._watches), 2)

    def test_plain_ports(self) -> None:
        """A port without TLS has no contexts."""
        plan = self.plan(clients.plain(clients.text("basic -")))
        [port] = Generation.make(plan, self.shared).ports.values()
        self.assertIsNone(port._contexts)

    def test_turns(self) -> None:
        """On a reactor whose turns end with sending, what a client or a backend is sent in one waits for its end."""
        directlyProvides(self.reactor, ITurns, *providedBy(self.reactor))
        self.reactor.outbox = outbox = Outbox()  # type: ignore[attr-defined]
        shared = Shared.make(self.plan(), self.reactor, seconds=self.reactor.seconds)
        plan = self.plan(clients.plain(clients.text("basic -")))
        [port] = Generation.make(plan, shared).ports.values()
        client: Any = port.accept("192.0.2.7", 1)
        ends = [Transport(), Transport()]
        client.makeConnection(ends[0])
        outbox.open = True
        client.dataReceived(GET)
        backend = self.reactor.tcpClients[-1][2].buildProtocol(None)
        backend.makeConnection(ends[1])
        self.assertEqual(ends[1].sent, b"")
        outbox.close()
        self.assertTrue(ends[1].sent)
        outbox.open = True
        backend.dataReceived(b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertEqual(ends[0].sent, b"")
        outbox.close()
        self.assertTrue(ends[0].sent)

    def test_two_at_once(self) -> None:
        """Two generations share counts, log and memory, and nothing else."""
        other = Generation.make(self.plan(), self.shared)
        self.assertEqual(other.plan, self.generation.plan)
        one, two = self.generation.ports[HTTP_PORT], other.ports[HTTP_PORT]
        self.assertEqual((one.limits, one.access_log, one.wall), (two.limits, two.access_log, two.wall))
        client = self.served(other)
        counts = [(self.generation.connections, other.connections, len(self.shared.limits.connections))]
        client.lose()
        counts.append((self.generation.connections, other.connections, len(self.shared.limits.connections)))
        self.assertEqual(counts, [(0, 1, 1), (0, 0, 0)])

    def test_end(self) -> None:
        """Drained, it is empty once its last connection is gone; closed, it leaves no timer of its own behind."""
        self.generation.prober.startService()
        client = self.served(self.generation)
        self.generation.drain()
        gone = Deferred.fromCoroutine(self.generation.when_empty())
        self.assertNoResult(gone)
        client.lose()
        self.successResultOf(gone)
        self.generation.prober.stopService()
        self.generation.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_abort(self) -> None:
        """Aborted, its connections are ended at once."""
        client = self.served(self.generation)
        self.generation.abort()
        self.assertEqual(client.transport.ended, "aborted")

    def test_dropped_headers_are_said(self) -> None:
        """The log says which request header of which port does not reach the backends."""
        port: Any = self.generation.ports[HTTP_PORT]
        with capturedLogs() as events:
            port.handling.parser.names.drop(b"X_Own")
        [event] = events
        self.assertIn("0.0.0.0:8443: request header b'X_Own' dropped (1 times so far)", formatEvent(event))

    def test_affinity_key(self) -> None:
        """All generations lead clients back by one key, which is made where cookies are set."""
        with_cookies = self.plan(both("cookie_based_affinity = Enabled\n"))
        keys = {Generation.make(with_cookies, self.shared).backends._affinity_key for _ in range(2)}
        self.assertEqual(keys, {self.shared.affinity_key.load()})
        self.assertNotIn(self.generation.backends._affinity_key, keys)


class CollectedTests(Gateway):
    """A generation that is dropped is gone."""

    def dropped(self, *, served: bool) -> dict[str, weakref.ref[Any]]:
        """References to parts of a generation that has ended; a client's request was under way."""
        generation = Generation.make(self.plan(), self.shared)
        generation.prober.startService()
        if served:
            client = self.served(generation)
            generation.drain()
            client.lose()
        generation.prober.stopService()
        generation.close()
        return self.parts(generation)

    def parts(self, generation: Generation) -> dict[str, weakref.ref[Any]]:
        """References to parts of a generation."""
        port: Any = generation.ports[HTTP_PORT]
        return {
            name: weakref.ref(part)
            for name, part in {
                "generation": generation,
                "plan": generation.plan,
                "port": port,
                "L4 port": generation.ports[L4_PORT],
                "exchanges": port.exchanges,
                "contexts": port._contexts,
                "a TLS context": port._contexts.first.context,
                "backends": generation.backends,
                "L4 backends": generation.relay_backends,
                "probes": generation.prober,
            }.items()
        }

    def alive(self, references: dict[str, weakref.ref[Any]]) -> list[str]:
        """The names of those that are still there."""
        return [name for name, reference in references.items() if reference() is not None]

    def test_collected(self) -> None:
        """Nothing of it is left, whatever it has served, though a start has frozen what was there before."""
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        references = self.dropped(served=True)
        self.shared.access_log.make_lines()  # which a log that runs does soon
        self.reactor.tcpClients.clear()  # the dialled connections, which a reactor would have let go
        gc.collect()
        self.assertEqual(self.alive(references), [])

    def test_replaced(self) -> None:
        """Nothing of a generation is left whose place another one has taken, though its servers, probes and clients go
        on; nor of one that was made to take it, and thrown away.
        """
        generation = self.generation
        generation.prober.startService()
        client = self.served(generation)
        servers = [*generation.backends._servers, *generation.relay_backends._servers]
        gone: list[dict[str, weakref.ref[Any]]] = []
        for keys in ("request_timeout = 7\n", "request_timeout = 8\n"):
            thrown_away, following = (
                Generation.make(self.plan(both(keys)), self.shared, previous=generation) for _ in range(2)
            )
            gone += self.parts(generation), self.parts(thrown_away)
            following.take_over(generation)
            following.prober.startService()
            self.reactor.advance(0)  # clients go over
            generation = following
        self.assertEqual([*generation.backends._servers, *generation.relay_backends._servers], servers)
        client.lose()
        self.generation = generation
        del client, following, thrown_away
        self.shared.access_log.make_lines()  # which a log that runs does soon
        self.reactor.tcpClients.clear()
        gc.collect()
        self.assertEqual([self.alive(parts) for parts in gone], [[]] * len(gone))
        generation.prober.stopService()
        generation.close()

    def test_without_the_collector(self) -> None:
        """Ports and their TLS contexts, and so the private keys in them, go with the last reference."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        references = self.dropped(served=False)
        gone = {"generation", "plan", "port", "L4 port", "contexts", "a TLS context"}
        self.assertEqual(gone & {*self.alive(references)}, set())


class ReplacedTests(TestCase):
    """One generation takes the place of another, on real sockets."""

    async def test_replaced(self) -> None:
        """By assignment: new connections are the new one's, open ones the old one's, which is gone after them."""
        port = free_ports(1)[0]
        address = ("127.0.0.1", port)
        first = _redirecting(port, "https://one.example/")
        shared = Shared.make(first, reactor)
        generation = Generation.make(first, shared)
        listener = ListeningSocket(reactor, bind(*address), generation.ports[address], shared.limits)
        listener.startService()
        self.addCleanup(listener.stopService)
        old = connected(address)
        self.addCleanup(old.close)
        self.assertEqual(await self.location(old), "https://one.example/")
        following = Generation.make(_redirecting(port, "https://two.example/"), shared)
        listener.port = following.ports[address]
        new = connected(address)
        self.addCleanup(new.close)
        self.assertEqual(await self.location(new), "https://two.example/")
        self.assertEqual(await self.location(old), "https://one.example/")
        old.close()
        await generation.when_empty()
        await deferLater(reactor, 0)  # type: ignore[arg-type]  # it was the old port that called
        generation.close()
        references = [weakref.ref(part) for part in (generation, generation.plan, generation.ports[address])]
        del generation, first
        gc.collect()
        self.assertEqual([reference() for reference in references], [None] * 3)
        new.close()
        await following.when_empty()

    async def location(self, client: socket) -> str:
        """Where a request of this client is redirected to."""
        client.sendall(GET)
        answer: list[bytes] = []
        await until(lambda: answer.append(read(client) or b"") or b"".join(answer).endswith(b"</html>\r\n"))
        [line] = [each for each in b"".join(answer).decode().splitlines() if each.startswith("Location: ")]
        return line.removeprefix("Location: ")


def _redirecting(port: int, url: str) -> Plan:
    """A plan whose only listener, without TLS, redirects."""
    text = clients.plain(clients.text("basic -; address = 127.0.0.1")).replace("access_log = -\n", "")
    text = text.replace("port = 8443\n", f"port = {port}\n")
    ends = "backend_address_pool = app\nbackend_http_settings = app\n"
    text = text.replace(f"http_listener = basic\n{ends}", "http_listener = basic\nredirect_configuration = away\n")
    return configurations.plan(text + configurations.redirect("away", f"target_url = {url}"), clients.files())
