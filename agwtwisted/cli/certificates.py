"""`agw certificates`: the certificates of a running gateway, those that end first before the others."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli.asking import show
from agwtwisted.cli.command import ASKED, Command, Example
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import Cell, Value, listed, table

HEADS: Final = ("DAYS LEFT", "NOT AFTER", "KIND", "NAME", "SUBJECT", "OCSP STAPLE", "USED BY")

SOON: Final = 30
"""Days before its end from which on a certificate stands out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw certificates` takes."""
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the certificates, and prints them."""
    return show(options, "/certificates", certificates_text)


def certificates_text(members: Mapping[str, Any], output: Output) -> str:
    """A row for each."""
    return table(HEADS, [_row(each) for each in members["certificates"]], output)


def _row(each: Mapping[str, Any]) -> tuple[Value, ...]:
    left = each["days_left"]
    style = Style.BAD if left < 0 else Style.WARNING if left <= SOON else Style.PLAIN
    return (
        Cell(str(left), style),
        each["not_after"],
        each["kind"],
        each["name"],
        each["subject"],
        _staple(each),
        listed(each["used_by"]),
    )


def _staple(each: Mapping[str, Any]) -> Value:
    """What clients get with it; a dash for what no listener shows."""
    status = each["ocsp_staple"]
    if status is None:
        return "-"
    style = Style.BAD if status == "revoked" else Style.PLAIN
    return Cell(status, style)


COMMAND: Final = Command(
    name="certificates",
    help="show the certificates with the days until they end, and where they are used",
    description=f"Those that end within {SOON} days stand out. --json has fingerprints, serial numbers and names.",
    examples=(
        Example("agw certificates --config gw.ini", "a row for each, those that end first before the others"),
        Example("agw certificates --json", "all of it, for programs"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
)
