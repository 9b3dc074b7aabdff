"""`agw check`: whether a configuration is valid, and what it comes to; the same as `twistd agwgateway --check`."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Final

from agwtwisted.cli.arm_options import add_arm_options, arm_arguments
from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.options import add_config, add_output, config_of
from agwtwisted.cli.output import output_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw check` takes."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="the same as --config FILE")
    add_config(parser)
    parser.add_argument("--strict", action="store_true", help="a warning is an error: exit status 1")
    add_output(parser)
    add_arm_options(parser)


def run(options: argparse.Namespace) -> int:
    """Shows the effective configuration, or every problem; `agw run --check` calls it as well."""
    from agwtwisted.checking import check

    output, strict = output_of(options), getattr(options, "strict", False)
    file = getattr(options, "file", None) or config_of(options)
    report = check(file, datetime.now(UTC), arm_arguments(options))
    status = report.status(strict=strict).value
    if getattr(options, "json", False):
        output.show_json(report.members(strict=strict))
        return status
    for line in report.lines(has_notes=not getattr(options, "quiet", False)):
        print(line, file=sys.stderr)
    if strict and report.text and report.warnings:
        print(f"{report.file}: valid, but for its warnings (--strict)", file=sys.stderr)
    elif report.text:
        output.show(report.text)
    return status


COMMAND: Final = Command(
    name="check",
    group=Group.RUN,
    help="report every error of a configuration, or show what it comes to; start nothing",
    description=(
        "Run it as the user of the gateway: log directory, state directory and control socket are tried, and nothing is"
        " left behind. A running gateway is not disturbed."
    ),
    examples=(
        Example("agw check --config gw.ini", "every error, with file and line; or the effective configuration"),
        Example("agw check --config gw.ini && agw reload --config gw.ini", "reload only what is valid"),
        Example("agw check --strict --quiet --config gw.ini", "in a pipeline: a warning is an error, too"),
        Example("agw check --json --config gw.ini", "problems, warnings and every key in force, for programs"),
        Example("agw check gateway.json --port-offset 8000", "of an ARM document what works here, and what does not"),
    ),
    statuses=Statuses(
        ok="the configuration is valid",
        no="it is not, or with --strict: it has warnings",
        failed="wrong usage, or the file cannot be read",
    ),
    arguments=add_arguments,
    run=run,
)
