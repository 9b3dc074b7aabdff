"""Commits as working copies of their own, for as long as they are measured."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.programs import HERE, BenchmarkError

REPOSITORY = HERE


@contextmanager
def checked_out(which: str, directory: Path) -> Iterator[Path]:
    """The working copy of a commit, in a new ``directory``; where ``which`` is a directory, that one as it is.

    Raises:
        BenchmarkError: there is no such commit.
    """
    if Path(which).is_dir():
        yield Path(which).resolve()
        return
    _git("worktree", "add", "--quiet", "--detach", str(directory), f"{which}^{{commit}}")
    try:
        yield directory
    finally:
        _git("worktree", "remove", "--force", str(directory))


def _git(*command: str) -> None:
    done = subprocess.run(["git", "-C", str(REPOSITORY), *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"git {' '.join(command)}: {done.stderr.strip()}")
