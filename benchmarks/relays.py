"""``python -m benchmarks.relays [--quick]``: the L4 relay next to nginx (stream), HAProxy (mode tcp) and stunnel.

The job: TLS 1.2 and 1.3 without resumption, a client certificate verified against root and intermediate, the bytes to a
backend over TCP and back, and a line of log for each session. The load is that of the other benchmarks: to a relay, an
HTTP request is bytes like others. So a *session* is a full handshake, a connection to the backend, 1 KB echoed and the
end of both, and the transfers say what a megabyte costs.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from benchmarks import checks, peers, programs, report
from benchmarks.__main__ import started_backend
from benchmarks.load import Generator, Load
from benchmarks.measure import Sample, sample
from benchmarks.peers import TEMPLATES, Peer, RunningPeer, Settings
from benchmarks.pki import Pki, make_pki
from benchmarks.programs import BenchmarkError
from benchmarks.workloads import MEBIBYTE, Workload

STREAM_MODULES = ("/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib64/nginx/modules/ngx_stream_module.so")


def workloads(scale: float) -> tuple[Workload, ...]:
    """What is measured; ``scale`` shortens it."""

    def scaled(count: int) -> int:
        return max(1, int(count * scale))

    def transfer(mode: str, mebibytes: int, *, count: int, concurrency: int) -> Load:
        if mode == "upload":
            return Load(
                mode=mode, count=count, concurrency=concurrency, path="/upload", size=mebibytes * MEBIBYTE, tls="1.3"
            )
        return Load(mode=mode, count=count, concurrency=concurrency, path=f"/{mebibytes}m", expect=mebibytes * MEBIBYTE)

    return (
        Workload(
            name="session",
            title="full mTLS handshake, ECDSA, TLS 1.3, connection to the backend, 1 KB echoed, the end of both",
            load=Load(mode="handshake", count=scaled(500), concurrency=16),
            target=0.80,
        ),
        Workload(
            name="relay-1k",
            title="1 KB echoed on one of 64 sessions that stay open",
            load=Load(mode="keepalive", count=scaled(20000), concurrency=64),
        ),
        Workload(
            name="relay-download-100m",
            title="100 MB from the backend, 2 sessions",
            load=transfer("download", 100, count=scaled(6), concurrency=2),
            target=1.10,
        ),
        Workload(
            name="relay-upload-100m",
            title="100 MB to the backend, 2 sessions",
            load=transfer("upload", 100, count=scaled(6), concurrency=2),
            target=1.10,
        ),
    )


def _configured(settings: Settings, template: str, **more: object) -> str:
    """Fills ``templates/relay/<template>`` in, and returns the new file's path."""
    fields: dict[str, object] = {
        "server_chain": settings.pki.server.chain,
        "server_key": settings.pki.server.key,
        "trusted": settings.pki.trusted,
        "port": settings.port,
        "backend_port": settings.backend_port,
        "access_log": settings.access_log,
        "directory": settings.directory,
        **more,
    }
    text = re.sub("@([a-z_]+)@", lambda word: str(fields[word[1]]), (TEMPLATES / "relay" / template).read_text())
    path = settings.directory / template
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def nginx(binary: str) -> Peer:
    """nginx with its stream module, one process."""
    module = next((path for path in STREAM_MODULES if Path(path).exists()), None)
    if module is None:
        raise BenchmarkError("nginx has no stream module: apt install libnginx-mod-stream, or leave it out with --peer")

    def command(settings: Settings) -> list[str]:
        file = _configured(settings, "nginx.conf", stream_module=module)
        return [binary, "-p", str(settings.directory), "-e", str(settings.directory / "error.log"), "-c", file]

    return attrs.evolve(peers.nginx(binary), command=command)


def haproxy(binary: str) -> Peer:
    """HAProxy in mode tcp, one thread."""

    def command(settings: Settings) -> list[str]:
        combined = settings.directory / "combined.pem"
        combined.touch(mode=0o600)
        combined.write_bytes(settings.pki.server.chain.read_bytes() + settings.pki.server.key.read_bytes())
        return [binary, "-db", "-f", _configured(settings, "haproxy.cfg", combined=combined)]

    return attrs.evolve(peers.haproxy(binary), command=command)


