"""``python -m benchmarks``: measures the gateway next to its peers and says what it found."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks import (
    backend,
    checks,
    growth,
    installing,
    operation,
    peers,
    plots,
    programs,
    report,
    responders,
    worktrees,
)
from benchmarks import options as command_line
from benchmarks import workloads as plans
from benchmarks.load import Generator, Load, require_success
from benchmarks.measure import Finding, Memory, Sample, memory, sample
from benchmarks.peers import HTTP2, HTTP2_RETURNING, MUTUAL, OCSP, OPEN, RELAY, RETURNING, Growth, Peer, RunningPeer
from benchmarks.pki import Pki, make_pki
from benchmarks.programs import BenchmarkError
from benchmarks.workloads import Plan, Workload


class Bench:
    """One run: where things are, and what is running."""

    def __init__(
        self,
        directory: Path,
        peers: list[Peer],
        generator: Generator,
        backend_port: int,
        clients: int,
        cores: int = 1,  # and workers, of each peer
    ) -> None:
        self._directory = directory
        self._peers = peers
        self._generator = generator
        self._backend_port = backend_port
        self._clients = clients
        self._cores = cores
        self._pki: dict[tuple[str, str], Pki] = {}
        self._starts = 0
        self.remarks: list[str] = []
        self.generator_openssl = generator.run(Load(mode="handshake"), backend_port, None).openssl

    def _pki_of(self, algorithm: str, scene: str) -> Pki:
        key = algorithm, OCSP if scene == OCSP else MUTUAL
        if key not in self._pki:
            ports = (programs.free_port(), programs.free_port()) if scene == OCSP else (0, 0)
            directory = self._directory / "-".join(key)
            self._pki[key] = make_pki(directory, algorithm, clients=self._clients, responders=ports)
        return self._pki[key]

    def start(
        self, peer: Peer, algorithm: str = "ecdsa", scene: str = MUTUAL, growth: Growth | None = None
    ) -> AbstractContextManager[RunningPeer]:
        """A new process of the peer."""
        self._starts += 1
        directory = self._directory / f"{peer.name}-{self._starts}"
        pki, more = self._pki_of(algorithm, scene), growth or Growth(workers=self._cores)
        return peers.started(peer, directory, pki, self._backend_port, scene, more, cores=self._cores)

    def _start_in(self, peer: Peer, scene: str) -> AbstractContextManager[RunningPeer]:
        return self.start(peer, scene=scene)

    def check(self, running: list[RunningPeer]) -> None:
        """Shows that wrong answers are found and that all do the same job."""
        checks.check_generator(self._generator, self._backend_port)
        heads = {}
        for peer in running:
            if peer.scene != OPEN:
                checks.check_refusals(self._generator, peer)
            if peer.scene in (MUTUAL, HTTP2):
                heads[peer.name] = checks.check_headers(peer)
            if peer.scene == HTTP2:
                checks.check_http2(self._generator, peer)
            if peer.scene in (RETURNING, HTTP2_RETURNING):
                checks.check_resumed_headers(peer)
            if peer.scene == RELAY:
                checks.check_relay_log(peer)
            else:
                checks.check_access_log(self._generator, peer)
        if report.BASE in heads and report.GATEWAY in heads:
            for name in checks.differing_headers(heads[report.GATEWAY], heads[report.BASE]):
                self.remarks.append(f"{name} differs: {heads[report.GATEWAY][name]!r}, {heads[report.BASE][name]!r}")

    def measure(self, chosen: list[Workload], rounds: int) -> report.Samples:
        """Interleaved rounds; the peers take turns in going first.

        Every round has new processes: two of the same code may differ in speed as long as they live.
        """
        samples: dict[str, dict[str, list[Sample]]] = {
            workload.name: {peer.name: [] for peer in self._peers if workload.is_for(peer)} for workload in chosen
        }
        scenes = sorted({(workload.algorithm, workload.scene) for workload in chosen})
        with ExitStack() as stack:
            for algorithm, scene in scenes:
                if scene == OCSP:
                    stack.enter_context(responders.started(self._pki_of(algorithm, scene), self._directory))
            for round_number in range(rounds):
                with self._started(scenes) as running:
                    if round_number == 0:
                        for ones in running.values():
                            self.check(ones)
                    for workload in chosen:
                        self._round(workload, round_number, running, samples[workload.name])
                print(f"round {round_number + 1} of {rounds}", file=sys.stderr, flush=True)
        self._remark_on_ciphers(samples)
        return samples

    @contextmanager
    def _started(self, scenes: list[tuple[str, str]]) -> Iterator[dict[tuple[str, str], list[RunningPeer]]]:
        """A process of each peer for each kind of certificates and each scene."""
        with ExitStack() as stack:
            running = {
                (algorithm, scene): [
                    stack.enter_context(self.start(peer, algorithm, scene))
                    for peer in self._peers
                    if scene in peer.scenes
                ]
                for algorithm, scene in scenes
            }
            with self._watch([peer.pid for ones in running.values() for peer in ones]):
                yield running

    def _round(
        self,
        workload: Workload,
        number: int,
        running: dict[tuple[str, str], list[RunningPeer]],
        samples: dict[str, list[Sample]],
    ) -> None:
        """One workload's turn: all peers are warm before the first is measured."""
        ones = [one for one in running[workload.algorithm, workload.scene] if workload.is_for(one.peer)]
        for one in ones:
            load = workload.warm_up(one.peer.share)
            if load is not None:
                require_success(self._generator.run(load, one.port, one.pki), load, one.name)
        turn = number % len(ones)
        for one in ones[turn:] + ones[:turn]:
            samples[one.name].append(sample(self._generator, one, workload.in_round(number, one.peer.share)))

    @contextmanager
    def _watch(self, pids: list[int]) -> Iterator[None]:
        """Remarks afterwards on others who used the proxies' cores, which the generator may have to."""
        cores = programs.cores_of_proxy(self._cores)
        began = time.monotonic()
        busy, steal = programs.core_seconds(cores)
        ours = sum(map(programs.cpu_seconds, pids))
        yield
        elapsed = (time.monotonic() - began) * len(cores)
        busy_after, steal_after = programs.core_seconds(cores)
        foreign = busy_after - busy - (sum(map(programs.cpu_seconds, pids)) - ours)
        for share, who in ((foreign, "other processes"), (steal_after - steal, "other machines")):
            if share > 0.03 * elapsed:
                self.remarks.append(f"{who} had {share / elapsed:.0%} of the proxies' cores: repeat this in quiet")

    def _remark_on_ciphers(self, samples: report.Samples) -> None:
        for workload, by_peer in samples.items():
            spoken = {peer: ones[0].tls for peer, ones in by_peer.items()}
            if len(set(spoken.values())) > 1:
                self.remarks.append(f"{workload}: the peers speak different TLS: {spoken}")

    def measure_memory(self, plan: Plan) -> dict[str, Memory]:
        """Memory of every peer, in processes of their own."""
        found = {}
        for peer in self._peers:
            if not peer.measures_memory:
                continue
            found[peer.name] = memory(self._generator, plan, peer, partial(self._start_in, peer))
            print(f"memory of {peer.name}", file=sys.stderr, flush=True)
        return found

    def measure_growth(self) -> dict[str, dict[str, list[growth.Point]]]:
        """How the cost grows, of nginx and the gateway."""
        compared = [peer for peer in self._peers if peer.name in (report.BASE, report.GATEWAY, report.AGAINST)]
        directory = self._directory / "growth"
        return growth.measure(self._generator, compared, lambda peer, more: self.start(peer, growth=more), directory)

    def measure_operation(self, plan: Plan, backend_program: Path) -> dict[str, list[Finding]]:
        """Reloads and workers, of the gateways."""
        gateways = [peer for peer in self._peers if peer.name in (report.GATEWAY, report.AGAINST)]
        pki = self._pki_of("ecdsa", RETURNING)
        directory = self._directory / "operation"
        stand = operation.Stand(self._generator, backend_program, self._backend_port, pki, directory)
        return {peer.name: operation.measure(stand, peer, plan.operation) for peer in gateways}


