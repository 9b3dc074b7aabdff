"""`agw refusals`: the last clients that a running gateway refused, and why."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli.asking import query, show
from agwtwisted.cli.command import Command, Example, Statuses
from agwtwisted.cli.options import add_control, add_output, add_page
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import Cell, Value, endpoint, table

HEADS: Final = ("ID", "TIME", "LISTENER", "CLIENT", "REASON", "SUBJECT", "REVOCATION")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw refusals` takes."""
    add_page(parser)
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the refusals, and prints them."""
    return show(options, f"/refusals{query(limit=options.limit)}", refusals_text)


def refusals_text(members: Mapping[str, Any], output: Output) -> str:
    """A row for each, the newest first."""
    return table(HEADS, [_row(each) for each in members["refusals"]], output, empty="no client was refused")


def _row(each: Mapping[str, Any]) -> tuple[Value, ...]:
    reason = Cell(str(each["reason"] or each["verify"]), Style.BAD)
    return each["id"], each["at"], each["listener"], endpoint(each), reason, each["subject"], each["revocation"]


COMMAND: Final = Command(
    name="refusals",
    help="show the clients that were refused last, and why",
    description="The gateway keeps the last ones in memory; the access log has all. `agw explain` says more of one.",
    examples=(
        Example("agw refusals --config gw.ini", "the last hundred, the newest first"),
        Example("agw refusals --limit 10 --json", "the last ten, for programs"),
    ),
    statuses=Statuses(ok="it answered", no="it refused to answer", failed="no gateway was reached, or wrong usage"),
    arguments=add_arguments,
    run=run,
)