def stunnel(binary: str) -> Peer:
    """stunnel, a thread for each session."""
    about = peers.output(binary, "-version")
    found = re.search(r"stunnel (\S+).*?(OpenSSL \S+)", about, re.DOTALL)
    return Peer(
        name="stunnel",
        versions={"stunnel": found[1], "openssl": found[2]} if found else {},
        command=lambda settings: [binary, _configured(settings, "stunnel.conf")],
    )


def gateway(name: str, checkout: Path, python: str) -> Peer:
    """The gateway of ``checkout``."""
    made = peers.gateway(name, checkout, python, [])

    def command(settings: Settings) -> list[str]:
        return [
            *(python, "-c", "from twisted.scripts.twistd import run; run()"),
            *("-n", "--pidfile=", f"--logfile={settings.directory / 'twistd.log'}"),
            *("agwgateway", "--config", _configured(settings, "gw.ini")),
        ]

    return attrs.evolve(made, command=command)


def chosen(options: argparse.Namespace) -> list[Peer]:
    """The peers of the command line, nginx first."""
    known: dict[str, Callable[[], Peer]] = {
        "nginx": lambda: nginx("nginx"),
        "haproxy": lambda: haproxy("haproxy"),
        "stunnel": lambda: stunnel(shutil.which("stunnel4") or "stunnel"),
        "agwtwisted": lambda: gateway(report.GATEWAY, options.checkout.resolve(), options.python),
    }
    names = options.peer.split(",")
    if unknown := set(names) - set(known):
        raise BenchmarkError(f"unknown peers: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    against = [gateway("against", options.against.resolve(), options.python)] if options.against else []
    return [make() for name, make in known.items() if name in names] + against


def check(generator: Generator, peer: RunningPeer) -> None:
    """Raises `BenchmarkError` unless the peer refuses strangers, and logs."""
    checks.check_refusals(generator, peer)
    deadline = time.monotonic() + 5
    while not peer.access_log.exists() or not peer.access_log.stat().st_size:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{peer.name} logs nothing")
        time.sleep(0.1)


@contextmanager
def _started(everybody: list[Peer], directory: Path, pki: Pki, backend_port: int) -> Iterator[list[RunningPeer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(peers.started(peer, directory / peer.name, pki, backend_port)) for peer in everybody]


def run(options: argparse.Namespace, arguments: list[str]) -> report.Report:
    """Does the whole run: interleaved rounds, in which the peers take turns in going first."""
    began = time.monotonic()
    everybody = chosen(options)
    loads = workloads(0.5 if options.quick else 1.0)
    samples: dict[str, dict[str, list[Sample]]] = {load.name: {peer.name: [] for peer in everybody} for load in loads}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        generator = Generator(program=programs.compile_c("load", directory, "-lssl", "-lcrypto"))
        backend_port = stack.enter_context(started_backend(directory))
        openssl = generator.run(Load(mode="handshake"), backend_port, None).openssl
        pki = make_pki(directory / "ecdsa", "ecdsa")
        running = stack.enter_context(_started(everybody, directory, pki, backend_port))
        for peer in running:
            check(generator, peer)
        for number in range(options.rounds):
            for load in loads:
                turn = number % len(running)
                for peer in running[turn:] + running[:turn]:
                    samples[load.name][peer.name].append(sample(generator, peer, load))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return report.Report(
        arguments=arguments,
        seconds=time.monotonic() - began,
        peers=everybody,
        generator_openssl=openssl,
        workloads=list(loads),
        samples=samples,
        memory={},
        remarks=[],
    )


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 measured, 1 something answered wrongly or could not be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relays", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half of the operations")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--peer", default="nginx,haproxy,stunnel,agwtwisted", help="which relays (default: all four)")
    parser.add_argument("--checkout", type=Path, default=Path(), help="the gateway to measure (default: here)")
    parser.add_argument("--against", type=Path, help="another checkout, measured in the same rounds")
    parser.add_argument("--python", default=sys.executable, help="another interpreter for the gateway")
    parser.add_argument("--out", type=Path, default=programs.HERE / "out", help="where the JSON file goes")
    options = parser.parse_args(arguments)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20000)), hard))
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
