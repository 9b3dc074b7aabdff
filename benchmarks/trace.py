"""What a traced gateway noted (``templates/traced_gateway.py``), beside the requests that were under way meanwhile."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path

import attrs

SLOW = 0.01
"""Share of the requests that make the tail."""


class Spans:
    """Times that do not overlap, in order: how much of any other time they take."""

    def __init__(self, spans: Iterable[tuple[float, float]]) -> None:
        ordered = sorted(spans)
        self._begins = [begin for begin, _ in ordered]
        self._ends = [end for _, end in ordered]
        self._before = [0.0, *accumulate(end - begin for begin, end in ordered)]

    def __len__(self) -> int:
        return len(self._begins)

    def until(self, when: float) -> float:
        """Seconds of the spans before a time."""
        at = bisect_left(self._begins, when)
        return self._before[at] - (max(self._ends[at - 1] - when, 0.0) if at else 0.0)

    def within(self, begin: float, end: float) -> float:
        """Seconds of the spans between two times."""
        return self.until(end) - self.until(begin)

    @property
    def lengths(self) -> list[float]:
        """Of each, in seconds."""
        return [end - begin for begin, end in zip(self._begins, self._ends, strict=True)]


@attrs.frozen(kw_only=True)
class Trace:
    """One process: its requests, and what it did when. Times in seconds of one clock."""

    requests: list[tuple[float, float]]  # from its schedule to its answer
    turns: Spans
    lost: Spans  # as much at the end of each turn as its thread did not run
    lines: Spans
    collections: Spans
    timers: Spans
    writes: Spans  # by the thread of the access log
    faults: int
    preempted: int
    by_timer: dict[str, tuple[int, float, float]]
    generations: list[int]

    @classmethod
    def read(cls, noted: Path, timeline: Path) -> Trace:
        """Reads the files of the gateway and of the load generator; only what was during the requests."""
        fields = json.loads(noted.read_text())
        rows = [[int(word) / 1e6 for word in line.split()] for line in timeline.read_text().splitlines()]
        requests = [(began, began + took) for began, took in rows]
        first, last = min(began for began, _ in requests), max(ended for _, ended in requests)

        def during(values: list[float], width: int) -> list[list[float]]:
            found = [values[at : at + width] for at in range(0, len(values) - width + 1, width)]
            return [each for each in found if each[0] < last and each[1] > first]

        def spans(name: str, width: int = 2) -> Spans:
            return Spans((each[0], each[1]) for each in during(fields[name], width))

        turns = during(fields["turns"], len(fields["turn"]))
        return cls(
            requests=requests,
            turns=Spans((turn[0], turn[1]) for turn in turns),
            lost=Spans((turn[1] - max(turn[1] - turn[0] - turn[2], 0.0), turn[1]) for turn in turns),
            lines=spans("lines"),
            collections=spans("collections", 3),
            timers=spans("timed"),
            writes=spans("writes"),
            faults=int(sum(turn[4] for turn in turns)),
            preempted=int(sum(turn[5] for turn in turns)),
            by_timer={name: (int(count), total, most) for name, (count, total, most) in fields["timers"].items()},
            generations=[int(each[2]) for each in during(fields["collections"], 3)],
        )

    def parts(self, request: tuple[float, float]) -> dict[str, float]:
        """Where the seconds of a request went; the last four are parts of the gateway's turns."""
        begin, end = request
        busy = self.turns.within(begin, end)
        return {
            "latency": end - begin,
            "generator, network, backend": end - begin - busy,
            "turns of the gateway": busy,
            "lines of the access log": self.lines.within(begin, end),
            "garbage collection": self.collections.within(begin, end),
            "timers": self.timers.within(begin, end),
            "the thread did not run": self.lost.within(begin, end),
        }


def explained(traces: list[Trace]) -> str:
    """Tables: the parts of all requests and of the slow ones, and what the gateway did beside them."""
    return "\n".join((*_parts(traces), "", *_doings(traces), "", *_timers(traces)))


def _parts(traces: list[Trace]) -> Iterator[str]:
    found = sorted(
        (each.parts(request) for each in traces for request in each.requests), key=lambda parts: parts["latency"]
    )
    slow = found[-max(int(len(found) * SLOW), 1) :]
    middle = found[len(found) * 2 // 5 : len(found) * 3 // 5]
    head = ("the middle fifth", f"the slowest {SLOW:.0%}", "difference")
    yield f"{'microseconds of a request, mean':32} {head[0]:>18} {head[1]:>18} {head[2]:>12}"
    for name in found[0]:
        usual, late = (sum(parts[name] for parts in ones) / len(ones) * 1e6 for ones in (middle, slow))
        yield f"{name:32} {usual:18,.0f} {late:18,.0f} {late - usual:12,.0f}"
    reasons: dict[str, int] = {}
    for parts in slow:
        own = {name: seconds for name, seconds in parts.items() if name not in ("latency", "turns of the gateway")}
        own["other turns"] = max(parts["turns of the gateway"] - sum(list(own.values())[1:]), 0.0)
        reason = max(own, key=lambda name: own[name])
        reasons[reason] = reasons.get(reason, 0) + 1
    yield "longest part of the slow ones: " + ", ".join(
        f"{name} {count / len(slow):.0%}" for name, count in sorted(reasons.items(), key=lambda each: -each[1])
    )


def _doings(traces: list[Trace]) -> Iterator[str]:
    seconds = sum(max(end for _, end in each.requests) - min(begin for begin, _ in each.requests) for each in traces)
    yield f"{'a second':32} {'number':>10} {'mean us':>10} {'p99 us':>10} {'longest us':>11}"
    for name, spans in (
        ("turns", "turns"),
        ("batches of lines", "lines"),
        ("garbage collections", "collections"),
        ("timers", "timers"),
        ("writes by the log's thread", "writes"),
    ):
        lengths = sorted(length * 1e6 for each in traces for length in getattr(each, spans).lengths)
        if lengths:
            mean, late = sum(lengths) / len(lengths), lengths[int(len(lengths) * 0.99)]
            yield f"{name:32} {len(lengths) / seconds:10,.1f} {mean:10,.0f} {late:10,.0f} {lengths[-1]:11,.0f}"
    generations = [generation for each in traces for generation in each.generations]
    counts = ", ".join(f"generation {number}: {generations.count(number)}" for number in sorted(set(generations)))
    yield f"collections: {counts or 'none'}"
    for name in ("faults", "preempted"):
        yield f"{name:32} {sum(getattr(each, name) for each in traces) / seconds:10,.1f}"


def _timers(traces: list[Trace]) -> Iterator[str]:
    yield f"{'timers, by what they call':72} {'number':>8} {'mean us':>8} {'longest us':>10}"
    names = sorted({name for each in traces for name in each.by_timer})
    for name in names:
        ones = [each.by_timer[name] for each in traces if name in each.by_timer]
        count = sum(one[0] for one in ones)
        total = sum(one[1] for one in ones)
        yield f"{name:72} {count:8,} {total / count * 1e6:8,.0f} {max(one[2] for one in ones) * 1e6:10,.0f}"
