"""Runs every command, checks its outcome, and writes the page: `make azure`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.azure.scene import AzureScene, scene
from tests.azure.steps import PARTS, Step
from tests.azure.transcript import Entered, page


def main() -> int:
    """0: every outcome was as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.azure", description=__doc__)
    parser.add_argument("--az", required=True, help="the program of azure-cli")
    parser.add_argument("--write", type=Path, help="the page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, scene(Path(directory), options.az) as stage:
        version = json.loads(stage.run("az version").stdout)["azure-cli"]
        parts = [(title, list(_entered(stage, steps))) for title, steps in PARTS]
        spelled = {**stage.ports.spelled(), str(stage.directory): "~", sys.prefix: "/usr"}
    if options.write:
        options.write.write_text(page(version, parts, spelled))
    print(f"{sum(len(entered) for _, entered in parts)} commands, all as expected")
    return 0


def _entered(stage: AzureScene, steps: tuple[Step, ...]) -> Iterator[Entered]:
    for step in steps:
        words = stage.words(step.command)
        print(f"$ {words}", flush=True)
        done = stage.run(words)
        output = stage.written(done.stderr if step.fails else done.stdout)
        if not _is_good(step, done.returncode, output):
            raise SystemExit(f"not as expected ({done.returncode}):\n{done.stdout}\n{done.stderr}")
        yield Entered(says=step.says, command=words, output=output)


def _is_good(step: Step, status: int, output: str) -> bool:
    if step.fails:
        return status != 0 and step.fails in output
    if status:
        return False
    try:
        value = json.loads(output) if step.command.startswith("az ") and output.strip() else output
    except ValueError:
        value = output
    return step.is_good(value)


if __name__ == "__main__":
    sys.exit(main())
