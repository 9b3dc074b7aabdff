"""What a process that serves installs: its reactor, and how memory is collected and used again; and how many serve."""

from __future__ import annotations

import gc
import linecache
import os
from typing import Final, Literal

from agwtwisted.core.base.limits import WORKERS

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

KEPT: Final = 4 << 20
"""Bytes of freed memory that a process keeps at the end of its heap: more than what one turn of the reactor takes."""

FROM_HEAP: Final = 1 << 20
"""Bytes from which memory is given back at once: more than any read, and what becomes of it."""


def number_of_workers(wanted: int | Literal["auto"]) -> int:
    """How many processes serve; auto: one for each processor that this one may use."""
    return wanted if wanted != "auto" else min(len(os.sched_getaffinity(0)), WORKERS.highest)


def install_reactor() -> None:
    """Our reactor, where the system has epoll."""
    try:
        from agwtwisted.transport.reactor import install
    except ImportError:  # no epoll here: Twisted's default does
        return
    install()


def reactor_fallback() -> str:
    """What is to be said where our reactor does not work; nothing where the system has no epoll."""
    try:
        from agwtwisted.transport import reactor
    except ImportError:
        return ""
    return reactor.FALLBACK


def keep_freed_memory() -> None:
    """Has what was freed used again, where the C library is glibc.

    By default it gives memory back to the kernel after each large read, which has to clear every page of the next one:
    that was a third of the CPU time of a body, more on a busy machine.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, FROM_HEAP)
        mallopt(_M_TRIM_THRESHOLD, KEPT)


COLLECTED: Final = (2_000, 10, 1_000)
"""Thresholds of the collector: how many objects it looks through at a time is how long all connections wait for it.

While 8,000 connections open, 4 ms at most; with (20_000, 20, 50), which has it look at all as seldom, 150 ms.
"""


def spare_the_collector() -> None:
    """Modules and the plan live long, and nothing of a request waits for it: it need not look so often.

    What is made of the plan is not frozen: it is to go with its configuration. Measured: some five per cent of a
    keep-alive request.
    """
    linecache.clearcache()  # attrs keeps the text of every method there that it has made: 1.4 MB
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)
