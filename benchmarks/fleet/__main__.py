"""``python -m benchmarks.fleet``: what revocation costs a fleet, simulated with the gateway's own code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from benchmarks.fleet import comparison, running
from benchmarks.fleet.plan import Plan
from benchmarks.fleet.simulation import Simulation
from benchmarks.fleet.small import SMALL


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers (default: 1)")
    parser.add_argument("--compare", action="store_true", help="run the small plans with a gateway as well: 4 minutes")
    parser.add_argument("--plans", default="", help="only those whose names have this in them")
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


def main(arguments: list[str]) -> int:
    """Runs what the command line asks for; the exit status."""
    options = parse(arguments)
    agreed = [compared(plan, options.seed) for plan in _chosen(SMALL, options.plans)]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
