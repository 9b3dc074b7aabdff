"""The options that several commands have, with the same words in each."""

from __future__ import annotations

import argparse
from typing import Final

CONFIGURATION: Final = "conf/gw.ini"
"""The configuration file where none is named, as for `twistd agwgateway`."""


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`: the configuration file."""
    parser.add_argument(
        "--config", "-c", metavar="FILE", help=f"the gateway's configuration file; default: {CONFIGURATION}"
    )


def config_of(options: argparse.Namespace) -> str:
    """The configuration file, as it was named or by default."""
    named: str | None = getattr(options, "config", None)
    return CONFIGURATION if named is None else named


def add_control(parser: argparse.ArgumentParser) -> None:
    """What asks a running gateway: `--control`, `--token-file` and `--config`, by which its control socket is found."""
    parser.add_argument(
        "--control",
        metavar="PLACE",
        help="the control socket's path, or http://ADDRESS:PORT; default: as the configuration has it",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="the file with the token for http://…; default: as the configuration has it",
    )
    add_config(parser)


def add_output(parser: argparse.ArgumentParser) -> None:
    """What every command has that prints an answer: `--json`, `--quiet` and `--no-color`."""
    parser.add_argument("--json", action="store_true", help="print the answer as JSON, for programs")
    add_plain_output(parser)


def add_plain_output(parser: argparse.ArgumentParser) -> None:
    """The same without `--json`."""
    parser.add_argument("--quiet", "-q", action="store_true", help="print no answer: the exit status has it")
    parser.add_argument(
        "--no-color", action="store_true", help="no color on a terminal either; the variable NO_COLOR does the same"
    )


def add_page(parser: argparse.ArgumentParser) -> None:
    """`--limit`: how many of many."""
    parser.add_argument("--limit", type=limit, metavar="N", help="how many at most, 1 to 1000; default: 100")


def limit(text: str) -> int:
    """A number of rows; raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 0 < int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1000")
    return int(text)
