"""`agw reference`: the pages of docs/reference, made from the code."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw reference` takes."""
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="for the pages; created if missing")


def pages() -> Mapping[str, str]:
    """The Markdown of every page by its file name."""
    from agwtwisted.core.reports import reference_pages

    return {**reference_pages.pages()}


def run(options: argparse.Namespace) -> int:
    """Writes the pages."""
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (options.directory / name).write_text(text, encoding="utf-8")
    return 0


COMMAND: Final = Command(
    name="reference",
    group=Group.FILES,
    help="write the reference pages: configuration keys, variables, log fields, error codes, states of a request",
    examples=(Example("agw reference docs/reference", "write them as Markdown"),),
    statuses=Statuses(ok="written", failed="wrong usage, or a file that cannot be written"),
    arguments=add_arguments,
    run=run,
)
