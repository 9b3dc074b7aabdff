"""Work in a thread of its own, for what takes its time and has no part in the reactor."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")

SWITCH: Final = 0.0005
"""Seconds for which the reactor waits for the interpreter where another thread has it; Python has five milliseconds."""

COLLECTED: Final = (1_000, 10, 1_000)
"""Thresholds of the garbage collector: new objects are looked through in small portions, and old ones not at all."""


def in_thread(
    reactor: Any, call: Callable[[], T], name: str, undo: Callable[[T], object] = lambda _: None
) -> Deferred[T]:
    """What `call` returns or raises, from a thread of this name; fires in the thread of the reactor.

    Not one of the reactor's threads, for which the end of the process waits: a file that hangs for ever (NFS) must not
    keep a gateway from stopping. May be cancelled: the call goes on, and what it returns is given to `undo`.
    """
    result: Deferred[T] = Deferred()

    def deliver(returned: T) -> None:
        if result.called:
            undo(returned)
        else:
            result.callback(returned)

    def work() -> None:
        try:
            reactor.callFromThread(deliver, call())
        except BaseException:
            reactor.callFromThread(result.errback, Failure())

    threading.Thread(target=work, name=name, daemon=True).start()
    return result


class _Considerate:
    """What `considerate` changes while it is in use, by however many at once."""

    def __init__(self) -> None:
        self._users = 0
        self._interval = 0.0
        self._thresholds = (0, 0, 0)

    def begin(self) -> None:
        """One more uses it."""
        if not self._users:
            self._interval, self._thresholds = sys.getswitchinterval(), gc.get_threshold()
            sys.setswitchinterval(SWITCH)
            gc.set_threshold(*COLLECTED)
        self._users += 1

    def end(self) -> None:
        """One uses it no more."""
        self._users -= 1
        if not self._users:
            sys.setswitchinterval(self._interval)
            gc.set_threshold(*self._thresholds)


_CONSIDERATE: Final = _Considerate()


@contextmanager
def considerate() -> Iterator[None]:
    """While other threads make many objects: the reactor does not wait long for them, nor for the garbage collector.

    It stops all threads. With thresholds that suit a gateway that serves, what a large configuration is made of was
    looked through in portions of 400,000 objects: a fifth of a second. Several may use it at once, and end in any
    order; for the thread of the reactor.
    """
    _CONSIDERATE.begin()
    try:
        yield
    finally:
        _CONSIDERATE.end()
