"""A client in Java, whose TLS and HTTP share no code with the other clients' (`Client.java`)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from tests import programs, running
from tests.end_to_end.clients import Call
from tests.end_to_end.lines import DEADLINE

SOURCE = Path(__file__).with_name("Client.java")
QUICK_START = ("-XX:TieredStopAtLevel=1", "-Xshare:auto")


@attrs.frozen
class JavaAnswer:
    """One answer: status 0 and the reason as its body where the connection failed."""

    status: int
    resumed: bool
    body: str

    @classmethod
    def of(cls, line: str) -> JavaAnswer:
        """Reads a line of the client."""
        first, _, rest = line.rstrip("\n").partition(" ")
        if first == "failed":
            return cls(0, False, rest)
        how, _, body = rest.partition(" ")
        return cls(int(first), how == "resumed", body)


class JavaClient:
    """One process, which holds one client's sessions and kept connections."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def new(self, port: int) -> JavaAnswer:
        """A request on a new connection, which resumes where it can."""
        return self._ask(f"new {port}")

    def keep(self, port: int) -> JavaAnswer:
        """A request on the connection that java.net.http keeps, or on a new one where it keeps none."""
        return self._ask(f"keep {port}")

    def many(self, port: int) -> JavaAnswer:
        """Fifty-one requests over HTTP/2, most of them at once, and a POST; the body says how many came how."""
        return self._ask(f"many {port}")

    def _ask(self, command: str) -> JavaAnswer:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the client in Java ended, status {self._process.wait(DEADLINE)}"
        return JavaAnswer.of(line)


@cache
def _compiled() -> Path:
    """The directory of its class files, made once for this source and compiler, beside those that Python compiles."""
    compiler = programs.path_of("javac")
    assert compiler
    version = hashlib.sha256(SOURCE.read_bytes() + os.path.realpath(compiler).encode()).hexdigest()[:16]
    classes = SOURCE.parent / "__pycache__" / f"Client-{version}"
    if not classes.exists():
        classes.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=classes.parent) as directory:
            made = Path(directory) / "made"
            subprocess.run([compiler, "-d", str(made), str(SOURCE)], check=True, timeout=running.PATIENCE)
            with suppress(OSError):  # another process was first
                made.rename(classes)
    return classes


@contextmanager
def client(call: Call) -> Iterator[JavaClient]:
    """A client with the certificate and the TLS version of `call`, which must name one; ended at the end."""
    program = programs.path_of("java")
    assert program
    assert call.version
    files = call.certificate or ("-", "-")
    words = [program, *QUICK_START, "-cp", str(_compiled()), "Client", call.trusted, *files, f"TLSv{call.version}"]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=running.environment()
    )
    overdue = threading.Timer(2 * DEADLINE, process.kill)
    overdue.start()
    try:
        yield JavaClient(process)
    finally:
        overdue.cancel()
        with process:  # closes its input, at which it ends
            assert process.stdin
            process.stdin.close()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
