"""The lean reactor: the events of the stock one."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.reactor import LeanEPollReactor


class _End(FileDescriptor):
    """One end of a pair of sockets, that notes what the reactor tells it."""

    def __init__(self, reactor: Any, end: socket.socket, answer: Any = None) -> None:
        super().__init__(reactor)
        self.socket = end
        self.told: list[str] = []
        self._answer = answer

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.socket.fileno()

    def doRead(self) -> Any:  # noqa: N802 - Twisted's name
        """There is something to read."""
        self.told.append(f"read {self.socket.recv(10)!r}")
        if isinstance(self._answer, BaseException) and not isinstance(self._answer, type(CONNECTION_LOST)):
            raise self._answer
        return self._answer

    def doWrite(self) -> Any:  # noqa: N802 - Twisted's name
        """There is room to write."""
        self.told.append("write")

    def connectionLost(self, reason: Failure) -> None:
        """It is over."""
        self.told.append(f"lost {reason.type.__name__}")


class LeanReactorTests(SynchronousTestCase):
    """Events from real sockets."""

    def setUp(self) -> None:
        """A reactor that is not the process's."""
        self.reactor = LeanEPollReactor()
        self.addCleanup(self.reactor._poller.close)

    def end(self, answer: Any = None) -> tuple[_End, socket.socket]:
        """A watched end of a pair, and the other one."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        end = _End(self.reactor, ours, answer)
        self.reactor.addReader(end)
        self.addCleanup(self.reactor.removeAll)  # cleanups run backwards: before the sockets close
        return end, theirs

    def test_read(self) -> None:
        """What can be read is told to whom it came, and to nobody else."""
        end, theirs = self.end()
        other, _ = self.end()
        theirs.send(b"a")
        self.reactor.doPoll(0)
        self.reactor.doPoll(0)
        self.assertEqual((end.told, other.told), (["read b'a'"], []))

    def test_write(self) -> None:
        """Room to write is told."""
        end, _ = self.end()
        self.reactor.addWriter(end)
        self.reactor.doPoll(0)
        self.assertEqual(end.told, ["write"])

    def test_ends(self) -> None:
        """What doRead returns ends the connection."""
        end, theirs = self.end(CONNECTION_LOST)
        theirs.send(b"a")
        self.reactor.doPoll(0)
        self.reactor.doPoll(0)
        self.assertEqual(end.told, ["read b'a'", "lost ConnectionLost"])

    def test_raises(self) -> None:
        """What doRead raises is logged, ends its connection and no other."""
        end, theirs = self.end(KeyError("a defect"))
        other, others = self.end()
        theirs.send(b"a")
        others.send(b"b")
        self.reactor.doPoll(0)
        self.assertEqual(end.told, ["read b'a'", "lost KeyError"])
        self.assertEqual(other.told, ["read b'b'"])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_removed_meanwhile(self) -> None:
        """An event of one that an earlier event has removed is nobody's."""
        end, theirs = self.end()
        other, others = self.end()
        theirs.send(b"a")
        others.send(b"b")

        calls: list[None] = []

        def remove_both() -> None:
            calls.append(None)
            self.reactor.removeReader(other)
            self.reactor.removeReader(end)

        end.doRead = other.doRead = remove_both  # type: ignore[method-assign]
        self.reactor.doPoll(0)
        self.assertEqual(len(calls), 1)

    def test_interrupted(self) -> None:
        """A signal that interrupts the wait is no error."""
        self.reactor._poller.close()

        class Interrupted:
            """A poller whose wait a signal ends."""

            def poll(self, timeout: float, events: int) -> list[tuple[int, int]]:
                """Raises what epoll_wait(2) tells by EINTR."""
                raise InterruptedError

            def close(self) -> None:
                """For the cleanup."""

        self.reactor._poller = Interrupted()
        self.reactor.doPoll(0)

    def test_runs(self) -> None:
        """A process takes it for its reactor: timers, names and connections work."""
        program = (
            "from agwtwisted.reactor import install; install()\n"
            "from twisted.internet import reactor\n"
            "from twisted.internet.protocol import Factory, Protocol\n"
            "port = reactor.listenTCP(0, Factory.forProtocol(Protocol), interface='127.0.0.1')\n"
            "class Client(Protocol):\n"
            "    def connectionMade(self): print('connected'); self.transport.loseConnection()\n"
            "    def connectionLost(self, reason): reactor.callLater(0, reactor.stop)\n"
            "from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol\n"
            "connectProtocol(TCP4ClientEndpoint(reactor, 'localhost', port.getHost().port), Client())\n"
            "reactor.run(); print(type(reactor).__name__)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.stdout, done.stderr), ("connected\nLeanEPollReactor\n", ""))
