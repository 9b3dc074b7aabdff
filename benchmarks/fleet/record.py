"""What is noted while a simulation runs, or a gateway: how often, how long, and when."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from math import inf

import attrs

from benchmarks.fleet.plan import Plan

BUCKETS = 200
"""Points of a curve over the whole time."""


@attrs.frozen(kw_only=True)
class Waits:
    """How many waited, and how long."""

    count: int
    median: float = 0.0
    p99: float = 0.0
    most: float = 0.0

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Waits:
        """Of these."""
        ordered = sorted(seconds)
        if not ordered:
            return cls(count=0)
        last = len(ordered) - 1
        return cls(count=len(ordered), median=ordered[last // 2], p99=ordered[int(last * 0.99)], most=ordered[last])


@attrs.frozen(kw_only=True)
class Figures:
    """What became of a fleet, in numbers."""

    connections: int  # that were tried
    at_once: int  # of these had their verdict at once
    questions: int  # that were sent to the responder
    accepted: int
    unavailable: int  # refused: no status could be had
    not_asked: int  # refused: the gateway could not ask
    revoked: int  # refused
    gave_up: int  # left before there was an answer
    ended: int  # open connections whose device was refused when it was judged again
    most_questions: int  # in one second
    waits: Waits  # of new connections whose status was not known
    holds: Waits  # of open connections whose status was over
    answers: int  # held by one worker at most
    connected_within: (
        float  # from the beginning, or the last event, until 99 % of the devices are in; inf: they never were
    )
    stays: Waits  # of revoked devices, connected from their revocation on


class Record:
    """Counts of events, the times that clients waited, and curves; `seconds` is the time since the beginning."""

    def __init__(self, seconds: Callable[[], float], plan: Plan) -> None:
        self.seconds = seconds
        self.step = max(plan.seconds / BUCKETS, 1.0)
        self.counts: Counter[str] = Counter()
        self.waits = array("d")
        self.holds = array("d")
        self.levels: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._plan = plan
        self._curves: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._by_second: Counter[int] = Counter()  # questions
        self._connected = 0
        self._event_at: float | None = 0.0  # since when 99 % are waited for; None: they are there
        self._connected_within = inf
        self._stays = array("d")

    def count(self, event: str) -> None:
        """Something has happened."""
        now = self.seconds()
        self._curves[event][int(now / self.step)] += 1
        if event == "question":
            self._by_second[int(now)] += 1
        if now >= self._plan.counted_from:
            self.counts[event] += 1

    def waited(self, seconds: float) -> None:
        """A client that connected has waited for its status."""
        if self.seconds() >= self._plan.counted_from:
            self.waits.append(seconds)

    def held(self, seconds: float) -> None:
        """No request of an open connection was forwarded for so long: its status was over, and asked for."""
        if self.seconds() >= self._plan.counted_from:
            self.holds.append(seconds)

    def connected(self, by: int, *, is_revoked: bool = False) -> None:
        """A device is in, or it is not any more."""
        self._connected += by
        self.level("connected", self._connected)
        if self._event_at is not None and self._connected >= self._plan.devices.count * 0.99:
            self._connected_within, self._event_at = self.seconds() - self._event_at, None
        if by < 0 and is_revoked:
            self._stays.append(self.seconds() - self._plan.devices.revoked_at)

    def event(self, at: float) -> None:
        """From then on it is waited until 99 % are connected again."""
        self._event_at, self._connected_within = at, inf

    def level(self, name: str, value: float) -> None:
        """How many there are now."""
        self.levels[name][int(self.seconds() / self.step)] = value

    def rate(self, event: str) -> list[tuple[float, float]]:
        """How often in a second something happened, over the time."""
        curve = self._curves[event]
        return [(bucket * self.step, curve[bucket] / self.step) for bucket in range(max(curve, default=-1) + 1)]

    def figures(self, *, answers: int) -> Figures:
        """All of it in numbers; `answers`: that one worker held at most."""
        counts = self.counts
        in_time = (number for second, number in self._by_second.items() if second >= self._plan.counted_from)
        return Figures(
            connections=counts["connection"],
            at_once=counts["at_once"],
            questions=counts["question"],
            accepted=counts["accepted"],
            unavailable=counts["unavailable"],
            not_asked=counts["not_asked"],
            revoked=counts["revoked"],
            gave_up=counts["gave_up"],
            ended=counts["ended"],
            most_questions=max(in_time, default=0),
            waits=Waits.of(self.waits),
            holds=Waits.of(self.holds),
            answers=answers,
            connected_within=self._connected_within,
            stays=Waits.of(self._stays),
        )
