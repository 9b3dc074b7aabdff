"""``python -m benchmarks.instructions``: how many instructions the gateway takes for an operation, and where.

Valgrind's callgrind counts them, so that the figure is the same on a busy machine and differs from run to run by less
than a thousandth for requests: what a change brings is seen at once. The gateway is the one in memory of
``micro/stand.py``, without the kernel, its client, its backend and the collector of cycles (``micro/counted.py``).
Beside the instructions stand the calls of functions, in Python and built in. Instructions are no times: a cache miss
counts as one, and valgrind's processor lacks some that OpenSSL uses where there are any.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs

from benchmarks import programs
from benchmarks.programs import BenchmarkError

SCRIPT = programs.HERE / "micro" / "counted.py"
OPERATIONS = ("request", "post", "http2", "download", "handshake", "handshake-fresh", "handshake-resumed")
CALLGRIND = ("--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", "--dump-line=no")
TIMEOUT = 300.0
OBJECTS = 6


@attrs.frozen(kw_only=True)
class Count:
    """What one operation takes, on the average."""

    functions: dict[tuple[str, str], float]  # instructions, by object file and function of C
    calls: dict[str, float]  # by file, line and name of a function; built-in ones begin with a tilde

    @property
    def instructions(self) -> float:
        """All of them."""
        return sum(self.functions.values())

    @property
    def objects(self) -> dict[str, float]:
        """Instructions by object file."""
        found: dict[str, float] = defaultdict(float)
        for (file, _), instructions in self.functions.items():
            found[file] += instructions
        return found

    @property
    def named(self) -> dict[str, float]:
        """Instructions by function of C."""
        return {f"{name} ({file})": instructions for (file, name), instructions in self.functions.items()}

    @property
    def python_calls(self) -> float:
        """Calls of functions that are in Python."""
        return sum(number for function, number in self.calls.items() if not function.startswith("~"))

    @property
    def built_in_calls(self) -> float:
        """Calls of others."""
        return sum(self.calls.values()) - self.python_calls


def read(lines: Iterable[str]) -> Counter[tuple[str, str]]:
    """Instructions by object file and function, what they call left out, of a file of callgrind.

    The format: https://valgrind.org/docs/manual/cl-format.html, of which callgrind uses names that are compressed, and
    one kind of position and of cost.
    """
    names: dict[tuple[str, str], str] = {}
    here = {"ob": "", "fn": ""}
    found: Counter[tuple[str, str]] = Counter()
    called = False  # the next cost is that of a call
    for line in lines:
        if name := re.match(r"(c?)(ob|fn)=\((\d+)\)(?: (.*))?", line):
            caller, kind, number, text = name.groups()
            if text is not None:
                names[kind, number] = text
            if not caller:
                here[kind] = names[kind, number]
        elif line.startswith("calls="):
            called = True
        elif cost := re.match(r"[+*\-\d]\S* (\d+)$", line):
            if not called:
                found[Path(here["ob"]).name, here["fn"]] += int(cost[1])
            called = False
    return found


def _run(command: list[str], checkout: Path) -> Any:
    """The script's line of JSON."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=checkout
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def count(operation: str, checkout: Path, python: str, library: Path) -> Count:
    """Counts an operation of a working copy's gateway.

    Raises:
        BenchmarkError: it cannot be done, or was not answered as it should be.
    """
    script = [python, "-P", str(SCRIPT), operation]
    profile = _run(script, checkout)
    times: int = profile["count"]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "callgrind.out"
        _run(["valgrind", *CALLGRIND, f"--callgrind-out-file={file}", *script, str(library)], checkout)
        with file.open() as lines:
            functions = read(lines)
    return Count(
        functions={name: number / times for name, number in functions.items()},
        calls={name.replace(f"{checkout}/", ""): number / times for name, number in profile["calls"]},
    )


def summary(counts: dict[str, list[Count]]) -> str:
    """A line for each operation; the second count of one is what it is compared with."""
    head = f"{'operation':<18} {'instructions':>13} {'Python calls':>13} {'built-in':>9}"
    lines = [head + (f" {'before':>13} {'ratio':>7}" if any(len(ones) > 1 for ones in counts.values()) else "")]
    for name, (ours, *others) in counts.items():
        line = f"{name:<18} {ours.instructions:>13,.0f} {ours.python_calls:>13.1f} {ours.built_in_calls:>9.1f}"
        for other in others:
            line += f" {other.instructions:>13,.0f} {ours.instructions / other.instructions:>7.4f}"
        lines.append(line)
    return "\n".join(lines)


def details(counts: list[Count], functions: int, calls: int) -> str:
    """Where an operation's instructions and calls are: object files, the first so many functions of C and of Python."""
    parts = [_listed("instructions by object file", [each.objects for each in counts], OBJECTS)]
    if functions:
        parts.append(_listed("instructions by function", [each.named for each in counts], functions))
    if calls:
        parts.append(_listed("calls of functions", [counts[0].calls], calls, digits=2))
    return "\n".join(parts)


def _listed(title: str, counts: list[dict[str, float]], most: int, *, digits: int = 0) -> str:
    lines = [f"  {title}"]
    for name, _ in Counter(counts[0]).most_common(most):
        lines.append("".join(f"  {each.get(name, 0):>13,.{digits}f}" for each in counts) + f"  {name}")
    return "\n".join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--checkout", type=Path, default=Path(), help="the gateway to look at (default: here)")
    parser.add_argument("--against", type=Path, help="another checkout: before and after")
    parser.add_argument("--python", default=sys.executable, help="another interpreter for both")
    parser.add_argument(
        "--operations", default=",".join(OPERATIONS), help=f"with commas (default: {','.join(OPERATIONS)})"
    )
    parser.add_argument(
        "--functions", type=int, default=0, metavar="N", help="list the N most expensive functions of C"
    )
    parser.add_argument("--calls", type=int, default=0, metavar="N", help="list the N functions that are called most")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 counted, 1 it could not be done."""
    options = parse(arguments)
    names = options.operations.split(",")
    checkouts = [each.resolve() for each in (options.checkout, options.against) if each is not None]
    try:
        if unknown := set(names) - set(OPERATIONS):
            raise BenchmarkError(f"unknown operations: {', '.join(sorted(unknown))}; there are {', '.join(OPERATIONS)}")
        if shutil.which("valgrind") is None:
            raise BenchmarkError("valgrind is needed: apt install valgrind")
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
            library = programs.compile_c("counted", Path(directory), "-shared", "-fPIC")
            counts = {
                name: [count(name, checkout, options.python, library) for checkout in checkouts] for name in names
            }
    except BenchmarkError as error:
        print(f"benchmarks.instructions: {error}", file=sys.stderr)
        return 1
    print(summary(counts))
    for name, ones in counts.items():
        print(f"\n{name}\n{details(ones, options.functions, options.calls)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
