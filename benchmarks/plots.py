"""One page of plots of a run, as SVG: ``python -m benchmarks.plots RUN.json [PAGE.svg]``.

Written by hand, because a page of dots and lines needs no library and every browser shows it.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import attrs

GATEWAY, BASE = "agwtwisted", "nginx"
COLOURS = {
    GATEWAY: "#d6336c",
    BASE: "#2b8a3e",
    "haproxy": "#1971c2",
    "apache2": "#9c36b5",
    "stunnel4": "#5c940d",
    "aiohttp": "#e67700",
    "mitmproxy": "#868e96",
    "against": "#f783ac",
    "nginx-trixie": "#8ce99a",
    "haproxy-trixie": "#74c0fc",
    "nginx-sid": "#c0eb75",
    "haproxy-sid": "#99e9f2",
}
INK, FAINT = "#212529", "#dee2e6"
WIDTH, MARGIN, LABELS = 1080, 30, 240


@attrs.frozen
class Axis:
    """A logarithmic scale between two values, drawn between two pixels."""

    least: float
    most: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value stands; values beyond the ends stand there."""
        value = min(max(value, self.least), self.most)
        share = math.log(value / self.least) / math.log(self.most / self.least)
        return self.start + share * (self.end - self.start)

    @classmethod
    def around(cls, values: Iterable[float], start: float, end: float) -> Axis:
        """A scale that holds all values, with some room."""
        known = [value for value in values if value > 0] or [1.0]
        return cls(min(known) / 1.25, max(known) * 1.25, start, end)

    def ticks(self) -> list[float]:
        """Round values on it: 1, 2 and 5 of each power of ten, or the powers alone where that were many."""
        powers = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
        steps = (1, 2, 5) if len(powers) <= 4 else (1,)
        every = [step * 10.0**power for power in powers for step in steps]
        return [value for value in every if self.least <= value <= self.most]


