"""`agw explain`: how a listener of a configuration judges a client, and why."""

from __future__ import annotations

import argparse
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.options import add_config, config_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw explain` takes."""
    parser.add_argument(
        "certificate", help="the client's certificate and its intermediates (PEM or DER), no key needed"
    )
    add_config(parser)
    parser.add_argument("--listener", required=True, metavar="NAME", help="the [http_listener NAME] to use")
    parser.add_argument("--at", metavar="TIME", help="as 2026-06-01 or 2026-06-01T12:00Z, UTC; default: now")


def run(options: argparse.Namespace) -> int:
    """Prints the explanation."""
    from agwtwisted.explaining import explain

    text, accepted = explain.explain(config_of(options), options.listener, options.certificate, options.at)
    print(text)
    return 0 if accepted else 1


COMMAND: Final = Command(
    name="explain",
    group=Group.CERTIFICATES,
    help="show whether a listener accepts a client's certificate, and why",
    description="The certificate meets the gateway's own rules, as in a handshake; no gateway needs to run.",
    examples=(
        Example("agw explain --config gw.ini --listener public client.pem", "the verdict now"),
        Example("agw explain --listener public --at 2027-01-02 client.pem", "the verdict on that day"),
    ),
    statuses=Statuses(
        ok="accepted",
        no="refused",
        failed="wrong usage, no such listener, or a configuration or certificate that cannot be read",
    ),
    arguments=add_arguments,
    run=run,
)
