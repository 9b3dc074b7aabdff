"""What the benchmarks make of what they measured: figures, a table, a page of plots."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.revocation.crl import ProvenCrl, prove
from agwtwisted.core.revocation.crl_encodings import encoded_lists
from benchmarks import (
    generators,
    instructions,
    options,
    plots,
    programs,
    releases,
    reloads,
    report,
    summary,
    tail,
    trace,
    where,
    worktrees,
)
from benchmarks.growth import Point
from benchmarks.load import Load, Result, require_success
from benchmarks.measure import Finding, Memory, Sample, Spread, ratios
from benchmarks.peers import RELAY, Peer
from benchmarks.pki import make_pki
from benchmarks.plots import Axis
from benchmarks.programs import BenchmarkError
from benchmarks.revocation_lists import in_pem, list_of, random_serials
from benchmarks.workloads import FULL, QUICK, Workload, workloads
from tests.programs import needs

LINE = (
    b'{"mode": "handshake", "operations": 2, "resumed": 0, "errors": {}, "statuses": {"200": 2}, "seconds": 0.5, '
    b'"bytes_received": 1, "bytes_sent": 1, "latency_us": {"p50": 1, "p99": 2, "p999": 3, "max": 3}, '
    b'"histogram": [[2, 1], [4, 1]], "tls": "TLSv1.3", "openssl": "OpenSSL 3"}'
)


def sample(cpu_us: float, p99_us: int = 20) -> Sample:
    """What one round found."""
    return Sample(
        cpu_us=cpu_us, per_second=100, p50_us=10, p99_us=p99_us, p999_us=30, histogram=[(16, 5)], tls="TLSv1.3"
    )


def peer(name: str) -> Peer:
    """A peer that is not started."""
    return Peer(name=name, versions={name: "1.0", "openssl": "OpenSSL 3"}, command=lambda settings: [])


WORKLOAD = Workload(name="handshake", title="a handshake", load=Load(mode="handshake"), target=0.75)
OVER_HTTP2 = Workload(
    name="http2", title="over HTTP/2", load=Load(mode="keepalive", http=2), like="handshake", like_target=1.10
)
OVER_RELAY = Workload(name="relay", title="a relay", load=Load(mode="keepalive"), scene=RELAY)
PACED = Workload(name="paced", title="paced", load=Load(mode="keepalive"), target=1.40, latency_target=2.0)


def made(ours: float, p99_us: int = 20) -> report.Report:
    """A run of two peers, in which ours took so many microseconds, and nginx 100."""
    samples = {"nginx": [sample(100), sample(100)], "agwtwisted": [sample(ours, p99_us), sample(ours, p99_us)]}
    http2 = {"nginx": [sample(100), sample(100)], "agwtwisted": [sample(82.5), sample(82.5)]}
    point = Point.of(10, [sample(50), sample(600)], [sample(100), sample(1000)])
    return report.Report(
        arguments=[],
        seconds=1,
        peers=[peer("nginx"), peer("agwtwisted")],
        generator_openssl="OpenSSL 3",
        workloads=[WORKLOAD, PACED, OVER_HTTP2],
        samples={"handshake": samples, "paced": samples, "http2": http2},
        memory={"agwtwisted": Memory(started=1, download_peak=2, upload_peak=3, per_idle_connection=50e3)},
        growth={"sites": {"agwtwisted": [point]}},
        operation={"agwtwisted": [Finding(name="reload", title="a reload", unit="s", value=Spread.of([0.25]))]},
        remarks=["noise"],
    )


class FigureTests(SynchronousTestCase):
    """Figures."""

    def test_result(self) -> None:
        """The generator's line is read, and a wrong count of answers is a failure."""
        result = Result.from_line(LINE)
        self.assertEqual((result.operations, result.histogram), (2, [[2, 1], [4, 1]]))
        require_success(result, Load(mode="handshake", count=2), "nginx")
        with self.assertRaises(BenchmarkError):
            require_success(result, Load(mode="handshake", count=3), "nginx")

    def test_spread(self) -> None:
        """The median, and the extremes around it."""
        self.assertEqual(Spread.of([3, 1, 2]), Spread(median=2, least=1, most=3))

    def test_ratios(self) -> None:
        """Ratios are taken round by round: a busy round is one for both."""
        spread = ratios([sample(50), sample(500)], [sample(100), sample(1000)], lambda one: one.cpu_us)
        self.assertEqual(spread, Spread(median=0.5, least=0.5, most=0.5))

    def test_rounds(self) -> None:
        """Every round has other clients where they shall be new, and a slow peer gets a part of the load."""
        fresh = next(each for each in workloads() if each.load.identities)
        firsts = [fresh.in_round(number, 1.0).first for number in range(3)]
        self.assertEqual(firsts, [0, fresh.load.identities, 2 * fresh.load.identities])
        self.assertEqual(WORKLOAD.in_round(0, 0.5).count, WORKLOAD.load.count // 2 or 1)

    def test_warm_up(self) -> None:
        """A process does an eighth of a load before it is measured, unless its clients are to be new then."""
        known, fresh = (
            next(each for each in workloads() if bool(each.load.identities) is new) for new in (False, True)
        )
        warming = known.warm_up(1.0)
        assert warming is not None
        self.assertEqual((warming.count, fresh.warm_up(1.0)), (known.load.count // 8, None))

    def test_who_carries_a_variant(self) -> None:
        """Variants of a load are for a few kinds of peers, of whatever release, and for scenes that a peer has."""
        variant = next(each for each in FULL.workloads if each.among)
        self.assertEqual([variant.is_for(peer(name)) for name in ("nginx-trixie", "aiohttp")], [True, False])
        self.assertEqual([OVER_RELAY.is_for(peer(name)) for name in ("nginx", "aiohttp")], [False, False])
        self.assertTrue(WORKLOAD.is_for(peer("aiohttp")))

    def test_plans(self) -> None:
        """Names of workloads are unique, and the quick plan is a part of the full one."""
        names = [each.name for each in FULL.workloads]
        self.assertEqual(len(names), len(set(names)))
        self.assertLess({each.name for each in QUICK.workloads}, set(names))
        self.assertLess({each.like for each in FULL.workloads}, {*names, ""})


CALLGRIND = """\
events: Ir
fn=(2) below
0 7

ob=(1) /usr/bin/python3
fl=(1) ???
fn=(1) evaluate
0 100
cob=(2) /lib/libc.so.6
cfn=(3) memcpy
calls=4 0
0 40
+2 11

ob=(2)
fn=(3)
* 40
"""


class InstructionTests(SynchronousTestCase):
    """Counts of instructions."""

    def test_read(self) -> None:
        """Each function has what it took itself: what it called counts where that is defined."""
        found = instructions.read(CALLGRIND.splitlines())
        expected = {("", "below"): 7, ("python3", "evaluate"): 111, ("libc.so.6", "memcpy"): 40}
        self.assertEqual(found, expected)

    def test_summary(self) -> None:
        """One line an operation: instructions, calls in Python and built in, and the ratio to what was before."""
        ours, before = (
            instructions.Count(functions={("a", "f"): each, ("b", "g"): 50}, calls={"core/a.py:1:f": 2, "~:0:len": 1.5})
            for each in (50.0, 150.0)
        )
        line = instructions.summary({"request": [ours, before]}).splitlines()[1]
        self.assertEqual(line.split(), ["request", "100", "2.0", "1.5", "200", "0.5000"])
        listed = instructions.details([ours, before], 1, 1).splitlines()
        self.assertIn(["50", "150", "f", "(a)"], [each.split() for each in listed])


class OptionTests(SynchronousTestCase):
    """The command line."""

    def test_comparison(self) -> None:
        """Two commits are compared by requests, handshakes and bodies, next to nginx, and by nothing else."""
        chosen = options.parse(["--compare", "main", "."])
        names = [workload.name for workload in options.chosen_workloads(chosen, FULL)]
        self.assertEqual((names, options.parts(chosen, FULL)), (list(options.COMPARED), set()))
        with self.assertRaises(SystemExit), patch("sys.stderr"):
            options.parse(["--compare", "main", ".", "--growth"])

    def test_cores(self) -> None:
        """A proxy has the first cores, load and backend one or the rest, which is a shared one where none is left."""
        with patch("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}):
            found = [(programs.cores_of_proxy(count), programs.cores_of_others(count)) for count in (1, 2, 4)]
        self.assertEqual(found, [({0}, {3}), ({0, 1}, {2, 3}), ({0, 1, 2, 3}, {3})])

    def test_release_that_is_not_there(self) -> None:
        """A peer of a release that was not brought is an error that says how; a whole run leaves it out with a word."""
        remarks: list[str] = []
        with tempfile.TemporaryDirectory() as directory, patch.object(releases, "RELEASES", Path(directory)):
            with self.assertRaisesRegex(BenchmarkError, "benchmarks.releases trixie"):
                options.chosen_peers(options.parse(["--peer", "nginx-trixie"]), FULL, remarks)
            plan = attrs.evolve(FULL, peers=("haproxy-sid",))
            self.assertEqual(options.chosen_peers(options.parse([]), plan, remarks), [])
        self.assertRegex(remarks[0], "^without haproxy-sid: ")


class GeneratorTests(SynchronousTestCase):
    """The load generator next to others."""

    def test_table(self) -> None:
        """Both peers stand beside each other for each load and generator, and the ratio is taken round by round."""
        found: generators.Found = {("8 connections", "wrk"): {"nginx": [10, 100], "agwtwisted": [20, 100]}}
        line = generators.table(found).splitlines()[1]
        self.assertRegex(line, r"^8 connections +wrk +55\.0 \(10.* 1\.50 \(1\.00\.\.2\.00\)$")

    def test_kinds(self) -> None:
        """Only loads that are asked for are made, and wrk makes none of HTTP/2."""
        (kind,) = generators.kinds(generators.parse(["--connections", "8", "--http", "2"]))
        self.assertEqual((kind.connections, kind.streams), (8, 16))
        self.assertEqual(
            [name for name in generators.GENERATORS if generators.carries(name, kind)], ["load.c", "h2load"]
        )


class WhereTests(SynchronousTestCase):
    """Where the time goes."""

    def test_kinds_of_code(self) -> None:
        """Object files are put together by what they are for."""
        report = """
# Overhead  Shared Object
    50.00%  python3.11
    20.50%  [kernel.kallsyms]
    19.50%  _rust.abi3.so
     6.00%  libc.so.6
     4.00%  _cffi_backend.cpython-311-x86_64-linux-gnu.so
"""
        expected = {"Python's interpreter": 0.54, "kernel": 0.205, "OpenSSL": 0.195, "C library": 0.06}
        self.assertEqual({kind: round(share, 6) for kind, share in where.by_kind(report).items()}, expected)

    def test_packages(self) -> None:
        """The innermost function says whose time it is; the thread that writes the log is another one."""
        own = "thread (1): MainThread;run (twisted/internet/base.py:1);Connection.write (agwtwisted/transport/a.py:7)"
        lines = [
            f"{own} 5",
            f"{own};recv (/v/site-packages/OpenSSL/SSL.py:2) 3",
            "thread (1): MainThread;usual (agwtwisted/core/http/heads.py:9) 1",
            "thread (2): access log;run (agwtwisted/operations/log_writer.py:9) 1",
        ]
        expected = {"transport": 0.5, "OpenSSL": 0.3, "core/http": 0.1, "other threads": 0.1}
        self.assertEqual(where.by_package(lines), expected)

    def test_table(self) -> None:
        """Shares stand as microseconds and per cent."""
        found = {name: where.Where(cpu_us=40, shares={"kernel": share}) for name, share in (("a", 0.5), ("b", 1))}
        self.assertEqual(where.table("kind", found).splitlines()[-1].split(), ["kernel", "20.0", "50%", "40.0", "100%"])


@needs("git")
class WorktreeTests(SynchronousTestCase):
    """Working copies of commits."""

    def test_commit(self) -> None:
        """A commit has a working copy as long as it is needed; a directory is its own; another name is an error."""
        alone = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}  # no hook's repository
        alone |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        with (
            tempfile.TemporaryDirectory() as place,
            patch.object(worktrees, "REPOSITORY", Path(place)),
            patch.dict(os.environ, alone, clear=True),
        ):
            one = ("git", "-C", place, "-c", "user.name=a", "-c", "user.email=a@example.com")
            for words in (("init", "--quiet"), ("commit", "--quiet", "--allow-empty", "--message=first")):
                subprocess.run([*one, *words], check=True)
            copy = Path(place, "copy")
            with worktrees.checked_out("HEAD", copy) as found:
                self.assertTrue((found / ".git").exists())
            self.assertFalse(copy.exists())
            with worktrees.checked_out(place, copy) as found:
                self.assertEqual(found, Path(place).resolve())
            with self.assertRaisesRegex(BenchmarkError, "other"), worktrees.checked_out("other", copy):
                self.fail("there is no such commit")


class ReportTests(SynchronousTestCase):
    """The table and the files."""

    def test_judgement(self) -> None:
        """The gateway's ratio is held against the target: of CPU, or of the 99th percentile."""
        self.assertNotIn("MISSED (<= 0.75)", report.table(made(75)))
        self.assertIn("MISSED (<= 0.75)", report.table(made(76)))
        self.assertNotIn("MISSED (<= 2.00)", report.table(made(76, p99_us=40)))
        self.assertIn("MISSED (<= 2.00)", report.table(made(1, p99_us=41)))
        self.assertIn("MISSED (<= 45)", report.table(made(1)))
        self.assertIn("REMARK noise", report.table(made(1)))

    def test_before_and_after(self) -> None:
        """Another checkout of the gateway stands beside it, round by round, with CPU time and 99th percentile."""
        run = made(75, p99_us=30)
        samples = {**run.samples["paced"], "against": [sample(50, 15), sample(100, 60)]}
        words = report.table(attrs.evolve(run, workloads=[PACED], samples={"paced": samples}))
        spreads = ("75", "75", "1.125 (0.750..1.500)", "38", "30", "1.250 (0.500..2.000)")
        self.assertRegex(words, "paced +" + " +".join(map(re.escape, spreads)))

    def test_http2(self) -> None:
        """A workload of HTTP/2 is held against the same of HTTP/1.1 in the same run, round by round."""
        self.assertIn("1.10 (1.10..1.10) ok (<= 1.10)", report.table(made(75)))
        self.assertIn("1.11 (1.11..1.11) MISSED (<= 1.10)", report.table(made(74)))

    def test_files(self) -> None:
        """A run is kept as JSON with every sample, and drawn as SVG that is well-formed."""
        with tempfile.TemporaryDirectory() as directory:
            path = report.write(made(75), Path(directory))
            run = json.loads(path.read_text())
            self.assertEqual(len(run["workloads"]["handshake"]["peers"]["nginx"]["samples"]), 2)
            page = ElementTree.parse(plots.write(path)).getroot()
        words = " ".join(text for each in page.iter() if (text := each.text))
        for expected in ("handshake", "paced (p99)", "agwtwisted: 0.75, 75 us", "50 kB"):
            self.assertIn(expected, words)

    def test_summary(self) -> None:
        """A run takes the place of the one before in the page about performance, and the rest stays."""
        with tempfile.TemporaryDirectory() as directory:
            runs = [json.loads(report.write(made(cpu), Path(directory)).read_text()) for cpu in (50, 75)]
        page = f"before\n{summary.BEGIN}{summary.END}after\n"
        for run in runs:
            page = summary.put(run, page)
        self.assertTrue(page.startswith("before\n"))
        self.assertTrue(page.endswith("after\n"))
        self.assertIn("| handshake: a handshake | 100 | **0.75 (0.75..0.75)** | 0.75 |", page)
        self.assertIn("| http2: over HTTP/2 | 100 | **0.82 (0.82..0.82)** |  | 1.10 (1.10..1.10) (1.10) |", page)
        self.assertNotIn("**0.50", page)
        self.assertIn(summary.BEGIN, (summary.DOCS / "performance.md").read_text())

    def test_summary_of_a_part(self) -> None:
        """What is published is a whole run: another one changes nothing."""
        before = (summary.DOCS / "performance.md").read_text()
        with tempfile.TemporaryDirectory() as directory:
            path = report.write(made(75), Path(directory))
            with self.assertRaisesRegex(SystemExit, "without .*keepalive"):
                summary.main(str(path))
        self.assertEqual((summary.DOCS / "performance.md").read_text(), before)

    def test_growth(self) -> None:
        """Growth is shown round by round, too, in the table and in the page."""
        self.assertIn("0.55 (0.50..0.60)", report.table(made(1)))
        with tempfile.TemporaryDirectory() as directory:
            run = json.loads(report.write(made(1), Path(directory)).read_text())
        self.assertIn("| sites | agwtwisted | 10: 325 | 10: 0.55 (0.50..0.60) |", summary.figures(run))

    def test_operation(self) -> None:
        """Figures about reloads and workers stand in the table and in the page."""
        self.assertRegex(report.table(made(1)), r"a reload +agwtwisted +0\.250 \(0\.250\.\.0\.250\) +s")
        with tempfile.TemporaryDirectory() as directory:
            run = json.loads(report.write(made(1), Path(directory)).read_text())
        self.assertIn("| a reload | 0.250 (0.250..0.250) s |", summary.figures(run))

    def test_page_of_little(self) -> None:
        """A run that measured nothing has a page, too."""
        run = {"when": "2026-06-01", "machine": {"cpu": "a", "cores": 2, "kernel": "6"}, "versions": {}}
        ElementTree.fromstring(plots.page_of({**run, "workloads": {}, "memory": {}, "growth": {}}))


class TimelineTests(SynchronousTestCase):
    """What the generator says about every operation."""

    def test_overlap(self) -> None:
        """An operation counts to the reloads where any part of it lies within one."""
        with tempfile.TemporaryDirectory() as directory:
            timeline = Path(directory, "timeline")
            timeline.write_text("900000 50\n999990 20\n1000000 30\n1400000 40\n1600000 60\n")
            during, beside = reloads.overlapping(timeline, [(1.0, 1.5)])
        self.assertEqual((during, beside), ([20, 30, 40], [50, 60]))

    def test_percentile(self) -> None:
        """The smallest value that the share of all does not exceed."""
        self.assertEqual([reloads.percentile([3, 1, 2], share) for share in (0, 0.5, 0.99, 1)], [1, 2, 3, 3])


class TailTests(SynchronousTestCase):
    """What `benchmarks.tail` makes of a traced gateway and of rounds."""

    def noted(self, place: str, **fields: object) -> trace.Trace:
        """A trace of two requests, of 1.0 to 1.5 s and of 2.0 to 4.0 s."""
        timeline = Path(place, "timeline")
        timeline.write_text("1000000 500000\n2000000 2000000\n")
        empty = {"lines": [], "timed": [], "writes": [], "collections": [], "timers": {}}
        noted = Path(place, "trace.json")
        names = ["began", "ended", "running", "events", "faults", "preempted"]
        noted.write_text(json.dumps({"turn": names, **empty, **fields}))
        return trace.Trace.read(noted, timeline)

    def test_within(self) -> None:
        """How much of a time lies in spans, which may begin before it and end after it."""
        spans = trace.Spans([(1.0, 2.0), (3.0, 4.0)])
        times = ((0.0, 9.0), (1.5, 3.5), (2.1, 2.9), (3.2, 3.4), (0.0, 1.0), (4.0, 5.0))
        self.assertEqual([round(spans.within(*time), 6) for time in times], [2.0, 1.0, 0.0, 0.2, 0.0, 0.0])

    def test_parts(self) -> None:
        """The time of a request is divided: elsewhere, in turns of the gateway, and what these turns were about."""
        turns = [*(0.2, 0.3, 0.1, 1, 0, 0), *(1.1, 1.4, 0.3, 1, 2, 0), *(2.5, 3.5, 0.75, 1, 3, 1)]
        with tempfile.TemporaryDirectory() as place:
            found = self.noted(place, turns=turns, lines=[2.5, 2.6], collections=[3.0, 3.2, 1.0], timed=[2.5, 2.6])
        self.assertEqual((found.faults, found.preempted, found.generations, len(found.turns)), (5, 1, [1], 2))
        parts = [{name: round(of, 6) for name, of in found.parts(request).items()} for request in found.requests]
        self.assertEqual(list(parts[0].values()), [0.5, 0.2, 0.3, 0, 0, 0, 0])
        self.assertEqual(list(parts[1].values()), [2.0, 1.0, 1.0, 0.1, 0.2, 0.1, 0.25])

    def test_explained(self) -> None:
        """The tables name what took longest in slow requests, and every timer."""
        with tempfile.TemporaryDirectory() as place:
            found = self.noted(
                place, turns=[2.0, 4.0, 2.0, 1, 0, 0], lines=[2.0, 3.8], timers={"Watch._begin": [2, 0.5, 0.3]}
            )
        text = trace.explained([found])
        self.assertIn("longest part of the slow ones: lines of the access log 100%", text)
        self.assertRegex(text, r"Watch\._begin +2 +250,000 +300,000")

    def test_samples(self) -> None:
        """Rounds of several runs are kept in one file, and compared with nginx's of the same round."""
        ones = {"nginx": sample(100.0, p99_us=400), "agwtwisted": sample(150.0, p99_us=500)}
        with tempfile.TemporaryDirectory() as place:
            file = Path(place, "samples")
            self.assertEqual(tail.read_rounds(file), {})
            for _ in range(2):
                tail.keep_round(file, ones)
            rounds = tail.read_rounds(file)
        self.assertEqual([len(each) for each in rounds.values()], [2, 2])
        self.assertRegex(tail.table(rounds), r"agwtwisted +2 .* 1\.50 \(1\.50\.\.1\.50\) .* 1\.25 \(1\.25")


class RevocationListTests(SynchronousTestCase):
    """The lists of `benchmarks.revocation_lists`."""

    def test_is_a_list(self) -> None:
        """What is measured is a list that counts, with every serial number in it, in DER and in PEM."""
        with tempfile.TemporaryDirectory() as place:
            authority = make_pki(Path(place, "pki"), "ecdsa").authorities[-1]
            data = list_of(authority, random_serials(100), 7)
            (issuer,) = read_certificates(authority.certificate.read_bytes(), "").certificates
        crl = prove(data, issuer.certificate)
        assert isinstance(crl, ProvenCrl), crl
        self.assertEqual((len(crl.table), crl.number), (100, 7))
        entries = [crl.table.find(serial) for serial in random_serials(100)]
        self.assertEqual([each.reason for each in entries if each], ["", "keyCompromise"] * 50)
        self.assertEqual(encoded_lists(in_pem(data)), (data,))


class AxisTests(SynchronousTestCase):
    """A logarithmic scale."""

    def test_places(self) -> None:
        """Equal ratios are equal distances, and nothing stands beyond the ends."""
        axis = Axis(1, 100, 0, 200)
        self.assertEqual([round(axis(value)) for value in (1, 10, 100, 1000, 0.1)], [0, 100, 200, 200, 0])

    def test_ticks(self) -> None:
        """Ticks are round numbers on the scale."""
        self.assertEqual([round(tick, 2) for tick in Axis(0.4, 6, 0, 1).ticks()], [0.5, 1, 2, 5])
        self.assertEqual(Axis(1, 1e6, 0, 1).ticks(), [1, 10, 100, 1000, 10_000, 100_000, 1_000_000])
