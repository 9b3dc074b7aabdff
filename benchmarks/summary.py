"""``python -m benchmarks.summary RUN.json``: puts a run into docs/performance.md, with its page of plots beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.plots import BASE, GATEWAY
from benchmarks.workloads import FULL

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- figures: made by `python -m benchmarks.summary` -->\n", "<!-- end of the figures -->\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _table(*head: str, rows: list[tuple[str, ...]]) -> str:
    return "\n".join([_row(*head), _row(*["---"] * len(head)), *(_row(*row) for row in rows)])


def _ratio(one: Mapping[str, Any], name: str = "ratio") -> str:
    ratio = one.get(name)
    return f"{ratio['median']:.2f} ({ratio['least']:.2f}..{ratio['most']:.2f})" if ratio else ""


def _workloads(run: Mapping[str, Any]) -> str:
    others = [peer for peer in run["versions"] if peer not in (BASE, GATEWAY, "load")]
    rows = []
    for name, each in run["workloads"].items():
        base = each["peers"].get(BASE, {}).get("cpu_us", {}).get("median")
        title = f"{name}: {each['title']}"
        rows.append(
            (title, f"{base:,.0f}" if base else "", *_ratios(each, "ratio", "target", _like(each), others)),
        )
        if each.get("latency_target"):
            rows.append((f"{title}, p99", "", *_ratios(each, "p99_ratio", "latency_target", "", others)))
    return _table(
        "work", "nginx, CPU us", "gateway / nginx", "target", LIKE, *(f"{peer} / nginx" for peer in others), rows=rows
    )


def _ratios(each: Mapping[str, Any], ratio: str, target: str, like: str, others: list[str]) -> Iterator[str]:
    """The cells of a workload's row behind that of nginx."""
    peers = each["peers"]
    yield f"**{_ratio(peers[GATEWAY], ratio)}**" if GATEWAY in peers else ""
    yield f"{each[target]:.2f}" if each[target] else ""
    yield like
    for peer in others:
        yield f"{peers[peer][ratio]['median']:.2f}" if _has(peers, peer) else ""


LIKE = "gateway, HTTP/2 / HTTP/1.1 (target)"


def _like(each: Mapping[str, Any]) -> str:
    """A workload of HTTP/2 next to the same of HTTP/1.1."""
    ratio = _ratio(each["peers"].get(GATEWAY, {}), "like_ratio")
    target = each.get("like_target")
    return f"{ratio} ({target:.2f})" if ratio and target else ratio


def _has(peers: Mapping[str, Any], peer: str) -> bool:
    return peer in peers and bool(peers[peer]["ratio"])


HTTP2_MEMORY = ("per_http2_connection", "per_http2_stream")


def _memory(run: Mapping[str, Any]) -> str:
    rows = [
        (
            peer,
            f"{each['per_idle_connection'] / 1e3:.1f}",
            *(f"{each[field] / 1e3:.1f}" if each.get(field) else "" for field in HTTP2_MEMORY),
            *(f"{each[field] / 1e6:.0f}" for field in ("started", "download_peak", "upload_peak")),
        )
        for peer, each in run["memory"].items()
    ]
    http2 = ("kB an idle HTTP/2 connection", "kB a waiting stream")
    return _table(
        *("peer", "kB an idle connection", *http2, "MB when started", "MB, big download", "MB, big upload"), rows=rows
    )


def _growth(run: Mapping[str, Any]) -> str:
    rows = [
        (
            name,
            peer,
            *(", ".join(f"{point['value']:,}: {form(point)}" for point in points) for form in (_cost, _growing)),
        )
        for name, by_peer in run["growth"].items()
        for peer, points in by_peer.items()
    ]
    return _table("how many", "peer", "CPU us of one operation", "next to the fewest, in the same rounds", rows=rows)


def _cost(point: Mapping[str, Any]) -> str:
    return f"{point['cpu_us']['median']:,.0f}"


def _growing(point: Mapping[str, Any]) -> str:
    ratio = point["ratio"]
    return f"{ratio['median']:.2f} ({ratio['least']:.2f}..{ratio['most']:.2f})"


def _operation(run: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = []
    for each in run["operation"].get(GATEWAY, []):
        digits = 3 if each["unit"] in ("s", "x") else 1
        value = each["value"]
        spread = f"{value['median']:,.{digits}f} ({value['least']:,.{digits}f}..{value['most']:,.{digits}f})"
        rows.append((each["title"], f"{spread} {each['unit']}"))
    return _table("reloads and workers", "", rows=rows)


def _versions(run: Mapping[str, Any]) -> Iterator[str]:
    for peer, versions in run["versions"].items():
        words = versions.items() if isinstance(versions, dict) else {"openssl": versions}.items()
        yield f"- {peer}: {', '.join(f'{name} {version}' for name, version in words)}"


def figures(run: Mapping[str, Any]) -> str:
    """The part of the page that a run says."""
    machine = run["machine"]
    where = f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}"
    parts = [
        "![The run as plots: CPU per operation, latency, memory, growth](performance.svg)",
        f"Measured {run['when'][:10]} on {where}. In parentheses: the extremes of the rounds.",
        _workloads(run),
        _memory(run) if run["memory"] else "",
        _growth(run) if run["growth"] else "",
        _operation(run) if run.get("operation") else "",
        "\n".join(_versions(run)),
        "\n".join(f"Remark: {remark}." for remark in run["remarks"]),
    ]
    return "\n\n".join(part for part in parts if part)


def put(run: Mapping[str, Any], page: str) -> str:
    """The page with the figures of this run in place of those before."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{figures(run)}\n\n{END}{after}"


def main(file: str) -> None:
    """Changes docs/performance.md and docs/performance.svg, for a whole run."""
    run = json.loads(Path(file).read_text())
    if left_out := {workload.name for workload in FULL.workloads} - set(run["workloads"]):
        raise SystemExit(f"{file} is no whole run: it is without {', '.join(sorted(left_out))}")
    page = DOCS / "performance.md"
    page.write_text(put(run, page.read_text()))
    plots.write(Path(file), DOCS / "performance.svg")


if __name__ == "__main__":
    main(sys.argv[1])
