"""Reloads of the gateway: what clients notice of them, how long they take, and what they leave behind in memory."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import attrs

from benchmarks import programs
from benchmarks.load import Generator, Load, Run, require_success
from benchmarks.measure import Finding, Spread
from benchmarks.peers import Growth, RunningPeer
from benchmarks.pki import more_chains
from benchmarks.programs import BenchmarkError

Start = Callable[[Growth], AbstractContextManager[RunningPeer]]

RELOADED = re.compile(r"generation \d+ .* is in force after")
"""What the gateway's log says once for each reload that was done."""

DEADLINE = 60.0

IDLE = 2000
RATE = 1000
BUSY = 64
SECONDS = 10

CHAINS, SITES = 200, 400


class Reloading:
    """Changes the configuration of a gateway at work, and has it reloaded.

    Args:
        generator: has it answer a request first: before its reactor runs, the signal would end it.
        peer: the gateway.
        chain: the file of a CA chain that it does not trust yet.
    """

    def __init__(self, generator: Generator, peer: RunningPeer, chain: Path) -> None:
        first = Load(mode="handshake")
        require_success(generator.run(first, peer.port, peer.pki), first, peer.name)
        self._peer = peer
        self._log = peer.access_log.parent / "twistd.log"
        self._file = peer.access_log.parent / "gw.ini"
        self._text = self._file.read_text()
        self._chain = chain
        self._seen = self._reloads()

    def unchanged(self, number: int) -> None:
        """Nothing changes."""

    def renewed(self, number: int) -> None:
        """The server's certificate changes, to and fro: every context is made anew."""
        pki = self._peer.pki
        text = self._text
        if number % 2 == 0:
            text = text.replace(f"= {pki.server.chain}\n", f"= {pki.renewed.chain}\n")
            text = text.replace(f"= {pki.server.key}\n", f"= {pki.renewed.key}\n")
        self._write(text)

    def trust(self, number: int) -> None:
        """The profile gets a chain more, or loses it: every client is judged again."""
        text = self._text
        if number % 2 == 0:
            text = text.replace("trusted_client_certificates = devices", "trusted_client_certificates = devices, more")
            text += f"\n[trusted_client_certificate more]\nfile = {self._chain}\n"
        self._write(text)

    def _write(self, text: str) -> None:
        new = self._file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(text)
        new.replace(self._file)

    def _reloads(self) -> int:
        return len(RELOADED.findall(self._log.read_text()))

    def reload(self) -> tuple[float, float]:
        """One reload; the monotonic times of the signal and of the line in the log (to a millisecond or two)."""
        began = time.monotonic()
        os.kill(self._peer.pid, signal.SIGHUP)
        while self._reloads() == self._seen:
            if time.monotonic() - began > DEADLINE:
                raise BenchmarkError(f"no reload: {self._log.read_text()[-2000:]}")
            time.sleep(0.001)
        self._seen += 1
        return began, time.monotonic()


CHANGES: dict[str, Callable[[Reloading, int], None]] = {
    "unchanged": Reloading.unchanged,
    "renewed": Reloading.renewed,
    "trust": Reloading.trust,
}
"""What changes from one reload to the next."""

TITLES = {
    "unchanged": "nothing has changed",
    "renewed": "a new server certificate",
    "trust": "a CA more or less: every client is judged again",
}


@contextmanager
def _idle(generator: Generator, peer: RunningPeer, count: int) -> Iterator[Run]:
    load = Load(mode="idle", count=count, concurrency=count, seconds=300)
    with generator.prepared(load, peer.port, peer.pki) as run:
        yield run
        require_success(run.go(), load, peer.name)  # each still stands, and has its request answered


def percentile(values: list[int], share: float) -> float:
    ordered = sorted(values)
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)]) if ordered else 0.0


@attrs.frozen(kw_only=True)
class UnderLoad:
    """One round: latencies in microseconds of requests beside the reloads and during them, and the reloads' seconds."""

    beside_p99: float
    during_p99: float
    during_most: float
    seconds: list[float]


def overlapping(timeline: Path, reloads: list[tuple[float, float]]) -> tuple[list[int], list[int]]:
    """Latencies of the operations that were under way within a reload, and of the others."""
    during: list[int] = []
    beside: list[int] = []
    for line in timeline.read_text().splitlines():
        began, took = (int(word) for word in line.split())
        overlaps = any(begin * 1e6 <= began + took and began <= end * 1e6 for begin, end in reloads)
        (during if overlaps else beside).append(took)
    return during, beside


