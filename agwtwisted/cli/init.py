"""`agw init`: a first configuration, with certificates to try it."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses

MODES: Final = ("strict", "passthrough", "l4")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw init` takes."""
    text = "where to write gw.ini and pki/; made if it is missing; default: this directory"
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), metavar="DIRECTORY", help=text)
    text = "strict (the default): clients need a certificate; passthrough: it is passed on unverified; l4: as strict,"
    parser.add_argument("--mode", choices=MODES, default="strict", help=f"{text} for protocols other than HTTP")
    text = "the server behind the gateway; default: 127.0.0.1:9000, where `agw demo --backend` can be"
    parser.add_argument("--backend", metavar="HOST:PORT", help=text)
    text = "the IP address to listen on, 0.0.0.0 for every one; default: 127.0.0.1"
    parser.add_argument("--address", default="127.0.0.1", metavar="IP", help=text)
    parser.add_argument("--port", type=int, default=8443, metavar="PORT", help="the port to listen on; default: 8443")
    text = "a further DNS name or IP address in the gateway's certificate; may be repeated"
    parser.add_argument("--host", action="append", default=[], metavar="NAME", help=text)
    text = "the state directory; default: state, beside gw.ini"
    parser.add_argument("--state", default="state", metavar="DIR", help=text)
    text = "have an OCSP responder asked whether certificates were revoked; `agw demo --responder` is one"
    parser.add_argument("--ocsp", default="", metavar="URL", help=text)
    parser.add_argument("--force", action="store_true", help="replace what is there, the CA too")


def run(options: argparse.Namespace) -> int:
    """Writes the files, and prints what to do next."""
    from agwtwisted.starter.configuration import StarterMode
    from agwtwisted.starter.init import InitRequest, init, program

    request = InitRequest(
        directory=options.directory,
        mode=StarterMode(options.mode),
        address=options.address,
        port=options.port,
        backend=options.backend,
        hosts=tuple(options.host),
        state=options.state,
        ocsp=options.ocsp,
        force=options.force,
    )
    print(init(request, datetime.now(UTC), program(sys.argv[0], os.environ)))
    return 0


COMMAND: Final = Command(
    name="init",
    group=Group.RUN,
    help="write a first configuration, with a CA and certificates to try it",
    description="All of it is written, or nothing; then the next commands are printed.",
    examples=(
        Example("agw init gateway", "clients need a certificate of the new CA in gateway/pki"),
        Example(
            "agw init --mode passthrough --backend 10.0.0.5:80", "clients are asked for one, and the server verifies it"
        ),
        Example("agw init --mode l4 --port 8883 --backend 127.0.0.1:1883", "the same before an MQTT broker"),
    ),
    statuses=Statuses(
        ok="written",
        no="something is there already, or a value is not accepted: nothing is written",
        failed="wrong usage",
    ),
    arguments=add_arguments,
    run=run,
    failure=1,
)
