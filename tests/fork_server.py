"""Starts of the gateway without the second that an interpreter takes to import it.

One process for each test process has imported everything, and forks for each start of `twistd` or `agw`: its own `run`
in a process of its own, with its words, directory, environment and output, and all that follows is as ever. Tests about
the start of an interpreter itself start one: `Gateway.begin` says which.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import agwtwisted
from tests import running

LARGEST = 1 << 16
"""Bytes of a request to the server."""

PROGRAMS = {"twistd": "twisted.scripts.twistd", "agw": "agwtwisted.__main__"}
"""The module of each program, whose function `run` it is."""

NOT_BEFORE = ("agwtwisted.transport.reactor",)
"""The reactor has descriptors of its own, which two processes may not share."""

_at_exit = ExitStack()
atexit.register(_at_exit.close)  # here, so that it comes after those that end what was started


class Forked:
    """A process that the server has forked: what tests use of `subprocess.Popen`."""

    def __init__(self, pid: int, ended: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended
        weakref.finalize(self, ended.close).atexit = False  # some tests need not know how it ended

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended; subprocess.TimeoutExpired if that takes longer."""
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("a forked gateway", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _status(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            self.returncode = int(self._ended.recv(16) or -signal.SIGKILL)  # nothing: its server was killed
        return self.returncode


def call(program: str, words: Sequence[str], directory: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end in the directory."""
    with TemporaryFile() as printed, TemporaryFile() as errors:
        outputs = (printed.fileno(), errors.fileno())
        process = start(program, words, directory, running.environment(), outputs)
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        texts = [os.pread(output, os.fstat(output).st_size, 0).decode() for output in outputs]
        return subprocess.CompletedProcess([program, *words], status, *texts)


def start(
    program: str, words: Sequence[str], directory: Path, environment: Mapping[str, str], outputs: tuple[int, int]
) -> Forked:
    """A program with these words after its name; the descriptors are its standard output and error."""
    umask = os.umask(0o077)
    os.umask(umask)
    request = {
        "program": program,
        "words": [*words],
        "directory": str(directory),
        "environment": dict(environment),
        "umask": umask,
        "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE),
    }
    ended, of_server = socket.socketpair()
    with of_server:
        socket.send_fds(_server(), [json.dumps(request).encode()], [*outputs, of_server.fileno()])
    return Forked(int(ended.recv(16)), ended)


@cache
def _server() -> socket.socket:
    """The connection to the server of this process, which ends with it."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [sys.executable, "-P", "-m", "tests.fork_server", str(its.fileno())]
    environment = {**os.environ, "PYTHONPATH": str(running.ROOT), "PYTHONUNBUFFERED": "1"}
    with its:
        process = subprocess.Popen(words, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, env=environment)
    _at_exit.callback(process.wait)
    _at_exit.callback(ours.close)
    return ours


class _Server:
    """Forks for each request until the connection ends; in the child `serve` returns, too.

    A test process that is killed ends nothing that it has started: what runs then ends with the server.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ended: dict[int, socket.socket] = {}  # where the end of each child is awaited
        signal.signal(signal.SIGCHLD, self._reap)

    def serve(self) -> str:
        """The program that this child is now; empty: this is the server still, at its end."""
        while True:
            data, descriptors, *_ = socket.recv_fds(self._connection, LARGEST, 3)
            if not data:
                self._end_all()
                return ""
            *outputs, ended = descriptors
            with closing(socket.socket(fileno=ended)) as of_child:
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
                pid = os.fork()
                if not pid:
                    self._close()
                    return _become(json.loads(data), outputs)
                self._ended[pid] = of_child.dup()
                of_child.sendall(b"%-16d" % pid)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
            for output in outputs:
                os.close(output)

    def _close(self) -> None:
        """A child has none of the server's descriptors."""
        self._connection.close()
        for ended in self._ended.values():
            ended.close()

    def _end_all(self) -> None:
        """SIGKILL to all that run still."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # until it was waited for a number is no other's
        for pid in self._ended:
            os.kill(pid, signal.SIGKILL)

    def _reap(self, *_: object) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with closing(self._ended.pop(ended[0])) as of_child, suppress(OSError):  # nobody may wait any more
                    of_child.sendall(b"%-16d" % os.waitstatus_to_exitcode(ended[1]))


def _become(request: dict[str, Any], outputs: list[int]) -> str:
    """Make this child what a process is that was started with the request's words; returns the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    for standard, output in enumerate(outputs, 1):
        os.dup2(output, standard)
        os.close(output)
    os.umask(request["umask"])
    resource.setrlimit(resource.RLIMIT_NOFILE, request["descriptors"])
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = [request["program"], *request["words"]]
    return str(request["program"])


def _import_all() -> None:
    """Everything that the programs import before there is a reactor."""
    for program in (*PROGRAMS.values(), "twisted.plugins.agwgateway_plugin", "treq"):
        importlib.import_module(program)
    for module in pkgutil.walk_packages(agwtwisted.__path__, "agwtwisted."):
        if module.name not in NOT_BEFORE:
            importlib.import_module(module.name)
    assert "twisted.internet.reactor" not in sys.modules


def _main() -> None:
    _import_all()
    program = _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    if program:
        importlib.import_module(PROGRAMS[program]).run()


if __name__ == "__main__":
    _main()
