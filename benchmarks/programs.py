"""Compiles, starts, pins, measures and ends processes (Linux)."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class BenchmarkError(Exception):
    """The benchmark cannot be run, or what it measured is wrong; the message says why."""


def number_of_cores() -> int:
    """How many there are for all."""
    return len(os.sched_getaffinity(0))


def cores_of_proxy(count: int = 1) -> frozenset[int]:
    """The cores that the measured process has for itself."""
    return frozenset(sorted(os.sched_getaffinity(0))[:count])


def cores_of_others(count: int = 1) -> frozenset[int]:
    """The cores of load generator and backend: one beside a proxy of one, else all but its ``count``.

    Where none is left they share one with the proxy.
    """
    every = sorted(os.sched_getaffinity(0))
    return frozenset(every[count:] if count > 1 else ()) or frozenset(every[-1:])


def compile_c(source: str, directory: Path, *libraries: str) -> Path:
    """Compiles ``benchmarks/<source>.c`` and returns the program."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise BenchmarkError("a C compiler (cc) is needed: apt install gcc libssl-dev, dnf install gcc openssl-devel")
    program = directory / source
    command = [compiler, "-O2", "-o", str(program), str(HERE / f"{source}.c"), *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        hint = "\nOpenSSL's headers are missing: apt install libssl-dev, or dnf install openssl-devel"
        raise BenchmarkError(done.stderr + (hint if "openssl/" in done.stderr else ""))
    return program


def _in_child(cores: frozenset[int] | None) -> Callable[[], None]:
    """Run between fork and exec: pins the process, and has it end with us even if we are killed."""

    def prepare() -> None:
        if cores is not None:
            os.sched_setaffinity(0, cores)
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return prepare


def start(
    command: Sequence[str],
    cores: frozenset[int] | None,
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] | None = None,
    directory: Path | None = None,
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Starts a process on some cores, or on any where that is None."""
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=directory,
        env=environment,
        preexec_fn=_in_child(cores),
    )


def end(process: subprocess.Popen[bytes], timeout: float = 10.0) -> None:
    """Ends a process we started: its input ends, then SIGTERM, then SIGKILL."""
    if process.stdin:
        process.stdin.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Ends the process when the block is left, however that happens."""
    try:
        yield process
    finally:
        end(process)


def free_port() -> int:
    """A port that is free now, below those that Linux gives to connections: it may be needed much later."""
    for port in random.sample(range(15000, 32000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise BenchmarkError("there is no free port")


def wait_for_port(process: subprocess.Popen[bytes], port: int, seconds: float = 15.0) -> None:
    """Returns when a server listens on the port.

    Raises:
        BenchmarkError: the process ended, or did not listen in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchmarkError(f"{process.args!r} ended with status {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BenchmarkError(f"{process.args!r} did not listen on port {port} within {seconds:g} seconds")


def _family(pid: int) -> Iterator[int]:
    """The process and its descendants, threads apart."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = (task / "children").read_text()
        except FileNotFoundError:  # a thread that has just ended
            continue
        for child in children.split():
            yield from _family(int(child))


def workers_of(pid: int, count: int, seconds: float = 15.0) -> list[int]:
    """The processes of a family that do the work: all of those without children, once there are so many.

    Raises:
        BenchmarkError: there are more or fewer when the time is over.
    """
    deadline = time.monotonic() + seconds
    while True:
        leaves = [member for member in _family(pid) if len(list(_family(member))) == 1]
        if len(leaves) == count:
            return leaves
        if time.monotonic() > deadline:
            raise BenchmarkError(f"process {pid} has {len(leaves)} workers instead of {count}")
        time.sleep(0.02)


def cpu_seconds(pid: int) -> float:
    """CPU time (user and system) that the process and its living descendants, all threads included, have used.

    The processes' CPU clocks are the account of utime + stime of /proc/<pid>/stat, in nanoseconds instead of ticks.
    """
    total = 0.0
    for member in _family(pid):
        clock = ctypes.c_int()
        if _libc.clock_getcpuclockid(member, ctypes.byref(clock)):
            raise BenchmarkError(f"process {member} has gone")
        total += time.clock_gettime(clock.value)
    return total


def core_seconds(cores: frozenset[int]) -> tuple[float, float]:
    """How long the cores have worked for all processes here, and how long they were taken by the machine underneath
    (steal).
    """
    busy = stolen = 0
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(tuple(f"cpu{core} " for core in cores)):
            user, nice, system, _, _, irq, softirq, steal = (int(field) for field in line.split()[1:9])
            busy += user + nice + system + irq + softirq
            stolen += steal
    ticks = os.sysconf("SC_CLK_TCK")
    return busy / ticks, stolen / ticks


def _memory(pid: int, field: str) -> int:
    total = 0
    for member in _family(pid):
        for line in Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                total += int(line.split()[1]) * 1024
    return total


def resident_bytes(pid: int) -> int:
    """Resident memory of the process and its descendants now."""
    return _memory(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """The largest resident memory of each of them so far, added up."""
    return _memory(pid, "VmHWM")
