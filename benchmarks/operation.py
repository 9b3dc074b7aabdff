"""What reloads and workers of the gateway cost: everything in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

import attrs

from benchmarks import backend, halves, peers, reloads, workers
from benchmarks.load import Generator
from benchmarks.measure import Finding
from benchmarks.peers import RETURNING, Growth, Peer, RunningPeer
from benchmarks.pki import Pki, more_chains
from benchmarks.workloads import Operation


@attrs.frozen
class Stand:
    """What is there beside the gateway."""

    generator: Generator
    backend_program: Path
    backend_port: int
    pki: Pki
    directory: Path


def measure(stand: Stand, peer: Peer, much: Operation) -> list[Finding]:
    """All that is measured of one gateway."""
    stand.directory.mkdir(exist_ok=True)
    numbers = count()
    (chain,) = more_chains(stand.directory, 1)
    chains = stand.directory / f"{peer.name}-chains"
    chains.mkdir()

    def start(
        growth: Growth, port: int = stand.backend_port, *, pinned: bool = True
    ) -> AbstractContextManager[RunningPeer]:
        directory = stand.directory / f"{peer.name}-{next(numbers)}"
        return peers.started(peer, directory, stand.pki, port, RETURNING, growth, pinned=pinned)

    generator = stand.generator
    found: list[Finding] = []
    parts: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
        ("reloads under load", lambda: reloads.measure_under_load(generator, start, chain, much.rounds, much.seconds)),
        ("reloads of much", lambda: reloads.measure_large(generator, start, chains, 2 * much.rounds)),
        ("memory", lambda: reloads.measure_memory(generator, start, chain, much.reloads)),
        ("sessions of workers", lambda: workers.measure_hits(generator, start, chain, much.rounds)),
    )
    for name, findings in parts:
        found += findings()
        print(f"{name} of {peer.name}", file=sys.stderr, flush=True)
    free = attrs.evolve(generator, pinned=False)
    with backend.started(stand.backend_program, pinned=False) as pages:

        def on_all_cores(growth: Growth) -> AbstractContextManager[RunningPeer]:
            return start(growth, pages.port, pinned=False)

        found += workers.measure(free, on_all_cores, pages, much.rounds)
        if halves.available():
            found += workers.measure_halves(free, on_all_cores, much.rounds)
    print(f"workers of {peer.name}", file=sys.stderr, flush=True)
    return found
