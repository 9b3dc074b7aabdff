"""What signals do; the handlers, with a reactor that does at once what it is asked for."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations.signals import end_at_once_on_signal, handle_signals

NUMBERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class FakeReactor:
    """Runs, until it is stopped."""

    def __init__(self, events: list[str]) -> None:
        self.running = True
        self.later: list[Callable[[], None]] = []
        self.triggers: list[tuple[str, str, Callable[[], None]]] = []
        self._events = events

    def callWhenRunning(self, call: Callable[[], None]) -> None:  # noqa: N802
        """At the start."""
        self.later.append(call)

    def addSystemEventTrigger(self, *trigger: Any) -> None:  # noqa: N802
        """At the end."""
        self.triggers.append(trigger)

    def callFromThread(self, call: Callable[..., None], *given: object) -> None:  # noqa: N802
        """In a turn of the reactor, as it were."""
        self._events.append("in the reactor:")
        call(*given)

    def stop(self) -> None:
        """Stops."""
        self.running = False
        self._events.append("stop")


class SignalCase(SynchronousTestCase):
    """Signals that are handled in this process."""

    def setUp(self) -> None:
        for number in NUMBERS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.events: list[str] = []
        self.reactor: Any = FakeReactor(self.events)

    def note(self, event: str) -> Callable[[], None]:
        """What notes an event."""
        return lambda: self.events.append(event)

    def handle(self) -> None:
        """The reactor has begun to run."""
        handle_signals(
            self.reactor,
            reload=self.note("reload"),
            reopen=self.note("reopen"),
            drain_without_limit=self.note("without limit"),
        )
        self.assertEqual(len(self.reactor.later), 1)
        self.reactor.later[0]()


class HandlerTests(SignalCase):
    """While the gateway runs."""

    def test_each(self) -> None:
        """HUP reloads, USR1 reopens, by the reactor, whatever handled them before."""
        for earlier in (signal.SIG_DFL, lambda *_: self.events.append("earlier")):
            signal.signal(signal.SIGUSR1, earlier)
            signal.signal(signal.SIGHUP, earlier)
            self.reactor.later.clear()
            self.handle()
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)
            expected = [each for call in ("reopen", "reload", "reload") for each in ("in the reactor:", call)]
            self.assertEqual(self.events, expected)
            self.events.clear()

    def test_before(self) -> None:
        """Before the reactor runs HUP and USR1 are handled, later; QUIT ends the start, without a core."""
        handle_signals(
            self.reactor, reload=self.note("reload"), reopen=self.note("reopen"), drain_without_limit=self.note("drain")
        )
        signal.signal(signal.SIGTERM, lambda *_: self.events.append("end"))
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT):
            signal.raise_signal(number)
        self.assertEqual(self.events, ["in the reactor:", "reload", "in the reactor:", "reopen", "end"])

    def test_taken_meanwhile(self) -> None:
        """twistd handles USR1 itself, between the making of the gateway and its start: it reopens all logs still."""
        handle_signals(
            self.reactor, reload=self.note("reload"), reopen=self.note("reopen"), drain_without_limit=self.note("drain")
        )
        signal.signal(signal.SIGUSR1, lambda *_: self.events.append("twistd"))
        self.reactor.later[0]()
        signal.raise_signal(signal.SIGUSR1)
        self.assertEqual(self.events, ["in the reactor:", "reopen"])

    def test_nohup(self) -> None:
        """A HUP that is ignored, as nohup has it, stays so; the others are handled."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.handle()
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.events, [])
        signal.raise_signal(signal.SIGUSR1)
        self.assertEqual(self.events, ["in the reactor:", "reopen"])

    def test_quit(self) -> None:
        """QUIT stops the reactor, once, after it has been said that there is no limit."""
        self.handle()
        signal.raise_signal(signal.SIGQUIT)
        signal.raise_signal(signal.SIGQUIT)
        self.assertEqual(self.events, ["in the reactor:", "without limit", "stop", "in the reactor:"])


class EndTests(SignalCase):
    """While the gateway drains."""

    def test_by_trigger(self) -> None:
        """It begins with the shutdown of the reactor."""
        self.handle()
        self.assertEqual(self.reactor.triggers, [("before", "shutdown", end_at_once_on_signal)])

    def test_at_once(self) -> None:
        """TERM and INT mean again what they mean to every process, and QUIT means TERM: it leaves no core."""
        end_at_once_on_signal()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.assertEqual(signal.getsignal(number), signal.SIG_DFL)
        ended: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
        signal.raise_signal(signal.SIGQUIT)
        self.assertEqual(ended, [signal.SIGTERM])

    def test_reload(self) -> None:
        """HUP still does not end the process: the gateway is asked, and says that it stops."""
        self.handle()
        end_at_once_on_signal()
        signal.raise_signal(signal.SIGHUP)
        self.assertEqual(self.events, ["in the reactor:", "reload"])
