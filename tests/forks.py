"""Programs of several processes, each begun by a fresh interpreter: one with threads or a reactor is not forked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

DEADLINE = 60.0

_PREAMBLE = """
import os, signal, sys, threading, time
from agwtwisted.sharing.memory import Fence, SharedMemory

signal.alarm(55)

def forked(work, *args):
    pid = os.fork()
    if not pid:
        signal.alarm(55)
        code = 1
        try:
            work(*args)
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid

def all_well(*pids):
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert not any(codes), codes
"""


def run(program: str, *arguments: str) -> str:
    """What a program prints, which has `forked` and `all_well`; an AssertionError with all it said where it fails.

    Neither it nor its children outlive a minute.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PREAMBLE + program, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout
