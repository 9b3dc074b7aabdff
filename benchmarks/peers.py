"""What a proxy is that can be measured, and how one is started.

The job (``mutual``): TLS 1.2 and 1.3 without resumption, a client certificate verified against root and intermediate,
the eight values of the certificate and X-Forwarded-* as request headers, connections to the backend kept open, and
one JSON line of access log for each request. Further scenes: ``returning`` is the same with resumption, tickets and
session ids. ``http2`` is ``mutual`` with HTTP/2 offered beside HTTP/1.1, and ``http2-returning`` ``returning`` with it.
``open`` asks for no certificate and resumes sessions.
``ocsp`` is ``mutual`` with every certificate of the chain asked about at the OCSP responders that they name. ``relay``
is L4: the same client authentication, then bytes to a backend over TCP and back, and a line of log for each session.
To a relay, an HTTP request is bytes like others.

``templates/<file>`` is a configuration, ``templates/<file>.<scene>`` what stands in it for ``@scene@``.
"""

from __future__ import annotations

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

MUTUAL, RETURNING, OPEN, OCSP, RELAY, HTTP2 = "mutual", "returning", "open", "ocsp", "relay", "http2"
HTTP2_RETURNING = "http2-returning"
OVER_HTTP2 = (HTTP2, HTTP2_RETURNING)
CRL = "crl"
"""Of the gateway alone: `mutual` with certificates looked up in the list that `list_of` says."""


@attrs.frozen(kw_only=True)
class Growth:
    """How much more there is in a configuration than the job needs."""

    chains: tuple[Path, ...] = ()  # further trusted ones
    workers: int = 1
    sites: int = 0  # further ones on the port, each with a wildcard for its name


@attrs.frozen(kw_only=True)
class Settings:
    """What a peer is started with; ``directory`` is its own and empty."""

    scene: str
    directory: Path
    pki: Pki
    port: int
    backend_port: int
    access_log: Path
    growth: Growth = Growth()


@attrs.frozen(kw_only=True)
class Peer:
    """A proxy that can be measured: ``command`` writes its files and says how to start it."""

    name: str
    versions: dict[str, str]
    command: Callable[[Settings], list[str]]
    scenes: frozenset[str] = frozenset({MUTUAL})
    environment: dict[str, str] | None = None
    logs_to_stdout: bool = False
    verifies: bool = True  # whether it refuses a client that the root has nothing to do with
    leaves_out: frozenset[str] = frozenset()  # workloads that it would take too long for
    measures_memory: bool = True
    share: float = 1.0  # of each load, for one that is slow
    log_backlog: int = 0  # lines of the access log that it may keep for as long as it likes

    @property
    def kind(self) -> str:
        """Which program it is, of whatever release: ``nginx`` of ``nginx-trixie``."""
        return self.name.partition("-")[0]


@attrs.frozen(kw_only=True)
class RunningPeer:
    """A proxy at work."""

    peer: Peer
    scene: str
    pid: int
    port: int
    pki: Pki
    access_log: Path

    @property
    def name(self) -> str:
        """The peer's."""
        return self.peer.name


def list_of(pki: Pki) -> Path:
    """Where the revocation list is of the CA that issued the clients' certificates."""
    return pki.trusted.with_name("list.crl")


def configure(settings: Settings, template: str, **more: object) -> str:
    """Fills ``benchmarks/templates/<template>`` in and returns the new file's path; ``@word@`` is a field."""
    fields: dict[str, object] = {
        "server_name": SERVER_NAME,
        "server_chain": settings.pki.server.chain,
        "server_key": settings.pki.server.key,
        "trusted": settings.pki.trusted,
        "port": settings.port,
        "backend_port": settings.backend_port,
        "access_log": settings.access_log,
        "version": " http2" if settings.scene in OVER_HTTP2 else "",
        "directory": settings.directory,
        "revocation_list": list_of(settings.pki),
        "responder_ports": ", ".join(str(authority.port) for authority in settings.pki.authorities),
        **more,
    }

    def filled(text: str) -> str:
        return re.sub("@([a-z_]+)@", lambda word: str(fields[word[1]]), text)

    scene = TEMPLATES / f"{template}.{settings.scene}"
    fields["scene"] = filled(scene.read_text()).strip() if scene.exists() else ""
    text = filled((TEMPLATES / template).read_text())
    path = settings.directory / Path(template).name
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def output_of(*command: str) -> str:
    """What a program prints, on either channel."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchmarkError(f"{command[0]} cannot be run: {error.strerror}") from None
    return done.stdout + done.stderr


def search(pattern: str, text: str) -> str:
    """The group of a pattern where it fits, else ``unknown``."""
    found = re.search(pattern, text)
    return found[1].strip() if found else "unknown"


@contextmanager
def started(
    peer: Peer,
    directory: Path,
    pki: Pki,
    backend_port: int,
    scene: str = MUTUAL,
    growth: Growth | None = None,
    *,
    pinned: bool = True,
    cores: int = 1,
) -> Iterator[RunningPeer]:
    """Starts the peer on the proxy's cores, or on any, in a new ``directory``; ends it when the block is left."""
    directory.mkdir(mode=0o700)
    settings = Settings(
        scene=scene,
        directory=directory,
        pki=pki,
        port=programs.free_port(),
        backend_port=backend_port,
        access_log=directory / "access.log",
        growth=growth or Growth(),
    )
    output = settings.access_log if peer.logs_to_stdout else directory / "output.log"
    with output.open("wb") as out, (directory / "errors.log").open("wb") as errors:
        process = programs.start(
            peer.command(settings),
            programs.cores_of_proxy(cores) if pinned else None,
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
        yield RunningPeer(
            peer=peer, scene=scene, pid=process.pid, port=settings.port, pki=pki, access_log=settings.access_log
        )
