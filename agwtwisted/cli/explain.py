"""`agw explain`: how a listener of a configuration judges a client, and why."""

from __future__ import annotations

import argparse
import contextlib
import re
from typing import TYPE_CHECKING, Final, cast

from agwtwisted.cli.arm_options import add_arm_options, arm_arguments
from agwtwisted.cli.asking import INTERRUPTED
from agwtwisted.cli.command import NO, OK, Command, Example, Group, Statuses
from agwtwisted.cli.options import add_config, add_output, config_of
from agwtwisted.cli.output import Output, Style, output_of

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.core.reports.examination import Examination
    from agwtwisted.core.reports.steps import Explanation

_FAILED: Final = re.compile(r"\d+\. FAILED ")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw explain` takes."""
    parser.add_argument(
        "certificate",
        metavar="CERTIFICATE",
        help="the client's certificate and its intermediates (PEM or DER), no key needed",
    )
    add_config(parser)
    parser.add_argument(
        "--listener", required=True, metavar="NAME", help="the listener, HTTP or L4; or its section, 'listener mqtt'"
    )
    moment = parser.add_mutually_exclusive_group()
    moment.add_argument("--at", metavar="TIME", help="as 2026-06-01 or 2026-06-01T12:00Z, UTC; default: now")
    moment.add_argument(
        "--online", action="store_true", help="ask the OCSP responders and distribution points, as the gateway would"
    )
    add_output(parser)
    add_arm_options(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the explanation."""
    from agwtwisted.core.reports.explanation import explained
    from agwtwisted.explaining import explain
    from agwtwisted.explaining.list_files import with_list_files

    output = output_of(options)
    arm = arm_arguments(options)
    examination = explain.examine_file(config_of(options), options.listener, options.certificate, options.at, arm)
    answered = _asked(examination) if options.online else with_list_files(examination)
    if answered is None:
        return INTERRUPTED
    found = explained(answered)
    if options.json:
        output.show_json(found.members())
    else:
        output.show(_painted(found, output))
    return OK if found.accepted else NO


def _asked(examination: Examination) -> Examination | None:
    """The same with what responders answer; None: a signal came first."""
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from agwtwisted.explaining.online import asked

    found: list[Examination] = []

    async def ask(reactor: PosixReactorBase) -> None:
        found.append(await asked(reactor, examination))

    with contextlib.suppress(SystemExit):  # its exit status is the reactor's
        react(lambda reactor: Deferred.fromCoroutine(ask(cast("PosixReactorBase", reactor))))
    return found[0] if found else None


def _painted(found: Explanation, output: Output) -> str:
    """The text, whose failed steps and verdict stand out in color."""
    lines = found.text.splitlines()
    end = Style.GOOD if found.accepted else Style.BAD
    for index, line in enumerate(lines):
        if _FAILED.match(line):
            lines[index] = output.paint(line, Style.BAD)
        elif line == found.conclusion[0]:
            lines[index] = output.paint(line, end)
    return "\n".join(lines)


COMMAND: Final = Command(
    name="explain",
    group=Group.CERTIFICATES,
    help="show whether a listener accepts a client's certificate, and why",
    description="The certificate meets the gateway's own rules, as in a handshake; no gateway needs to run.",
    examples=(
        Example("agw explain --config gw.ini --listener public client.pem", "the verdict now"),
        Example("agw explain --listener mqtt --json client.pem", "the steps for a program; L4 listeners, too"),
        Example("agw explain --listener public --online client.pem", "with what OCSP responders say now"),
        Example("agw explain --config gateway.json --listener public client.pem", "of a gateway in ARM JSON"),
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
