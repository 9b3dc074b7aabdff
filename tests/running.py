"""The installed programs, started as their users start them, on ports of their own."""

from __future__ import annotations

import atexit
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = os.environ.get("AGW_PYTHON", sys.executable)
"""The interpreter of the environment to test: another one than this suite's where AGW_PYTHON says so."""

TWISTD = str(Path(PYTHON).with_name("twistd"))
REFUSED = (35, 55, 56)
"""curl's exit statuses for a handshake that failed: in it (TLS 1.2), or at the first bytes after it (TLS 1.3)."""

PATIENCE = 120
"""Seconds after which a program that is waited for is ended, which fails the test that waits."""


def environment() -> dict[str, str]:
    """The environment of every program: no proxies, and this tree's package unless another environment is tested."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    if "AGW_PYTHON" not in os.environ:
        inherited["PYTHONPATH"] = str(ROOT)
    return {**inherited, "PYTHONUNBUFFERED": "1"}


HELD_PORTS = 200
"""More than any test uses."""

_held: deque[socket.socket] = deque()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 without a listener, reserved meanwhile.

    They stay bound here, without listening: the kernel gives other ports to programs that ask for any, and lets
    programs listen that ask for this one with SO_REUSEADDR, as servers do.
    """
    for _ in range(count):
        holding = socket.socket()
        holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind(("127.0.0.1", 0))
        _held.append(holding)
    while len(_held) > HELD_PORTS:
        _held.popleft().close()
    return [holding.getsockname()[1] for holding in list(_held)[-count:]]


def free_port_everywhere() -> int:
    """A port without a socket on any address, reserved in the same way: for programs that listen on all of them.

    On a busy machine most ports are those of a connection, or of one that has ended lately, on some address of 127/8.
    """
    dual = socket.has_dualstack_ipv6()
    holding = socket.socket(socket.AF_INET6 if dual else socket.AF_INET)
    if dual:
        holding.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    holding.bind(("", 0))  # with SO_REUSEADDR the kernel might give the port of one that is reserved
    holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _held.append(holding)
    port: int = holding.getsockname()[1]
    return port


@atexit.register
def _let_go() -> None:
    while _held:
        _held.pop().close()


def allow_descriptors(count: int) -> int:
    """How many files this process may have open from now on, and the programs that it starts: no more than `count`.

    Many systems have 1024 by default.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def configuration(directory: Path) -> Path:
    """A copy of conf/gw.ini in a directory of its own, every port replaced by a free one."""
    text = (ROOT / "conf" / "gw.ini").read_text()
    ports = re.findall(r"(?m)^(?:port *= *|backend_addresses *=.*:|ocsp_responder_url *=.*:)(\d+)", text)
    for old, new in zip(ports, free_ports(len(ports)), strict=True):
        text = re.sub(rf"\b{old}\b", str(new), text)
    path = directory / "conf" / "gw.ini"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def port_after(path: Path, words: str) -> int:
    """The first port that the configuration names after the words."""
    _, _, rest = path.read_text().partition(words)
    found = re.search(r"(?m)^(?:port *= *|backend_addresses *=.*:)(\d+)", rest)
    assert found, f"no port after {words!r}"
    return int(found[1])


def call(directory: Path, *words: str, descriptors: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a program, which inherits these descriptors, to its end in the directory."""
    return subprocess.run(
        words,
        cwd=directory,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        pass_fds=descriptors,
    )


class Running:
    """A program that was started; what it prints is read line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        self._process = process
        self._output = process.stdout
        self.printed: list[str] = []

    def read_until(self, words: str) -> list[str]:
        """Everything printed up to the first line that holds the words."""
        for line in self._output:
            self.printed.append(line.decode().rstrip("\n"))
            if words in self.printed[-1]:
                return self.printed
        raise AssertionError(f"never printed {words!r}:\n" + "\n".join(self.printed))

    def signal(self, number: signal.Signals) -> None:
        """Send the signal to the program's process group, as a terminal sends SIGINT."""
        os.killpg(self._process.pid, number)

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send the signal; returns the exit status and all that was printed."""
        self.signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for the end; returns the exit status and all that was printed."""
        status = self._process.wait()
        os.set_blocking(self._output.fileno(), False)  # a child that it left behind would keep the pipe open
        self.printed += (self._output.read() or b"").decode().splitlines()
        return status, "\n".join(self.printed)


@contextmanager
def _interruptible() -> Iterator[None]:
    """What starts here takes these signals: a background job may ignore them, and hands that down."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


@contextmanager
def running(directory: Path, *words: str) -> Iterator[Running]:
    """Start a program in the directory; whatever happens, it does not outlive the block."""
    with _interruptible():
        process = subprocess.Popen(
            words,
            cwd=directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    with process:
        patience = threading.Timer(PATIENCE, process.terminate)
        patience.start()
        try:
            yield Running(process)
            assert not patience.finished.is_set(), f"took longer than {PATIENCE} seconds"
        finally:
            patience.cancel()
            _make_end(process)


def _make_end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
