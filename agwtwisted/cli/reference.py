"""`agw reference`: the pages of docs/reference and the page of the manual, made from the code."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw reference` takes."""
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="for the pages; created if missing")
    parser.add_argument("--man", type=Path, metavar="FILE", help="write agw(1) to this file, too")


def pages(parser: argparse.ArgumentParser) -> Mapping[str, str]:
    """The Markdown of every page by its file name; `parser` is that of all commands."""
    from agwtwisted.cli.command_page import command_page
    from agwtwisted.core.reports import reference_pages
    from agwtwisted.core.reports.control_reference import control_page

    return {**reference_pages.pages(), "agw.md": command_page(parser), "control-api.md": control_page()}


def run(options: argparse.Namespace) -> int:
    """Writes the pages."""
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages(options.parser).items():
        (options.directory / name).write_text(text, encoding="utf-8")
    if options.man is not None:
        from agwtwisted.cli.man_page import man_page

        options.man.write_text(man_page(options.parser), encoding="ascii")
    return 0


COMMAND: Final = Command(
    name="reference",
    group=Group.FILES,
    help="write the reference pages: commands, configuration keys, variables, log fields, error codes and more",
    examples=(
        Example("agw reference docs/reference", "write them as Markdown"),
        Example("agw reference docs/reference --man deploy/man/agw.1", "and the page of the manual"),
    ),
    statuses=Statuses(ok="written", failed="wrong usage, or a file that cannot be written"),
    arguments=add_arguments,
    run=run,
)
