"""Two workers next to one, where proxy, load generator and backend share all cores; how many clients resume in either.

The cores that the generator and the backend need are missing to the workers, so the rate alone says little on a machine
of two: beside it stands what each had of the cores, and the proxy's CPU time for one operation, from which follows what
the workers could do with cores of their own. Where the system allows it, they are measured with half a core each, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs

from benchmarks import halves, programs
from benchmarks.backend import RunningBackend
from benchmarks.load import Generator, Load, require_success
from benchmarks.measure import Finding, Spread
from benchmarks.peers import Growth, RunningPeer
from benchmarks.programs import BenchmarkError
from benchmarks.reloads import CHANGES, Reloading

Start = Callable[[Growth], AbstractContextManager[RunningPeer]]

LOADS = {
    "keepalive": ("keep-alive GET 1 KB, 64 connections", Load(mode="keepalive", count=20000, concurrency=64)),
    "handshake": ("full mTLS handshake + GET", Load(mode="handshake", count=1500, concurrency=32)),
    "resumed": ("mTLS handshake + GET of clients that come again", Load(mode="return", count=2000, concurrency=32)),
}

RETURNING = Load(mode="return", count=400, concurrency=16)


@attrs.frozen(kw_only=True)
class Shared:
    """One load: operations a second, and CPU seconds a second (cores) of proxy, generator, backend and all."""

    per_second: float
    cpu_us: float
    proxy: float
    generator: float
    backend: float
    all: float


def _cores_seconds() -> float:
    return sum(programs.core_seconds(frozenset(os.sched_getaffinity(0))))


def shared(generator: Generator, peer: RunningPeer, backend: RunningBackend, load: Load) -> Shared:
    """Measures a load with all cores for everybody.

    Raises:
        BenchmarkError: an operation was not answered as it should be.
    """
    warm = attrs.evolve(load, count=load.count // 8)
    require_success(generator.run(warm, peer.port, peer.pki), warm, peer.name)
    with generator.prepared(load, peer.port, peer.pki) as run:
        pids = (peer.pid, run.pid, backend.pid)
        began, before, cores = time.monotonic(), [programs.cpu_seconds(pid) for pid in pids], _cores_seconds()
        result = run.go()
        took = time.monotonic() - began
        used = [programs.cpu_seconds(pid) - each for pid, each in zip(pids, before, strict=True)]
        cores = _cores_seconds() - cores
    require_success(result, load, peer.name)
    return Shared(
        per_second=result.operations / result.seconds,
        cpu_us=used[0] * 1e6 / result.operations,
        proxy=used[0] / took,
        generator=used[1] / took,
        backend=used[2] / took,
        all=cores / took,
    )


def measure(generator: Generator, start: Start, backend: RunningBackend, rounds: int) -> list[Finding]:
    """One and two workers by turns, in processes of their own in every round."""
    found: dict[str, dict[int, list[Shared]]] = {name: {1: [], 2: []} for name in LOADS}
    for number in range(rounds):
        for workers in (1, 2) if number % 2 else (2, 1):
            with start(Growth(workers=workers)) as peer:
                for name, (_, load) in LOADS.items():
                    found[name][workers].append(shared(generator, peer, backend, load))
    return [finding for name, by_workers in found.items() for finding in _findings(name, by_workers)]


def measure_halves(generator: Generator, start: Start, rounds: int) -> list[Finding]:
    """Rates of one and two workers that have half a core each."""
    found: dict[str, dict[int, list[float]]] = {name: {1: [], 2: []} for name in LOADS}
    for number in range(rounds):
        for workers in (1, 2) if number % 2 else (2, 1):
            with start(Growth(workers=workers)) as peer:
                pids = programs.workers_of(peer.pid, workers)
                with halves.half_a_core_each(pids):
                    for name, (_, load) in LOADS.items():
                        found[name][workers].append(_rate(generator, peer, load))
    return [
        Finding(
            name=f"workers-{name}-halves",
            title=f"{LOADS[name][0]}: two next to one, half a core each",
            unit="x",
            value=Spread.of(two / one for one, two in zip(rates[1], rates[2], strict=True)),
        )
        for name, rates in found.items()
    ]


def _rate(generator: Generator, peer: RunningPeer, load: Load) -> float:
    result = generator.run(load, peer.port, peer.pki)
    require_success(result, load, peer.name)
    return result.operations / result.seconds


def _findings(name: str, by_workers: dict[int, list[Shared]]) -> Iterator[Finding]:
    title = LOADS[name][0]

    def finding(key: str, what: str, unit: str, values: Iterator[float]) -> Finding:
        return Finding(name=f"workers-{name}-{key}", title=f"{title}: {what}", unit=unit, value=Spread.of(values))

    one, two = by_workers[1], by_workers[2]
    pairs = list(zip(one, two, strict=True))
    yield finding("rate-1", "one worker", "op/s", (each.per_second for each in one))
    yield finding("rate-2", "two workers", "op/s", (each.per_second for each in two))
    ratios = (second.per_second / first.per_second for first, second in pairs)
    yield finding("rate-ratio", "two next to one", "x", ratios)
    for who in ("proxy", "generator", "backend", "all"):
        what = f"cores that {'all processes' if who == 'all' else f'the {who}'} used, two workers"
        yield finding(f"cores-{who}", what, "cores", (getattr(each, who) for each in two))
    yield finding("cpu-1", "CPU of one worker", "us/op", (each.cpu_us for each in one))
    yield finding("cpu-2", "CPU of two workers", "us/op", (each.cpu_us for each in two))
    limit = "two next to one by CPU time, each with a core of its own"
    yield finding("cpu-ratio", limit, "x", (2 * first.cpu_us / second.cpu_us for first, second in pairs))


def measure_hits(generator: Generator, start: Start, chain: Path, rounds: int) -> list[Finding]:
    """The share of returning clients that resume, with two workers, before and after reloads."""
    shares: dict[str, list[float]] = {"before": [], **{change: [] for change in CHANGES}}
    for _ in range(rounds):
        with start(Growth(workers=2)) as peer:
            shares["before"].append(_share(generator, peer))
            reloading = Reloading(generator, peer, chain)
            for change in CHANGES:
                CHANGES[change](reloading, 0)
                reloading.reload()
                shares[change].append(_share(generator, peer))
    titles = {
        "before": "before any reload",
        "unchanged": "after a reload that changes nothing",
        "renewed": "after a new server certificate",
        "trust": "after a change of the profile",
    }
    return [
        Finding(
            name=f"workers-resumed-share-{when}",
            title=f"two workers, returning clients that resume: {titles[when]}",
            unit="%",
            value=Spread.of(values),
        )
        for when, values in shares.items()
    ]


def _share(generator: Generator, peer: RunningPeer) -> float:
    """Of clients whose sessions were made under the configuration in force, by any worker; in per cent."""
    result = generator.run(RETURNING, peer.port, peer.pki)
    require_success(result, RETURNING, peer.name)
    if not result.operations:
        raise BenchmarkError("no client came")
    return 100 * result.resumed / result.operations
