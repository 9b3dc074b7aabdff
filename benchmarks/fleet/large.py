"""Plans of a fleet of a million devices, on 20 gateways of four workers, before a responder of 2,000 answers a second.

A plan has a part of the fleet where the whole would only take longer: `part` says which. Its devices, gateways, answers
that a worker holds and the responder's capacity are as many times fewer, so that what becomes of one device or worker
is as in the whole; rates are multiplied.
"""

from __future__ import annotations

from math import inf

import attrs

from benchmarks.fleet.plan import Devices, Gateways, Outage, Plan, Responder, Restart, Sharing

DEVICES = 1_000_000
GATEWAYS = 20
WORKERS = 4
CAPACITY = 2_000.0
HOUR, DAY = 3600.0, 86400.0

HANDSHAKE_CPU, QUESTION_CPU = 0.0011, 0.0025
"""Seconds of a processor, as `python -m benchmarks --workloads handshake,ocsp-cold` has them."""


@attrs.frozen(kw_only=True)
class Case:
    """A row of a table, and what is run for it."""

    title: str
    plan: Plan
    part: int  # the plan has the fleet's size divided by this


@attrs.frozen(kw_only=True)
class Study:
    """A question, and the cases that answer it together."""

    name: str
    title: str
    cases: tuple[Case, ...]


LIFETIMES = {"1 h": HOUR, "6 h": 6 * HOUR, "1 d": DAY, "7 d": 7 * DAY}


def _steady(lifetime: str, sharing: Sharing) -> Case:
    """A device connects four times a day, to any worker: a 250th of the fleet, for two and a half lifetimes."""
    part, seconds = 250, LIFETIMES[lifetime]
    return Case(
        title=f"{lifetime}, {sharing.value}",
        part=part,
        plan=Plan(
            name=f"steady {lifetime} {sharing.name.lower()}",
            seconds=2.5 * seconds,
            counted_from=1.5 * seconds,
            devices=Devices(count=DEVICES // part, arrive_within=seconds, session=6 * HOUR, absence=10),
            gateways=Gateways(count=GATEWAYS, workers=WORKERS, sharing=sharing, max_answers=10_000 // part),
            responder=Responder(lifetime=seconds, capacity=CAPACITY),
        ),
    )


def _one_gateway(name: str, title: str, *, capacity: float, restart: Restart | None = None, **gateways: object) -> Case:
    """The twentieth of the devices, which all come to one gateway within a minute."""
    return Case(
        title=title,
        part=GATEWAYS,
        plan=Plan(
            name=name,
            seconds=1200,
            devices=Devices(count=DEVICES // GATEWAYS, arrive_within=60),
            gateways=Gateways(
                workers=WORKERS,
                handshake_cpu=HANDSHAKE_CPU,
                question_cpu=QUESTION_CPU,
                **gateways,  # type: ignore[arg-type]
            ),
            responder=Responder(lifetime=DAY, capacity=capacity),
            restarts=() if restart is None else (restart,),
        ),
    )


def _outage(lifetime: str, minutes: float, *, skew: float = 300.0) -> Case:
    """Every device stays connected; the responder is silent for a time."""
    part, seconds = 100, LIFETIMES[lifetime]
    begin = 1.5 * seconds
    return Case(
        title=f"answers of {lifetime}, {minutes:.0f} min",
        part=part,
        plan=Plan(
            name=f"outage {lifetime} {minutes:.0f}",
            seconds=begin + minutes * 60 + max(seconds, HOUR),
            devices=Devices(count=DEVICES // part, arrive_within=seconds),
            gateways=Gateways(workers=1, clock_skew=skew),
            responder=Responder(lifetime=seconds, capacity=CAPACITY / part),
            outages=(Outage(begin=begin, end=begin + minutes * 60),),
            counted_from=begin,
        ),
    )


def _revoked(lifetime: str) -> Case:
    part, seconds = 250, LIFETIMES[lifetime]
    return Case(
        title=f"answers of {lifetime}",
        part=part,
        plan=Plan(
            name=f"revoked {lifetime}",
            seconds=3.1 * seconds,
            devices=Devices(
                count=DEVICES // part, arrive_within=seconds, session=inf, revoked_share=0.05, revoked_at=2 * seconds
            ),
            gateways=Gateways(workers=1),
            responder=Responder(lifetime=seconds, capacity=CAPACITY),
            counted_from=2 * seconds,
        ),
    )


STUDIES = (
    Study(
        name="steady",
        title="The responder's load, by the lifetime of answers and by who shares them",
        cases=tuple(_steady(lifetime, sharing) for lifetime in LIFETIMES for sharing in Sharing),
    ),
    Study(
        name="start",
        title="50,000 devices come to one gateway within a minute",
        cases=(
            _one_gateway("cold", "one gateway starts, and knows nothing", capacity=CAPACITY),
            _one_gateway(
                "kept",
                "one gateway restarts, with a state directory",
                capacity=CAPACITY,
                restart=Restart(at=600, keeps_answers=True),
            ),
            _one_gateway("all cold", "all gateways at once, and they know nothing", capacity=CAPACITY / GATEWAYS),
            _one_gateway(
                "all cold, patient",
                "the same, with ocsp_timeout = 15",
                capacity=CAPACITY / GATEWAYS,
                timeout=15.0,
            ),
            _one_gateway(
                "all cold, strong",
                "the same, before a responder of 20,000 a second",
                capacity=10 * CAPACITY / GATEWAYS,
            ),
        ),
    ),
    Study(
        name="outage",
        title="The responder is silent for a time",
        cases=(_outage("1 h", 10), _outage("1 h", 30), _outage("1 h", 120), _outage("1 d", 120), _outage("1 d", 720)),
    ),
    Study(
        name="revoked",
        title="How long a revoked device stays connected",
        cases=(_revoked("1 h"), _revoked("6 h"), _revoked("1 d")),
    ),
)
