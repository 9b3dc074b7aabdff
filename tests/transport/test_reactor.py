"""The lean reactor: the events of the stock one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from errno import ECONNRESET, EWOULDBLOCK
from functools import partial
from typing import Any
from unittest import mock

from twisted.internet.abstract import FileDescriptor
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport import reactor as reactor_module
from agwtwisted.transport.reactor import AHEAD, GROUP, LeanEPollReactor
from agwtwisted.transport.sockets import CLOSED, LONG_READ, StreamSocket


class _End(FileDescriptor):
    """One end of a pair of sockets, that notes the reactor's events."""

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


class _Socket:
    """A socket that notes when it is read, and may say that more came than did, or that it failed."""

    fails: OSError | None = None

    def __init__(self, name: str, story: list[str], ours: socket.socket, size: int) -> None:
        self._name = name
        self._story = story
        self._ours = ours
        self._size = size

    def recv(self, size: int) -> bytes:
        """What came."""
        self._story.append(f"{self._name} read")
        if self.fails is not None:
            raise self.fails
        return self._ours.recv(size).ljust(self._size)

    def send(self, data: bytes) -> int:
        """Nothing is sent here."""
        raise NotImplementedError


class _Ahead(StreamSocket):
    """One whose bytes are read before those of others are handled; a read takes 100 at first."""

    def __init__(
        self, reactor: Any, ours: socket.socket, name: str, story: list[str], answer: Any = None, size: int = 0
    ) -> None:
        self.told: list[str] = []
        self.told_of: Callable[[], object] = lambda: None
        self.socket = _Socket(name, story, ours, size)
        self._ours = ours
        self._name = name
        self._story = story
        self._failure = answer
        self._turns = reactor
        super().__init__(reactor, self.socket, self, ("", 0))  # type: ignore[arg-type]
        self.read_size = 100

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._ours.fileno()

    def doRead(self) -> Any:  # noqa: N802 - Twisted's name
        """There may be something to read."""
        self.told.append(f"read {self._ours.recv(10)!r}")

    def dataReceived(self, data: bytes) -> None:
        """Bytes, as an owner gets them."""
        self._story.append(f"{self._name} {data.strip().decode()}, written")
        self._turns.outbox.add(self)
        self.told_of()
        if self._failure is not None:
            raise self._failure

    def flush(self) -> None:
        """What was written leaves."""
        self._story.append(f"{self._name} sent")

    def readConnectionLost(self, *_: Any) -> None:
        """FIN."""
        self.told.append("finished")

    def connectionLost(self, reason: Failure) -> None:
        """It is over."""
        self.told.append(f"lost {reason.type.__name__}")
        self._owner = self.reader = None


