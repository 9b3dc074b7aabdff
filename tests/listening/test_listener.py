"""Sockets that are bound, or say why not, and accept as many connections as there may be."""

from __future__ import annotations

import contextlib
import gc
import socket
import weakref
from errno import ECONNABORTED, EMFILE, ENOSPC
from typing import Any
from unittest import mock

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.address import IPv6Address
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase, TestCase

from agwtwisted.listening.admission import RETRY
from agwtwisted.listening.listener import AT_ONCE, BindError, ListeningSocket, bind, display
from tests.clients import TLS_1_3, Gateway, client_context, plain, text
from tests.sockets import NONSENSE, connected, read, until


class BindTests(SynchronousTestCase):
    """A socket before the start."""

    def test_listens(self) -> None:
        """Connections wait in the backlog before they are accepted."""
        with contextlib.closing(bind("127.0.0.1", 0)) as bound:
            self.assertFalse(bound.getblocking())
            with contextlib.closing(connected(bound.getsockname())):
                pass

    def test_busy(self) -> None:
        """A busy port is an error that names address, port and reason."""
        with contextlib.closing(bind("127.0.0.1", 0)) as bound:
            port = bound.getsockname()[1]
            with self.assertRaises(BindError) as caught:
                bind("127.0.0.1", port)
        self.assertEqual(str(caught.exception), f"cannot listen on 127.0.0.1:{port}: Address already in use")

    def test_foreign_address(self) -> None:
        """So is an address that is not this machine's; no socket is left open, which a warning would show."""
        with self.assertRaises(BindError) as caught:
            bind("192.0.2.1", 8443)
        self.assertIn("cannot listen on 192.0.2.1:8443: ", str(caught.exception))

    def test_no_socket(self) -> None:
        """So does one for which the system makes no socket."""
        shortage = OSError(EMFILE, "Too many open files")
        with mock.patch("socket.socket", side_effect=shortage), self.assertRaises(BindError) as caught:
            bind("::1", 8443)
        self.assertEqual(str(caught.exception), "cannot listen on [::1]:8443: Too many open files")

    def test_again(self) -> None:
        """A port whose last connections linger in the kernel can be bound again at once."""
        with contextlib.closing(bind("127.0.0.1", 0)) as bound:
            address = bound.getsockname()
            with contextlib.closing(connected(address)) as client:
                accepted, _ = bound.accept()
                accepted.close()  # this end closes first, and so it waits
                self.assertEqual(client.recv(1), b"")
        with contextlib.closing(bind(*address)):
            pass

    def test_families(self) -> None:
        """An IPv6 socket takes IPv6 alone, so that one for IPv4 may stand beside it."""
        with (
            contextlib.closing(bind("0.0.0.0", 0)) as four,  # first: clients use up ports of IPv4
            contextlib.closing(bind("::", four.getsockname()[1])) as six,
        ):
            self.assertEqual((six.family, four.family), (socket.AF_INET6, socket.AF_INET))

    def test_display(self) -> None:
        """IPv6 addresses stand in brackets."""
        self.assertEqual(display("127.0.0.1", 8443), "127.0.0.1:8443")
        self.assertEqual(display("::1", 8443), "[::1]:8443")


