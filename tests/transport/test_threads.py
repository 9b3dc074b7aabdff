"""Work in a thread of its own."""

from __future__ import annotations

import gc
import sys
import threading

from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase, TestCase

from agwtwisted.transport.threads import COLLECTED, SWITCH, considerate, in_thread
from tests.sockets import until


class InThreadTests(TestCase):
    """What comes of it is heard of in the reactor's thread."""

    async def test_returns(self) -> None:
        """The call is made elsewhere, and its result comes here; the thread does not keep a process from ending."""
        thread = await in_thread(reactor, threading.current_thread, "reload")
        self.assertEqual((thread.name, thread.daemon), ("reload", True))

    async def test_raises(self) -> None:
        """So does what it raises."""
        with self.assertRaises(ZeroDivisionError):
            await in_thread(reactor, lambda: 1 // 0, "reload")

    async def test_cancelled(self) -> None:
        """Cancelled, the call goes on, and what it returns is undone; what it raises goes nowhere."""
        for call, expected in ((lambda: "made", ["made"]), (lambda: 1 // 0, [])):
            end, undone = threading.Event(), list[object]()
            waiting = in_thread(reactor, lambda end=end, call=call: end.wait() and call(), "reload", undone.append)
            waiting.cancel()
            with self.assertRaises(CancelledError):
                await waiting
            end.set()
            await until(lambda: not any(each.name == "reload" for each in threading.enumerate()))
            await until(lambda undone=undone, expected=expected: undone == expected)


class ConsiderateTests(SynchronousTestCase):
    """What is done while other threads make many objects."""

    def test_for_a_while(self) -> None:
        """Threads take short turns, and the collector looks at little at once; afterwards all is as it was."""
        before = sys.getswitchinterval(), gc.get_threshold()
        with self.assertRaises(ZeroDivisionError), considerate():
            self.assertEqual((sys.getswitchinterval(), gc.get_threshold()), (SWITCH, COLLECTED))
            raise ZeroDivisionError
        self.assertEqual((sys.getswitchinterval(), gc.get_threshold()), before)

    def test_several_at_once(self) -> None:
        """Those that use it at once end in any order: the last one has all as it was."""
        before = sys.getswitchinterval(), gc.get_threshold()
        first, second = considerate(), considerate()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        self.assertEqual((sys.getswitchinterval(), gc.get_threshold()), (SWITCH, COLLECTED))
        second.__exit__(None, None, None)
        self.assertEqual((sys.getswitchinterval(), gc.get_threshold()), before)
