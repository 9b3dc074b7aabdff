"""Runs the backend behind every proxy (``backend.c``)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import programs


@attrs.frozen(kw_only=True)
class RunningBackend:
    """A backend at work."""

    pid: int
    port: int


@contextmanager
def started(program: Path, *, pinned: bool = True) -> Iterator[RunningBackend]:
    """Starts the compiled backend on the core of the others, or on any."""
    process = programs.start([str(program)], programs.core_of_others() if pinned else None, stdin=subprocess.PIPE)
    with programs.running(process):
        assert process.stdout is not None
        yield RunningBackend(pid=process.pid, port=int(process.stdout.readline()))
