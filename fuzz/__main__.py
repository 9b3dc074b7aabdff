"""``python -m fuzz [TARGET ...] [--seconds N]``: each target in a process of its own, one after the other."""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["agwtwisted"]):
    from fuzz.mutation import mutated, mutated_frames
    from fuzz.targets import TARGETS, Target

OUT = Path(__file__).parent / "out"
SLOWEST = 10
"""Seconds that one input may take."""


def main() -> int:
    """Runs what was asked for; 1 where a target broke its word."""
    options = argparse.ArgumentParser(prog="python -m fuzz")
    options.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET", help=", ".join(TARGETS))
    options.add_argument("--seconds", type=int, default=60, help="for each target")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # the process that fuzzes
    chosen = options.parse_args()
    if chosen.here:
        _fuzz(chosen.targets[0], chosen.seconds)
    return max([_started(name, chosen.seconds) for name in chosen.targets])


def _started(name: str, seconds: int) -> int:
    """Fuzzes one target in a child, and says how it went."""
    command = [sys.executable, "-m", "fuzz", name, "--seconds", str(seconds), "--here"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    log = done.stdout.decode(errors="backslashreplace")
    (OUT / f"{name}.log").write_text(log)
    runs = re.search(r"Done (\d+) runs in (\d+) second", log)
    if runs:
        print(f"{name:16} {int(runs[1]):>10} executions in {runs[2]} s", flush=True)
    else:
        print(f"{name:16} failed: see {OUT / name}.log, and the input in {OUT / name}-*\n{log[-3000:]}", flush=True)
    return 0 if runs and not done.returncode else 1


def _fuzz(name: str, seconds: int) -> None:
    """Fuzzes until the time is over or something broke, and ends the process."""
    target = TARGETS[name]
    corpus = OUT / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = OUT / f"{name}.words"
    # libFuzzer refuses a file of words that has none.
    words.write_text("".join(f'"{word}"\n' for word in target.words or ("\\x00",)))
    arguments = [
        "fuzz",
        str(corpus),
        f"-dict={words}",
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={SLOWEST}",
        "-rss_limit_mb=2048",
        f"-artifact_prefix={OUT / name}-",
        "-print_final_stats=1",
    ]
    if target.is_der:
        atheris.Setup(arguments, target.run, custom_mutator=_der_mutator(target))
    elif target.is_http2:
        atheris.Setup(arguments, target.run, custom_mutator=_frame_mutator)
    else:
        atheris.Setup(arguments, target.run)
    atheris.Fuzz()


def _frame_mutator(data: bytes, max_size: int, seed: int) -> bytes:
    """A third of the mutations are libFuzzer's own."""
    chosen = random.Random(seed)
    changed = mutated_frames(data, chosen) if chosen.random() < 0.7 else b""
    return changed if 0 < len(changed) <= max_size else atheris.Mutate(data, max_size)


def _der_mutator(target: Target):  # type: ignore[no-untyped-def]
    """Half of the mutations are libFuzzer's own."""

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        chosen = random.Random(seed)
        if chosen.random() < 0.5:
            return atheris.Mutate(data, max_size)
        # What stands before the first element (a choice, in some targets) is kept.
        start = data.find(b"\x30")
        changed = data[:start] + mutated(data[start:], chosen) if start >= 0 else data
        return changed if len(changed) <= max_size else atheris.Mutate(data, max_size)

    return mutate


if __name__ == "__main__":
    sys.exit(main())
