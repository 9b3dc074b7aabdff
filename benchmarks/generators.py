"""``python -m benchmarks.generators``: the load generator next to others, so that its figures are not its own habit.

A request on an open connection is measured with ``load.c``, wrk and h2load, by the CPU time that nginx and the gateway
take for it, interleaved. wrk and h2load present no client certificates: ``client_certificate.c`` has them do so. Both
open their connections within the run, which is left out by taking a short run from a long one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import attrs

from benchmarks import backend, peers, programs, proxies
from benchmarks.load import Generator, Load, require_success
from benchmarks.measure import Spread
from benchmarks.peers import HTTP2, MUTUAL, Peer, RunningPeer
from benchmarks.pki import make_pki
from benchmarks.programs import BenchmarkError

TIMEOUT = 60.0
LONG, SHORT = 16_000, 2_000
"""Requests of a run."""


@attrs.frozen(kw_only=True)
class Tools:
    """What the generators are run with."""

    load: Generator
    shim: Path  # client_certificate.c


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of load."""

    name: str
    connections: int
    http: int = 1
    streams: int = 1
    requests: int = LONG


KINDS = (
    Kind(name="64 connections", connections=64),
    Kind(name="8 connections", connections=8),
    Kind(name="1 connection", connections=1),
    Kind(name="HTTP/2, 64 connections", connections=64, http=2),
    Kind(name="HTTP/2, 8 connections with 16 streams", connections=8, http=2, streams=16),
)

Measure = Callable[[Tools, RunningPeer, Kind], float]
"""Microseconds of the proxy's CPU time for a request."""


def _load(tools: Tools, peer: RunningPeer, kind: Kind) -> float:
    load = Load(
        mode="keepalive", count=kind.requests, concurrency=kind.connections, http=kind.http, streams=kind.streams
    )
    with tools.load.prepared(load, peer.port, peer.pki) as run:
        before = programs.cpu_seconds(peer.pid)
        result = run.go()
        used = programs.cpu_seconds(peer.pid) - before
    require_success(result, load, peer.name)
    return used * 1e6 / kind.requests


def _h2load(tools: Tools, peer: RunningPeer, kind: Kind) -> float:
    version = () if kind.http == 2 else ("--h1",)
    options = (f"--clients={kind.connections}", f"--max-concurrent-streams={kind.streams}", "--threads=1")

    def run(count: int) -> tuple[int, str]:
        return count, _run(tools, peer, "h2load", *version, *options, f"--requests={count}", _url(peer))

    return _difference(peer, lambda: run(SHORT), lambda: run(LONG), r"(\d+) succeeded")


def _wrk(tools: Tools, peer: RunningPeer, kind: Kind) -> float:
    def run(seconds: int) -> tuple[int, str]:
        options = ("--threads=1", f"--connections={kind.connections}", f"--duration={seconds}s")
        said = _run(tools, peer, "wrk", *options, _url(peer))
        if "Non-2xx" in said or "Socket errors" in said:
            raise BenchmarkError(f"wrk, {peer.name}: {said}")
        return int(peers.search(r"(\d+) requests in", said)), said

    return _difference(peer, lambda: run(1), lambda: run(3), r"(\d+) requests in")


def _url(peer: RunningPeer) -> str:
    return f"https://127.0.0.1:{peer.port}/1k"


def _difference(
    peer: RunningPeer, short: Callable[[], tuple[int, str]], long: Callable[[], tuple[int, str]], answered: str
) -> float:
    """What the requests cost that a long run has more than a short one."""
    found = []
    for run in (short, long):
        before = programs.cpu_seconds(peer.pid)
        count, said = run()
        found.append((count, programs.cpu_seconds(peer.pid) - before))
        if (right := re.search(answered, said)) is None or int(right[1]) != count:
            raise BenchmarkError(f"{peer.name}: not all of {count} requests were answered: {said}")
    (few, little), (many, much) = found
    return (much - little) * 1e6 / (many - few)


def _run(tools: Tools, peer: RunningPeer, *command: str) -> str:
    environment = {
        **os.environ,
        "LD_PRELOAD": str(tools.shim),
        "CLIENT_CERTIFICATE": str(peer.pki.client.chain),
        "CLIENT_KEY": str(peer.pki.client.key),
    }
    process = programs.start(command, programs.cores_of_others(), stderr=subprocess.STDOUT, environment=environment)
    with programs.running(process):
        try:
            said, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"{command[0]} takes longer than {TIMEOUT:g} seconds") from None
    if process.returncode:
        raise BenchmarkError(f"{' '.join(command)}: {said.decode(errors='replace')}")
    return said.decode()


