"""OCSP responders of a run: one `openssl ocsp` for each CA, single-threaded as it is."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import programs
from benchmarks.pki import Authority, Pki
from benchmarks.programs import BenchmarkError

TIMEOUT = 15.0


def _start(authority: Authority, directory: Path, stack: ExitStack) -> None:
    log = directory / f"responder-{authority.port}.log"
    output = stack.enter_context(log.open("wb"))
    command = [
        *("openssl", "ocsp", "-ignore_err", "-port", str(authority.port), "-index", str(authority.index)),
        *("-CA", str(authority.certificate), "-rsigner", str(authority.certificate), "-rkey", str(authority.key)),
        *("-ndays", "1"),
    ]
    process = programs.start(command, programs.cores_of_others(), stdout=output, stderr=output)
    stack.enter_context(programs.running(process))
    _wait(process, log)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits for what it says: it serves one connection at a time, and would wait for a question on one that we made."""
    deadline = time.monotonic() + TIMEOUT
    while "ACCEPT" not in log.read_text() and "waiting" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchmarkError(f"openssl ocsp does not start: {log.read_text()[-500:]}")
        time.sleep(0.02)


@contextmanager
def started(pki: Pki, directory: Path) -> Iterator[None]:
    """Runs the responders that certificates of ``pki`` name."""
    with ExitStack() as stack:
        for authority in pki.authorities:
            if authority.port:
                _start(authority, directory, stack)
        yield
