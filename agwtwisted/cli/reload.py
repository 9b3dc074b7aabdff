"""`agw reload`: a running gateway takes its configuration anew."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli.asking import INTERRUPTED, ask
from agwtwisted.cli.command import NO, OK, Command, Example, Group, Statuses
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style, output_of
from agwtwisted.core.base.errors import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw reload` takes."""
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the reload, and prints what came of it."""
    answer = ask(options, "/reload", method="POST")
    if answer is None:
        return INTERRUPTED
    output = output_of(options)
    in_force = answer.status == 200
    if options.json:
        output.show_json(answer.members)
    else:
        output.show((in_force_text if in_force else rejected_text)(answer.members, output))
    return OK if in_force else NO


def in_force_text(members: Mapping[str, Any], output: Output) -> str:
    """Warnings, and what has changed."""
    lines = [
        output.paint(f"generation {members['generation']} ({members['fingerprint'][:12]}) is in force", Style.GOOD)
    ]
    for kind in ("added", "changed", "removed"):
        lines += [f"  {kind}: {printable(title)}" for title in members[kind]]
    if len(lines) == 1:
        lines.append("  nothing changed")
    return "\n".join((*(output.paint(printable(each), Style.WARNING) for each in members["warnings"]), *lines))


def rejected_text(members: Mapping[str, Any], output: Output) -> str:
    """Every problem, and what stays in force."""
    problems = members.get("problems") or [members.get("error", "the gateway gives no reason")]
    end = f"rejected: generation {members.get('generation', '?')} stays in force"
    return "\n".join((*(printable(str(each)) for each in problems), output.paint(end, Style.BAD)))


COMMAND: Final = Command(
    name="reload",
    group=Group.CHANGE,
    help="have the running gateway take its configuration anew",
    description="It prints what was added, changed and removed, or every problem.",
    examples=(
        Example("agw reload --config /etc/agwtwisted/gw.ini", "reload the gateway with this configuration"),
        Example("agw reload --json", "what came of it, for programs"),
    ),
    statuses=Statuses(
        ok="the configuration is in force",
        no="rejected, and the gateway serves on as before",
        failed="no gateway was reached, or wrong usage",
    ),
    arguments=add_arguments,
    run=run,
)
