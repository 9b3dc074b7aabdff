"""`agw control`: a gateway that clients of Azure Resource Manager set up, in the foreground."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.run import serve

DIRECTORY: Final = "~/.agwtwisted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw control` takes."""
    text = f"for the configuration, the CA, the secret and what clients put; default: {DIRECTORY}"
    parser.add_argument("--directory", "-d", type=Path, default=Path(DIRECTORY), metavar="DIRECTORY", help=text)
    text = "the port of the control plane, by https on 127.0.0.1; default: 8902"
    parser.add_argument("--port", type=int, metavar="PORT", help=text)
    text = "the id of the subscription that clients find; default: 00000000-0000-0000-0000-000000000000"
    parser.add_argument("--subscription", metavar="UUID", help=text)
    text = "a port of the gateway, and the one to listen on in its place; may be repeated"
    parser.add_argument("--gateway-port", action="append", default=[], metavar="443=8443", help=text)
    text = "a number that is added to all other ports of the gateway"
    parser.add_argument("--gateway-port-offset", type=int, metavar="N", help=text)
    text = "the address to listen on for every frontend; default: 127.0.0.1"
    parser.add_argument("--gateway-address", metavar="IP", help=text)
    text = "print the commands that set up azure-cli, SDKs and Terraform, the secret among them, and start nothing"
    parser.add_argument("--show-secret", action="store_true", help=text)


def run(options: argparse.Namespace) -> int:
    """Makes what is missing, says where it is, and runs the gateway until a signal ends it."""
    from agwtwisted.resource_manager.first_start import begin

    setup = begin(options.directory, _control(options), _arm(options), partial(datetime.now, UTC))
    if options.show_secret:
        print(setup.lines())
        return 0
    print(f"{setup.summary()}\nTo set up clients: {_repeated(options)} --show-secret", flush=True)
    return serve(str(setup.file))


def _control(options: argparse.Namespace) -> Mapping[str, str]:
    given = {"arm_port": options.port, "arm_subscription": options.subscription}
    return {key: str(value) for key, value in given.items() if value is not None}


def _arm(options: argparse.Namespace) -> Mapping[str, str]:
    given = {
        "address": options.gateway_address,
        "ports": ", ".join(options.gateway_port) or None,
        "port_offset": options.gateway_port_offset,
    }
    return {key: str(value) for key, value in given.items() if value is not None}


def _repeated(options: argparse.Namespace) -> str:
    named = "" if str(options.directory) == DIRECTORY else f" --directory {options.directory}"
    return f"agw control{named}"


COMMAND: Final = Command(
    name="control",
    group=Group.RUN,
    help="run a gateway that azure-cli, SDKs and Terraform set up",
    description=(
        "Listeners, rules and backends come by the API of Azure Resource Manager, over https on this machine, and"
        " survive restarts. The first start writes gateway.ini, a CA and a secret; options but --directory and"
        " --show-secret count then."
    ),
    examples=(
        Example("agw control --gateway-port 443=8443 --gateway-port 80=8080", "production's ports, for any user"),
        Example("agw control --show-secret", "what to copy into a shell in which az or Terraform runs"),
    ),
    statuses=Statuses(
        ok="as of `agw run`",
        no="not started: a file, an option or the gateway that is kept is not valid, or an address cannot be bound",
        failed="wrong usage",
    ),
    arguments=add_arguments,
    run=run,
    failure=1,
)