class LeanReactorTests(SynchronousTestCase):
    """Events from real sockets."""

    def setUp(self) -> None:
        """A reactor that is not the process's."""
        self.story: list[str] = []
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

    def test_time_that_cannot_be_set(self) -> None:
        """It waits by the monotonic time, whatever is done to the system's clock."""
        self.assertIs(self.reactor.seconds, time.monotonic)
        call = self.reactor.callLater(3600, lambda: None)
        self.assertLess(abs(call.getTime() - time.monotonic() - 3600), 60)
        call.cancel()

    def test_read(self) -> None:
        """A readable socket's owner is notified, and no other."""
        end, theirs = self.end()
        other, _ = self.end()
        theirs.send(b"a")
        self.reactor.doPoll(0)
        self.reactor.doPoll(0)
        self.assertEqual((end.told, other.told), (["read b'a'"], []))

    def test_write(self) -> None:
        """Room to write is reported."""
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
        """An event of a socket that an earlier event has removed is dropped."""
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

    def test_descriptor_used_again(self) -> None:
        """An event of a socket whose descriptor an earlier event has given to another is dropped, too."""
        ends = [self.end() for _ in range(2)]
        others: list[_End] = []
        for _, theirs in ends:
            theirs.send(b"a")

        def replace(told: _End) -> None:
            told.told.append("first")
            for end, _ in ends:
                self.reactor.removeReader(end)
                others.append(_End(self.reactor, end.socket))
                self.reactor.addReader(others[-1])

        for end, _ in ends:
            end.doRead = partial(replace, end)  # type: ignore[method-assign]
        self.reactor.doPoll(0)
        self.assertEqual(sorted(end.told for end, _ in ends), [[], ["first"]])
        self.reactor.doPoll(0)
        self.assertEqual([other.told for other in others], [["read b'a'"]] * 2)

    def test_interrupted(self) -> None:
        """A signal that interrupts the wait is no error."""
        self.reactor._poller.close()

        class Interrupted:
            """A poller whose wait a signal ends."""

            def poll(self, timeout: float, events: int) -> list[tuple[int, int]]:
                """Raises EINTR of epoll_wait(2)."""
                raise InterruptedError

            def close(self) -> None:
                """For the cleanup."""

        self.reactor._poller = Interrupted()
        self.reactor.doPoll(0)

    def ahead(self, name: str, *, answer: Any = None, size: int = 0) -> tuple[_Ahead, socket.socket]:
        """A watched end that reads ahead, and the other one."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        end = _Ahead(self.reactor, ours, name, self.story, answer, size)
        self.reactor.addReader(end)
        self.addCleanup(self.reactor.removeAll)
        return end, theirs

    def test_phases(self) -> None:
        """What came is read from all, then handled, then what was written is sent."""
        for name in ("a", "b"):
            _, theirs = self.ahead(name)
            theirs.send(b"hello")
        self.reactor.doPoll(0)
        expected = ["read", "read", "hello, written", "hello, written", "sent", "sent"]
        self.assertEqual([word.partition(" ")[2] for word in self.story], expected)
        self.assertEqual({word.partition(" ")[0] for word in self.story}, {"a", "b"})
        self.assertFalse(self.reactor.outbox.open)

    def test_too_much_for_one_go(self) -> None:
        """With `AHEAD` bytes read, these are handled first; no socket is forgotten."""
        for name in ("a", "b", "c"):
            _, theirs = self.ahead(name, size=AHEAD // 2 + 1)
            theirs.send(b"hello")
        self.reactor.doPoll(0)
        expected = [
            "read",
            "read",
            "hello, written",
            "hello, written",
            "sent",
            "sent",
            "read",
            "hello, written",
            "sent",
        ]
        self.assertEqual([word.partition(" ")[2] for word in self.story], expected)

    def test_long_read(self) -> None:
        """After a read that was full the next may be a long one; one that was not full changes nothing."""
        end, theirs = self.ahead("a")
        theirs.send(bytes(end.read_size - 1))
        self.reactor.doPoll(0)
        self.assertEqual(end.read_size, 100)
        theirs.send(b"a" * end.read_size + b"b" * 1000)
        self.reactor.doPoll(0)
        self.reactor.doPoll(0)
        self.assertEqual(end.read_size, LONG_READ)
        self.assertEqual([word.partition(" ")[2] for word in self.story[-2:]], [f"{'b' * 1000}, written", "sent"])

    def test_too_many_for_one_go(self) -> None:
        """After `GROUP` events what was written is sent; no socket is forgotten."""
        for number in range(GROUP + 1):
            _, theirs = self.ahead(str(number))
            theirs.send(b"hello")
        self.reactor.doPoll(0)
        words = [word.partition(" ")[2] for word in self.story]
        first = ["read"] * GROUP + ["hello, written"] * GROUP + ["sent"] * GROUP
        self.assertEqual(words, [*first, "read", "hello, written", "sent"])

    def test_end_that_was_read_ahead(self) -> None:
        """FIN is reported as elsewhere, and so is a reset."""
        end, theirs = self.ahead("a")
        theirs.shutdown(socket.SHUT_WR)
        self.reactor.doPoll(0)
        self.assertEqual((self.story, end.told), (["a read"], ["finished"]))
        end, theirs = self.ahead("b")
        end.socket.fails = ConnectionResetError(ECONNRESET, "reset")
        theirs.send(b"a")
        self.reactor.doPoll(0)
        self.assertEqual((self.story[1:], end.told), (["b read"], ["lost ConnectionLost"]))

    def test_nothing_there(self) -> None:
        """One that has nothing to read after all is asked itself."""
        end, theirs = self.ahead("a")
        end.socket.fails = BlockingIOError(EWOULDBLOCK, "nothing")
        theirs.send(b"a")
        self.reactor.doPoll(0)
        self.assertEqual((self.story, end.told), (["a read"], ["read b'a'"]))

    def test_lost_meanwhile(self) -> None:
        """Data of a socket that another's event has closed is dropped."""
        ends = [self.ahead(name) for name in ("a", "b")]
        for end, theirs in ends:
            theirs.send(b"hello")
            end.told_of = lambda: [other.connectionLost(CLOSED) for other, _ in ends]
        self.reactor.doPoll(0)
        self.assertEqual(len([word for word in self.story if "written" in word]), 1)

    def test_stopped_meanwhile(self) -> None:
        """Data of a socket that stops reading is still reported, once."""
        ends = [self.ahead(name) for name in ("a", "b")]
        for end, theirs in ends:
            theirs.send(b"hello")
            end.told_of = lambda: [self.reactor.removeReader(other) for other, _ in ends]
        self.reactor.doPoll(0)
        self.reactor.doPoll(0)
        self.assertEqual(len([word for word in self.story if "written" in word]), 2)

    def test_raises_while_it_is_told(self) -> None:
        """A defect ends its connection and no other, and all that was written is sent."""
        end, theirs = self.ahead("a", answer=KeyError("a defect"))
        _, others = self.ahead("b")
        theirs.send(b"hello")
        others.send(b"hello")
        self.reactor.doPoll(0)
        self.assertEqual(end.told, ["lost KeyError"])
        self.assertEqual(len([word for word in self.story if "sent" in word]), 2)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_raises_at_its_end(self) -> None:
        """Data of others is reported all the same, and what they have written is sent."""
        end, theirs = self.ahead("a", answer=KeyError("a defect"))
        _, others = self.ahead("b")

        def lost(reason: Failure) -> None:
            """Another defect."""
            raise ValueError

        end.connectionLost = lost  # type: ignore[method-assign]
        theirs.send(b"hello")
        others.send(b"hello")
        self.reactor.doPoll(0)
        self.assertEqual(len([word for word in self.story if "sent" in word]), 2)
        self.assertFalse(self.reactor.outbox.open)
        self.flushLoggedErrors(KeyError, ValueError)

    def test_runs(self) -> None:
        """A process takes it for its reactor: timers, names and connections work."""
        program = (
            "from agwtwisted.transport.reactor import install; install()\n"
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


class ChoiceTests(SynchronousTestCase):
    """Which reactor is taken."""

    def test_known(self) -> None:
        """This Twisted is one that is known; looking at it leaves no descriptor open."""
        before = len(os.listdir("/proc/self/fd"))
        self.assertTrue(reactor_module._is_known())
        self.assertEqual((len(os.listdir("/proc/self/fd")), reactor_module.FALLBACK), (before, ""))

    def test_unknown(self) -> None:
        """One that lacks a part, or in which it does something else, is not."""
        for name, other in (("_doReadOrWrite", None), ("_disconnectSelectable", lambda *_: None)):
            with mock.patch.object(EPollReactor, name, other):
                self.assertFalse(reactor_module._is_known(), name)
        self.flushLoggedErrors(TypeError)
        with mock.patch.object(EPollReactor, "addReader", side_effect=KeyError):
            self.assertFalse(reactor_module._is_known())

    def test_install(self) -> None:
        """Where it is not known Twisted's own is the process's reactor."""
        for known, taken in ((True, LeanEPollReactor), (False, EPollReactor)):
            self.patch(reactor_module, "KNOWN", known)
            with mock.patch.object(reactor_module, "installReactor") as install:
                reactor_module.install()
            [made] = install.call_args.args
            self.assertIs(type(made), taken)
            made.waker.connectionLost(None)
            made._poller.close()
