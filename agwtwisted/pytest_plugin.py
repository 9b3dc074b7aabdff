"""A plugin for pytest: the fixture `agw_gateway` runs gateways for the tests of what stands behind them.

Each gateway is a process of its own, `agw run`, that is ready when the fixture returns it, and ends with the tests. The
ports of an ARM document are replaced by free ones, so that tests run without root and beside each other.

    def test_a_device_gets_in(agw_gateway, backend):
        gateway = agw_gateway("gateway.json", backends={"app": f"127.0.0.1:{backend.port}"})
        answer = requests.get(gateway.url("/"), verify="ca.pem", cert=("device.pem", "device.key"))

Nothing of the gateway is imported here: pytest loads this module with every run of a project that has it installed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, TypeAlias

import attrs
import pytest

START_TIMEOUT: Final = 60.0
"""Seconds for a start."""

STOP_TIMEOUT: Final = 30.0
"""Seconds for an end; a gateway that takes longer is killed."""

_KINDS: Final = ("http_listener", "listener")
_SLICE: Final = 0.2  # seconds between two looks at a process that may have ended


class GatewayNotStartedError(Exception):
    """The gateway has not started; the text says why, as `agw` does."""


@attrs.frozen(kw_only=True)
class RunningListener:
    """Where a listener of a running gateway is reached.

    Args:
        name: as the configuration has it.
        protocol: `Http`, `Https`, `Tcp` or `Tls`.
        address: of this machine.
        port: the one that is bound, whichever the document names.
        host_names: that it serves; none: every one.
    """

    name: str
    protocol: str
    address: str
    port: int
    host_names: tuple[str, ...]


class RunningGateway:
    """A gateway that serves; also a context manager, at whose end it stops.

    Args:
        process: of `agw run`.
        listeners: by their names, in the order of these.
        log: the file of its log.
    """

    def __init__(self, process: subprocess.Popen[bytes], listeners: Mapping[str, RunningListener], log: Path) -> None:
        self.listeners = listeners
        self._process = process
        self._log = log

    def url(self, path: str = "/", *, listener: str = "") -> str:
        """The URL of a path on a listener of HTTP; on the first one, Https before Http, where none is named."""
        found = self.listeners[listener] if listener else self._first()
        host = f"[{found.address}]" if ":" in found.address else found.address
        return f"{found.protocol.lower()}://{host}:{found.port}{path}"

    def _first(self) -> RunningListener:
        for protocol in ("Https", "Http"):
            for each in self.listeners.values():
                if each.protocol == protocol:
                    return each
        raise LookupError(f"no listener of HTTP: there are {', '.join(self.listeners) or 'none'}")

    @property
    def log(self) -> str:
        """What it has logged so far; each line of the access log is JSON, where that goes to standard output."""
        return self._log.read_text("utf-8", "replace")

    def stop(self) -> None:
        """Stops it, as SIGTERM does; more than once is the same as once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()

    def __enter__(self) -> RunningGateway:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


StartGateway: TypeAlias = Callable[..., RunningGateway]
"""What the fixture is: see `agw_gateway`."""


@pytest.fixture(scope="session")
def agw_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartGateway]:
    """Starts gateways: call it with a configuration; each stops at the end of the session, if not before.

    Arguments of the call, all but the first by name:
        config: the path of a configuration, an ARM document or an INI file. An INI file keeps its ports.
        backends: by the name of a pool, its servers here: `"127.0.0.1:8000"`, or several of them.
        certificates: by the name of a certificate that is in a key vault, `FILE` or `FILE:PASSWORDFILE`.
        parameters: a parameters file of a template.
        overlay: an INI file with keys of the gateway's own.
        arguments: further ones of `agw run`.

    The call returns a `RunningGateway`, and raises `GatewayNotStartedError`.
    """
    with ExitStack() as stack:

        def start(config: str | os.PathLike[str], **options: Any) -> RunningGateway:
            return stack.enter_context(start_gateway(config, tmp_path_factory.mktemp("agw_gateway"), **options))

        yield start


