"""``python -m benchmarks.where``: where the CPU time of an operation goes, in nginx and in the gateway.

Linux' perf samples both under a workload's load: by kind of code. py-spy, in an environment of its own, says which
packages of the gateway that time belongs to, with what they call in C; it shares the generator's core, so that this
holds only where the gateway has always something to do. Samples become microseconds by the CPU time that an operation
took in the same run; sampling itself is in it, a few per cent.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import attrs

from benchmarks import backend, peers, programs, proxies
from benchmarks.environments import environment
from benchmarks.load import Generator, Load, require_success
from benchmarks.peers import RunningPeer
from benchmarks.pki import make_pki
from benchmarks.programs import BenchmarkError
from benchmarks.workloads import FULL, Workload

PERF_RATE, STACK_RATE = 4999, 500
LONGER = 4
"""Times the operations of a workload's round."""

KINDS = (
    ("kernel", r"\[kernel|\[vdso|\[unknown"),
    ("OpenSSL", r"libssl|libcrypto|_rust\.abi3"),
    ("C library", r"libc[.-]|ld-linux|libm[.-]"),
    ("Python's interpreter", r"python|_struct|_datetime|_socket|select|_cffi|libffi|_ssl"),
    ("nginx itself", r"nginx"),
)


def kind_of(library: str) -> str:
    """What kind of code an object file of perf's is."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, library)), "other")


def by_kind(report: str) -> dict[str, float]:
    """Shares by kind of code, of ``perf report --sort dso``."""
    found: dict[str, float] = defaultdict(float)
    for line in report.splitlines():
        if row := re.match(r"\s*([\d.]+)%\s+(\S+)", line):
            found[kind_of(row[2])] += float(row[1]) / 100
    return found


def package_of(frame: str) -> str:
    """The package of a frame of py-spy's, ``name (path:line)``; of what is not the gateway's, the library."""
    path = re.sub(r":\d+\)?$", "", frame.partition(" (")[2])
    if "agwtwisted/" in path:
        inner = path.rpartition("agwtwisted/")[2].split("/")[:-1]
        return "/".join(inner[:2]) or "agwtwisted"
    library, slash, _ = path.rpartition("-packages/")[2].lstrip("/").partition("/")
    return library if slash else "Python"


def by_package(stacks: Iterable[str]) -> dict[str, float]:
    """Shares by the package of the innermost function, of py-spy's raw stacks; other threads are one package."""
    found: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        is_main = ";" in frames and "MainThread" in frames.partition(";")[0]
        found[package_of(frames.rpartition(";")[2]) if is_main else "other threads"] += int(count)
    return {package: number / found.total() for package, number in found.items()}


@attrs.frozen(kw_only=True)
class Where:
    """What one peer takes for an operation."""

    cpu_us: float
    shares: dict[str, float]


def _loaded(generator: Generator, peer: RunningPeer, load: Load, sampler: list[str]) -> float:
    """Microseconds of an operation while a program samples the peer."""
    with generator.prepared(load, peer.port, peer.pki) as run:
        process = programs.start(sampler, programs.cores_of_others(), stderr=subprocess.DEVNULL)
        with programs.running(process):
            before = programs.cpu_seconds(peer.pid)
            result = run.go()
            used = programs.cpu_seconds(peer.pid) - before
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    require_success(result, load, peer.name)
    return used * 1e6 / result.operations


def sampled(generator: Generator, peer: RunningPeer, load: Load, directory: Path) -> Where:
    """By kind of code."""
    file = directory / f"{peer.name}.perf"
    record = ["perf", "record", "--quiet", "-e", "cpu-clock", f"--freq={PERF_RATE}", f"--pid={peer.pid}"]
    cpu_us = _loaded(generator, peer, load, [*record, f"--output={file}"])
    report = peers.output_of("perf", "report", f"--input={file}", "--stdio", "--sort=dso")
    if not (shares := by_kind(report)):
        raise BenchmarkError(f"perf found nothing: {report[-500:]}")
    return Where(cpu_us=cpu_us, shares=shares)


