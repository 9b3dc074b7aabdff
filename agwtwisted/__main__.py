"""`agw …`, which is `python -m agwtwisted …`: commands beside the gateway itself, which `twistd agwgateway` runs."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias, cast

from twisted.internet.defer import Deferred

from agwtwisted._version import VERSION
from agwtwisted.cli.deploy import KINDS, deploy
from agwtwisted.core.base.errors import AgwError

if TYPE_CHECKING:  # it imports the reactor
    from twisted.internet.posixbase import PosixReactorBase

BROKEN_PIPE: Final = 141
"""The exit status where the reader of standard output has gone: a shell's for a program that SIGPIPE has ended."""

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status = int(options.command(options))
        sys.stdout.flush()
        return status
    except AgwError as error:
        print(error, file=sys.stderr)
        return int(options.failure)
    except BrokenPipeError:  # of `agw status | head -1`
        _print_no_more()
        return BROKEN_PIPE
    except KeyboardInterrupt:  # before the reactor took over the signals
        return 130


def _print_no_more() -> None:
    """What is left for standard output, which nothing reads, would be flushed at the exit."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agw", description=__doc__)
    parser.add_argument("--version", action="version", version=f"agwtwisted {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_demo(commands)
    _add_explain(commands)
    _add_extract_ca(commands)
    _add_reference(commands)
    _add_deploy(commands)
    _add_reload(commands)
    _add_status(commands)
    return parser


def _add_demo(commands: _Commands) -> None:
    demo = commands.add_parser("demo", help="run the gateway with demo certificates and a demo backend")
    demo.add_argument("--config", type=Path, default=Path("conf/gw.ini"), metavar="FILE", help="default: conf/gw.ini")
    demo.add_argument(
        "--certificates", action="store_true", help="write the certificates beside FILE, and start nothing"
    )
    demo.set_defaults(command=_demo, failure=1)


def _add_explain(commands: _Commands) -> None:
    text = (
        "show whether a listener accepts a client's certificate, and why; exit status 0: accepted, 1: refused, 2:"
        " another error"
    )
    explain = commands.add_parser("explain", help=text, description=f"{text.capitalize()}.")
    explain.add_argument(
        "certificate", help="the client's certificate and its intermediates (PEM or DER), no key needed"
    )
    explain.add_argument("--config", default="conf/gw.ini", metavar="FILE", help="default: conf/gw.ini")
    explain.add_argument("--listener", required=True, metavar="NAME", help="the [http_listener NAME] to use")
    explain.add_argument("--at", metavar="TIME", help="as 2026-06-01 or 2026-06-01T12:00Z, UTC; default: now")
    explain.set_defaults(command=_explain, failure=2)


def _add_extract_ca(commands: _Commands) -> None:
    text = (
        "make a trusted client certificate file from a client's chain; exit status 0: made, 1: incomplete, 2: another"
        " error"
    )
    extract = commands.add_parser("extract-ca", help=text, description=f"{text.capitalize()}.")
    extract.add_argument(
        "files", nargs="+", metavar="FILE", help="PEM (also the output of openssl s_client -showcerts), CER, PFX or P7B"
    )
    extract.add_argument("-o", "--output", required=True, metavar="FILE", help="the file to make")
    extract.add_argument("--password-file", metavar="FILE", help="file with the password of the PFX files")
    extract.add_argument("--force", action="store_true", help="overwrite the output file")
    extract.set_defaults(command=_extract_ca, failure=2)


def _add_reference(commands: _Commands) -> None:
    text = "write the reference pages: configuration keys, variables, log fields, error codes, states of a request"
    reference = commands.add_parser("reference", help=text, description=f"{text.capitalize()}.")
    reference.add_argument(
        "directory", type=Path, metavar="DIRECTORY", help=("directory for the pages; created if missing")
    )
    reference.set_defaults(command=_reference, failure=1)


def _add_deploy(commands: _Commands) -> None:
    text = "print files to run the gateway with: systemd's units, and examples for logrotate and tmpfiles.d"
    deploy = commands.add_parser("deploy", help=text, description=f"{text.capitalize()}.")
    deploy.add_argument("kind", choices=KINDS, help="which files")
    deploy.add_argument("name", nargs="?", metavar="NAME", help="one file of them; default: all")
    deploy.add_argument("--out", type=Path, metavar="DIR", help="write them into this directory, and print their paths")
    deploy.add_argument("--force", action="store_true", help="replace files that exist")
    deploy.set_defaults(command=_deploy, failure=1)


def _add_reload(commands: _Commands) -> None:
    text = (
        "have the running gateway take its configuration anew; exit status 0: it is in force, 1: rejected, and the"
        " gateway serves on as before, 2: no gateway was reached"
    )
    reload = commands.add_parser("reload", help=text, description=f"{text.capitalize()}.")
    _add_control(reload)
    reload.set_defaults(command=_control, method="POST", target="/reload", failure=2)


def _add_status(commands: _Commands) -> None:
    text = "show what the running gateway does; exit status 0: it answered, 2: no gateway was reached"
    status = commands.add_parser("status", help=text, description=f"{text.capitalize()}.")
    _add_control(status)
    status.set_defaults(command=_control, method="GET", target="/status", failure=2)


def _add_control(command: argparse.ArgumentParser) -> None:
    command.add_argument("--control", metavar="PATH", help="the control socket; default: as the configuration has it")
    command.add_argument("--config", default="conf/gw.ini", metavar="FILE", help="default: conf/gw.ini")
    command.add_argument("--json", action="store_true", help="print the answer as JSON")


def _demo(options: argparse.Namespace) -> int:
    from agwtwisted.demo import run

    if options.certificates:
        run.write_certificates(options.config)
        return 0
    from twisted.internet import reactor
    from twisted.internet.posixbase import PosixReactorBase

    return run.run(options.config, cast(PosixReactorBase, reactor))


def _explain(options: argparse.Namespace) -> int:
    from agwtwisted.cli import explain

    text, accepted = explain.explain(options.config, options.listener, options.certificate, options.at)
    print(text)
    return 0 if accepted else 1


def _extract_ca(options: argparse.Namespace) -> int:
    from agwtwisted.cli import extract_ca

    return extract_ca.run(options.files, options.output, password_file=options.password_file, force=options.force)


def _reference(options: argparse.Namespace) -> int:
    from agwtwisted.core.reports import reference_pages

    options.directory.mkdir(parents=True, exist_ok=True)
    for name, text in reference_pages.pages().items():
        (options.directory / name).write_text(text, encoding="utf-8")
    return 0


def _deploy(options: argparse.Namespace) -> int:
    print(deploy(options.kind, options.name, options.out, force=options.force))
    return 0


def _control(options: argparse.Namespace) -> int:
    from twisted.internet.task import react

    from agwtwisted.cli import control

    path = control.socket_of(options.control, options.config)
    texts = {"/reload": control.reload_text, "/status": control.status_text}
    found: list[control.ControlAnswer | AgwError] = []

    async def ask(reactor: PosixReactorBase) -> None:
        try:
            found.append(await control.ask(reactor, path, options.method, options.target))
        except AgwError as error:
            found.append(error)

    with contextlib.suppress(SystemExit):  # its exit status is the reactor's
        react(lambda reactor: Deferred.fromCoroutine(ask(cast("PosixReactorBase", reactor))))
    if not found:
        return 130
    if isinstance(found[0], AgwError):
        raise found[0]
    status, text = texts[options.target](found[0])
    print(json.dumps(found[0].members, indent=2) if options.json else text)
    return status


def run() -> NoReturn:
    """The program `agw`."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
