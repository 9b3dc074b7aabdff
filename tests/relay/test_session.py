"""Bytes both ways between two wires, and how each end of one becomes an end of the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.relay.session import End, Relay
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from tests.wires import READ, Line, Network, Recorder

TIMEOUT = 60.0
LARGE = 4 * QUEUE_LIMIT


class _Case(SynchronousTestCase):
    """A client and a backend, joined."""

    def setUp(self) -> None:
        self.network = Network()
        self.ends: list[End] = []
        self.client, self.backend = self.line(), self.line()
        self.relay = Relay(
            self.client.protocol, self.backend.protocol, self.network, TIMEOUT, lambda end: self.ends.append(end)
        )
        self.start()

    def start(self) -> None:
        """Lets both speak."""
        self.relay.start(b"")

    def line(self) -> Line:
        """A connection, seen from its peer."""
        return self.network.dial(Connection(self.network, NO_OUTBOX, Recorder()))

    def over(self) -> bool:
        """Whether both are gone, and nothing is left behind."""
        return not (self.client.connected or self.backend.connected or self.network.timers())


class BytesTests(_Case):
    """What goes through."""

    def test_both_ways(self) -> None:
        """What one says the other hears, in order and at once."""
        self.client.send(b"question")
        self.assertEqual(self.backend.take(), b"question")
        self.backend.send(b"answer ")
        self.backend.send(b"in two")
        self.assertEqual(self.client.take(), b"answer in two")

    def test_slow_backend(self) -> None:
        """While the backend does not read, the client is not read either, beyond a bound; later nothing is missing."""
        self._slow(self.client, self.backend)

    def test_slow_client(self) -> None:
        """The same the other way."""
        self._slow(self.backend, self.client)

    def _slow(self, source: Line, sink: Line) -> None:
        data = bytes(range(256)) * (LARGE // 256)
        sink.stall(1000)
        source.send(data)
        self.network.advance(0)
        self.assertLessEqual(source.sent_on, 1000 + QUEUE_LIMIT + 3 * READ)
        sink.read()
        self.network.advance(0)
        self.assertEqual((source.sent_on, sink.received == data), (LARGE, True))

    def test_both_slow(self) -> None:
        """Two that do not read do not stop each other for ever."""
        self.client.stall(0)
        self.backend.stall(0)
        self.client.send(bytes(LARGE))
        self.backend.send(bytes(LARGE))
        self.client.read()
        self.backend.read()
        self.network.advance(0)
        self.assertEqual((len(self.client.received), len(self.backend.received)), (LARGE, LARGE))

    @given(
        st.lists(
            st.tuples(st.booleans(), st.sampled_from(["send", "stall", "read", "read a little"]), st.integers(0, 99)),
            max_size=25,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_any_pace(self, steps: list[tuple[bool, str, int]]) -> None:
        """However both send and read, what one sent is what the other gets, and each end comes after all of it."""
        self.setUp()
        sent = {True: b"", False: b""}
        got = {True: b"", False: b""}
        lines = {True: self.client, False: self.backend}
        for of_client, what, count in steps:
            line = lines[of_client]
            if what == "send":
                data = bytes((count,)) * (count * count * 20)
                sent[of_client] += data
                line.send(data)
            elif what == "stall":
                line.stall(count * 100)
            else:
                line.read(count * 1000 if what == "read a little" else float("inf"))
                got[of_client] += line.take()
        for line in lines.values():
            line.hang_up()
            line.read()
        self.network.advance(0)
        for of_client, line in lines.items():
            self.assertEqual(got[of_client] + line.take(), sent[not of_client])
            self.assertTrue(line.eof)
        self.assertTrue(self.over())
        self.assertEqual(len(self.ends), 1)


class EarlyTests(_Case):
    """What the client has said before there was a backend."""

    def start(self) -> None:
        """Not yet."""

    def test_comes_first(self) -> None:
        """It goes ahead of all the rest."""
        self.client.protocol.pause()
        self.client.send(b" late")
        self.relay.start(b"early")
        self.network.advance(0)
        self.assertEqual(self.backend.take(), b"early late")

    def test_end(self) -> None:
        """A client that had finished has finished for the backend, too."""
        self.client.hang_up()
        self.relay.start(b"all")
        self.network.advance(0)
        self.assertEqual((self.backend.take(), self.backend.eof), (b"all", True))
        self.backend.send(b"answer")
        self.backend.hang_up()
        self.assertEqual((self.client.take(), self.ends), (b"answer", [End.CLIENT]))

    def test_more_than_the_backend_takes(self) -> None:
        """The client waits for a backend that does not take it all."""
        self.client.protocol.pause()
        self.backend.stall(0)
        self.backend.protocol.write(bytes(2 * QUEUE_LIMIT))
        self.backend.protocol.write(bytes(2 * QUEUE_LIMIT))
        self.relay.start(b"early")
        self.client.send(b" late")
        self.assertEqual(self.client.sent_on, 0)
        self.backend.read()
        self.network.advance(0)
        self.assertTrue(self.backend.received.endswith(b"early late"))


class EndTests(_Case):
    """The end of one side, and of both."""

    def test_half_close(self) -> None:
        """Each end is passed on alone; with the second both connections close; the first is the reason."""
        for first, second, end in ((0, 1, End.CLIENT), (1, 0, End.BACKEND)):
            self.setUp()
            sides = [self.client, self.backend]
            one, other = sides[first], sides[second]
            one.send(b"last words")
            one.hang_up()
            self.network.advance(0)
            self.assertEqual((other.take(), other.eof, self.ends), (b"last words", True, []))
            other.send(b"and the answer")
            self.assertEqual((one.take(), one.eof), (b"and the answer", False))
            other.hang_up()
            self.network.advance(0)
            self.assertEqual((one.eof, self.ends, self.over()), (True, [end], True))
            self.assertFalse(one.reset or other.reset)

    def test_both_at_once(self) -> None:
        """Two that finish in one turn have both finished."""
        self.client.protocol.readConnectionLost()
        self.backend.protocol.readConnectionLost()
        self.network.advance(0)
        self.assertEqual((self.ends, self.over()), ([End.CLIENT], True))

    def test_last_words_before_the_end(self) -> None:
        """A slow reader has everything before the connection closes."""
        self.client.stall(10)
        self.backend.send(bytes(LARGE))
        self.backend.hang_up()
        self.client.hang_up()
        self.network.advance(0)
        self.assertFalse(self.client.eof)
        self.client.read()
        self.network.advance(0)
        self.assertEqual((len(self.client.received), self.client.eof, self.over()), (LARGE, True, True))

    def test_reset(self) -> None:
        """Who is gone with a reset takes the other along, which has first what was on its way to it."""
        for gone, stays, end in ((0, 1, End.CLIENT_CUT), (1, 0, End.BACKEND_CUT)):
            self.setUp()
            sides = [self.client, self.backend]
            sides[gone].send(b"last words")
            sides[gone].crash()
            self.network.advance(0)
            self.assertEqual((sides[stays].take(), sides[stays].eof), (b"last words", True))
            self.assertEqual((self.ends, self.over()), ([end], True))

    def test_cut_is_passed_on_as_such(self) -> None:
        """Only a direction that came to its end is ended like that: a cut one is broken off."""
        told: list[str] = []
        self.patch(Connection, "break_off", lambda connection: (told.append("broken off"), connection.abort()))
        for crash_first in (True, False):
            self.setUp()
            told.clear()
            if crash_first:
                self.backend.crash()
            else:
                self.backend.hang_up()
                self.client.crash()  # the backend had finished: nothing is missing
            self.network.advance(0)
            self.assertEqual(told, ["broken off"])

    def test_client_that_leaves_after_the_end(self) -> None:
        """A client that has the whole answer and goes without a word was not cut off: the backend had closed."""
        self.backend.send(b"answer")
        self.backend.hang_up()
        self.client.crash()
        self.network.advance(0)
        self.assertEqual((self.ends, self.over()), ([End.BACKEND], True))

    def test_abort(self) -> None:
        """Both are gone at once, whatever is on its way; the reason is the first that there was."""
        for hang_up in (False, True):
            self.setUp()
            self.client.stall(0)
            self.backend.send(bytes(LARGE))
            if hang_up:
                self.client.hang_up()
            self.relay.abort(End.REFUSED)
            self.network.advance(0)
            self.assertEqual((self.ends, self.over()), ([End.CLIENT if hang_up else End.REFUSED], True))
            self.assertTrue(self.client.reset and self.backend.reset)


class HoldTests(_Case):
    """A client that has to wait for its verdict."""

    def test_nothing_passes(self) -> None:
        """What the client says waits; what the backend says does not."""
        self.relay.hold()
        self.client.send(b"held")
        self.backend.send(b"not held")
        self.assertEqual((self.backend.take(), self.client.take()), (b"", b"not held"))
        self.relay.go_on()
        self.network.advance(0)
        self.assertEqual(self.backend.take(), b"held")

    def test_held_before_the_start(self) -> None:
        """Early bytes and an early end wait too."""
        for finished in (False, True):
            self.setUp()
            relay = Relay(
                self.client.protocol, self.backend.protocol, self.network, TIMEOUT, lambda end: self.ends.append(end)
            )
            if finished:
                self.client.protocol.receiver = Recorder()
                self.client.hang_up()
            relay.hold()
            relay.start(b"early")
            self.network.advance(0)
            self.assertEqual((self.backend.take(), self.backend.eof), (b"", False))
            relay.go_on()
            self.network.advance(0)
            self.assertEqual((self.backend.take(), self.backend.eof), (b"early", finished))

    def test_drained_backend(self) -> None:
        """A backend that reads again does not let a held client speak."""
        self.backend.stall(0)
        self.client.send(bytes(LARGE))
        self.relay.hold()
        before = self.client.sent_on
        self.backend.read()
        self.network.advance(0)
        self.assertEqual(self.client.sent_on, before)
        self.relay.go_on()
        self.network.advance(0)
        self.assertEqual(len(self.backend.received), LARGE)


class PageTests(SynchronousTestCase):
    """docs/l4.md."""

    def test_names_every_end(self) -> None:
        """The page has a word on every end that the log can have."""
        page = (Path(__file__).parents[2] / "docs" / "l4.md").read_text()
        self.assertEqual([end.value for end in End if f"`{end.value}`" not in page], [])


class IdleTests(_Case):
    """Silence."""

    def test_timeout(self) -> None:
        """Both close after this time without a byte; every byte restarts it."""
        sides: list[Any] = [self.client, self.backend]
        for side in sides:
            self.network.advance(TIMEOUT - 1)
            side.send(b"x")
        self.network.advance(TIMEOUT - 1)
        self.assertEqual(self.ends, [])
        self.network.advance(1)
        self.network.advance(0)
        self.assertEqual((self.ends, self.over()), ([End.IDLE], True))

    def test_half_closed(self) -> None:
        """A session that is half closed has the same time."""
        self.client.hang_up()
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertEqual((self.ends, self.over()), ([End.CLIENT], True))

    def test_reader_that_takes_nothing(self) -> None:
        """Who does not read is cut off, and loses what it has not read."""
        self.client.stall(10)
        self.backend.send(bytes(LARGE))
        self.network.advance(TIMEOUT)
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertEqual((self.ends, self.over(), self.client.reset), ([End.IDLE], True, True))

    def test_slow_reader(self) -> None:
        """Who takes something now and then is not idle, though the backend has long said all it had to."""
        self.client.stall(10)
        self.backend.send(bytes(QUEUE_LIMIT))
        for _ in range(10):
            self.network.advance(TIMEOUT)
            self.client.read(10)
        self.assertEqual(self.ends, [])
        self.client.read()
        self.network.advance(TIMEOUT)
        self.network.advance(TIMEOUT)
        self.network.advance(0)
        self.assertEqual((len(self.client.received), self.ends), (QUEUE_LIMIT, [End.IDLE]))

    def test_one_is_gone(self) -> None:
        """Who has left without reading is asked for nothing more while the other has the rest of its time."""
        connection = self.client.protocol
        for line in (self.client, self.backend):
            line.stall(10)
        self.backend.send(bytes(LARGE))
        self.client.send(bytes(LARGE))
        self.client.crash()
        self.assertFalse(connection.busy)
        for _ in range(3):
            self.network.advance(TIMEOUT)
        self.assertEqual((self.ends, self.over()), ([End.CLIENT_CUT], True))


class DefectTests(_Case):
    """An error of the gateway's own ends both connections, and is taken for nothing else."""

    def test_everywhere(self) -> None:
        """Wherever it happens: bytes, room, the end of one direction, the end of a connection, a timer."""

        def silence() -> None:
            self.network.advance(TIMEOUT)

        cases = (
            (Connection, "write", lambda: self.client.send(b"a")),
            (Connection, "write", lambda: self.backend.send(b"a")),
            (Relay, "finished", lambda: self.client.hang_up()),
            (Relay, "lost", lambda: self.backend.crash()),
            (Connection, "break_off", silence),
        )
        for owner, name, act in cases:
            with self.subTest(place=name):
                self.setUp()
                patch = self.patch(owner, name, _broken_once(getattr(owner, name)))
                act()
                patch.restore()
                self.network.advance(0)
                self.client.hang_up()
                self.backend.hang_up()
                self.network.advance(0)
                self.assertEqual((self.ends, self.over()), ([End.DEFECT], True))
                self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_elsewhere(self) -> None:
        """So does one that the reactor catches, of whatever layer."""
        self.client.connectionLost(Failure(ZeroDivisionError()))
        self.backend.hang_up()
        self.network.advance(0)
        self.assertEqual(self.ends, [End.DEFECT])


def _broken_once(real: Any) -> Any:
    """The function, whose first call raises."""
    calls = iter((True,))

    def called(*arguments: Any, **named: Any) -> Any:
        if next(calls, False):
            raise ZeroDivisionError("a defect")
        return real(*arguments, **named)

    return called
