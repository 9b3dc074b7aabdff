"""What is measured."""

from __future__ import annotations

import attrs

from benchmarks.load import Load

MEBIBYTE = 1 << 20


@attrs.frozen(kw_only=True)
class Workload:
    """A load that every peer carries; ``target`` is the ratio to nginx that the gateway shall not exceed."""

    name: str
    title: str
    load: Load
    algorithm: str = "ecdsa"
    target: float | None = None
    judged_by_latency: bool = False  # the target is about p99, not about CPU


@attrs.frozen(kw_only=True)
class Plan:
    """A whole run: the workloads, how often, and how much memory is looked at."""

    rounds: int
    workloads: tuple[Workload, ...]
    memory_body: str
    memory_body_bytes: int
    idle_connections: int


def _workloads(scale: float) -> tuple[Workload, ...]:
    """The workloads of every run; ``scale`` shortens them."""

    def scaled(count: int) -> int:
        return max(1, int(count * scale))

    return (
        Workload(
            name="handshake",
            title="full mTLS handshake + GET, ECDSA, TLS 1.3",
            load=Load(mode="handshake", count=scaled(500), concurrency=16),
            target=0.75,
        ),
        Workload(
            name="keepalive",
            title="keep-alive GET 1 KB, 64 connections",
            load=Load(mode="keepalive", count=scaled(20000), concurrency=64),
            target=1.40,
        ),
        Workload(
            name="download-1m",
            title="download 1 MB, 8 connections",
            load=Load(mode="download", count=scaled(400), concurrency=8, path="/1m", expect=MEBIBYTE),
            target=1.20,
        ),
        Workload(
            name="download-100m",
            title="download 100 MB, 2 connections",
            load=Load(mode="download", count=scaled(6), concurrency=2, path="/100m", expect=100 * MEBIBYTE),
            target=1.20,
        ),
        Workload(
            name="upload-100m",
            title="upload 100 MB, 2 connections",
            load=Load(mode="upload", count=scaled(6), concurrency=2, path="/upload", size=100 * MEBIBYTE),
            target=1.25,
        ),
    )


MORE = (
    Workload(
        name="handshake-tls12",
        title="full mTLS handshake + GET, ECDSA, TLS 1.2",
        load=Load(mode="handshake", count=500, concurrency=16, tls="1.2"),
    ),
    Workload(
        name="handshake-rsa",
        title="full mTLS handshake + GET, RSA 2048, TLS 1.3",
        load=Load(mode="handshake", count=300, concurrency=16),
        algorithm="rsa",
    ),
    Workload(
        name="upload-1k",
        title="keep-alive POST 1 KB, 64 connections",
        load=Load(mode="upload", count=10000, concurrency=64, path="/upload", size=1024),
    ),
    Workload(
        name="paced",
        title="keep-alive GET 1 KB, 1,000 requests a second",
        load=Load(mode="keepalive", count=4000, concurrency=64, rate=1000),
        target=2.0,
        judged_by_latency=True,
    ),
)

FULL = Plan(
    rounds=7,
    workloads=_workloads(1) + MORE,
    memory_body="/1g",
    memory_body_bytes=1 << 30,
    idle_connections=1000,
)
QUICK = Plan(
    rounds=5,
    workloads=_workloads(0.5),
    memory_body="/256m",
    memory_body_bytes=1 << 28,
    idle_connections=200,
)