def under_load(generator: Generator, peer: RunningPeer, reloading: Reloading, change: str, seconds: int) -> UnderLoad:
    """1,000 requests a second, with 2,000 connections open beside them: some seconds in quiet, some with reloads.

    Raises:
        BenchmarkError: a request was not answered as it should be, or a connection did not outlive the reloads.
    """
    timeline = peer.access_log.parent / "timeline"
    load = Load(
        mode="keepalive", count=2 * seconds * RATE, concurrency=BUSY, rate=RATE, timeline=str(timeline), seconds=300
    )
    reloads = []
    with (
        _idle(generator, peer, IDLE),
        generator.prepared(load, peer.port, peer.pki) as run,
        ThreadPoolExecutor(1) as pool,
    ):
        began = time.monotonic()
        going = pool.submit(run.go)
        for number in range(seconds):
            time.sleep(max(0.0, began + seconds + number + 0.3 - time.monotonic()))
            CHANGES[change](reloading, number)
            reloads.append(reloading.reload())
        require_success(going.result(), load, peer.name)
    during, beside = overlapping(timeline, reloads)
    return UnderLoad(
        beside_p99=percentile(beside, 0.99),
        during_p99=percentile(during, 0.99),
        during_most=float(max(during)),
        seconds=[end - begin for begin, end in reloads],
    )


def _under_load_findings(change: str, rounds: list[UnderLoad]) -> Iterator[Finding]:
    what = f"{RATE:,} requests a second, {IDLE:,} open connections; {TITLES[change]}"
    yield Finding(
        name=f"reload-{change}",
        title=f"{what}: seconds of a reload",
        unit="s",
        value=Spread.of(each for one in rounds for each in one.seconds),
    )
    for field, title in (
        ("beside_p99", "p99 beside the reloads"),
        ("during_p99", "p99 of requests that a reload overlaps"),
        ("during_most", "the slowest of these"),
    ):
        values = [getattr(one, field) / 1000 for one in rounds]
        name = f"reload-{change}-{field.replace('_', '-')}"
        yield Finding(name=name, title=f"{what}: {title}", unit="ms", value=Spread.of(values))


def measure_under_load(generator: Generator, start: Start, chain: Path, rounds: int, seconds: int) -> list[Finding]:
    """Every change in every round, in processes of its own."""
    found: dict[str, list[UnderLoad]] = {change: [] for change in CHANGES}
    for _ in range(rounds):
        for change, ones in found.items():
            with start(Growth()) as peer:
                ones.append(under_load(generator, peer, Reloading(generator, peer, chain), change, seconds))
    return [finding for change, ones in found.items() for finding in _under_load_findings(change, ones)]


def measure_large(generator: Generator, start: Start, directory: Path, rounds: int) -> list[Finding]:
    """The time of a reload with many chains and sites."""
    chains = more_chains(directory, CHAINS)
    seconds: dict[str, list[float]] = {change: [] for change in CHANGES}
    with start(Growth(chains=tuple(chains[: CHAINS - 1]), sites=SITES - 1)) as peer:
        reloading = Reloading(generator, peer, chains[-1])
        for number in range(rounds):
            for change in ("unchanged", "renewed"):
                CHANGES[change](reloading, number)
                began, ended = reloading.reload()
                seconds[change].append(ended - began)
    return [
        Finding(
            name=f"reload-large-{change}",
            title=f"{CHAINS} chains, {SITES} sites; {TITLES[change]}: seconds of a reload",
            unit="s",
            value=Spread.of(values),
        )
        for change, values in seconds.items()
        if values
    ]


def measure_memory(generator: Generator, start: Start, chain: Path, count: int) -> list[Finding]:
    """The resident memory after some reloads, and after all, under light load; every reload makes all anew."""
    early, before = max(count // 10, 1), 0
    with start(Growth()) as peer, _idle(generator, peer, 100):
        reloading = Reloading(generator, peer, chain)
        busy = Load(mode="handshake", count=5, concurrency=1)
        for number in range(count):
            if number == early:
                before = programs.resident_bytes(peer.pid)
            CHANGES["trust" if number % 3 == 0 else "renewed"](reloading, number)
            reloading.reload()
            if number % 5 == 0:
                require_success(generator.run(busy, peer.port, peer.pki), busy, peer.name)
        after = programs.resident_bytes(peer.pid)
    title = f"resident memory, 100 open connections and some handshakes: after {early:,} reloads"
    print(f"{count:,} reloads", file=sys.stderr, flush=True)
    return [
        Finding(name="reload-memory-early", title=title, unit="MB", value=Spread.of([before / 1e6])),
        Finding(name="reload-memory", title=f"the same after {count:,}", unit="MB", value=Spread.of([after / 1e6])),
    ]
