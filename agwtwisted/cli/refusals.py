"""`agw refusals`: the last clients that a running gateway refused, and why."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli.asking import INTERRUPTED, ask, query, show, show_answer
from agwtwisted.cli.command import ASKED, NO, OK, Command, Example, Statuses
from agwtwisted.cli.options import add_control, add_output, add_page
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import Cell, Value, endpoint, table
from agwtwisted.core.base.errors import printable

HEADS: Final = ("ID", "TIME", "LISTENER", "CLIENT", "REASON", "SUBJECT", "REVOCATION")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw refusals` takes."""
    add_page(parser)
    add_control(parser)
    add_output(parser)


def add_refusal(parser: argparse.ArgumentParser) -> None:
    """What `agw refusals explain` takes."""
    parser.add_argument("id", metavar="ID", help="of the refusal, as `agw refusals` shows it")
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the refusals, and prints them."""
    return show(options, f"/refusals{query(limit=options.limit)}", refusals_text)


def run_explain(options: argparse.Namespace) -> int:
    """Has the gateway judge the certificate of a refusal again; 1 where it refuses it still."""
    answer = ask(options, "/explain", method="POST", body={"refusal": options.id})
    if answer is None:
        return INTERRUPTED
    show_answer(options, answer, lambda members, _: "\n".join(map(printable, str(members["text"]).splitlines())))
    return OK if answer.status == 200 and answer.members["accepted"] else NO


def refusals_text(members: Mapping[str, Any], output: Output) -> str:
    """A row for each, the newest first."""
    return table(HEADS, [_row(each) for each in members["refusals"]], output, empty="no client was refused")


def _row(each: Mapping[str, Any]) -> tuple[Value, ...]:
    reason = Cell(str(each["reason"] or each["verify"]), Style.BAD)
    return each["id"], each["at"], each["listener"], endpoint(each), reason, each["subject"], each["revocation"]


EXPLAIN: Final = Command(
    name="explain",
    help="have the gateway judge the certificate of a refused client again, step by step",
    description="As `agw explain` does, by the configuration in force, with the certificates that the client has sent.",
    examples=(Example("agw refusals explain 0-7", "why this one was refused"),),
    statuses=Statuses(
        ok="it would be accepted now",
        no="it is refused, or there is no such refusal, or none of its certificates is known",
        failed="no gateway was reached, or wrong usage",
    ),
    arguments=add_refusal,
    run=run_explain,
)

COMMAND: Final = Command(
    name="refusals",
    help="show the clients that were refused last, and why",
    description="The gateway keeps the last ones in memory; the access log has all.",
    examples=(
        Example("agw refusals --config gw.ini", "the last hundred, the newest first"),
        Example("agw refusals --limit 10 --json", "the last ten, for programs"),
        Example("agw refusals explain 0-7", "why that one was refused, step by step"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
    actions=(EXPLAIN,),
)
