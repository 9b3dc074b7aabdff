"""`agw demo`: a gateway to try out, or only what stands behind it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final, cast

from agwtwisted.cli.command import Command, Example, Group, Statuses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw demo` takes."""
    text = "a configuration file; default: conf/gw.ini if that is there, else the demo's own"
    parser.add_argument("--config", "-c", type=Path, metavar="FILE", help=text)
    text = "put the demo's own configuration there, and keep it; without it the demo leaves nothing behind"
    parser.add_argument("--directory", type=Path, metavar="DIR", help=text)
    text = "write the certificates beside the configuration, and start nothing"
    parser.add_argument("--certificates", action="store_true", help=text)
    text = "start a server there that shows what it is sent, and no gateway"
    parser.add_argument("--backend", metavar="HOST:PORT", help=text)
    text = "start an OCSP responder there that knows the certificates of --pki, and no gateway"
    parser.add_argument("--responder", metavar="HOST:PORT", help=text)
    text = "certificates of `agw init --ocsp` or of the demo; default: pki"
    parser.add_argument("--pki", type=Path, metavar="DIR", default=Path("pki"), help=text)


def run(options: argparse.Namespace) -> int:
    """Runs the demonstration or a part of it until a signal ends it, or writes its certificates."""
    from agwtwisted.demo import run

    if options.certificates:
        run.only_certificates(options.config, options.directory)
        return 0
    from twisted.internet import reactor
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.demo import servers

    running = cast(PosixReactorBase, reactor)
    if options.backend or options.responder:
        servers.serve(servers.address(options.backend), servers.address(options.responder), options.pki, running)
        return 0
    return run.demonstrate(options.config, options.directory, running)


COMMAND: Final = Command(
    name="demo",
    group=Group.RUN,
    help="run a gateway with demo certificates and a demo backend",
    description="It prints commands to try. Ctrl-C ends all of it.",
    examples=(
        Example("agw demo", "run conf/gw.ini, or in other directories the demo's own, which leaves nothing behind"),
        Example("agw demo --directory try", "write the demo's own configuration to try/gw.ini, to be changed; run it"),
        Example("agw demo --backend 127.0.0.1:9000", "run only a server that shows what it is sent"),
    ),
    statuses=Statuses(ok="ended by a signal", no="not started, or the gateway ended by itself", failed="wrong usage"),
    arguments=add_arguments,
    run=run,
    failure=1,
)
