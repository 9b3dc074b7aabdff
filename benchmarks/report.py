"""The table that a run prints and the JSON file it leaves."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs

from benchmarks.growth import SERIES, Point
from benchmarks.measure import Finding, Memory, Sample, Spread, ratios
from benchmarks.peers import Peer
from benchmarks.workloads import Workload

BASE = "nginx"
GATEWAY = "agwtwisted"

AGAINST = "against"
"""The gateway of another checkout."""

Value = Callable[[Sample], float]

Samples = Mapping[str, Mapping[str, list[Sample]]]  # by workload, by peer; one a round


@attrs.frozen(kw_only=True)
class Report:
    """Everything that a run found out."""

    arguments: list[str]
    seconds: float
    peers: list[Peer]
    generator_openssl: str
    workloads: list[Workload]
    samples: Samples
    memory: Mapping[str, Memory]
    growth: Mapping[str, Mapping[str, list[Point]]]  # by series, by peer
    operation: Mapping[str, list[Finding]]  # by peer
    remarks: list[str]


def machine() -> dict[str, object]:
    """Properties of the machine that the figures depend on."""
    models = {line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    return {
        "cpu": ", ".join(sorted(models)) or platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_average": os.getloadavg(),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _spread(spread: Spread, digits: int) -> str:
    return f"{spread.median:,.{digits}f} ({spread.least:,.{digits}f}..{spread.most:,.{digits}f})"


def _ratio(samples: Mapping[str, list[Sample]], peer: str, value: Value, base: str = BASE) -> Spread | None:
    """In terms of nginx, or of another base; None: that was not there."""
    return ratios(samples[peer], samples[base], value) if base in samples else None


def _cpu(one: Sample) -> float:
    return one.cpu_us


def _p99(one: Sample) -> float:
    return one.p99_us


def _judgement(peer: str, ratio: Spread | None, target: float | None) -> str:
    if peer != GATEWAY or ratio is None or target is None:
        return ""
    return _verdict(ratio, target)


def _like_ratio(report: Report, workload: Workload, peer: str) -> Spread | None:
    """CPU of a workload of HTTP/2 in terms of the same of HTTP/1.1; None: that was not measured."""
    others = report.samples.get(workload.like, {}).get(peer)
    return ratios(report.samples[workload.name][peer], others, lambda one: one.cpu_us) if others else None


def _like_judgement(report: Report, workload: Workload, peer: str) -> str:
    ratio = _like_ratio(report, workload, peer)
    if ratio is None:
        return ""
    target = workload.like_target if peer == GATEWAY else None
    verdict = f" {_verdict(ratio, target)}" if target is not None else ""
    return f"{_spread(ratio, 2)}{verdict}"


def _verdict(ratio: Spread, target: float) -> str:
    return f"{'ok' if ratio.median <= target else 'MISSED'} (<= {target:.2f})"


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    for workload in report.workloads:
        samples = report.samples[workload.name]
        for peer, ones in samples.items():
            ratio = _ratio(samples, peer, _cpu)
            yield (
                workload.name,
                peer,
                _spread(Spread.of(one.cpu_us for one in ones), 0),
                _spread(ratio, 2) if ratio else "",
                _judgement(peer, ratio, workload.target),
                _like_judgement(report, workload, peer),
                f"{1e6 / Spread.of(one.cpu_us for one in ones).median:,.0f}",
                f"{Spread.of(one.per_second for one in ones).median:,.0f}",
                f"{Spread.of(one.p50_us for one in ones).median:,.0f}",
                f"{Spread.of(one.p99_us for one in ones).median:,.0f}",
                f"{Spread.of(one.p999_us for one in ones).median:,.0f}",
            )


def _latency_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for workload in report.workloads:
        samples = report.samples[workload.name]
        for peer, ones in samples.items():
            if workload.latency_target is not None:
                ratio = _ratio(samples, peer, _p99)
                judgement = _judgement(peer, ratio, workload.latency_target)
                p99 = _spread(Spread.of(one.p99_us for one in ones), 0)
                yield workload.name, peer, p99, _spread(ratio, 2) if ratio else "", judgement


def _against_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """What is different to the other checkout."""
    for workload in report.workloads:
        samples = report.samples[workload.name]
        if GATEWAY in samples and AGAINST in samples:
            cells = []
            for value in (_cpu, _p99):
                ratio = _ratio(samples, GATEWAY, value, AGAINST)
                medians = (Spread.of(map(value, samples[peer])).median for peer in (AGAINST, GATEWAY))
                cells += [*(f"{median:,.0f}" for median in medians), _spread(ratio, 3) if ratio else ""]
            yield workload.name, *cells


def _growth_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for series in SERIES:
        for peer, points in report.growth.get(series.name, {}).items():
            for point in points:
                yield (
                    series.name,
                    peer,
                    f"{point.value:,}",
                    _spread(point.cpu_us, 0),
                    _spread(point.ratio, 2),
                    f"{point.per_second.median:,.0f}",
                )


def _operation_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for peer, findings in report.operation.items():
        for finding in findings:
            yield finding.title, peer, _spread(finding.value, 3 if finding.unit in ("s", "x") else 1), finding.unit


def _memory_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for peer, memory in report.memory.items():
        yield (
            peer,
            f"{memory.started / 1e6:.1f}",
            f"{memory.download_peak / 1e6:.1f}",
            f"{memory.upload_peak / 1e6:.1f}",
            f"{memory.per_idle_connection / 1e3:.1f}",
            *(f"{each / 1e3:.1f}" if each else "" for each in (memory.per_http2_connection, memory.per_http2_stream)),
            _memory_judgement(peer, memory),
        )


def _memory_judgement(peer: str, memory: Memory) -> str:
    if peer != GATEWAY:
        return ""
    return f"{'ok' if memory.per_idle_connection <= MEMORY_TARGET else 'MISSED'} (<= {MEMORY_TARGET / 1e3:.0f})"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], left: int) -> str:
    """Columns of text; the first ``left`` of them flush left."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


