"""Rounds of samples, and memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

import attrs

from benchmarks import programs
from benchmarks.load import Generator, Load, require_success
from benchmarks.peers import HTTP2, MUTUAL, Peer, RunningPeer
from benchmarks.workloads import Plan


@attrs.frozen(kw_only=True)
class Sample:
    """One peer, one workload, one round."""

    cpu_us: float  # CPU time of the proxy per operation
    per_second: float  # operations
    p50_us: int
    p99_us: int
    p999_us: int
    histogram: list[tuple[int, int]]
    tls: str


@attrs.frozen(kw_only=True)
class Memory:
    """What a freshly started proxy takes; bytes."""

    started: int
    download_peak: int
    upload_peak: int
    per_idle_connection: float
    per_http2_connection: float = 0.0  # idle; 0: it speaks none
    per_http2_stream: float = 0.0  # one that waits for its request's body, with its connection to the backend


@attrs.frozen(kw_only=True)
class Spread:
    """A median with the extremes around it."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of some values."""
        ordered = sorted(values)
        return cls(median=statistics.median(ordered), least=ordered[0], most=ordered[-1])


@attrs.frozen(kw_only=True)
class Finding:
    """One figure that has no peer to be compared with."""

    name: str
    title: str
    unit: str
    value: Spread


def ratios(ours: list[Sample], base: list[Sample], value: Callable[[Sample], float]) -> Spread:
    """Round by round, ours in terms of the base."""
    return Spread.of(value(one) / value(other) for one, other in zip(ours, base, strict=True))


def sample(generator: Generator, peer: RunningPeer, load: Load) -> Sample:
    """Measures a load once; connections that stay open are opened before the clock starts.

    Raises:
        BenchmarkError: an operation was not answered as it should be.
    """
    with generator.prepared(load, peer.port, peer.pki) as run:
        before = programs.cpu_seconds(peer.pid)
        result = run.go()
        used = programs.cpu_seconds(peer.pid) - before
    require_success(result, load, peer.name)
    return Sample(
        cpu_us=used * 1e6 / result.operations,
        per_second=result.operations / result.seconds,
        p50_us=result.latency_us["p50"],
        p99_us=result.latency_us["p99"],
        p999_us=result.latency_us["p999"],
        histogram=result.histogram,
        tls=result.tls,
    )


Start = Callable[[str], AbstractContextManager[RunningPeer]]
"""Starts a new process of a peer, in a scene."""


def _warm(generator: Generator, peer: RunningPeer) -> None:
    for load in (Load(mode="keepalive", count=200, concurrency=4), Load(mode="handshake", count=20, concurrency=4)):
        require_success(generator.run(load, peer.port, peer.pki), load, peer.name)


def _peak(generator: Generator, start: Start, load: Load) -> int:
    with start(MUTUAL) as peer:
        require_success(generator.run(load, peer.port, peer.pki), load, peer.name)
        return programs.peak_bytes(peer.pid)


def _held(generator: Generator, peer: RunningPeer, load: Load) -> int:
    """Bytes that a peer's memory grows by while the connections of a load are open."""
    before = programs.resident_bytes(peer.pid)
    with generator.prepared(load, peer.port, peer.pki) as run:
        held = programs.resident_bytes(peer.pid) - before
        require_success(run.go(), load, peer.name)
    return held


def _http2_memory(generator: Generator, plan: Plan, start: Start) -> tuple[float, float]:
    """Bytes for an idle connection, and for a stream that waits."""
    idle = Load(mode="idle", count=plan.idle_connections, concurrency=plan.idle_connections, http=2)
    connections = plan.idle_streams // 100
    waiting = Load(
        mode="waiting",
        count=plan.idle_streams,
        concurrency=connections,
        path="/upload",
        size=1024,
        http=2,
        streams=100,
    )
    with start(HTTP2) as peer:
        _warm(generator, peer)
        per_connection = _held(generator, peer, idle) / plan.idle_connections
    with start(HTTP2) as peer:
        _warm(generator, peer)
        held = _held(generator, peer, waiting)
    return per_connection, (held - connections * per_connection) / plan.idle_streams


def memory(generator: Generator, plan: Plan, measured: Peer, start: Start) -> Memory:
    """Looks at the memory of a peer; ``start`` starts a new one for each question."""
    download = Load(mode="download", path=plan.memory_body, expect=plan.memory_body_bytes)
    upload = Load(mode="upload", path="/upload", size=plan.memory_body_bytes)
    idle = Load(mode="idle", count=plan.idle_connections, concurrency=plan.idle_connections)
    with start(MUTUAL) as peer:
        _warm(generator, peer)
        started = programs.resident_bytes(peer.pid)
        held = _held(generator, peer, idle)
    per_connection, per_stream = _http2_memory(generator, plan, start) if HTTP2 in measured.scenes else (0.0, 0.0)
    return Memory(
        started=started,
        download_peak=_peak(generator, start, download),
        upload_peak=_peak(generator, start, upload),
        per_idle_connection=held / plan.idle_connections,
        per_http2_connection=per_connection,
        per_http2_stream=per_stream,
    )
