"""`agw status`: what a running gateway does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, Final

from agwtwisted.cli.asking import show
from agwtwisted.cli.command import ASKED, Command, Example
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import Cell, Value, count, duration, endpoint, pairs

PHASES: Final = {"running": Style.GOOD, "starting": Style.WARNING, "reloading": Style.WARNING, "stopping": Style.BAD}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw status` takes."""
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the status, and prints it."""
    return show(options, "/status", status_text)


def status_text(members: Mapping[str, Any], output: Output) -> str:
    """A line each, aligned."""
    phase = str(members["phase"])
    rows: list[tuple[str, Value]] = [
        ("gateway", Cell(f"{phase}, agwtwisted {members['version']}, process {members['pid']}", _style(phase))),
        ("configuration", f"generation {members['generation']} ({members['fingerprint'][:12]})"),
        ("last reload", _last_reload(members["last_reload"])),
        ("connections", str(members["connections"])),
    ]
    if members.get("started") is not None:
        rows.insert(1, ("started", _started(members)))
    rows += [(f"  {endpoint(each)}", count(each["connections"], "connection")) for each in members["listeners"]]
    for each in members["workers"]:
        counts = count(each["connections"], "connection"), count(each["restarts"], "restart")
        rows.append((f"  worker {each['index']}", ", ".join((f"process {each['pid']}", *counts))))
    return pairs(rows, output)


def _style(phase: str) -> Style:
    return PHASES.get(phase, Style.PLAIN)


def _started(members: Mapping[str, Any]) -> str:
    uptime = members.get("uptime")
    return f"{members['started']}" + ("" if uptime is None else f", {duration(uptime)} ago")


def _last_reload(last: Mapping[str, Any] | None) -> Value:
    if last is None:
        return "none"
    problems: Sequence[str] = last["problems"]
    text = f"{last['outcome'].replace('_', ' ')} at {last['at']}" + "".join(f"; {problem}" for problem in problems)
    return Cell(text, Style.BAD if last["outcome"] == "rejected" else Style.PLAIN)


COMMAND: Final = Command(
    name="status",
    help="show what the running gateway does",
    description="Its phase, configuration and last reload, and its connections by listener and by worker.",
    examples=(
        Example("agw status --config /etc/agwtwisted/gw.ini", "the gateway with this configuration"),
        Example("agw status --control /run/agwtwisted/control.sock", "the gateway that has this control socket"),
        Example("agw status --quiet", "whether it answers, by the exit status alone"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
)
