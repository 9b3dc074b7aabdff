"""`agw configuration`: the configuration that a running gateway has in force, whatever its file says by now."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agwtwisted.cli.asking import show
from agwtwisted.cli.command import ASKED, Command, Example
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import count, pairs
from agwtwisted.core.base.errors import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw configuration` takes."""
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--text", action="store_true", help="print the file as it was read, passwords masked")
    part.add_argument("--report", action="store_true", help="print what `agw check` prints of it")
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the configuration, and prints it or what it is."""
    rendering = _text if options.text else _report if options.report else configuration_text
    return show(options, "/configuration", rendering)


def configuration_text(members: Mapping[str, Any], output: Output) -> str:
    """Which one it is, its warnings and its files."""
    return "\n".join(_lines(members, output))


def _lines(members: Mapping[str, Any], output: Output) -> Iterator[str]:
    yield pairs(
        [
            ("file", members["file"]),
            ("generation", f"{members['generation']} ({members['fingerprint'][:12]}), since {members['since']}"),
            ("files", ", ".join([count(len(members["files"]), "file"), "with their SHA-256 by --json"])),
        ],
        output,
    )
    for warning in members["warnings"]:
        yield output.paint(printable(str(warning)), Style.WARNING)


def _text(members: Mapping[str, Any], output: Output) -> str:
    return _escaped(members["text"])


def _report(members: Mapping[str, Any], output: Output) -> str:
    return _escaped(members["report"])


def _escaped(text: str) -> str:
    """Text of several lines, whose tabs stay."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.rstrip("\n").split("\n"))


COMMAND: Final = Command(
    name="configuration",
    help="show which configuration is in force, with its warnings, or its text",
    examples=(
        Example("agw configuration --config gw.ini", "generation, fingerprint and warnings"),
        Example("agw configuration --text --config gw.ini | diff - gw.ini", "what a reload would take besides"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
)
