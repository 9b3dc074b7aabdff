"""`agw demo`: a gateway to try out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, cast

from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.options import add_config, config_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw demo` takes."""
    add_config(parser)
    parser.add_argument(
        "--certificates", action="store_true", help="write the certificates beside the configuration, and start nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the demonstration until a signal ends it, or writes its certificates."""
    from agwtwisted.demo import run

    configuration = Path(config_of(options))
    if options.certificates:
        run.write_certificates(configuration)
        return 0
    from twisted.internet import reactor
    from twisted.internet.posixbase import PosixReactorBase

    return run.run(configuration, cast(PosixReactorBase, reactor))


COMMAND: Final = Command(
    name="demo",
    group=Group.RUN,
    help="run a gateway with demo certificates and a demo backend",
    description="It prints commands to try. Ctrl-C ends all of it.",
    examples=(
        Example("agw demo", "run conf/gw.ini"),
        Example("agw demo --certificates", "write only the certificates, to conf/pki"),
    ),
    statuses=Statuses(ok="ended by a signal", no="not started, or the gateway ended by itself", failed="wrong usage"),
    arguments=add_arguments,
    run=run,
    failure=1,
)