def start_gateway(
    config: str | os.PathLike[str],
    directory: Path,
    *,
    backends: Mapping[str, str | Sequence[str]] = MappingProxyType({}),
    certificates: Mapping[str, str] = MappingProxyType({}),
    parameters: str | os.PathLike[str] | None = None,
    overlay: str | os.PathLike[str] | None = None,
    arguments: Sequence[str] = (),
) -> RunningGateway:
    """A gateway that is ready; arguments as `agw_gateway` has them, but for the directory, which is for its log."""
    options = [
        *(f"--backend={pool}={_joined(servers)}" for pool, servers in backends.items()),
        *(f"--certificate={name}={file}" for name, file in certificates.items()),
        *([] if parameters is None else [f"--parameters={os.fspath(parameters)}"]),
        *([] if overlay is None else [f"--overlay={os.fspath(overlay)}"]),
        *arguments,
    ]
    listeners = listeners_of(config, options)
    if not _is_ini(config):
        ports = dict.fromkeys(each.port for each in listeners.values())
        options.append(f"--port={','.join(f'{port}={_free_port()}' for port in ports)}")
        listeners = listeners_of(config, options)  # a port that an overlay maps stays as that has it
    process, log = _run(config, options, directory)
    return RunningGateway(process, listeners, log)


def listeners_of(config: str | os.PathLike[str], options: Sequence[str] = ()) -> dict[str, RunningListener]:
    """The listeners of a configuration, by `agw check`; raises `GatewayNotStartedError` where it is not valid."""
    command = _command("check", "--config", os.fspath(config), "--json", *options)
    checked = subprocess.run(command, capture_output=True, timeout=START_TIMEOUT, check=False)  # noqa: S603
    try:
        found = json.loads(checked.stdout)
    except ValueError:
        raise GatewayNotStartedError(checked.stderr.decode("utf-8", "replace")) from None
    configuration = found["configuration"]
    if configuration is None:
        raise GatewayNotStartedError("\n".join(_line(each) for each in found["problems"]))
    return {
        title.partition(" ")[2]: _listener(title.partition(" ")[2], section)
        for title, section in configuration.items()
        if title.partition(" ")[0] in _KINDS
    }


def _listener(name: str, section: Mapping[str, Any]) -> RunningListener:
    fields = {key: section[key] for key in ("protocol", "address", "port")}
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(fields["address"], fields["address"])  # noqa: S104 - from a file
    names = tuple(section["host_names"])
    return RunningListener(name=name, **fields | {"address": address, "host_names": names})


def _line(problem: Mapping[str, Any]) -> str:
    line = f":{problem['line']}" if problem["line"] else ""
    section = f"[{problem['section']}]" if problem["section"] else ""
    parts = (f"{problem['file']}{line}", problem["path"], section, problem["message"])
    return " ".join(part for part in parts if part)


def _run(
    config: str | os.PathLike[str], options: Sequence[str], directory: Path
) -> tuple[subprocess.Popen[bytes], Path]:
    """Starts it, and waits until it says that it is ready, as it does to systemd (sd_notify)."""
    log = directory / "gateway.log"
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        notified = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        # Not in the directory of the tests: paths of sockets are short (unix(7)).
        ready = os.path.join(stack.enter_context(tempfile.TemporaryDirectory(prefix="agw-")), "ready")
        notified.bind(ready)
        notified.settimeout(_SLICE)
        process = subprocess.Popen(  # noqa: S603
            _command("run", "--config", os.fspath(config), *options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NOTIFY_SOCKET": ready},
        )
        if _is_ready(process, notified):
            return process, log
    process.kill()
    process.wait()
    raise GatewayNotStartedError(log.read_text("utf-8", "replace"))


def _is_ready(process: subprocess.Popen[bytes], notified: socket.socket) -> bool:
    """Whether it becomes ready before it ends, and in time."""
    for _ in range(int(START_TIMEOUT / _SLICE)):
        try:
            if b"READY=1" in notified.recv(4096).splitlines():
                return True
        except TimeoutError:
            if process.poll() is not None:
                return False
    return False


def _command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "agwtwisted", name, *arguments]


def _joined(servers: str | Sequence[str]) -> str:
    return servers if isinstance(servers, str) else ",".join(servers)


def _is_ini(config: str | os.PathLike[str]) -> bool:
    """Whether a file is no ARM document, which begins with an object, a list of them, or a comment of JSON."""
    beginning = Path(config).read_bytes().removeprefix(b"\xef\xbb\xbf").lstrip()
    if beginning.startswith(b"["):
        beginning = beginning[1:].lstrip()
    return not beginning.startswith((b"{", b"/"))


def _free_port() -> int:
    """One that no program has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
