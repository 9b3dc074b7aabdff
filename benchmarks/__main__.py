"""``python -m benchmarks``: measures the gateway next to its peers and says what it found."""

from __future__ import annotations

import argparse
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks import checks, peers, programs, report, workloads
from benchmarks.load import Generator, Load
from benchmarks.measure import Memory, Sample, memory, sample
from benchmarks.peers import Peer, RunningPeer
from benchmarks.pki import Pki, make_pki
from benchmarks.programs import BenchmarkError
from benchmarks.workloads import Plan, Workload


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer workloads and operations: less than two minutes")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--checkout", type=Path, default=Path(), help="the gateway to measure (default: here)")
    parser.add_argument("--against", type=Path, help="another checkout, measured in the same rounds: before and after")
    parser.add_argument(
        *("--peer", "--peers"),
        default="nginx,haproxy,agwtwisted",
        help="nginx, haproxy, agwtwisted: which proxies (default: all three)",
    )
    parser.add_argument("--workloads", help="their names, with commas (default: all)")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory out")
    parser.add_argument("--nginx", default="nginx", help="another nginx program")
    parser.add_argument("--haproxy", default="haproxy", help="another HAProxy program")
    parser.add_argument("--python", default=sys.executable, help="another interpreter for the gateway")
    parser.add_argument("--twistd-options", default="", help="more options for twistd, such as --reactor=…")
    parser.add_argument("--out", type=Path, default=programs.HERE / "out", help="where the JSON file goes")
    return parser.parse_args(arguments)


