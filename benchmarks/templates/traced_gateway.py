"""``python traced_gateway.py FILE OPTIONS…``: twistd with these options, whose reactor notes when it did what.

When the reactor has stopped, FILE gets one JSON object: the names of the fields, and lists of numbers. Times are those
of CLOCK_MONOTONIC in seconds, as the load generator's timeline has them. Only a gateway on its own reactor is traced,
and of several processes none but the first.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.scripts import twistd

from agwtwisted.operations.access_log import AccessLog
from agwtwisted.operations.log_writer import LogWriter
from agwtwisted.transport.reactor import LeanEPollReactor

TURN = ("began", "ended", "running", "events", "faults", "preempted")
"""Of a turn: from the return of epoll_wait to its next call; `running`: CPU time of the thread; page faults of the
thread that needed no disk, and how often the kernel took the processor from it."""

turns, lines, collections, writes = array("d"), array("d"), array("d"), array("d")
timers: dict[str, list[float]] = {}  # by the name of what was called: how often, seconds in all, the longest
timed = array("d")
monotonic, thread_time, getrusage, THREAD = time.monotonic, time.thread_time, resource.getrusage, resource.RUSAGE_THREAD


class TracedPoller:
    """An epoll object whose waits end one turn and begin the next."""

    def __init__(self, poller: Any) -> None:
        self.register, self.modify, self.unregister = poller.register, poller.modify, poller.unregister
        self.close, self.fileno, self._poll = poller.close, poller.fileno, poller.poll
        self._began = self._cpu = 0.0
        self._events = self._faults = self._preempted = 0

    def poll(self, *arguments: Any) -> list[tuple[int, int]]:
        """Waits for events."""
        ended, cpu, used = monotonic(), thread_time(), getrusage(THREAD)
        if self._began:
            turns.extend(
                (
                    *(self._began, ended, cpu - self._cpu, self._events),
                    *(used.ru_minflt - self._faults, used.ru_nivcsw - self._preempted),
                )
            )
        events: list[tuple[int, int]] = self._poll(*arguments)
        self._events, used = len(events), getrusage(THREAD)
        self._faults, self._preempted = used.ru_minflt, used.ru_nivcsw
        self._began, self._cpu = monotonic(), thread_time()
        return events


def noted(where: array[float], called: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, with beginning and end of its calls noted."""

    def call(*arguments: Any) -> Any:
        began = monotonic()
        try:
            return called(*arguments)
        finally:
            where.extend((began, monotonic()))

    return call


def traced_later(reactor: Any, delay: float, called: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """`callLater`, with the call noted."""
    name = f"{getattr(called, '__module__', '')}.{getattr(called, '__qualname__', type(called).__name__)}"

    def call() -> None:
        began = monotonic()
        called(*arguments, **more)
        ended = monotonic()
        timed.extend((began, ended))
        sum_of = timers.setdefault(name, [0, 0.0, 0.0])
        sum_of[:] = sum_of[0] + 1, sum_of[1] + ended - began, max(sum_of[2], ended - began)

    return super(LeanEPollReactor, reactor).callLater(delay, call)


def on_collection(phase: str, about: dict[str, int]) -> None:
    """Notes a run of the collector of cycles: beginning, end, generation."""
    if threading.current_thread() is threading.main_thread():
        collections.extend((monotonic(),) if phase == "start" else (monotonic(), float(about["generation"])))


def write(path: Path) -> None:
    """All that was noted."""
    found = {"turn": TURN, "turns": turns, "lines": lines, "timed": timed, "writes": writes, "collections": collections}
    path.write_text(json.dumps({**{name: list(values) for name, values in found.items()}, "timers": timers}))


def main() -> None:
    """Runs twistd."""
    path = Path(sys.argv.pop(1)).resolve()
    begin = LeanEPollReactor.__init__

    def traced_init(reactor: Any) -> None:
        begin(reactor)
        reactor._poller = TracedPoller(reactor._poller)

    def traced_run(reactor: Any, **options: Any) -> None:
        try:
            super(LeanEPollReactor, reactor).run(**options)
        finally:  # now: twistd has the process end by the signal that ended it
            write(path)

    for patched, name, by in (
        (LeanEPollReactor, "__init__", traced_init),
        (LeanEPollReactor, "run", traced_run),
        (LeanEPollReactor, "callLater", traced_later),
        (AccessLog, "_make", noted(lines, AccessLog._make)),
        (LogWriter, "_write_in_turn", noted(writes, LogWriter._write_in_turn)),
    ):
        setattr(patched, name, by)
    gc.callbacks.append(on_collection)
    twistd.run()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
