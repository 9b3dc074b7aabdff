"""What signals do: HUP reloads, USR1 reopens the logs, TERM, INT and QUIT end the gateway.

TERM and INT drain for `drain_timeout`, QUIT as long as it takes; a second one of them, while the gateway drains, ends
it at once. TERM and INT are first handled by the reactor, which remembers the signal: twistd ends by it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

_log = Logger()


def handle_signals(
    reactor: PosixReactorBase,
    *,
    reload: Callable[[], object],
    reopen: Callable[[], object],
    drain_without_limit: Callable[[], object],
) -> None:
    """Handles them, TERM and INT from the time when the reactor runs, the others from now on.

    A HUP or USR1 that comes before that is handled then, instead of ending the start; a QUIT ends it. A HUP that is
    ignored, as nohup has it, stays so.

    Args:
        reactor: calls these, in its thread.
        reload: takes the configuration as its files have it now.
        reopen: opens all logs anew.
        drain_without_limit: has the end that follows wait for all that is in progress.
    """

    def end_without_limit() -> None:
        if reactor.running:
            drain_without_limit()
            reactor.stop()

    def install() -> None:
        _on(signal.SIGUSR1, reactor, reopen)  # twistd may have handled it meanwhile
        _on(signal.SIGQUIT, reactor, end_without_limit)

    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        _on(signal.SIGHUP, reactor, reload)
    _on(signal.SIGUSR1, reactor, reopen)
    signal.signal(signal.SIGQUIT, _end)
    reactor.callWhenRunning(install)
    reactor.addSystemEventTrigger("before", "shutdown", end_at_once_on_signal)


def end_at_once_on_signal() -> None:
    """From now on TERM, INT and QUIT end the process without a word."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, _end)


def _on(number: signal.Signals, reactor: PosixReactorBase, call: Callable[[], object]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(_call, call, signal.Signals(number).name)

    signal.signal(number, handle)


def _call(call: Callable[[], object], name: str) -> None:
    _log.info("Received {name}", name=name)
    call()


def _end(number: int, frame: FrameType | None) -> None:
    """By SIGTERM: what SIGQUIT does by itself leaves a core, which would contain the keys."""
    os.kill(os.getpid(), signal.SIGTERM)
