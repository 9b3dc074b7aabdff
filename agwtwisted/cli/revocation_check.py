"""`agw revocation check`: what the sources of a running gateway say about one client's certificate now."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli import asking
from agwtwisted.cli.certificate_files import certificates_of
from agwtwisted.cli.command import NO, OK, Command, Example, Group, Statuses
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style

_FAILED: Final = re.compile(r"\d+\. FAILED ")

_VERDICT: Final = re.compile(r"(Accepted|Refused)\b")

_STYLES: Final = {"Accepted": Style.GOOD, "Refused": Style.BAD}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw revocation check` takes."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "certificate",
        nargs="?",
        metavar="CERTIFICATE",
        help="the client's certificate and its intermediates (PEM or DER); a key among them stays here",
    )
    what.add_argument("--refusal", metavar="ID", help="in its place: a client that was refused, by `agw refusals`")
    parser.add_argument(
        "--listener", metavar="NAME", help="the listener that the client connects to; default: the refusal's"
    )
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Has the sources asked, and prints what they say."""
    given = {"refusal": options.refusal, "listener": options.listener}
    if options.certificate is not None:
        given["certificate"] = certificates_of(options.certificate)
    body = {name: value for name, value in given.items() if value is not None}
    answer = asking.ask(options, "/revocation/check", method="POST", body=body)
    if answer is None:
        return asking.INTERRUPTED
    asking.show_answer(options, answer, check_text)
    return OK if answer.status == 200 and answer.members["accepted"] else NO


def check_text(members: Mapping[str, Any], output: Output) -> str:
    """The steps, of which those that failed and the verdict stand out in color."""
    return "\n".join(_painted(line, output) for line in str(members["text"]).splitlines())


def _painted(line: str, output: Output) -> str:
    verdict = _VERDICT.match(line)
    if verdict is not None:
        return output.paint(line, _STYLES[verdict[1]])
    return output.paint(line, Style.BAD) if _FAILED.match(line) else line


COMMAND: Final = Command(
    name="check",
    group=Group.ASK,
    help="ask what the listener's sources of revocation status say about a client's certificate now",
    description=(
        "The gateway asks every OCSP responder, and has every list fetched again, whatever it knows already; what it"
        " learns counts from then on. `agw explain --online` asks without a gateway."
    ),
    examples=(
        Example("agw revocation check --listener public client.pem", "each source, step by step, and the verdict"),
        Example("agw revocation check --refusal 1-17 --json", "of a client that was refused, for a program"),
    ),
    statuses=Statuses(
        ok="the client would be accepted",
        no="it would be refused, or the gateway refused to answer",
        failed="no gateway was reached, or wrong usage",
    ),
    arguments=add_arguments,
    run=run,
)
