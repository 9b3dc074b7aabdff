"""The proxies that are compared, and how each is told to do the same job (``templates/``).

The job: TLS 1.2 and 1.3 without resumption, a client certificate verified against root and intermediate, the eight
values of the certificate and X-Forwarded-* as request headers, connections to the backend kept open, and one JSON line
of access log for each request.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks import programs
from benchmarks.pki import SERVER_NAME, Pki
from benchmarks.programs import BenchmarkError

TEMPLATES = programs.HERE / "templates"


@attrs.frozen(kw_only=True)
class Settings:
    """What a peer is started with; ``directory`` is its own and empty."""

    directory: Path
    pki: Pki
    port: int
    backend_port: int
    access_log: Path


@attrs.frozen(kw_only=True)
class Peer:
    """A proxy that can be measured: ``command`` writes its files and says how to start it."""

    name: str
    versions: dict[str, str]
    command: Callable[[Settings], list[str]]
    environment: dict[str, str] | None = None
    logs_to_stdout: bool = False


@attrs.frozen(kw_only=True)
class RunningPeer:
    """A proxy at work."""

    name: str
    pid: int
    port: int
    pki: Pki
    access_log: Path


def _configure(settings: Settings, template: str, **more: Path) -> str:
    """Fills ``benchmarks/templates/<template>`` in and returns the new file's path; ``@word@`` is a field."""
    fields: dict[str, object] = {
        "server_name": SERVER_NAME,
        "server_chain": settings.pki.server.chain,
        "server_key": settings.pki.server.key,
        "trusted": settings.pki.trusted,
        "port": settings.port,
        "backend_port": settings.backend_port,
        "access_log": settings.access_log,
        "directory": settings.directory,
        **more,
    }
    text = re.sub("@([a-z_]+)@", lambda word: str(fields[word[1]]), (TEMPLATES / template).read_text())
    path = settings.directory / template
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def output(*command: str) -> str:
    """What a program prints, on either of its outputs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchmarkError(f"{command[0]} cannot be run: {error.strerror}") from None
    return done.stdout + done.stderr


def _search(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else "unknown"


def nginx(binary: str) -> Peer:
    """The nginx at ``binary``, one process."""
    about = output(binary, "-V")
    return Peer(
        name="nginx",
        versions={"nginx": _search(r"nginx/(\S+)", about), "openssl": _search(r"built with (.*)", about)},
        command=lambda settings: [
            binary,
            *("-p", str(settings.directory)),
            *("-e", str(settings.directory / "error.log")),
            *("-c", _configure(settings, "nginx.conf")),
        ],
    )


def haproxy(binary: str) -> Peer:
    """The HAProxy at ``binary``, one thread."""

    def command(settings: Settings) -> list[str]:
        combined = settings.directory / "combined.pem"
        combined.touch(mode=0o600)
        combined.write_bytes(settings.pki.server.chain.read_bytes() + settings.pki.server.key.read_bytes())
        return [
            *(binary, "-db"),
            *("-f", _configure(settings, "haproxy.cfg", combined=combined)),
        ]

    about = output(binary, "-vv")
    versions = {
        "haproxy": _search(r"version (\S+)", about),
        "openssl": _search(r"Running on OpenSSL version : (.*)", about),
    }
    return Peer(name="haproxy", versions=versions, command=command, logs_to_stdout=True)


GATEWAY_VERSIONS = """\
import platform, twisted, OpenSSL, cryptography, httptools
from cryptography.hazmat.backends.openssl import backend
print(platform.python_version(), twisted.__version__, OpenSSL.__version__, cryptography.__version__,
      httptools.__version__, backend.openssl_version_text().replace(" ", "_"))
"""


def gateway(name: str, checkout: Path, python: str, options: list[str]) -> Peer:
    """The gateway of ``checkout``, run by the interpreter ``python``; ``options`` are more options for twistd."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    names = ("python", "twisted", "pyOpenSSL", "cryptography", "httptools", "openssl")
    values = output(python, "-c", GATEWAY_VERSIONS).split()
    if len(values) != len(names):
        raise BenchmarkError(f"{python} cannot run the gateway: {' '.join(values[-12:])}")
    commit = output("git", "-C", str(checkout), "describe", "--always", "--dirty").strip()
    return Peer(
        name=name,
        versions={"commit": commit, **dict(zip(names, values, strict=True))},
        command=lambda settings: [
            *(python, "-c", "from twisted.scripts.twistd import run; run()"),
            *(*options, "-n", "--pidfile=", f"--logfile={settings.directory / 'twistd.log'}"),
            *("agwgateway", "--config", _configure(settings, "gw.ini")),
        ],
        environment=environment,
    )


@contextmanager
def started(peer: Peer, directory: Path, pki: Pki, backend_port: int) -> Iterator[RunningPeer]:
    """Starts the peer on the proxy's core, in a new ``directory``, and ends it when the block is left."""
    directory.mkdir(mode=0o700)
    settings = Settings(
        directory=directory,
        pki=pki,
        port=programs.free_port(),
        backend_port=backend_port,
        access_log=directory / "access.log",
    )
    output = settings.access_log if peer.logs_to_stdout else directory / "output.log"
    with output.open("wb") as out, (directory / "errors.log").open("wb") as errors:
        process = programs.start(
            peer.command(settings),
            programs.core_of_proxy(),
            stdout=out,
            stderr=errors,
            directory=directory,
            environment=peer.environment,
        )
    with programs.running(process):
        try:
            programs.wait_for_port(process, settings.port)
        except BenchmarkError as error:
            logs = [path.read_text(errors="replace")[-3000:] for path in sorted(directory.glob("*.log"))]
            raise BenchmarkError("\n".join([f"{peer.name} does not start: {error}", *logs])) from None
        yield RunningPeer(name=peer.name, pid=process.pid, port=settings.port, pki=pki, access_log=settings.access_log)
