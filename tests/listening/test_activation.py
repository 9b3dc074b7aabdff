"""Sockets that were passed on: matched by their address, and left as they were."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from contextlib import ExitStack, closing

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from agwtwisted.listening import activation
from agwtwisted.listening.activation import ActivationError, Binding, Inherited
from agwtwisted.listening.listener import BindError, InheritedSocket, ListeningSocket, bind, drop_newcomers
from tests import running
from tests.clients import Gateway, plain, text
from tests.sockets import connected, until

PID = 10


class ActivationCase(SynchronousTestCase):
    """Descriptors from a number on where a process has none."""

    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.first = 700
        self.patch(activation, "FIRST", self.first)

    def passed(self, *sockets: socket.socket, names: str = "", pid: int = PID) -> dict[str, str]:
        """The environment after the service manager has passed these on."""
        for number, each in enumerate(sockets, self.first):
            os.dup2(each.fileno(), number)
            self.stack.callback(_close, number)
        variables = {"LISTEN_FDS": str(len(sockets)), "LISTEN_PID": str(pid)}
        return {**variables, "LISTEN_FDNAMES": names} if names else variables

    def taken(self, *sockets: socket.socket, names: str = "") -> Inherited:
        """What the gateway makes of these."""
        environment = self.passed(*sockets, names=names)
        inherited = Inherited.of(environment, PID)
        for each in inherited.sockets.values():
            self.stack.callback(each.close)
        return inherited

    def listening(self, host: str = "127.0.0.1", *, dual: bool = False) -> socket.socket:
        """As the service manager makes one."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = self.stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        made.bind((host, 0))
        made.listen()
        return made


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # its socket was closed
        os.close(descriptor)


