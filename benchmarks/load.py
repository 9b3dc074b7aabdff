"""Runs the load generator."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import programs
from benchmarks.pki import SERVER_NAME, Identity, Pki
from benchmarks.programs import BenchmarkError


@attrs.frozen(kw_only=True)
class Load:
    """What the generator is asked to do; the fields are its options (``load.c``)."""

    mode: str
    count: int = 1
    concurrency: int = 1
    path: str = "/1k"
    vary: int = 0  # 1: every request has another query
    expect: int = 1024
    size: int = 0
    rate: int = 0
    seconds: int = 60
    tls: str = "1.3"
    http: int = 1  # or 2
    streams: int = 1  # at a time on each connection, with HTTP/2
    identities: int = 0  # so many clients take turns, with certificates of their own
    first: int = 0  # of these
    timeline: str = ""  # the file that gets beginning and duration of every operation


@attrs.frozen(kw_only=True)
class Result:
    """What the generator says about its run."""

    operations: int
    resumed: int
    errors: dict[str, int]
    statuses: dict[str, int]
    seconds: float
    latency_us: dict[str, int]
    histogram: list[tuple[int, int]]  # microseconds at most, and how many operations took so long
    tls: str
    openssl: str

    @classmethod
    def from_line(cls, line: bytes) -> Result:
        """Reads the generator's line of JSON."""
        fields = json.loads(line)
        return cls(**{field.name: fields[field.name] for field in attrs.fields(cls)})


OPTIONS = (
    *("count", "concurrency", "path", "expect", "size", "rate", "seconds", "vary"),
    *("identities", "first", "http", "streams"),
)
"""The fields of a load that are options of the generator by the same names."""


class Run:
    """A generator whose connections are open and that waits for the word."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The generator's process."""
        return self._process.pid

    def go(self) -> Result:
        """Lets it work and returns what it says; its connections are still open then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"the load generator ended without a result, status {self._process.wait()}")
        return Result.from_line(line)


@attrs.frozen(kw_only=True)
class Generator:
    """The compiled load generator."""

    program: Path
    pinned: bool = True  # to the cores of the others
    beside: int = 1  # cores of the proxy's

    @contextmanager
    def prepared(
        self, load: Load, port: int, pki: Pki | None, identity: Identity | None = None, *, quiet: bool = False
    ) -> Iterator[Run]:
        """Opens the connections of ``load``, as the client of ``pki`` or as ``identity``; no ``pki``: plain HTTP."""
        command = [str(self.program), load.mode, "--connect", f"127.0.0.1:{port}", "--host", SERVER_NAME]
        for name in OPTIONS:
            command += [f"--{name}", str(getattr(load, name))]
        if load.timeline:
            command += ["--timeline", load.timeline]
        if pki is not None:
            who = identity or pki.client
            command += ["--tls", "1", "--ca", str(pki.trusted), "--cert", str(who.chain), "--key", str(who.key)]
            command += ["--min", load.tls, "--max", load.tls]
        process = programs.start(
            command,
            programs.cores_of_others(self.beside) if self.pinned else None,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
        )
        with programs.running(process):
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise BenchmarkError(f"the load generator does not start: {' '.join(command)}")
            yield Run(process)

    def run(
        self, load: Load, port: int, pki: Pki | None, identity: Identity | None = None, *, quiet: bool = False
    ) -> Result:
        """Prepares and runs in one go."""
        with self.prepared(load, port, pki, identity, quiet=quiet) as run:
            return run.go()


def require_success(result: Result, load: Load, who: str) -> None:
    """Raises `BenchmarkError` unless every operation was answered as it should be."""
    if result.errors or result.operations != load.count or result.statuses != {"200": load.count}:
        raise BenchmarkError(
            f"{who}: {load.mode} {load.path}: {result.operations} of {load.count} operations well answered, "
            f"errors {result.errors}, statuses {result.statuses}"
        )
