"""Virtual environments for the peers that are written in Python, made once, beside the results."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import programs
from benchmarks.programs import BenchmarkError

ENVIRONMENTS = programs.HERE / "out" / "environments"
TIMEOUT = 240.0


def environment(name: str, *requirements: str) -> Path:
    """The interpreter of an environment with these packages.

    Raises:
        BenchmarkError: it cannot be had.
    """
    directory = ENVIRONMENTS / name
    stamp = directory / "requirements"
    wanted = "\n".join([sys.version, *requirements])
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        _run(sys.executable, "-m", "venv", str(directory))
        pip = (str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        _run(*pip, *requirements)
        stamp.write_text(wanted)
    return directory / "bin" / "python"


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(str(error)) from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise BenchmarkError(f"{' '.join(command)}: {' '.join(last)}")