class InheritedTests(ActivationCase):
    """The environment, and what the descriptors are."""

    def test_none(self) -> None:
        """Without variables, or with those of another process, there are none."""
        for environment in ({}, {"LISTEN_FDS": "1", "LISTEN_PID": "11"}, {"LISTEN_FDS": "x", "LISTEN_PID": str(PID)}):
            self.assertEqual(Inherited.of(environment, PID).sockets, {})
        self.assertEqual(Inherited.of_process().sockets, {})

    def test_by_address(self) -> None:
        """Each is known by its address, has the options of a bound one, and no child inherits it."""
        four, six = self.listening(), self.listening("::1")
        inherited = self.taken(four, six, names="web:web6")
        addresses = [four.getsockname()[:2], six.getsockname()[:2]]
        self.assertEqual(dict(inherited.names), dict(zip(addresses, ("web", "web6"), strict=True)))
        for address in addresses:
            found = inherited.bound(address)
            assert found is not None
            self.stack.callback(found.close)
            self.assertIsInstance(found, InheritedSocket)
            self.assertFalse(found.getblocking())
            self.assertFalse(found.get_inheritable() or inherited.sockets[address].get_inheritable())
            self.assertTrue(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.assertIsNone(inherited.bound(("127.0.0.1", 1)))

    def test_unusable(self) -> None:
        """Each that no gateway can accept on is named, with what has to be different."""
        datagrams = self.stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        silent = self.stack.enter_context(closing(socket.socket()))
        good = self.listening()
        environment = self.passed(datagrams, silent, self.listening("::", dual=True), good, good, names="a:b:c:d:e")
        with self.assertRaises(ActivationError) as caught:
            Inherited.of(environment, PID)
        message = str(caught.exception)
        host, port = good.getsockname()
        for number, (name, reason) in enumerate(
            (
                ("a", "is no TCP socket: write ListenStream="),
                ("b", "is no listening socket: write Accept=no"),
                ("c", "takes IPv4 connections on an IPv6 address: write BindIPv6Only=ipv6-only"),
            )
        ):
            self.assertIn(f"descriptor {self.first + number} ('{name}') {reason}", message)
        self.assertIn(f"descriptor {self.first + 4} ('e') listens on {host}:{port} as another does", message)
        self.assertNotIn("'d'", message)

    def test_not_open(self) -> None:
        """More than there are is said as what it is."""
        with self.assertRaises(ActivationError) as caught:
            Inherited.of({"LISTEN_FDS": "1", "LISTEN_PID": str(PID)}, PID)
        self.assertIn(f"descriptor {self.first} is not open", str(caught.exception))

    def test_no_socket(self) -> None:
        """A file is none."""
        reading, writing = os.pipe()
        self.stack.callback(os.close, writing)
        os.dup2(reading, self.first)
        os.close(reading)
        self.stack.callback(_close, self.first)
        with self.assertRaises(ActivationError) as caught:
            Inherited.of({"LISTEN_FDS": "1", "LISTEN_PID": str(PID)}, PID)
        self.assertIn(f"descriptor {self.first} is no socket", str(caught.exception))

    def test_filter(self) -> None:
        """A filter that an earlier gateway has left on a socket is removed: connections begin again."""
        listening = self.listening()
        drop_newcomers(listening)
        self.taken(listening)
        connected(listening.getsockname()).close()


class CheckTests(ActivationCase):
    """Sockets and listeners."""

    def test_all_used(self) -> None:
        """Listeners may be more than there are sockets: the others are bound."""
        listening = self.listening()
        sockets = Binding(inherited=self.taken(listening))
        address = listening.getsockname()
        sockets.check([address, ("127.0.0.1", 0)])
        inherited = self.stack.enter_context(closing(sockets.bind(address)))
        bound = self.stack.enter_context(closing(sockets.bind(("127.0.0.1", 0))))
        self.assertEqual(inherited.getsockname(), address)
        self.assertNotIsInstance(bound, InheritedSocket)

    def test_unused(self) -> None:
        """One that no listener is for is an error that names it, and a listener on the same port."""
        listening = self.listening()
        host, port = listening.getsockname()
        inherited = self.taken(listening, names="web")
        with self.assertRaises(ActivationError) as caught:
            Binding(inherited=inherited).check([("0.0.0.0", port)])
        self.assertEqual(
            str(caught.exception),
            f"sockets of the service manager (LISTEN_FDS): no listener has the address {host}:{port} ('web')"
            f" (there are listeners on 0.0.0.0:{port})",
        )


class ReusePortTests(SynchronousTestCase):
    """`reuse_port`."""

    def test_shared(self) -> None:
        """Two sockets that say so may have one port; one that does not cannot join, and none can join it."""
        sharing, other = Binding(reuse_port=True), Binding()
        with closing(sharing.bind(("127.0.0.1", 0))) as first:
            address = first.getsockname()
            first.listen()
            sharing.bind(address).close()
            self.assertRaises(BindError, other.bind, address)
        with closing(other.bind(("127.0.0.1", 0))) as first:
            self.assertRaises(BindError, sharing.bind, first.getsockname())

    def test_listens_late(self) -> None:
        """It gets no connection before the start: one that fails would reset them."""
        with closing(Binding(reuse_port=True).bind(("127.0.0.1", 0))) as bound:
            self.assertRaises(ConnectionRefusedError, socket.create_connection, bound.getsockname())


class ListenerTests(TestCase):
    """A listener on a socket that was passed on, or is shared."""

    async def test_shared_port(self) -> None:
        """A socket that shares its port listens from the start of its listener on."""
        gateway = Gateway(plain(text("public -")))
        bound = Binding(reuse_port=True).bind(("127.0.0.1", 0))
        address = bound.getsockname()
        listener = ListeningSocket(reactor, bound, gateway.port, gateway.limits)
        listener.startService()
        with closing(connected(address)):
            await until(lambda: len(gateway.port.connections) == 1)
            await listener.stopService()
        await gateway.port.connections.when_empty()

    def test_leaves_the_socket(self) -> None:
        """When it stops, connections that wait, and that come later, are for the next gateway."""
        gateway = Gateway(plain(text("public -")))
        with closing(bind("127.0.0.1", 0)) as kept:
            address = kept.getsockname()
            listener = ListeningSocket(
                reactor, InheritedSocket(fileno=os.dup(kept.fileno())), gateway.port, gateway.limits
            )
            listener.startService()
            with closing(connected(address)):
                self.assertEqual(self.successResultOf(listener.stopService()), None)
                with closing(connected(address)):
                    kept.setblocking(True)
                    for _ in range(2):
                        kept.accept()[0].close()


PROGRAM = """
import os, subprocess, sys
if len(sys.argv) == 3:
    os.dup2(int(sys.argv[1]), 3)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="web")
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
import twisted.internet.endpoints
from agwtwisted.listening.activation import Inherited
inherited = Inherited.of_process()
print([*inherited.names.values()], flush=True)
three = "os.path.exists('/proc/self/fd/3') and os.readlink('/proc/self/fd/3')"
look = f"import os; print({three}, 'LISTEN_FDS' in os.environ)"
subprocess.run([sys.executable, "-c", look], close_fds=False)
"""


class ProcessTests(SynchronousTestCase):
    """A whole process."""

    def test_takes_them(self) -> None:
        """It takes the sockets, whatever Twisted makes of the variables; its children get neither."""
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(listening.fileno()), PROGRAM],
                pass_fds=[listening.fileno()],
                env=running.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        self.assertEqual(done.stderr, "")
        found, child = done.stdout.splitlines()
        self.assertEqual(found, "['web']")
        self.assertNotIn("socket", child)
        self.assertTrue(child.endswith("False"), child)
