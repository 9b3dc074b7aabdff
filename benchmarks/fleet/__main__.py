"""``python -m benchmarks.fleet``: what revocation costs a fleet, simulated with the gateway's own code."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from benchmarks.fleet import comparison, page, running
from benchmarks.fleet.large import STUDIES
from benchmarks.fleet.plan import Plan
from benchmarks.fleet.simulation import Run, Simulation
from benchmarks.fleet.small import SMALL

HERE = Path(__file__).parent.parent


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers (default: 1)")
    parser.add_argument("--compare", action="store_true", help="run the small plans with a gateway as well: 4 minutes")
    parser.add_argument("--plans", default="", help="only those whose names have this in them")
    parser.add_argument("--out", type=Path, default=HERE / "out" / "fleet.json", help="where the figures go")
    parser.add_argument("--page", action="store_true", help="put the figures of --out into docs/, and simulate nothing")
    return parser.parse_args(arguments)


def compared(plan: Plan, seed: int) -> bool:
    """Simulates a plan, runs it, and prints both; whether they agree."""
    simulated = [Simulation(plan, seed + number).run().figures for number in range(comparison.SEEDS)]
    rows = comparison.rows(simulated, running.run(plan, seed).figures)
    print(f"{plan.name}: {plan.devices.count} devices, {plan.seconds:.0f} s")
    print(*map(str, rows), sep="\n", flush=True)
    return all(row.agrees for row in rows)


def _chosen(plans: tuple[Plan, ...], words: str) -> Iterator[Plan]:
    return (plan for plan in plans if words in plan.name)


def simulated(options: argparse.Namespace) -> None:
    """Simulates the large plans; what is there of others in the file stays."""
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    for study in STUDIES:
        for case in study.cases:
            if options.plans in case.plan.name:
                began = time.process_time()
                known[case.plan.name] = summary(Simulation(case.plan, options.seed).run(), options.seed)
                print(f"{study.name}: {case.title}: {time.process_time() - began:.0f} s", flush=True)
                print(f"  {known[case.plan.name]['figures']}", flush=True)
                options.out.parent.mkdir(exist_ok=True)
                options.out.write_text(json.dumps(known, indent=1))


def summary(run: Run, seed: int) -> dict[str, Any]:
    """A run, for a file."""
    levels = {name: sorted(level.items()) for name, level in run.record.levels.items()}
    return {
        "seed": seed,
        "step": run.record.step,
        "figures": attrs.asdict(run.figures),
        "levels": levels,
        "questions": run.record.rate("question"),
    }


def main(arguments: list[str]) -> int:
    """Runs what the command line asks for; the exit status."""
    options = parse(arguments)
    if options.page:
        page.write(json.loads(options.out.read_text()))
        return 0
    if not options.compare:
        simulated(options)
        return 0
    agreed = [compared(plan, options.seed) for plan in _chosen(SMALL, options.plans)]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
