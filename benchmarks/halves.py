"""Half a core for each of some processes, by Linux's CPU controller.

On a machine of two cores the load generator and the backend take time that two workers would need. With half a core for
each worker nobody is short of time, so that rates show what a worker more brings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD, QUOTA = 10_000, 5_000
"""Microseconds."""


def available() -> bool:
    """Whether this process may limit others."""
    return _base() is not None


def _base() -> Path | None:
    """The directory of version 1's CPU controller, or of version 2's where that is at work in it."""
    if (ROOT / "cpu" / "cpu.cfs_quota_us").exists():
        found = ROOT / "cpu"
    elif "cpu" in _words(ROOT / "cgroup.subtree_control"):
        found = ROOT
    else:
        return None
    return found if os.access(found, os.W_OK) else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


@contextmanager
def half_a_core_each(pids: Iterable[int]) -> Iterator[None]:
    """Limits each of the processes; they go back to where they were when the block is left, or end before."""
    base = _base()
    assert base
    groups = []
    try:
        for pid in pids:
            group = base / f"benchmarks-{os.getpid()}-{pid}"
            group.mkdir()
            groups.append(group)
            _limit(group)
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for group in groups:
            for member in _words(group / "cgroup.procs"):
                (base / "cgroup.procs").write_text(member)
            group.rmdir()


def _limit(group: Path) -> None:
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{QUOTA} {PERIOD}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(QUOTA))
