"""`agw check`: whether a configuration is valid, and what it comes to; the same as `twistd agwgateway --check`."""

from __future__ import annotations

import argparse
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.options import add_config, config_of


def run(options: argparse.Namespace) -> int:
    """Shows the effective configuration, or every problem; ends the process where there is one."""
    from agwtwisted.tap import Options, makeService

    checked = Options()
    checked.parseOptions(["--check", "--config", config_of(options)])
    makeService(checked)
    return 0


COMMAND: Final = Command(
    name="check",
    group=Group.RUN,
    help="report every error of a configuration, or show what it comes to; start nothing",
    description="A running gateway is not disturbed.",
    examples=(
        Example("agw check --config gw.ini", "every error, with file and line; or the effective configuration"),
        Example("agw check --config gw.ini && agw reload --config gw.ini", "reload only what is valid"),
    ),
    statuses=Statuses(ok="the configuration is valid", no="it is not", failed="wrong usage"),
    arguments=add_config,
    run=run,
    failure=1,
)
