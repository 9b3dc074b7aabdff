"""`agw reload`: a running gateway takes its configuration anew."""

from __future__ import annotations

import argparse
from typing import Final

from agwtwisted.cli.asking import show
from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.options import add_control, add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw reload` takes."""
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the reload, and prints what came of it."""
    from agwtwisted.cli.control import reload_text

    return show(options, "POST", "/reload", reload_text)


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
