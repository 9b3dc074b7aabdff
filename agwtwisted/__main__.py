"""`python -m agwtwisted …`: what is done beside running the gateway, which `twistd agwgateway` does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from agwtwisted.core.errors import AgwError


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return _demo(options)
    except AgwError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the reactor took over the signals
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agwtwisted", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="run the gateway with demo certificates and a demo backend")
    demo.add_argument("--config", type=Path, default=Path("conf/gw.ini"), metavar="FILE", help="default: conf/gw.ini")
    demo.add_argument("--certificates", action="store_true", help="write the certificates beside FILE, run nothing")
    return parser


def _demo(options: argparse.Namespace) -> int:
    from agwtwisted.demo import run

    if options.certificates:
        run.write_certificates(options.config)
        return 0
    from twisted.internet import reactor
    from twisted.internet.posixbase import PosixReactorBase

    return run.run(options.config, cast(PosixReactorBase, reactor))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
