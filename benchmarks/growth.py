"""How the cost of one operation grows with what is there beside it: connections, trusted chains, sites."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import attrs

from benchmarks.load import Generator, Load, require_success
from benchmarks.measure import Sample, Spread, ratios, sample
from benchmarks.peers import Growth, Peer, RunningPeer
from benchmarks.pki import more_chains

Start = Callable[[Peer, Growth], AbstractContextManager[RunningPeer]]

REQUESTS = Load(mode="keepalive", count=4000, concurrency=16)
HANDSHAKES = Load(mode="handshake", count=150, concurrency=8)
ROUNDS = 5


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
    ratio: Spread  # to the series' first value, round by round
    per_second: Spread

    @classmethod
    def of(cls, value: int, samples: list[Sample], first: list[Sample]) -> Point:
        """What these samples say, next to those of the first value."""
        return cls(
            value=value,
            cpu_us=Spread.of(one.cpu_us for one in samples),
            ratio=ratios(samples, first, lambda one: one.cpu_us),
            per_second=Spread.of(one.per_second for one in samples),
        )


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


@contextmanager
def _started(
    generator: Generator, start: Start, peer: Peer, series: Series, value: int, chains: list[Path]
) -> Iterator[RunningPeer]:
    """A peer with as much beside it as the value says, warmed up."""
    with ExitStack() as stack:
        running = stack.enter_context(start(peer, _growth(series, value, chains)))
        if series.name == "connections":
            stack.enter_context(_idle(generator, running, value))
        sample(generator, running, attrs.evolve(series.load, count=series.load.concurrency))
        yield running


def measure(
    generator: Generator, peers: list[Peer], start: Start, directory: Path
) -> dict[str, dict[str, list[Point]]]:
    """Every series for every peer: by series, by peer.

    All values of a series are there at once and take turns in every round: a machine that is slower for a while is so
    for all of them.
    """
    directory.mkdir()
    chains = more_chains(directory, max(max(series.values) for series in SERIES if series.name == "chains") - 1)
    found: dict[str, dict[str, list[Point]]] = {}
    for series in SERIES:
        with ExitStack() as stack:
            running = [
                (peer.name, value, stack.enter_context(_started(generator, start, peer, series, value, chains)))
                for value in series.values
                for peer in peers
            ]
            samples: dict[tuple[str, int], list[Sample]] = {(name, value): [] for name, value, _ in running}
            for round_number in range(ROUNDS):
                turn = round_number * len(running) // ROUNDS
                for name, value, one in running[turn:] + running[:turn]:
                    samples[name, value].append(sample(generator, one, series.load))
        found[series.name] = {
            peer.name: [
                Point.of(value, samples[peer.name, value], samples[peer.name, series.values[0]])
                for value in series.values
            ]
            for peer in peers
        }
        print(f"growth with {series.name}", file=sys.stderr, flush=True)
    return found
