"""Puts what was simulated into docs/revocation-at-scale.md: tables between two marks, and a page of plots beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.fleet.large import STUDIES, Case, Study
from benchmarks.plots import FAINT, MARGIN, WIDTH, Page

DOCS: Final = Path(__file__).parent.parent.parent / "docs"
PAGE: Final = DOCS / "revocation-at-scale.md"
PLOTS: Final = DOCS / "revocation-at-scale.svg"
END: Final = "<!-- end of the figures -->\n"
COLOURS: Final = ("#d6336c", "#1971c2", "#2b8a3e", "#e67700", "#9c36b5", "#5c940d")
HEIGHT: Final = 220

Results = Mapping[str, Mapping[str, Any]]
"""What each plan came to, by its name, as `python -m benchmarks.fleet` leaves it."""

HEADS: Final[dict[str, tuple[str, ...]]] = {
    "steady": (
        *("answers of, shared", "questions a second, all gateways", "connections with a verdict at once"),
        *("others wait (median)", "open connections held, a day and device"),
    ),
    "start": (
        *("what happens", "99 % connected after", "questions a device", "wait, median and 99 %"),
        *("tries refused, a device", "tries given up, a device"),
    ),
    "outage": ("outage", "connections ended", "99 % connected after its end, at most", "tries refused, a device"),
    "revoked": ("answers of", "connected after the revocation: median", "99 %", "longest"),
}


def begin(study: Study) -> str:
    """The mark before the table of a study."""
    return f"<!-- figures: {study.name}, made by `python -m benchmarks.fleet --page` -->\n"


def _time(seconds: float) -> str:
    """A time in a unit that suits it."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _median(waits: Mapping[str, Any]) -> str:
    return _time(waits["median"]) if waits["count"] else "none waits"


def _within(seconds: float | None) -> str:
    return "never" if seconds is None or seconds == float("inf") else _time(seconds)


def _steady(case: Case, one: Mapping[str, Any]) -> tuple[str, ...]:
    figures, plan = one["figures"], case.plan
    seconds = plan.seconds - plan.counted_from
    held = figures["holds"]["count"] / plan.devices.count / seconds * 86400
    at_once = figures["at_once"] / figures["connections"] if figures["connections"] else 0.0
    rate = f"{figures['questions'] * case.part / seconds:,.3g}"
    return case.title, rate, f"{at_once:.0%}", _median(figures["waits"]), f"{held:.2g}"


def _start(case: Case, one: Mapping[str, Any]) -> tuple[str, ...]:
    figures = one["figures"]
    waits = figures["waits"]
    refused = figures["unavailable"] + figures["not_asked"]
    return (
        case.title,
        _within(figures["connected_within"]),
        f"{figures['questions'] / case.plan.devices.count:.2f}",
        f"{_time(waits['median'])}, {_time(waits['p99'])}" if waits["count"] else "none waits",
        f"{refused / case.plan.devices.count:.1f}",
        f"{figures['gave_up'] / case.plan.devices.count:.1f}",
    )


def _outage(case: Case, one: Mapping[str, Any]) -> tuple[str, ...]:
    figures, count, end = one["figures"], case.plan.devices.count, case.plan.outages[0].end
    refused = figures["unavailable"] + figures["not_asked"]
    return (
        case.title,
        f"{figures['ended'] / count:.0%}",
        _within(_returned(one, count, end)),
        f"{refused / count:.1f}",
    )


def _returned(one: Mapping[str, Any], count: int, end: float) -> float | None:
    """How long after a time 99 % were connected for good; None: they were not."""
    low = [bucket for bucket, level in one["levels"]["connected"] if level < 0.99 * count]
    last = (max(low, default=0) + 1) * one["step"]
    levels = one["levels"]["connected"]
    return None if levels[-1][1] < 0.99 * count else max(last - end, one["step"])