def chosen_peers(options: argparse.Namespace) -> list[Peer]:
    """The peers of the command line, nginx first."""

    def gateway(name: str, checkout: Path) -> Peer:
        return peers.gateway(name, checkout.resolve(), options.python, options.twistd_options.split())

    known: dict[str, Callable[[], Peer]] = {
        "nginx": lambda: peers.nginx(options.nginx),
        "haproxy": lambda: peers.haproxy(options.haproxy),
        "agwtwisted": lambda: gateway(report.GATEWAY, options.checkout),
    }
    names = options.peer.split(",")
    if unknown := set(names) - set(known):
        raise BenchmarkError(f"unknown peers: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    against = [gateway("against", options.against)] if options.against else []
    return [make() for name, make in known.items() if name in names] + against


def chosen_workloads(options: argparse.Namespace, plan: Plan) -> list[Workload]:
    """The workloads of the command line; those that the plan leaves out can be named, too."""
    if options.workloads is None:
        return list(plan.workloads)
    known = {workload.name: workload for workload in (*workloads.FULL.workloads, *plan.workloads)}
    names = options.workloads.split(",")
    if unknown := set(names) - set(known):
        raise BenchmarkError(f"unknown workloads: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in names]


@contextmanager
def started_backend(directory: Path) -> Iterator[int]:
    """Compiles and starts the backend; yields its port."""
    program = programs.compile_c("backend", directory)
    process = programs.start([str(program)], programs.core_of_others(), stdin=subprocess.PIPE)
    with programs.running(process):
        assert process.stdout is not None
        yield int(process.stdout.readline())


class Bench:
    """One run: where things are, and what is running."""

    def __init__(self, directory: Path, peers: list[Peer], generator: Generator, backend_port: int) -> None:
        self._directory = directory
        self._peers = peers
        self._generator = generator
        self._backend_port = backend_port
        self._pki: dict[str, Pki] = {}
        self._starts = 0
        self.remarks: list[str] = []
        self.generator_openssl = generator.run(Load(mode="handshake"), backend_port, None).openssl

    def start(self, peer: Peer, algorithm: str) -> AbstractContextManager[RunningPeer]:
        """A new process of the peer."""
        if algorithm not in self._pki:
            self._pki[algorithm] = make_pki(self._directory / algorithm, algorithm)
        self._starts += 1
        directory = self._directory / f"{peer.name}-{self._starts}"
        return peers.started(peer, directory, self._pki[algorithm], self._backend_port)

    def check(self, running: list[RunningPeer]) -> None:
        """Shows that wrong answers are found and that all do the same job."""
        checks.check_generator(self._generator, self._backend_port)
        heads = {}
        for peer in running:
            checks.check_refusals(self._generator, peer)
            heads[peer.name] = checks.check_headers(peer)
            checks.check_access_log(self._generator, peer)
        if report.BASE in heads and report.GATEWAY in heads:
            for name in checks.differing_headers(heads[report.GATEWAY], heads[report.BASE]):
                self.remarks.append(f"{name} differs: {heads[report.GATEWAY][name]!r}, {heads[report.BASE][name]!r}")

    def measure(self, chosen: list[Workload], rounds: int) -> report.Samples:
        """Interleaved rounds; the peers take turns in going first."""
        samples: dict[str, dict[str, list[Sample]]] = {
            workload.name: {peer.name: [] for peer in self._peers} for workload in chosen
        }
        with ExitStack() as stack:
            running = {
                algorithm: [stack.enter_context(self.start(peer, algorithm)) for peer in self._peers]
                for algorithm in sorted({workload.algorithm for workload in chosen})
            }
            for ones in running.values():
                self.check(ones)
            with self._watch([peer.pid for ones in running.values() for peer in ones]):
                for round_number in range(rounds):
                    for workload in chosen:
                        ones = running[workload.algorithm]
                        turn = round_number % len(ones)
                        for peer in ones[turn:] + ones[:turn]:
                            samples[workload.name][peer.name].append(sample(self._generator, peer, workload))
                    print(f"round {round_number + 1} of {rounds}", file=sys.stderr, flush=True)
        self._remark_on_ciphers(samples)
        return samples

    @contextmanager
    def _watch(self, pids: list[int]) -> Iterator[None]:
        """Remarks afterwards on others who used the proxies' core."""
        began = time.monotonic()
        busy, steal = programs.core_seconds(programs.core_of_proxy())
        ours = sum(map(programs.cpu_seconds, pids))
        yield
        elapsed = time.monotonic() - began
        busy_after, steal_after = programs.core_seconds(programs.core_of_proxy())
        foreign = busy_after - busy - (sum(map(programs.cpu_seconds, pids)) - ours)
        for share, who in ((foreign, "other processes"), (steal_after - steal, "other machines")):
            if share > 0.03 * elapsed:
                self.remarks.append(f"{who} had {share / elapsed:.0%} of the proxies' core: repeat this in quiet")

    def _remark_on_ciphers(self, samples: report.Samples) -> None:
        for workload, by_peer in samples.items():
            spoken = {peer: ones[0].tls for peer, ones in by_peer.items()}
            if len(set(spoken.values())) > 1:
                self.remarks.append(f"{workload}: the peers speak different TLS: {spoken}")

    def measure_memory(self, plan: Plan) -> dict[str, Memory]:
        """Memory of every peer, in processes of their own."""
        found = {}
        for peer in self._peers:
            found[peer.name] = memory(self._generator, plan, lambda peer=peer: self.start(peer, "ecdsa"))  # type: ignore[misc]
            print(f"memory of {peer.name}", file=sys.stderr, flush=True)
        return found


def run(options: argparse.Namespace, arguments: list[str]) -> report.Report:
    """Does the whole run."""
    began = time.monotonic()
    plan = workloads.QUICK if options.quick else workloads.FULL
    chosen, peers_of_run = chosen_workloads(options, plan), chosen_peers(options)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        generator = Generator(program=programs.compile_c("load", directory, "-lssl", "-lcrypto"))
        bench = Bench(directory, peers_of_run, generator, stack.enter_context(started_backend(directory)))
        if programs.core_of_proxy() == programs.core_of_others():
            bench.remarks.append("one core for proxy, backend and load generator: rates and latencies mean little")
        samples = bench.measure(chosen, options.rounds or plan.rounds)
        memory_of_peers = {} if options.no_memory else bench.measure_memory(plan)
    return report.Report(
        arguments=arguments,
        seconds=time.monotonic() - began,
        peers=peers_of_run,
        generator_openssl=bench.generator_openssl,
        workloads=chosen,
        samples=samples,
        memory=memory_of_peers,
        remarks=bench.remarks,
    )


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 measured, 1 something answered wrongly or could not be run."""
    options = parse(arguments)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20000)), hard))
    # A request to end is an exception, so that everything started is ended and the keys are deleted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        done = run(options, arguments)
    except KeyboardInterrupt:
        return 130
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(report.table(done))
    print(f"\n{report.write(done, options.out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
