"""How much memory something keeps."""

from __future__ import annotations

import gc
import queue
import selectors
import socket
import socketserver
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Final

ELSEWHERE: Final = (
    *(tracemalloc.Filter(False, f"*/{package}/*") for package in ("end_to_end", "websockets")),
    *(
        tracemalloc.Filter(False, module.__file__)
        for module in (queue, selectors, socket, socketserver, ssl, threading)
    ),
)
"""Servers and clients in threads, which may outlive their tests: one that comes back to `recv` holds 64 kB."""

OURS: Final = ("agwtwisted.", "twisted.")
"""What runs in the thread of the tests."""


def kept_after(action: Callable[[], object]) -> int:
    """Bytes of Python's that are in use after `action`, and were not before; not those allocated `ELSEWHERE`."""
    gc.collect()
    tracemalloc.start()
    try:
        action()
        gc.collect()
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    return sum(trace.size for trace in snapshot.filter_traces(ELSEWHERE).traces)


@contextmanager
def uncollected() -> Iterator[list[str]]:
    """The list gets the types of what the collector alone would free, of all that the block has made and dropped.

    Only objects and functions of the gateway and of Twisted count: servers and clients in threads, which may outlive
    their tests, leave something at any time.
    """
    left: list[str] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield left
        gc.collect()
        left += (type(each).__qualname__ for each in gc.garbage if _module(each).startswith(OURS))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _module(found: object) -> str:
    """The module of a function, or of an object's class."""
    name = getattr(found if isinstance(found, FunctionType) else type(found), "__module__", "")
    return name if isinstance(name, str) else ""