def _revoked(case: Case, one: Mapping[str, Any]) -> tuple[str, ...]:
    stays = one["figures"]["stays"]
    return case.title, _time(stays["median"]), _time(stays["p99"]), _time(stays["most"])


ROWS: Final = {"steady": _steady, "start": _start, "outage": _outage, "revoked": _revoked}


def table(study: Study, results: Results) -> str:
    """The table of a study, of the plans that were simulated."""
    rows = [ROWS[study.name](case, results[case.plan.name]) for case in study.cases if case.plan.name in results]
    lines = [HEADS[study.name], ("---",) * len(HEADS[study.name]), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_tables(text: str, results: Results) -> str:
    """The page with new tables."""
    for study in STUDIES:
        before, mark, rest = text.partition(begin(study))
        if mark:
            text = before + mark + table(study, results) + END + rest.partition(END)[2]
    return text


def _points(one: Mapping[str, Any], share: float, start: float, end: float) -> Iterator[tuple[float, float]]:
    """The part of the devices that is connected, from `start` to `end`."""
    level = 0.0
    for bucket, value in one["levels"].get("connected", ()):
        at = bucket * one["step"]
        if at < start:
            level = value * share
        elif at <= end:
            if level is not None:
                yield max(at - one["step"], start), level
            level = value * share
            yield at, level
    yield end, level


def _panel(
    page: Page, title: str, across: str, lines: Sequence[tuple[str, list[tuple[float, float]]]], seconds: float
) -> None:
    """Curves between 0 and 1 over a time."""
    page.height += 34
    page.text(MARGIN, page.height, title, size=15, font_weight="bold")
    page.height += 14
    top, left, right = page.height, MARGIN + 40, WIDTH - 330

    def x(at: float) -> float:
        return left + at / seconds * (right - left)

    def y(share: float) -> float:
        return top + (1 - share) * HEIGHT

    for share in (0, 0.25, 0.5, 0.75, 1):
        page.line(left, y(share), right, y(share), FAINT)
        page.text(left - 6, y(share) + 4, f"{share:.0%}", size=10, anchor="end")
    for number in range(7):
        page.text(x(seconds * number / 6), top + HEIGHT + 16, _time(seconds * number / 6), size=10, anchor="middle")
    page.text(left, top + HEIGHT + 32, across, size=11, fill="#495057")
    for place, (name, points) in enumerate(lines):
        colour = COLOURS[place % len(COLOURS)]
        page.path([(x(at), y(min(share, 1.0))) for at, share in points], colour)
        page.dot(right + 16, top + 10 + 20 * place, colour, 5, name)
        page.text(right + 26, top + 14 + 20 * place, name, size=11)
    page.height = top + HEIGHT + 40


def _curves(study: Study, results: Results, seconds: float) -> list[tuple[str, list[tuple[float, float]]]]:
    """The connected devices of each case, from where its figures begin."""
    found = []
    for case in study.cases:
        if one := results.get(case.plan.name):
            begin_at = case.plan.outages[0].begin if case.plan.outages else case.plan.counted_from
            points = _points(one, 1 / case.plan.devices.count, begin_at, begin_at + seconds)
            found.append((case.title, [(at - begin_at, share) for at, share in points]))
    return found


def plots(results: Results) -> str:
    """The page of plots."""
    page = Page()
    by_name = {study.name: study for study in STUDIES}
    page.text(MARGIN, page.height + 10, "Revocation on a fleet of a million devices, simulated", size=20)
    page.height += 12
    start, outage = by_name["start"], by_name["outage"]
    _panel(page, start.title, "time; the part of the devices that is connected", _curves(start, results, 900), 900)
    _panel(
        page,
        outage.title,
        "time since the outage began; the part of the devices that is connected",
        _curves(outage, results, 5 * 3600),
        5 * 3600,
    )
    return page.svg()


def write(results: Results) -> None:
    """Writes both."""
    PAGE.write_text(with_tables(PAGE.read_text(), results))
    PLOTS.write_text(plots(results))
