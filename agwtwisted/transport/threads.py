"""Work in a thread of its own, for what takes its time and has no part in the reactor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


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
