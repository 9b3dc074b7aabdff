"""The listening sockets of workers."""

from __future__ import annotations

import socket
from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.listening.activation import Binding, Inherited
from agwtwisted.listening.listener import BindError, InheritedSocket, bind
from agwtwisted.workers.sockets import bind_all, close_all
from tests import running


class SocketTests(SynchronousTestCase):
    """Binding them."""

    def setUp(self) -> None:
        self.addresses = [("127.0.0.1", port) for port in running.free_ports(2)]

    def assert_free(self) -> None:
        """No socket of theirs is open."""
        for address in self.addresses:
            bind(*address).close()

    def test_one_for_each(self) -> None:
        """Each worker has a socket of its own for each address, and connections reach more than one of them."""
        sockets = bind_all(self.addresses, 3)
        self.addCleanup(close_all, sockets)
        self.assertEqual([len(sockets[address]) for address in self.addresses], [3, 3])
        for bound in sockets[self.addresses[0]]:
            bound.listen(64)  # as a worker does
        clients = [socket.create_connection(self.addresses[0]) for _ in range(64)]
        reached = 0
        for bound in sockets[self.addresses[0]]:
            try:
                bound.accept()[0].close()
                reached += 1
            except BlockingIOError:
                pass
        for client in clients:
            client.close()
        self.assertGreater(reached, 1)

    def test_busy(self) -> None:
        """An address that another program has is busy, even one that would share it; nothing stays bound."""
        for shared in (False, True):
            with closing(bind(*self.addresses[1], reuse_port=shared)) as other:
                other.listen()
                with self.assertRaises(BindError) as caught:
                    bind_all(self.addresses, 2)
            self.assertEqual(caught.exception.where, self.addresses[1])
            self.assert_free()

    def test_reuse_port(self) -> None:
        """With `reuse_port` an address may be shared with another gateway."""
        with closing(bind(*self.addresses[0], reuse_port=True)) as other:
            other.listen()
            close_all(bind_all(self.addresses, 2, Binding(reuse_port=True)))

    def test_inherited(self) -> None:
        """One socket that systemd has passed on is that of all workers, each with a descriptor of its own."""
        with InheritedSocket() as passed:
            passed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            passed.bind(self.addresses[0])
            passed.listen()
            binding = Binding(inherited=Inherited({self.addresses[0]: passed}))
            sockets = bind_all(self.addresses[:1], 2, binding)[self.addresses[0]]
            self.assertEqual({each.getsockname() for each in sockets}, {self.addresses[0]})
            self.assertEqual(len({passed.fileno(), *(each.fileno() for each in sockets)}), 3)
            close_all({self.addresses[0]: sockets})

    def test_closed(self) -> None:
        """All are closed."""
        close_all(bind_all(self.addresses, 2))
        self.assert_free()
