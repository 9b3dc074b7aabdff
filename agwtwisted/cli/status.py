"""`agw status`: what a running gateway does."""

from __future__ import annotations

import argparse
from typing import Final

from agwtwisted.cli.asking import show
from agwtwisted.cli.command import Command, Example, Statuses
from agwtwisted.cli.options import add_control, add_output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw status` takes."""
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the status, and prints it."""
    from agwtwisted.cli.control import status_text

    return show(options, "GET", "/status", status_text)


COMMAND: Final = Command(
    name="status",
    help="show what the running gateway does",
    description="Its phase, configuration and last reload, and its connections by listener and by worker.",
    examples=(
        Example("agw status --config /etc/agwtwisted/gw.ini", "the gateway with this configuration"),
        Example("agw status --control /run/agwtwisted/control.sock", "the gateway that has this control socket"),
        Example("agw status --quiet", "whether it answers, by the exit status alone"),
    ),
    statuses=Statuses(ok="it answered", no="it refused to answer", failed="no gateway was reached, or wrong usage"),
    arguments=add_arguments,
    run=run,
)