GENERATORS: dict[str, Measure] = {"load.c": _load, "wrk": _wrk, "h2load": _h2load}


def carries(generator: str, kind: Kind) -> bool:
    """Whether the generator can make such a load: wrk speaks no HTTP/2."""
    return kind.http == 1 or generator != "wrk"


Found = dict[tuple[str, str], dict[str, list[float]]]
"""By kind and generator, and by peer: one a round."""


def table(found: Found) -> str:
    """A line for each kind and generator: both peers' CPU time and the ratio, taken round by round."""
    lines = [f"{'load':<40} {'generator':<10} {'nginx, us':>22} {'gateway, us':>22} {'ratio':>20}"]
    for (kind, generator), by_peer in found.items():
        nginx, ours = by_peer["nginx"], by_peer["agwtwisted"]
        ratio = Spread.of(one / other for one, other in zip(ours, nginx, strict=True))
        cells = [*(_words(Spread.of(each), 1) for each in (nginx, ours)), _words(ratio, 2)]
        lines.append(f"{kind:<40} {generator:<10} {cells[0]:>22} {cells[1]:>22} {cells[2]:>20}")
    return "\n".join(lines)


def _words(spread: Spread, digits: int) -> str:
    return f"{spread.median:.{digits}f} ({spread.least:.{digits}f}..{spread.most:.{digits}f})"


def measure(tools: Tools, start: Callable[[Peer, str], RunningPeer], both: list[Peer], wanted: list[Kind]) -> Found:
    """One round; every process is warm before it is measured."""
    found: Found = {}
    for scene, http in ((MUTUAL, 1), (HTTP2, 2)):
        if not (chosen := [kind for kind in wanted if kind.http == http]):
            continue
        running = [start(peer, scene) for peer in both]
        for one in running:
            _load(tools, one, attrs.evolve(chosen[0], requests=SHORT))
        for kind in chosen:
            for name, generator in GENERATORS.items():
                if carries(name, kind):
                    found[kind.name, name] = {one.name: [generator(tools, one, kind)] for one in running}
    return found


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generators", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", help="only with so many, with commas (default: 1, 8 and 64)")
    parser.add_argument("--http", type=int, choices=(1, 2), help="only over this version")
    parser.add_argument("--checkout", type=Path, default=Path(), help="the gateway to measure (default: here)")
    parser.add_argument("--python", default=sys.executable, help="another interpreter for the gateway")
    return parser.parse_args(arguments)


def kinds(options: argparse.Namespace) -> list[Kind]:
    """The loads of the command line."""
    numbers = [int(number) for number in options.connections.split(",")] if options.connections else None
    return [
        kind for kind in KINDS if (numbers is None or kind.connections in numbers) and options.http in (None, kind.http)
    ]


def run(options: argparse.Namespace) -> Found:
    """All rounds, each with new processes of both.

    Raises:
        BenchmarkError: a generator or nginx is missing, or a request was not answered as it should be.
    """
    if missing := [name for name in ("wrk", "h2load") if shutil.which(name) is None]:
        raise BenchmarkError(f"missing: {', '.join(missing)} (apt install wrk nghttp2-client)")
    found: Found = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        tools = Tools(
            load=Generator(program=programs.compile_c("load", directory, "-lssl", "-lcrypto")),
            shim=programs.compile_c("client_certificate", directory, "-shared", "-fPIC", "-lssl", "-lcrypto", "-ldl"),
        )
        pages = stack.enter_context(backend.started(programs.compile_c("backend", directory)))
        pki = make_pki(directory / "pki", "ecdsa")
        both = [
            proxies.nginx("nginx"),
            proxies.gateway("agwtwisted", options.checkout.resolve(), options.python, []),
        ]
        for number in range(options.rounds):
            with ExitStack() as a_round:

                def start(peer: Peer, scene: str, place: Path = directory / f"round-{number}") -> RunningPeer:
                    place.mkdir(exist_ok=True)
                    begun = peers.started(peer, place / f"{peer.name}-{scene}", pki, pages.port, scene)
                    return a_round.enter_context(begun)

                for key, by_peer in measure(tools, start, both[:: (-1) ** number], kinds(options)).items():
                    for name, values in by_peer.items():
                        found.setdefault(key, {}).setdefault(name, []).extend(values)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return found


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 measured, 1 it could not be done."""
    try:
        print(table(run(parse(arguments))))
    except BenchmarkError as error:
        print(f"benchmarks.generators: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
