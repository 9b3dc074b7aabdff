"""``python -m benchmarks.tail``: latencies at 1,000 requests a second beside idle connections, and what makes the slow.

A round has new processes of all peers, which take turns. ``--samples FILE`` keeps the rounds, and counts those that are
there already: so many short rounds can be measured within several quiet minutes. ``--trace`` adds a traced gateway
(``templates/traced_gateway.py``), which is a little slower, and shows where the time of requests went.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from benchmarks import backend, peers, programs, proxies, report, trace
from benchmarks.load import Generator, Load, require_success
from benchmarks.measure import Sample, Spread, ratios, sample
from benchmarks.peers import Peer, RunningPeer, Settings
from benchmarks.pki import make_pki

TRACER = peers.TEMPLATES / "traced_gateway.py"
TRACED = "traced"

Rounds = dict[str, list[Sample]]  # by peer


def traced(gateway: Peer) -> Peer:
    """The same gateway, which writes ``trace.json`` into its directory when it ends."""

    def command(settings: Settings) -> list[str]:
        python, _, _, *options = gateway.command(settings)  # python -c run
        return [python, str(TRACER), str(settings.directory / "trace.json"), *options]

    return attrs.evolve(gateway, name=TRACED, command=command)


@contextmanager
def idle(generator: Generator, peer: RunningPeer, count: int) -> Iterator[None]:
    """So many connections are open beside others, and each still serves at the end."""
    if not count:
        yield
        return
    load = Load(mode="idle", count=count, concurrency=count, seconds=300)
    with generator.prepared(load, peer.port, peer.pki) as run:
        yield
        require_success(run.go(), load, peer.name)


def paced(options: argparse.Namespace, seconds: float, timeline: Path | None = None) -> Load:
    """Requests on schedule."""
    return Load(
        mode="keepalive",
        count=int(options.rate * seconds),
        concurrency=options.concurrency,
        rate=options.rate,
        timeline=str(timeline or ""),
    )


def measured(generator: Generator, peer: RunningPeer, options: argparse.Namespace) -> tuple[Sample, Path]:
    """One peer in one round, and the file that says when each of its requests began and how long it took."""
    timeline = peer.access_log.parent / "timeline"
    with idle(generator, peer, options.idle):
        warm = paced(options, options.seconds / 4)
        require_success(generator.run(warm, peer.port, peer.pki), warm, peer.name)
        return sample(generator, peer, paced(options, options.seconds, timeline)), timeline


def table(rounds: Rounds) -> str:
    """The spread of every peer's figures over the rounds, and of their ratios to nginx's in the same round."""
    rows = [("peer", "rounds", "CPU us", "to nginx", "p50 us", "p99 us", "to nginx", "p99.9 us")]
    base = rounds.get(report.BASE)
    for peer, ones in rounds.items():
        cpu, p99 = (lambda one: one.cpu_us), (lambda one: one.p99_us)
        rows.append(
            (
                peer,
                str(len(ones)),
                _spread(Spread.of(map(cpu, ones)), 0),
                _spread(ratios(ones, base, cpu), 2) if base else "",
                _spread(Spread.of(one.p50_us for one in ones), 0),
                _spread(Spread.of(map(p99, ones)), 0),
                _spread(ratios(ones, base, p99), 2) if base else "",
                _spread(Spread.of(one.p999_us for one in ones), 0),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)) for row in rows)


def _spread(spread: Spread, digits: int) -> str:
    return f"{spread.median:,.{digits}f} ({spread.least:,.{digits}f}..{spread.most:,.{digits}f})"


def read_rounds(path: Path | None) -> Rounds:
    """The rounds of earlier runs; none where there is no file."""
    found: Rounds = {}
    if path is not None and path.exists():
        for line in path.read_text().splitlines():
            for peer, fields in json.loads(line).items():
                found.setdefault(peer, []).append(Sample(**fields))
    return found


def keep_round(path: Path, done: dict[str, Sample]) -> None:
    """Adds a round to the file."""
    with path.open("a") as file:
        file.write(json.dumps({name: attrs.asdict(one) for name, one in done.items()}) + "\n")


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tail", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rate", type=int, default=1000, help="requests a second (default: 1000)")
    parser.add_argument("--seconds", type=float, default=3, help="of a round, for each peer (default: 3)")
    parser.add_argument("--concurrency", type=int, default=64, help="connections that requests take turns on")
    parser.add_argument("--idle", type=int, default=500, help="connections beside them (default: 500)")
    parser.add_argument("--peer", default="nginx,agwtwisted", help="peers with commas: nginx, haproxy, agwtwisted")
    parser.add_argument("--checkout", type=Path, default=programs.HERE.parent, help="working copy of the gateway")
    parser.add_argument("--against", type=Path, help="a second working copy, measured in the same rounds")
    parser.add_argument("--python", default=sys.executable, help="another interpreter for the gateway")
    parser.add_argument("--samples", type=Path, help="a file that keeps the rounds, those of earlier runs included")
    parser.add_argument("--trace", action="store_true", help="a traced gateway, too, and where its requests' time went")
    return parser.parse_args(arguments)


def _peers(options: argparse.Namespace) -> list[Peer]:
    gateway = proxies.gateway(report.GATEWAY, options.checkout.resolve(), options.python, [])
    known = {"nginx": lambda: proxies.nginx("nginx"), "haproxy": lambda: proxies.haproxy("haproxy")}
    known[report.GATEWAY] = lambda: gateway
    found = [known[name]() for name in options.peer.split(",") if name]
    if options.against:
        found.append(proxies.gateway("against", options.against.resolve(), options.python, []))
    return [*found, traced(gateway)] if options.trace else found


def main(arguments: list[str]) -> None:
    """Measures, and prints."""
    options = _parsed(arguments)
    chosen, rounds, traces = _peers(options), read_rounds(options.samples), []
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        generator = Generator(program=programs.compile_c("load", place, "-lssl", "-lcrypto"))
        pages = stack.enter_context(backend.started(programs.compile_c("backend", place)))
        pki = make_pki(place / "pki", "ecdsa")
        for number in range(options.rounds):
            turn = number % len(chosen)
            done: dict[str, Sample] = {}
            for peer in chosen[turn:] + chosen[:turn]:
                directory = place / f"{peer.name}-{number}"
                with peers.started(peer, directory, pki, pages.port) as running:
                    done[peer.name], timeline = measured(generator, running, options)
                if peer.name == TRACED:
                    traces.append(trace.Trace.read(directory / "trace.json", timeline))
            for name, one in done.items():
                rounds.setdefault(name, []).append(one)
            if options.samples:
                keep_round(options.samples, done)
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    print(table(rounds))
    if traces:
        print(f"\n{trace.explained(traces)}")


if __name__ == "__main__":
    main(sys.argv[1:])
