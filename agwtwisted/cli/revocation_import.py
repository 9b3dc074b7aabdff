"""`agw revocation import`: gives a running gateway OCSP responses and revocation lists that were brought to it."""

from __future__ import annotations

import argparse
import os
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli import asking
from agwtwisted.cli.actions import STATUSES
from agwtwisted.cli.certificate_files import certificates_of
from agwtwisted.cli.command import NO, OK, Command, Example, Group
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Style, complain, output_of
from agwtwisted.core.base.errors import AgwError, printable

LONGEST_RESPONSE: Final = 65536
"""Bytes of an OCSP response, as those of responders have at most."""


class BroughtFileError(AgwError):
    """A file that is neither an OCSP response nor a list."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw revocation import` takes."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="an OCSP response (DER), or certificate revocation lists (PEM, several in a file, or DER)",
    )
    parser.add_argument(
        "--issuer", metavar="FILE", help="of OCSP responses, where it is not in a trusted client certificate file"
    )
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Hands on one file after the other; what is wrong with one keeps none of the others back."""
    output = output_of(options)
    status, found = OK, []
    issuers = {} if options.issuer is None else {"issuers": certificates_of(options.issuer)}
    bodies = [{**_body(file), **issuers} for file in options.files]
    answers = asking.post_each(options, "/revocation/import", bodies)
    if answers is None:
        return asking.INTERRUPTED
    for file, answer in zip(options.files, answers, strict=True):
        if answer.status != 200:
            status = NO
            complain(f"{printable(file)}: {asking.refusal(answer)}")
        elif not options.json:
            output.show("\n".join(f"{printable(file)}: {line}" for line in _lines(answer.members, output.paint)))
        found.append({"file": file, **answer.members})
        if any(not each["taken"] for each in answer.members.get("imported", ())):
            status = NO
    if options.json:
        output.show_json({"files": found})
    return status


def _lines(members: Mapping[str, Any], paint: Any) -> list[str]:
    """One for each response or list in a file."""
    return [
        f"{paint('taken' if each['taken'] else 'NOT TAKEN', Style.GOOD if each['taken'] else Style.BAD)}:"
        f" {printable(each['what'])}{': ' if each['detail'] else ''}{printable(each['detail'] or '')}"
        for each in members["imported"]
    ]


def _body(file: str) -> Mapping[str, str]:
    """The members of the request; raises BroughtFileError."""
    from agwtwisted.core.revocation.brought_files import LONGEST_BEGINNING, Brought, brought

    try:
        with open(file, "rb") as opened:
            beginning = opened.read(LONGEST_BEGINNING)
            kind = brought(beginning)
            response = beginning + opened.read(LONGEST_RESPONSE + 1) if kind is Brought.RESPONSE else b""
    except OSError as error:
        raise BroughtFileError(f"{printable(file)} cannot be read: {error.strerror}") from error
    if kind is Brought.OTHER:
        raise BroughtFileError(f"{printable(file)} is neither an OCSP response nor a certificate revocation list")
    if kind is Brought.LISTS:
        return {"crl_file": os.path.abspath(file)}
    if len(response) > LONGEST_RESPONSE:
        raise BroughtFileError(f"{printable(file)} has more than {LONGEST_RESPONSE} bytes: no OCSP response has that")
    return {"ocsp_response": b64encode(response).decode()}


COMMAND: Final = Command(
    name="import",
    group=Group.CHANGE,
    help="give the gateway OCSP responses and revocation lists that were brought here, as over an air gap",
    description=(
        "Each is verified as if it came from its source, and counts as long; with a state_directory it is kept over a"
        " restart. Lists are read by the gateway: its user needs access to the file."
    ),
    examples=(
        Example("agw revocation import devices.crl", "a list, PEM or DER"),
        Example("agw revocation import answers/*.ors", "what `openssl ocsp -respout` has written, a file each"),
    ),
    statuses=STATUSES,
    arguments=add_arguments,
    run=run,
)