class Page:
    """Shapes and words, from the top down."""

    def __init__(self) -> None:
        self.height = float(MARGIN)
        self._parts: list[str] = []

    def text(self, x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", **style: str) -> None:
        """Words."""
        more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in {"fill": INK, **style}.items())
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}>{escape(words)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = FAINT, width: float = 1) -> None:
        """A straight line."""
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self._parts.append(f'<line {ends} stroke="{colour}" stroke-width="{width}"/>')

    def dot(self, x: float, y: float, colour: str, radius: float, words: str) -> None:
        """A point; `words` are shown in a tooltip."""
        title = f"<title>{escape(words)}</title>"
        self._parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" fill-opacity="0.9">{title}</circle>'
        )

    def bar(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
        self._parts.append(f'<rect {place} fill="{colour}" fill-opacity="0.85"/>')

    def path(self, points: list[tuple[float, float]], colour: str) -> None:
        """Points joined by lines."""
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def svg(self) -> str:
        """The whole page."""
        height = self.height + MARGIN
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="sans-serif">'
        return "\n".join(
            [head, f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>', *self._parts, "</svg>\n"]
        )


def colour(peer: str) -> str:
    """The colour that a peer has in every plot."""
    return COLOURS.get(peer, "#495057")


def number(value: float) -> str:
    """A number in few characters."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _head(page: Page, run: Mapping[str, Any]) -> None:
    page.text(
        MARGIN, page.height + 14, "agwtwisted next to its peers: one process each, the same job, the same core", size=20
    )
    machine = run["machine"]
    page.height += 36
    when = f"{run['when'][:10]}, {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}"
    page.text(MARGIN, page.height, when, size=12, fill="#495057")
    x = float(MARGIN)
    page.height += 22
    for peer, versions in run["versions"].items():
        if not isinstance(versions, dict):
            continue
        shown = [
            versions.get(peer) or versions.get("apache") or versions.get("commit", ""),
            versions.get("openssl", ""),
        ]
        words = f"{peer} {' · '.join(word.replace('_', ' ').split(' (')[0][:34] for word in shown if word)}"
        if x + 7 * len(words) > WIDTH - MARGIN:
            x, page.height = float(MARGIN), page.height + 18
        page.dot(x + 5, page.height - 4, colour(peer), 5, peer)
        page.text(x + 14, page.height, words, size=11)
        x += 24 + 6.2 * len(words)
    page.height += 14


def _title(page: Page, words: str, remark: str) -> None:
    page.height += 30
    page.text(MARGIN, page.height, words, size=15, font_weight="bold")
    page.height += 17
    page.text(MARGIN, page.height, remark, size=11, fill="#495057")
    page.height += 12


def _axis(page: Page, axis: Axis, top: float, bottom: float, words: Callable[[float], str] = number) -> None:
    for tick in axis.ticks():
        page.line(axis(tick), top, axis(tick), bottom)
        page.text(axis(tick), bottom + 13, words(tick), size=10, anchor="middle", fill="#495057")


Dots = Mapping[str, tuple[float, float]]
"""By peer: the ratio to nginx, and the value itself."""


def _ratio_rows(workloads: Mapping[str, Any]) -> Iterator[tuple[str, float | None, Dots]]:
    """A row's name, its target and its dots; of a load whose latency has a target there are two."""
    for name, each in workloads.items():
        peers = {peer: one for peer, one in each["peers"].items() if one["ratio"]}
        if peers:
            dots = {peer: (one["ratio"]["median"], one["cpu_us"]["median"]) for peer, one in peers.items()}
            yield name, each["target"], dots
        if peers and each.get("latency_target"):
            dots = {
                peer: (one["p99_ratio"]["median"], statistics.median(sample["p99_us"] for sample in one["samples"]))
                for peer, one in peers.items()
            }
            yield f"{name} (p99)", each["latency_target"], dots


def _ratios(page: Page, workloads: Mapping[str, Any]) -> None:
    rows = list(_ratio_rows(workloads))
    if not rows:
        return
    _title(
        page,
        "CPU time of the proxy per operation, nginx = 1",
        "further left is cheaper; the black mark is the gateway's target; point at a dot for its figure",
    )
    axis = Axis.around(
        [*(ratio for _, _, dots in rows for ratio, _ in dots.values()), 0.5, 2], MARGIN + LABELS, WIDTH - MARGIN
    )
    top, bottom = page.height, page.height + 26 * len(rows)
    _axis(page, axis, top, bottom, lambda tick: f"{tick:g}")
    page.line(axis(1), top, axis(1), bottom, colour(BASE), 2)
    for place, (name, target, dots) in enumerate(rows):
        y = top + 26 * place + 13
        page.text(MARGIN + LABELS - 12, y + 4, name, anchor="end")
        page.line(MARGIN + LABELS, y, WIDTH - MARGIN, y)
        if target:
            page.line(axis(target), y - 9, axis(target), y + 9, INK, 2)
        for peer, (ratio, value) in sorted(dots.items(), key=lambda item: item[0] == GATEWAY):
            words = f"{peer}: {ratio:.2f}, {value:,.0f} us"
            page.dot(axis(ratio), y, colour(peer), 7 if peer == GATEWAY else 5, words)
    page.height = bottom + 18


def _latencies(page: Page, workloads: Mapping[str, Any]) -> None:
    paced = workloads.get("paced")
    if paced is None:
        return
    _title(
        page,
        "Latency at 1,000 requests a second",
        "from the median to the 99th (dot) and 99.9th percentile, in microseconds; medians of the rounds",
    )
    found = {
        peer: [
            statistics.median(sample[field] for sample in one["samples"]) for field in ("p50_us", "p99_us", "p999_us")
        ]
        for peer, one in paced["peers"].items()
        if one["samples"]
    }
    axis = Axis.around([value for values in found.values() for value in values], MARGIN + LABELS, WIDTH - MARGIN)
    top, bottom = page.height, page.height + 22 * len(found)
    _axis(page, axis, top, bottom)
    for place, (peer, (half, most, nearly_all)) in enumerate(found.items()):
        y = top + 22 * place + 11
        page.text(MARGIN + LABELS - 12, y + 4, peer, anchor="end")
        page.line(axis(half), y, axis(nearly_all), y, colour(peer), 4)
        page.dot(axis(most), y, colour(peer), 6, f"{peer}: {half:,.0f}, {most:,.0f}, {nearly_all:,.0f}")
    page.height = bottom + 18


def _memory(page: Page, memory: Mapping[str, Any]) -> None:
    if not memory:
        return
    _title(
        page,
        "Memory",
        "kilobytes for each idle connection; beside it megabytes when started, at the peak of a download and an upload",
    )
    most = max(each["per_idle_connection"] for each in memory.values())
    for peer, each in memory.items():
        page.height += 20
        page.text(MARGIN + LABELS - 12, page.height + 4, peer, anchor="end")
        width = each["per_idle_connection"] / most * (WIDTH - 2 * MARGIN - LABELS) * 0.6
        page.bar(MARGIN + LABELS, page.height - 6, width, 13, colour(peer))
        started, down, up = (each[field] / 1e6 for field in ("started", "download_peak", "upload_peak"))
        words = f"{each['per_idle_connection'] / 1e3:.0f} kB · {started:.0f} MB, {down:.0f}, {up:.0f}"
        page.text(MARGIN + LABELS + width + 8, page.height + 4, words, size=11)
    page.height += 12


def _growth(page: Page, growth: Mapping[str, Any]) -> None:
    if not growth:
        return
    _title(
        page,
        "How the cost grows",
        "CPU microseconds of one operation, over how many there are of what the title says; flat is good",
    )
    width = (WIDTH - 2 * MARGIN) / len(growth)
    top = page.height + 24
    for place, (name, by_peer) in enumerate(growth.items()):
        left = MARGIN + place * width
        page.text(left + 40, top - 10, name, size=12)
        points = [point for each in by_peer.values() for point in each]
        across = Axis.around([point["value"] for point in points], left + 40, left + width - 14)
        medians = [point["cpu_us"]["median"] for point in points]
        upwards = Axis.around([*medians, min(medians) / 2, max(medians) * 2], top + 150, top)
        for tick in upwards.ticks():
            page.line(left + 40, upwards(tick), left + width - 14, upwards(tick))
            page.text(left + 36, upwards(tick) + 4, number(tick), size=10, anchor="end", fill="#495057")
        for value in sorted({point["value"] for point in points}):
            page.text(across(value), top + 166, f"{value:,}", size=10, anchor="middle", fill="#495057")
        for peer, each in by_peer.items():
            page.path([(across(point["value"]), upwards(point["cpu_us"]["median"])) for point in each], colour(peer))
            for point in each:
                words = f"{peer}: {point['value']:,}: {point['cpu_us']['median']:,.0f} us"
                page.dot(across(point["value"]), upwards(point["cpu_us"]["median"]), colour(peer), 4, words)
    page.height = top + 176


def page_of(run: Mapping[str, Any]) -> str:
    """The page of a run, as `report.write` left it."""
    page = Page()
    _head(page, run)
    _ratios(page, run["workloads"])
    _latencies(page, run["workloads"])
    _memory(page, run["memory"])
    _growth(page, run.get("growth", {}))
    return page.svg()


def write(run: Path, page: Path | None = None) -> Path:
    """Draws a run, beside its file if nothing else is said, and returns the page's path."""
    page = page or run.with_suffix(".svg")
    page.write_text(page_of(json.loads(run.read_text())))
    return page


if __name__ == "__main__":
    print(write(*map(Path, sys.argv[1:3])))