_IDLE = ("kB per idle connection", "kB per idle HTTP/2 connection", "kB per waiting stream")

MEMORY_TARGET = 45e3
"""Bytes that an idle connection of the gateway shall not exceed."""


def table(report: Report) -> str:
    """The run as text."""
    head = (
        "workload",
        "peer",
        "CPU us/op",
        f"ratio to {BASE}",
        "target",
        "to HTTP/1.1",
        "op/CPU-s",
        "op/s",
        "p50 us",
        "p99 us",
        "p99.9 us",
    )
    latency_head = ("latency", "peer", "p99 us", f"ratio to {BASE}", "target")
    against_head = ("before and after", "CPU us/op", "after", "after/before", "p99 us", "after", "after/before")
    memory_head = ("memory", "started MB", "download peak MB", "upload peak MB", *_IDLE, "target")
    parts = [_table(head, list(_rows(report)), 2)]
    if latencies := list(_latency_rows(report)):
        parts.append(_table(latency_head, latencies, 2))
    if against := list(_against_rows(report)):
        parts.append(_table(against_head, against, 1))
    if report.memory:
        parts.append(_table(memory_head, list(_memory_rows(report)), 1))
    if report.growth:
        growth_head = ("growth", "peer", "how many", "CPU us/op", "ratio to the fewest", "op/s")
        parts.append(_table(growth_head, list(_growth_rows(report)), 2))
    if report.operation:
        parts.append(_table(("operation", "peer", "", "unit"), list(_operation_rows(report)), 2))
    parts.append("\n".join(f"{workload.name}: {workload.title}" for workload in report.workloads))
    if report.growth:
        parts.append("\n".join(f"{series.name}: {series.title}" for series in SERIES))
    parts.append("\n".join(f"{peer.name}: {_versions(peer)}" for peer in report.peers))
    facts = machine()
    parts.append(f"load generator: {report.generator_openssl}; {report.seconds:.0f} seconds in all")
    parts.append(f"machine: {facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}")
    if report.remarks:
        parts.append("\n".join(f"REMARK {remark}" for remark in report.remarks))
    return "\n\n".join(parts)


def _versions(peer: Peer) -> str:
    return ", ".join(f"{name} {version}" for name, version in peer.versions.items())


def _workload_fields(report: Report, workload: Workload) -> dict[str, object]:
    samples = report.samples[workload.name]
    peers = {}
    for peer, ones in samples.items():
        like = _like_ratio(report, workload, peer)
        ratio, p99_ratio = (_ratio(samples, peer, value) for value in (_cpu, _p99))
        peers[peer] = {
            "samples": [attrs.asdict(one) for one in ones],
            "cpu_us": attrs.asdict(Spread.of(one.cpu_us for one in ones)),
            "ratio": attrs.asdict(ratio) if ratio else None,
            "p99_ratio": attrs.asdict(p99_ratio) if p99_ratio else None,
            "like_ratio": attrs.asdict(like) if like else None,
        }
    return {
        "title": workload.title,
        "load": attrs.asdict(workload.load),
        "target": workload.target,
        "like": workload.like,
        "like_target": workload.like_target,
        "latency_target": workload.latency_target,
        "peers": peers,
    }


def write(report: Report, directory: Path) -> Path:
    """Writes the run as JSON, and returns the new file."""
    now = datetime.datetime.now(datetime.UTC)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{now:%Y%m%dT%H%M%SZ}.json"
    fields = {
        "when": now.isoformat(timespec="seconds"),
        "arguments": report.arguments,
        "seconds": report.seconds,
        "machine": machine(),
        "versions": {peer.name: peer.versions for peer in report.peers} | {"load": report.generator_openssl},
        "workloads": {workload.name: _workload_fields(report, workload) for workload in report.workloads},
        "growth": {
            name: {peer: [attrs.asdict(point) for point in points] for peer, points in by_peer.items()}
            for name, by_peer in report.growth.items()
        },
        "operation": {
            peer: [attrs.asdict(finding) for finding in findings] for peer, findings in report.operation.items()
        },
        "memory": {peer: attrs.asdict(memory) for peer, memory in report.memory.items()},
        "remarks": report.remarks,
    }
    path.write_text(json.dumps(fields, indent=1) + "\n")
    return path