def run(options: argparse.Namespace, arguments: list[str]) -> report.Report:
    """Does the whole run, with working copies of the commits that are to be compared."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        if options.compare:
            options.against, options.checkout = (
                stack.enter_context(worktrees.checked_out(which, directory / name))
                for which, name in zip(options.compare, ("before", "after"), strict=True)
            )
        return _run(options, arguments, directory)


def _run(options: argparse.Namespace, arguments: list[str], directory: Path) -> report.Report:
    began = time.monotonic()
    plan = plans.QUICK if options.quick else plans.FULL
    remarks = installing.install(plan.peers) if options.install else []
    chosen = command_line.chosen_workloads(options, plan)
    peers_of_run = command_line.chosen_peers(options, plan, remarks)
    parts = command_line.parts(options, plan)
    rounds = options.rounds or plan.rounds
    clients = max((workload.load.identities for workload in chosen), default=0) * rounds
    program = programs.compile_c("load", directory, "-lssl", "-lcrypto")
    generator = Generator(program=program, beside=options.cores)
    backend_program = programs.compile_c("backend", directory)
    with backend.started(backend_program, beside=options.cores) as pages:
        bench = Bench(directory, peers_of_run, generator, pages.port, clients, options.cores)
        if programs.cores_of_proxy(options.cores) & programs.cores_of_others(options.cores):
            bench.remarks.append("proxy, backend and load generator share a core: rates and latencies mean little")
        samples = bench.measure(chosen, rounds) if chosen else {}
        memory_of_peers = bench.measure_memory(plan) if "memory" in parts else {}
        grown = bench.measure_growth() if "growth" in parts else {}
        operating = bench.measure_operation(plan, backend_program) if "operation" in parts else {}
    return report.Report(
        arguments=arguments,
        seconds=time.monotonic() - began,
        peers=peers_of_run,
        generator_openssl=bench.generator_openssl,
        workloads=chosen,
        samples=samples,
        memory=memory_of_peers,
        growth=grown,
        operation=operating,
        remarks=[*remarks, *bench.remarks, *_about_python(peers_of_run)],
    )


def _about_python(peers: list[Peer]) -> list[str]:
    if any(peer.versions.get("build") == "unoptimised" for peer in peers):
        return ["the gateway's Python was built without --enable-optimizations, unlike those of distributions: slower"]
    return []


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 measured, 1 something answered wrongly or could not be run."""
    options = command_line.parse(arguments)
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
    path = report.write(done, options.out)
    print(f"\n{path}\n{plots.write(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