def stacks(generator: Generator, peer: RunningPeer, load: Load, directory: Path) -> Where:
    """By package, of a gateway."""
    file = directory / f"{peer.name}.stacks"
    spy = str(environment("py-spy", "py-spy >= 0.4").with_name("py-spy"))
    options = (
        "--nonblocking",
        "--threads",
        f"--rate={STACK_RATE}",
        "--format=raw",
        "--duration=60",
        f"--pid={peer.pid}",
    )
    cpu_us = _loaded(generator, peer, load, [spy, "record", *options, f"--output={file}"])
    if not file.exists():
        raise BenchmarkError("py-spy found nothing: it needs root, or CAP_SYS_PTRACE")
    return Where(cpu_us=cpu_us, shares=by_package(file.read_text().splitlines()))


def table(title: str, found: dict[str, Where]) -> str:
    """A column for each peer, the gateway's largest part first."""
    names = list(found)
    order = Counter(found[names[-1]].shares) + Counter()
    every = [*dict(order.most_common()), *(part for one in found.values() for part in one.shares if part not in order)]
    lines = [f"{title:<34}" + "".join(f"{name:>18}" for name in names)]
    lines.append(f"{'CPU us of an operation':<34}" + "".join(f"{one.cpu_us:>18,.1f}" for one in found.values()))
    for part in dict.fromkeys(every):
        cells = (
            f"{one.shares.get(part, 0) * one.cpu_us:>11,.1f} {one.shares.get(part, 0):>6.0%}" for one in found.values()
        )
        lines.append(f"  {part:<32}" + "".join(cells))
    return "\n".join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.where", description=__doc__)
    parser.add_argument("--workloads", default="keepalive,upload-1k,download-1m-4,download-1m", help="with commas")
    parser.add_argument("--checkout", type=Path, default=Path(), help="the gateway to look at (default: here)")
    parser.add_argument("--python", default=sys.executable, help="another interpreter for the gateway")
    parser.add_argument("--no-packages", action="store_true", help="without py-spy")
    return parser.parse_args(arguments)


def chosen(names: str) -> list[Workload]:
    """The workloads of these names; raises `BenchmarkError` where there is none."""
    known = {workload.name: workload for workload in FULL.workloads}
    if unknown := set(names.split(",")) - set(known):
        raise BenchmarkError(f"unknown workloads: {', '.join(sorted(unknown))}")
    return [known[name] for name in names.split(",")]


def run(options: argparse.Namespace) -> None:
    """Prints two tables for each workload."""
    if shutil.which("perf") is None:
        raise BenchmarkError("perf is needed: apt install linux-perf")
    both = [
        proxies.nginx("nginx"),
        proxies.gateway("agwtwisted", options.checkout.resolve(), options.python, []),
    ]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        generator = Generator(program=programs.compile_c("load", directory, "-lssl", "-lcrypto"))
        pages = stack.enter_context(backend.started(programs.compile_c("backend", directory)))
        pki = make_pki(directory / "pki", "ecdsa")
        for workload in chosen(options.workloads):
            place = directory / workload.name
            place.mkdir()
            load = attrs.evolve(workload.load, count=workload.load.count * LONGER)
            running = [
                stack.enter_context(peers.started(peer, place / peer.name, pki, pages.port, workload.scene))
                for peer in both
            ]
            for one in running:
                require_success(generator.run(workload.load, one.port, one.pki), workload.load, one.name)
            found = {one.name: sampled(generator, one, load, place) for one in running}
            print(f"\n{workload.title}\n{table('by kind of code', found)}", flush=True)
            if not options.no_packages:
                ours = {"agwtwisted": stacks(generator, running[-1], load, place)}
                print(table("by package, with what it calls", ours), flush=True)


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 measured, 1 it could not be done."""
    try:
        run(parse(arguments))
    except BenchmarkError as error:
        print(f"benchmarks.where: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
