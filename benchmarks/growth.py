"""How the cost of one operation grows with what is there beside it: connections, trusted chains, sites."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import attrs

from benchmarks.load import Generator, Load, require_success
from benchmarks.measure import Sample, Spread, sample
from benchmarks.peers import Growth, Peer, RunningPeer
from benchmarks.pki import more_chains

Start = Callable[[Peer, Growth], AbstractContextManager[RunningPeer]]

REQUESTS = Load(mode="keepalive", count=4000, concurrency=16)
HANDSHAKES = Load(mode="handshake", count=150, concurrency=8)
ROUNDS = 3


@attrs.frozen(kw_only=True)
class Series:
    """One thing that there is more and more of, and what is done meanwhile."""

    name: str
    title: str
    values: tuple[int, ...]
    load: Load


SERIES = (
    Series(
        name="connections",
        title="idle connections beside 16 with requests: one GET",
        values=(1, 10, 100, 1000, 10000),
        load=REQUESTS,
    ),
    Series(name="chains", title="trusted client CA chains: one full handshake", values=(1, 20, 200), load=HANDSHAKES),
    Series(
        name="sites",
        title="sites with a wildcard on the port: one GET",
        values=(1, 100, 400),
        load=REQUESTS,
    ),
    Series(
        name="sites-handshake",
        title="sites with a wildcard on the port: one full handshake",
        values=(1, 100, 400),
        load=HANDSHAKES,
    ),
)


@attrs.frozen(kw_only=True)
class Point:
    """What was found at one value of a series."""

    value: int
    cpu_us: Spread
    per_second: Spread


@contextmanager
def _idle(generator: Generator, peer: RunningPeer, count: int) -> Iterator[None]:
    """Holds connections that had one request each."""
    load = Load(mode="idle", count=count, concurrency=count, seconds=300)
    with generator.prepared(load, peer.port, peer.pki) as run:
        yield
        require_success(run.go(), load, peer.name)


def _growth(series: Series, value: int, chains: list[Path]) -> Growth:
    if series.name == "chains":
        return Growth(chains=tuple(chains[: value - 1]))
    return Growth(sites=value - 1) if series.name.startswith("sites") else Growth()


def _samples(generator: Generator, peer: RunningPeer, load: Load) -> list[Sample]:
    sample(generator, peer, attrs.evolve(load, count=load.concurrency))
    return [sample(generator, peer, load) for _ in range(ROUNDS)]


def measure(
    generator: Generator, peers: list[Peer], start: Start, directory: Path
) -> dict[str, dict[str, list[Point]]]:
    """Every series for every peer: by series, by peer."""
    directory.mkdir()
    chains = more_chains(directory, max(max(series.values) for series in SERIES if series.name == "chains") - 1)
    found: dict[str, dict[str, list[Point]]] = {series.name: {peer.name: [] for peer in peers} for series in SERIES}
    for series in SERIES:
        for value in series.values:
            for peer in peers:
                with start(peer, _growth(series, value, chains)) as running:
                    if series.name == "connections":
                        with _idle(generator, running, value):
                            samples = _samples(generator, running, series.load)
                    else:
                        samples = _samples(generator, running, series.load)
                point = Point(
                    value=value,
                    cpu_us=Spread.of(one.cpu_us for one in samples),
                    per_second=Spread.of(one.per_second for one in samples),
                )
                found[series.name][peer.name].append(point)
    return found
