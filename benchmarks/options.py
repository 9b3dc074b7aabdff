"""The command line of ``python -m benchmarks``: which gateways, peers and workloads, and what else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import programs, proxies, python_peers, releases, report
from benchmarks import workloads as plans
from benchmarks.peers import Peer
from benchmarks.programs import BenchmarkError
from benchmarks.workloads import Plan, Workload

COMPARED = ("keepalive", "keepalive-8", "upload-1k", "handshake", "handshake-resumed", "download-1m", "http2-8x16")
"""What ``--compare`` measures unless it is asked for something else."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures the gateway next to its peers.")
    parser.add_argument("--quick", action="store_true", help="fewer workloads and operations: less than two minutes")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--checkout", type=Path, default=Path(), help="the gateway to measure (default: here)")
    parser.add_argument("--against", type=Path, help="another checkout, measured in the same rounds: before and after")
    parser.add_argument(
        *("--compare",),
        nargs=2,
        metavar=("BEFORE", "AFTER"),
        help="two commits or checkouts in the same rounds, next to nginx; no memory, growth and operation",
    )
    parser.add_argument(
        *("--peer", "--peers"),
        help="nginx, haproxy, apache2, stunnel4, aiohttp, mitmproxy, agwtwisted; nginx-RELEASE, haproxy-RELEASE of "
        "python -m benchmarks.releases: which proxies (default: all, without releases that are not there)",
    )
    parser.add_argument("--install", action="store_true", help="install missing peers first (apt-get, as root)")
    parser.add_argument("--workloads", help="their names, with commas (default: all)")
    parser.add_argument(
        "--cores", type=int, default=1, help="cores, and workers or threads, of each nginx, HAProxy and gateway"
    )
    parser.add_argument("--no-memory", action="store_true", help="leave the memory out")
    parser.add_argument("--no-growth", action="store_true", help="leave out how the cost grows")
    parser.add_argument("--growth", action="store_true", help="only how the cost grows")
    parser.add_argument("--no-operation", action="store_true", help="leave out reloads and workers")
    parser.add_argument("--operation", action="store_true", help="only reloads and workers")
    parser.add_argument("--nginx", default="nginx", help="another nginx program")
    parser.add_argument("--haproxy", default="haproxy", help="another HAProxy program")
    parser.add_argument("--apache", default="apache2", help="another Apache program")
    parser.add_argument("--stunnel", default="stunnel4", help="another stunnel program")
    parser.add_argument("--python", default=sys.executable, help="another interpreter for the gateway")
    parser.add_argument("--twistd-options", default="", help="more options for twistd, such as --reactor=…")
    parser.add_argument("--out", type=Path, default=programs.HERE / "out", help="where the JSON file goes")
    options = parser.parse_args(arguments)
    if options.compare and (options.against or options.growth or options.operation):
        parser.error("--compare goes without --against, --growth and --operation")
    if not 1 <= options.cores <= programs.number_of_cores():
        parser.error(f"--cores is 1 to {programs.number_of_cores()} here")
    return options


def chosen_peers(options: argparse.Namespace, plan: Plan, remarks: list[str]) -> list[Peer]:
    """The peers of the command line, nginx first; those of the plan that cannot be had are left out, with a word."""

    def gateway(name: str, checkout: Path) -> Peer:
        if not (checkout / "agwtwisted" / "service.py").is_file():  # the interpreter would find another one
            raise BenchmarkError(f"{checkout} is no working copy of the gateway")
        return proxies.gateway(name, checkout.resolve(), options.python, options.twistd_options.split())

    known: dict[str, Callable[[], Peer]] = {
        "nginx": lambda: proxies.nginx(options.nginx),
        "haproxy": lambda: proxies.haproxy(options.haproxy),
        "apache2": lambda: proxies.apache(options.apache),
        "stunnel4": lambda: proxies.stunnel(options.stunnel),
        "aiohttp": python_peers.aiohttp,
        "mitmproxy": python_peers.mitmproxy,
        "agwtwisted": lambda: gateway(report.GATEWAY, options.checkout),
    }
    names = _names(options, plan)
    for name in names:
        kind, _, release = name.partition("-")
        if release and kind in releases.PROGRAMS:
            known[name] = partial(_of_release, kind, release)
    if unknown := set(names) - set(known):
        raise BenchmarkError(f"unknown peers: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    found = []
    for name in names:
        try:
            found.append(known[name]())
        except BenchmarkError as error:
            if options.peer or name == report.GATEWAY:
                raise
            remarks.append(f"without {name}: {error}")
    if options.against:
        found.append(gateway(report.AGAINST, options.against))
    return sorted(found, key=lambda peer: peer.name != report.BASE)


def _names(options: argparse.Namespace, plan: Plan) -> list[str]:
    if options.peer:
        names: list[str] = options.peer.split(",")
        return names
    return [report.BASE, report.GATEWAY] if options.compare else list(plan.peers)


def _of_release(kind: str, release: str) -> Peer:
    binary = str(releases.program(kind, release))
    name = f"{kind}-{release}"
    if kind == "nginx":
        return proxies.nginx(binary, name, releases.modules(release))
    return proxies.haproxy(binary, name)


def chosen_workloads(options: argparse.Namespace, plan: Plan) -> list[Workload]:
    """The workloads of the command line; those that the plan leaves out can be named, too."""
    if options.growth or options.operation:
        return []
    known = {workload.name: workload for workload in (*plans.FULL.workloads, *plan.workloads)}
    if options.workloads:
        names = options.workloads.split(",")
    else:
        names = COMPARED if options.compare else [workload.name for workload in plan.workloads]
    if unknown := set(names) - set(known):
        raise BenchmarkError(f"unknown workloads: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in names]


def parts(options: argparse.Namespace, plan: Plan) -> set[str]:
    """What is measured beside the workloads."""
    if options.growth or options.operation:
        return {name for name in ("growth", "operation") if getattr(options, name)}
    if options.compare:
        return set()
    left_out = {name for name in ("memory", "growth", "operation") if getattr(options, f"no_{name}")}
    return {"memory", *({"growth", "operation"} if plan.growth else ())} - left_out
