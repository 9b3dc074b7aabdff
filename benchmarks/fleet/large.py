"""Plans of a fleet of a million devices, on 20 gateways of four workers, before a responder of 2,000 answers a second.

A plan has a part of the fleet where the whole would only take longer: `part` says which. Its devices, gateways, answers
that a worker holds and the responder's capacity are as many times fewer, so that what becomes of one device or worker
is as in the whole; rates are multiplied.
"""

from __future__ import annotations

import attrs

from agwtwisted.core.revocation.memory import MAX_ANSWERS
from benchmarks.fleet.plan import Devices, Gateways, Outage, Plan, Responder, Restart, Sharing

DEVICES = 1_000_000
GATEWAYS = 20
WORKERS = 4
ALL_WORKERS = GATEWAYS * WORKERS
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


LIFETIMES = {"1 h": HOUR, "1 d": DAY, "7 d": 7 * DAY}


def _steady(lifetime: str, sharing: Sharing) -> Case:
    """A device connects four times a day, to any worker: a part of the fleet, for two and a half lifetimes."""
    seconds = LIFETIMES[lifetime]
    part = 2000 if seconds > DAY else 1000
    return Case(
        title=f"{lifetime}, {sharing.value}",
        part=part,
        plan=Plan(
            name=f"steady {lifetime} {sharing.name.lower()}",
            seconds=2.5 * seconds,
            counted_from=1.5 * seconds,
            devices=Devices(count=DEVICES // part, arrive_within=seconds, session=6 * HOUR, absence=10),
            gateways=Gateways(count=GATEWAYS, workers=WORKERS, sharing=sharing, max_answers=MAX_ANSWERS // part),
            responder=Responder(lifetime=seconds, capacity=CAPACITY),
        ),
    )


def _start(
    name: str,
    title: str,
    *,
    share: float = 1 / ALL_WORKERS,
    restart: Restart | None = None,
    sharing: Sharing = Sharing.ALONE,
    timeout: float = 5.0,
) -> Case:
    """The devices of one worker, which all come within a minute; `share`: of the responder, that this worker has."""
    return Case(
        title=title,
        part=ALL_WORKERS,
        plan=Plan(
            name=name,
            seconds=1800,
            counted_from=0 if restart is None else restart.at - 1,
            devices=Devices(count=DEVICES // ALL_WORKERS, arrive_within=60),
            gateways=Gateways(sharing=sharing, timeout=timeout, handshake_cpu=HANDSHAKE_CPU, question_cpu=QUESTION_CPU),
            responder=Responder(lifetime=DAY, capacity=CAPACITY * share),
            restarts=() if restart is None else (restart,),
        ),
    )


def _outage(lifetime: str, minutes: float) -> Case:
    """Every device of a worker stays connected; the responder is silent for a time."""
    seconds, begin = LIFETIMES[lifetime], 1.2 * LIFETIMES[lifetime]
    return Case(
        title=f"answers of {lifetime}, {minutes:.0f} min",
        part=ALL_WORKERS,
        plan=Plan(
            name=f"outage {lifetime} {minutes:.0f}",
            seconds=begin + minutes * 60 + HOUR,
            devices=Devices(count=DEVICES // ALL_WORKERS, arrive_within=seconds),
            responder=Responder(lifetime=seconds, capacity=CAPACITY / ALL_WORKERS),
            outages=(Outage(begin=begin, end=begin + minutes * 60),),
            counted_from=begin,
        ),
    )


def _revoked(lifetime: str) -> Case:
    """A twentieth of some devices is revoked at one time, while all of them are connected."""
    seconds = LIFETIMES[lifetime]
    return Case(
        title=f"answers of {lifetime}",
        part=250,
        plan=Plan(
            name=f"revoked {lifetime}",
            seconds=3.1 * seconds,
            devices=Devices(count=DEVICES // 250, arrive_within=seconds, revoked_share=0.05, revoked_at=2 * seconds),
            responder=Responder(lifetime=seconds, capacity=CAPACITY),
            counted_from=2 * seconds,
        ),
    )


STUDIES = (
    Study(
        name="steady",
        title="The responder's load",
        cases=tuple(_steady(lifetime, sharing) for lifetime in LIFETIMES for sharing in Sharing),
    ),
    Study(
        name="start",
        title="12,500 devices come to each worker within a minute",
        cases=(
            _start("one cold", "one gateway starts, and knows nothing", share=1 / WORKERS),
            _start(
                "kept",
                "the same, with 10,000 responses in a state directory",
                share=1 / WORKERS,
                restart=Restart(at=300, keeps_answers=True),
            ),
            _start(
                "redis",
                "the same, without one, over Redis",
                share=1 / WORKERS,
                restart=Restart(at=300, keeps_answers=False),
                sharing=Sharing.FLEET,
            ),
            _start("all cold", "all gateways at once, and they know nothing"),
            _start("all cold, patient", "the same, with ocsp_timeout = 15", timeout=15.0),
            _start("all cold, strong", "the same, before a responder of 20,000 a second", share=10 / ALL_WORKERS),
        ),
    ),
    Study(
        name="outage",
        title="The responder is silent",
        cases=(_outage("1 h", 10), _outage("1 h", 30), _outage("1 d", 240)),
    ),
    Study(
        name="revoked",
        title="How long a revoked device stays connected",
        cases=(_revoked("1 h"), _revoked("1 d")),
    ),
)