class ListenerTests(TestCase):
    """A listener on the real reactor."""

    def listener(self, *, gateway: Gateway | None = None, **limits: int) -> ListeningSocket:
        """One that runs, with limits of its own or another's, and is stopped in the end."""
        keys = "".join(f"{key} = {value}\n" for key, value in limits.items())
        self.gateway = gateway or Gateway(plain(text("basic -")).replace("[gateway]\n", f"[gateway]\n{keys}"))
        bound = bind("127.0.0.1", 0)
        self.address = bound.getsockname()
        made = ListeningSocket(reactor, bound, self.gateway.port, self.gateway.limits)
        made.startService()
        self.addCleanup(self.end, made)
        return made

    async def end(self, listener: ListeningSocket) -> None:
        """Everything is closed."""
        await listener.stopService()
        listener.port.abort()
        await listener.port.connections.when_empty()

    def client(self) -> socket.socket:
        """One that has connected, and is closed in the end."""
        made = connected(self.address)
        self.addCleanup(made.close)
        return made

    @property
    def accepted(self) -> int:
        """Connections that the gateway has."""
        return len(self.gateway.port.connections)

    async def test_serves(self) -> None:
        """A connection is accepted, and answered."""
        self.listener()
        client = self.client()
        client.send(NONSENSE)
        received: list[bytes] = []
        await until(lambda: received.append(read(client) or b"") or b"".join(received).startswith(b"HTTP/1.1 400 "))

    async def test_transport(self) -> None:
        """The transport of a connection knows whose it is, for its users, and for Twisted's log."""
        self.listener()
        client = self.client()
        await until(lambda: self.accepted == 1)
        [connection] = self.gateway.port.connections.snapshot()
        transport: Any = connection._socket
        self.assertEqual(
            (transport.getPeer().port, transport.getHost().port), (client.getsockname()[1], self.address[1])
        )
        self.assertEqual((repr(transport), transport.logPrefix()), ("<connection 0 of 127.0.0.1>", "agwgateway"))

    async def test_transport_v6(self) -> None:
        """So it does over IPv6."""
        gateway = Gateway(plain(text("basic -")))
        bound = bind("::1", 0)
        listener = ListeningSocket(reactor, bound, gateway.port, gateway.limits)
        address = bound.getsockname()
        listener.startService()
        self.addCleanup(self.end, listener)
        with contextlib.closing(socket.create_connection(address[:2])):
            await until(lambda: len(gateway.port.connections) == 1)
            [connection] = gateway.port.connections.snapshot()
            self.assertIsInstance(connection._socket.getPeer(), IPv6Address)  # type: ignore[attr-defined]

    async def test_max_connections(self) -> None:
        """Exactly max_connections are accepted, however many wait; the next is served once one is gone."""
        self.listener(max_connections=2)
        waiting = [self.client() for _ in range(6)]
        for client in waiting:
            client.send(b"GET / HTTP/1.1\r\n")
        await until(lambda: self.accepted == 2)
        for _ in range(20):
            await deferLater(reactor, 0)  # type: ignore[arg-type]
            self.assertEqual(self.accepted, 2)
        for client in waiting:
            client.send(b"\r\n")  # no Host: the page is the last answer
            answers: list[bytes] = []
            await until(lambda client=client, answers=answers: answers.append(read(client) or b"") or any(answers))
            client.close()
            await until(lambda: self.accepted <= 2)
        await until(lambda: self.accepted == 0)

    async def test_ports_share_the_limit(self) -> None:
        """A limit that one listener has reached holds for the others in the same turn."""
        self.listener(max_connections=1)
        first = self.address
        self.listener(gateway=self.gateway)
        clients = [connected(address) for address in (first, self.address) for _ in range(3)]
        for client in clients:
            self.addCleanup(client.close)
        await until(lambda: self.accepted == 1)
        for _ in range(20):
            await deferLater(reactor, 0)  # type: ignore[arg-type]
            self.assertEqual(self.accepted, 1)

    async def test_address_limit(self) -> None:
        """A connection too many of one address is closed, and those that it has stay."""
        self.listener(max_connections_per_address=1)
        first, second = self.client(), self.client()
        await until(lambda: read(second) == b"")
        self.assertEqual((read(first), self.accepted), (None, 1))

    async def test_silent_gives_way(self) -> None:
        """Where there are as many as there may be, the oldest silent one makes room for the next."""
        self.listener(max_connections=8)
        clients = [self.client() for _ in range(8)]
        await until(lambda: self.accepted == 8)
        first, rest = clients[4], [*clients[:4], *clients[5:]]  # of the last half of the places
        newcomer = self.client()
        await until(lambda: read(first) == b"")
        newcomer.send(NONSENSE)
        answer: list[bytes] = []
        await until(lambda: answer.append(read(newcomer) or b"") or b"".join(answer).startswith(b"HTTP/1.1 400 "))
        self.assertEqual([read(each) for each in rest], [None] * 7)
        self.assertLessEqual(self.accepted, 8)

    async def test_accepts_again(self) -> None:
        """If no connection could be closed it is tried again, without any having closed."""
        self.listener(max_connections=1)
        with mock.patch.object(self.gateway.limits, "victim", return_value=None):
            self.client()
            await until(lambda: self.accepted == 1)
            self.client()
            await until(lambda: self.gateway.limits.paused)
        self.gateway.reactor.advance(RETRY)
        self.assertFalse(self.gateway.limits.paused)
        [first] = self.gateway.port.connections.snapshot()
        await until(lambda: self.gateway.port.connections.snapshot() not in ((), (first,)))

    async def test_no_handshake_stops_a_plain_port(self) -> None:
        """Handshakes, however many, keep no connection waiting: on their own port as little as on another."""
        self.listener(gateway=Gateway(text("basic strict", gateway="max_handshakes = 2\n")))
        hello = b"\x16\x03\x01\x00\x01\x01"
        for client in [self.client() for _ in range(4)]:
            client.send(hello)
        await until(lambda: self.gateway.limits.handshakes.waiting == 2)
        client = self.client()
        client.send(b"\x15no TLS\r\n\r\n")
        answer: list[bytes] = []
        await until(lambda: answer.append(read(client) or b"") or b"".join(answer).startswith(b"HTTP/1.1 400 "))

    async def test_alert_arrives(self) -> None:
        """A client that is refused and sends on reads its alert, not that the connection was reset."""
        self.listener(gateway=Gateway(text("basic strict")))
        client, tls = self.client(), SSL.Connection(client_context(version=TLS_1_3), None)
        alerts: list[int] = []
        tls.set_info_callback(lambda _, where, value: alerts.append(value & 0xFF) if where & SSL.SSL_CB_ALERT else None)
        tls.set_connect_state()
        with contextlib.suppress(SSL.WantReadError):
            tls.do_handshake()
        client.send(tls.bio_read(1 << 16))
        hello: list[bytes] = []
        await until(lambda: hello.append(read(client) or b"") or any(hello))
        tls.bio_write(b"".join(hello))
        tls.do_handshake()  # in TLS 1.3 the client is through before it is refused
        tls.sendall(b"x" * 1_000_000)
        self.assertGreater(client.send(tls.bio_read(1 << 20)), 100_000)  # more than one read of the gateway's
        rest: list[bytes | None] = []
        await until(lambda: rest.append(read(client)) or rest[-1] == b"")
        tls.bio_write(b"".join(filter(None, rest)))
        with self.assertRaises(SSL.Error):
            tls.recv(1)
        self.assertEqual(alerts, [116])
        for _ in range(20):
            with contextlib.suppress(BlockingIOError):
                client.send(b"x" * 1000)  # a reset would raise here, and destroy an alert that is still on its way
            await deferLater(reactor, 0)  # type: ignore[arg-type]
        client.close()
        await until(lambda: not self.accepted)

    async def test_many_at_once(self) -> None:
        """A turn accepts several, but not all of a crowd: others have their turn, too."""
        listener = self.listener()
        for _ in range(2 * AT_ONCE):
            self.client()
        turns: list[int] = []
        await until(lambda: turns.append(self.accepted) or self.accepted == 2 * AT_ONCE)
        self.assertEqual(sorted(set(turns)), [0, AT_ONCE, 2 * AT_ONCE])
        self.assertTrue(listener.running)

    async def test_defect(self) -> None:
        """A connection that cannot be taken for a defect of ours is closed, and the next one is served."""
        self.listener()
        with mock.patch.object(self.gateway.port, "accept", side_effect=KeyError("a defect")):
            first = self.client()
            await until(lambda: read(first) == b"")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.client()
        await until(lambda: self.accepted == 1)

    async def test_defect_at_the_beginning(self) -> None:
        """So it is where the defect shows once the connection has its transport."""
        self.listener()
        with mock.patch.object(self.gateway.port, "begin", side_effect=KeyError("a defect")):
            first = self.client()
            await until(lambda: self.ended(first))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        await until(lambda: self.accepted == 0)
        self.client()
        await until(lambda: self.accepted == 1)

    async def test_cannot_be_watched(self) -> None:
        """So it is where the reactor cannot watch one more."""
        self.listener()
        with mock.patch("agwtwisted.listening.listener.StreamSocket", side_effect=OSError(ENOSPC, "no room")):
            first = self.client()
            await until(lambda: self.ended(first))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertEqual(self.accepted, 0)
        self.client()
        await until(lambda: self.accepted == 1)

    @staticmethod
    def ended(client: socket.socket) -> bool:
        """Whether the gateway has closed this connection, in whatever way."""
        try:
            return read(client) == b""
        except ConnectionResetError:
            return True

    async def test_no_descriptors(self) -> None:
        """Where there is no descriptor for a connection a silent one gives way, and it is tried again in a moment."""
        listener = self.listener()
        silent = self.client()
        await until(lambda: self.accepted == 1)
        accepting: Any = listener._bound
        real = accepting.socket
        failing = [OSError(EMFILE, "Too many open files")]
        accepting.socket = mock.Mock(wraps=real)
        accepting.socket.accept.side_effect = lambda: self.failed_or(failing, real)
        with capturedLogs() as events:
            client = self.client()
            client.send(NONSENSE)
            await until(lambda: self.gateway.limits.paused)
            await until(lambda: read(silent) == b"")
        accepting.socket = real
        self.assertIn("(Too many open files): is LimitNOFILE", formatEvent(events[0]))
        self.gateway.reactor.advance(RETRY)
        answer: list[bytes] = []
        await until(lambda: answer.append(read(client) or b"") or b"".join(answer).startswith(b"HTTP/1.1 400 "))

    async def test_shortages_are_said_seldom(self) -> None:
        """However often that happens, it is said a few times a minute."""
        listener = self.listener()
        with capturedLogs() as events:
            for _ in range(100):
                listener._fall_short(OSError(EMFILE, "Too many open files"))
                self.gateway.limits._resume()
        self.assertEqual(len(events), 2)
        self.gateway.reactor.advance(60)
        with capturedLogs() as events:
            listener._fall_short(OSError(EMFILE, "Too many open files"))
        self.assertIn("(98 more of this before)", formatEvent(events[0]))

    async def test_gone_before_it_is_accepted(self) -> None:
        """A connection that ends in the backlog does not delay others."""
        listener = self.listener()
        accepting: Any = listener._bound
        real = accepting.socket
        failing = [OSError(ECONNABORTED, "gone")]
        accepting.socket = mock.Mock(wraps=real)
        accepting.socket.accept.side_effect = lambda: self.failed_or(failing, real)
        self.client()
        await until(lambda: self.accepted == 1)
        self.assertFalse(self.gateway.limits.paused)
        accepting.socket = real

    @staticmethod
    def failed_or(failing: list[OSError], real: socket.socket) -> Any:
        """What accept answers: each failure once, then what the kernel says."""
        error = failing.pop(0) if failing else None
        if error is not None:
            raise error
        return real.accept()

    async def test_link_local(self) -> None:
        """An address of a link is shown with the link."""
        listener = self.listener()
        for client, host in (
            (("fe80::1", 7, 0, 1), "fe80::1%" + socket.if_indextoname(1)),
            (("2001:db8::1", 7, 0, 0), "2001:db8::1"),
        ):
            near, far = socket.socketpair()
            self.addCleanup(far.close)
            with mock.patch.object(self.gateway.port, "accept", return_value=None) as accept:
                listener._take(near, client)
            accept.assert_called_once_with(host, 7)
            self.assertEqual(near.fileno(), -1)

    async def test_another_port(self) -> None:
        """The port may be replaced: what is accepted from then on is the new one's, and the rest stays."""
        listener = self.listener()
        first = self.client()
        await until(lambda: self.accepted == 1)
        other = Gateway(plain(text("basic -")))
        earlier, listener.port = listener.port, other.port
        self.addCleanup(earlier.abort)
        second = self.client()
        second.send(NONSENSE)
        await until(lambda: len(other.port.connections) == 1)
        self.assertEqual((self.accepted, read(first)), (1, None))

    async def test_let_go(self) -> None:
        """Once stopped nothing that outlives it holds a listener, nor the port that it led to."""
        limits = Gateway(plain(text("basic -"))).limits
        for start in (False, True):
            gateway = Gateway(plain(text("basic -")))
            listener = ListeningSocket(reactor, bind("127.0.0.1", 0), gateway.port, limits)
            if start:
                listener.startService()
            await listener.stopService()
            references = [weakref.ref(listener), weakref.ref(gateway.port)]
            del listener, gateway
            gc.collect()
            self.assertEqual([reference() for reference in references], [None, None])

    async def test_stop(self) -> None:
        """Once stopped no client gets a connection, while existing ones stay."""
        listener = self.listener()
        client = self.client()
        await until(lambda: self.accepted == 1)
        await listener.stopService()
        with self.assertRaises(ConnectionRefusedError):
            connected(self.address)
        self.assertEqual((read(client), self.accepted), (None, 1))
        self.gateway.limits.pause()  # a limit that is reached later concerns it no more
        self.gateway.limits._resume()

    async def test_stop_with_a_backlog(self) -> None:
        """Who has connected before is accepted; who comes now is not, and takes himself for nothing else."""
        listener = self.listener()
        waiting = [self.client() for _ in range(2 * AT_ONCE)]
        stopping = listener.stopService()
        late = socket.socket()
        self.addCleanup(late.close)
        late.setblocking(False)
        late.connect_ex(self.address)
        await stopping
        self.assertEqual(self.accepted, len(waiting))
        with self.assertRaises(BlockingIOError):
            late.send(NONSENSE)
        for client in waiting:
            self.assertIsNone(read(client))

    async def test_leaves_its_socket(self) -> None:
        """A socket that another process keeps stays as it is: who connects while this end stops, waits for the next."""
        listener = self.listener()
        kept = listener._bound.socket.dup()
        self.addCleanup(kept.close)
        listener.leave()
        stopping = listener.stopService()
        self.client()
        await stopping
        self.client()
        self.assertEqual(self.accepted, 0)
        for _ in range(2):
            kept.accept()[0].close()

    async def test_stop_without_start(self) -> None:
        """One that never ran closes its socket."""
        bound = bind("127.0.0.1", 0)
        gateway = Gateway(plain(text("basic -")))
        listener = ListeningSocket(reactor, bound, gateway.port, gateway.limits)
        self.assertEqual(listener.name, "listener " + display(*bound.getsockname()))
        await listener.stopService()
        self.assertEqual(bound.fileno(), -1)
