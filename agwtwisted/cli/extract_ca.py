"""`agw extract-ca`: the trusted client certificate file for the clients of a chain."""

from __future__ import annotations

import argparse
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw extract-ca` takes."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="PEM (also the output of openssl s_client -showcerts), CER, PFX or P7B"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to make")
    parser.add_argument("--password-file", metavar="FILE", help="file with the password of the PFX files")
    parser.add_argument("--force", action="store_true", help="overwrite the output file")


def run(options: argparse.Namespace) -> int:
    """Makes the file."""
    from agwtwisted.cli import extraction

    return extraction.run(options.files, options.output, password_file=options.password_file, force=options.force)


COMMAND: Final = Command(
    name="extract-ca",
    group=Group.CERTIFICATES,
    help="make a trusted client certificate file from a client's chain",
    description="The file has the chain's CA certificates alone, checked as the gateway reads it.",
    examples=(
        Example("agw extract-ca client.pem root.cer -o devices-ca.pem", "from a chain and its root"),
        Example("agw extract-ca client.pfx --password-file pass.txt -o devices-ca.pem", "from a PFX file"),
    ),
    statuses=Statuses(ok="made", no="the chain is incomplete, and nothing is written"),
    arguments=add_arguments,
    run=run,
)
