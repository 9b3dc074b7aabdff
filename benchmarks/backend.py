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
def started(program: Path, *, pinned: bool = True, beside: int = 1) -> Iterator[RunningBackend]:
    """Starts the compiled backend on the cores of the others, beside so many of the proxy's, or on any."""
    cores = programs.cores_of_others(beside) if pinned else None
    process = programs.start([str(program)], cores, stdin=subprocess.PIPE)
    with programs.running(process):
        assert process.stdout is not None
        yield RunningBackend(pid=process.pid, port=int(process.stdout.readline()))
