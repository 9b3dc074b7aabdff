"""What is measured."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from benchmarks.load import Load
from benchmarks.peers import HTTP2, HTTP2_RETURNING, MUTUAL, OCSP, OPEN, RELAY, RETURNING, Peer

KIBIBYTE, MEBIBYTE = 1 << 10, 1 << 20

FEW = frozenset({"nginx", "haproxy", "agwtwisted", "against"})
"""Kinds of peers that carry the variants of a load, too."""


@attrs.frozen(kw_only=True)
class Workload:
    """A load that every peer carries, or some; ``target`` is the ratio to nginx's CPU time that the gateway shall not
    exceed, and ``latency_target`` that to its 99th percentile.

    One of HTTP/2 is ``like`` one of HTTP/1.1, and ``like_target`` the ratio to that, which it shall not exceed, either.
    """

    name: str
    title: str
    load: Load
    algorithm: str = "ecdsa"
    scene: str = MUTUAL
    target: float | None = None
    latency_target: float | None = None
    among: frozenset[str] | None = None  # kinds of peers that carry it; None: all
    like: str = ""
    like_target: float | None = None

    def is_for(self, peer: Peer) -> bool:
        """Whether the peer carries it."""
        if self.among is not None and peer.kind not in self.among:
            return False
        return self.scene in peer.scenes and self.name not in peer.leaves_out

    def in_round(self, number: int, share: float) -> Load:
        """The load of one round: a part of it for a slow peer, and clients that did not come in a round before."""
        load = self.load
        count = max(min(load.count, load.concurrency), int(load.count * share))
        return attrs.evolve(load, count=count, first=number * load.identities)

    def warm_up(self, share: float) -> Load | None:
        """What a process does of it before it is measured; None where every client is to come for the first time."""
        if self.load.identities:
            return None
        load = self.in_round(0, share)
        return attrs.evolve(load, count=max(min(load.count, load.concurrency), load.count // 8))


@attrs.frozen(kw_only=True)
class Operation:
    """How much is done to see what reloads and workers cost."""

    rounds: int
    seconds: int  # with a reload each, and as many without
    reloads: int  # before memory is looked at


@attrs.frozen(kw_only=True)
class Plan:
    """A whole run: the workloads, how often, and how much memory is looked at."""

    rounds: int
    workloads: tuple[Workload, ...]
    peers: tuple[str, ...]
    memory_body: str
    memory_body_bytes: int
    idle_connections: int
    idle_streams: int  # on so many HTTP/2 connections as there are hundreds of them
    growth: bool  # and operation
    operation: Operation


def _handshakes(scaled: Callable[[int], int]) -> tuple[Workload, ...]:
    load = Load(mode="handshake", count=scaled(500), concurrency=16)
    many = scaled(200)
    fresh = attrs.evolve(load, count=many, identities=many)
    return (
        Workload(
            name="handshake",
            title="full mTLS handshake + GET, ECDSA, TLS 1.3, a client that comes again",
            load=load,
            target=0.75,
        ),
        Workload(
            name="handshake-fresh",
            title="the same, every client for the first time",
            load=fresh,
            target=1.10,
        ),
        Workload(
            name="handshake-tls12",
            title="full mTLS handshake + GET, ECDSA, TLS 1.2",
            load=attrs.evolve(load, tls="1.2"),
        ),
        Workload(
            name="handshake-rsa",
            title="full mTLS handshake + GET, RSA 2048, TLS 1.3",
            load=attrs.evolve(load, count=scaled(300)),
            algorithm="rsa",
            target=1.10,
        ),
        Workload(
            name="resume",
            title="resumed handshake + GET, no client certificate, TLS 1.3",
            load=attrs.evolve(load, mode="resume"),
            scene=OPEN,
        ),
        Workload(
            name="handshake-resumed",
            title="resumed mTLS handshake + GET, ECDSA, TLS 1.3",
            load=attrs.evolve(load, mode="resume"),
            scene=RETURNING,
            target=0.90,
        ),
        Workload(
            name="handshake-resumed-tls12",
            title="resumed mTLS handshake + GET, ECDSA, TLS 1.2",
            load=attrs.evolve(load, mode="resume", tls="1.2"),
            scene=RETURNING,
        ),
        Workload(
            name="ocsp-warm",
            title="full mTLS handshake + GET, revocation known from the cache",
            load=load,
            scene=OCSP,
            target=0.80,
        ),
        Workload(
            name="ocsp-cold",
            title="the same, every client for the first time: its responder is asked",
            load=fresh,
            scene=OCSP,
        ),
    )


def _requests(scaled: Callable[[int], int]) -> tuple[Workload, ...]:
    return (
        Workload(
            name="keepalive",
            title="keep-alive GET 1 KB, 64 connections",
            load=Load(mode="keepalive", count=scaled(16000), concurrency=64),
            target=1.25,
        ),
        *(
            Workload(
                name=f"keepalive-{connections}",
                title=f"keep-alive GET 1 KB, {connections} connection{'s' if connections > 1 else ''}",
                load=Load(mode="keepalive", count=scaled(6000), concurrency=connections),
                among=FEW,
            )
            for connections in (1, 8)
        ),
        Workload(
            name="keepalive-varied",
            title="keep-alive GET 1 KB, 64 connections, every request with another query",
            load=Load(mode="keepalive", count=scaled(16000), concurrency=64, vary=1),
            target=1.25,
            among=FEW,
        ),
        Workload(
            name="upload-1k",
            title="keep-alive POST 1 KB, 64 connections",
            load=Load(mode="upload", count=scaled(8000), concurrency=64, path="/upload", size=1024),
            target=1.25,
        ),
        Workload(
            name="paced",
            title="keep-alive GET 1 KB, 1,000 requests a second",
            load=Load(mode="keepalive", count=scaled(4000), concurrency=64, rate=1000),
            target=1.40,
            latency_target=2.0,
        ),
    )


def _bodies(scaled: Callable[[int], int]) -> tuple[Workload, ...]:
    return (
        *(_download(scaled(2000), "256k", "256 KB", 256 * KIBIBYTE, connections) for connections in (4, 16, 64)),
        *(_upload_256k(scaled(2000), connections) for connections in (4, 16, 64)),
        *(_download(scaled(400), "1m", "1 MB", MEBIBYTE, connections) for connections in (4, 64)),
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


def _download(count: int, path: str, title: str, size: int, connections: int) -> Workload:
    return Workload(
        name=f"download-{path}-{connections}",
        title=f"download {title}, {connections} connections",
        load=Load(mode="download", count=count, concurrency=connections, path=f"/{path}", expect=size),
        target=1.20,
        among=FEW,
    )


def _upload_256k(count: int, connections: int) -> Workload:
    return Workload(
        name=f"upload-256k-{connections}",
        title=f"upload 256 KB, {connections} connections",
        load=Load(mode="upload", count=count, concurrency=connections, path="/upload", size=256 * KIBIBYTE),
        target=1.20,
        among=FEW,
    )


def _http2(scaled: Callable[[int], int]) -> tuple[Workload, ...]:
    requests = Load(mode="keepalive", count=scaled(16000), concurrency=64, http=2)
    download = Load(mode="download", count=scaled(400), concurrency=8, path="/1m", expect=MEBIBYTE, http=2)
    upload = Load(mode="upload", count=scaled(8000), concurrency=64, path="/upload", size=1024, http=2)
    hundred = attrs.evolve(download, count=scaled(6), concurrency=2, path="/100m", expect=100 * MEBIBYTE)
    handshake = Load(mode="handshake", count=scaled(500), concurrency=16, http=2)
    return (
        Workload(
            name="http2-handshake",
            title="HTTP/2: full mTLS handshake + GET, ECDSA, TLS 1.3",
            load=handshake,
            scene=HTTP2,
            like="handshake",
        ),
        Workload(
            name="http2-resumed",
            title="HTTP/2: resumed mTLS handshake + GET, ECDSA, TLS 1.3",
            load=attrs.evolve(handshake, mode="resume"),
            scene=HTTP2_RETURNING,
            like="handshake-resumed",
        ),
        Workload(
            name="http2-64x1",
            title="HTTP/2: GET 1 KB, 64 connections",
            load=requests,
            scene=HTTP2,
            target=1.80,
            like="keepalive",
            like_target=1.35,
        ),
        Workload(
            name="http2-8x16",
            title="HTTP/2: GET 1 KB, 8 connections with 16 streams each",
            load=attrs.evolve(requests, concurrency=8, streams=16),
            scene=HTTP2,
            target=1.80,
            like="keepalive",
            like_target=1.10,
        ),
        Workload(
            name="http2-upload-1k",
            title="HTTP/2: POST 1 KB, 64 connections",
            load=upload,
            scene=HTTP2,
            like="upload-1k",
        ),
        Workload(
            name="http2-download-1m",
            title="HTTP/2: download 1 MB, 8 connections",
            load=download,
            scene=HTTP2,
            like="download-1m",
            like_target=1.20,
        ),
        Workload(
            name="http2-download-100m",
            title="HTTP/2: download 100 MB, 2 connections",
            load=hundred,
            scene=HTTP2,
            like="download-100m",
            like_target=1.20,
        ),
    )


def _relays(scaled: Callable[[int], int]) -> tuple[Workload, ...]:
    hundred = 100 * MEBIBYTE
    return (
        Workload(
            name="relay-session",
            title="L4: full mTLS handshake, connection to the backend, 1 KB echoed, the end of both",
            load=Load(mode="handshake", count=scaled(500), concurrency=16),
            scene=RELAY,
            target=1.10,
        ),
        Workload(
            name="relay-1k",
            title="L4: 1 KB echoed on one of 64 sessions that stay open",
            load=Load(mode="keepalive", count=scaled(16000), concurrency=64),
            scene=RELAY,
            target=1.10,
        ),
        Workload(
            name="relay-download",
            title="L4: 100 MB from the backend, 2 sessions",
            load=Load(mode="download", count=scaled(6), concurrency=2, path="/100m", expect=hundred),
            scene=RELAY,
            target=1.10,
        ),
        Workload(
            name="relay-upload",
            title="L4: 100 MB to the backend, 2 sessions",
            load=Load(mode="upload", count=scaled(6), concurrency=2, path="/upload", size=hundred),
            scene=RELAY,
            target=1.10,
        ),
    )


def workloads(scale: float = 1.0) -> tuple[Workload, ...]:
    """All of them; ``scale`` shortens them."""

    def scaled(count: int) -> int:
        return max(1, int(count * scale))

    return _handshakes(scaled) + _requests(scaled) + _bodies(scaled) + _http2(scaled) + _relays(scaled)


_QUICK = ("handshake", "keepalive", "download-1m", "download-100m", "upload-100m")

FULL = Plan(
    rounds=3,
    workloads=workloads(),
    peers=("nginx", "nginx-trixie", "haproxy", "apache2", "stunnel4", "aiohttp", "mitmproxy", "agwtwisted"),
    memory_body="/1g",
    memory_body_bytes=1 << 30,
    idle_connections=1000,
    idle_streams=1000,
    growth=True,
    operation=Operation(rounds=3, seconds=5, reloads=1000),
)
QUICK = Plan(
    rounds=3,
    workloads=tuple(workload for workload in workloads(0.5) if workload.name in _QUICK),
    peers=("nginx", "haproxy", "agwtwisted"),
    memory_body="/256m",
    memory_body_bytes=1 << 28,
    idle_connections=200,
    idle_streams=200,
    growth=False,
    operation=Operation(rounds=1, seconds=3, reloads=100),
)
