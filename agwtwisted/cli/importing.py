"""`agw import`: an INI file and certificates of a gateway that comes as ARM JSON."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agwtwisted.cli.arm_options import add_arm_options, arm_arguments
from agwtwisted.cli.command import FAILED, NO, OK, Command, Example, Group, Statuses
from agwtwisted.cli.options import add_output
from agwtwisted.cli.output import Output, Style, output_of
from agwtwisted.cli.tables import count, listed
from agwtwisted.core.base.errors import Problem, printable

if TYPE_CHECKING:  # they take their time
    from agwtwisted.core.reports.check_report import CheckReport
    from agwtwisted.importing import Imported

STYLES: Final = {"ERROR": Style.BAD, "WARNING": Style.WARNING, "NOTE": Style.FAINT}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw import` takes."""
    text = "the document: a template, a resource, a body of the REST API, or what az network application-gateway show"
    text += " prints; files of parameters may stand beside it"
    parser.add_argument("files", nargs="+", metavar="FILE", help=text)
    text = "where to write gw.ini and certificates/; default: a new directory with the gateway's name"
    parser.add_argument("--output", "-o", metavar="DIR", type=Path, help=text)
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--strict", action="store_true", help="a warning is an error: nothing is written")
    add_output(parser)
    add_arm_options(parser)


def run(options: argparse.Namespace) -> int:
    """Imports, checks what was written, and prints the report."""
    from agwtwisted.checking import check
    from agwtwisted.importing import ImportRequest, import_gateway
    from agwtwisted.loading import UnreadableError

    now = datetime.now(UTC)
    request = ImportRequest(
        files=tuple(options.files),
        directory=options.output,
        arguments=arm_arguments(options),
        strict=options.strict,
        force=options.force,
    )
    try:
        imported = import_gateway(request, now)
    except UnreadableError as error:
        print(error, file=sys.stderr)
        return FAILED
    checked = check(str(imported.file), now) if imported.is_taken else None
    output = output_of(options)
    if options.json:
        members = dict(imported.members())
        members["check"] = None if checked is None else checked.members(strict=options.strict)
        output.show_json(members)
    else:
        output.show("\n".join(_report(imported, checked, output)))
    return OK if checked is not None and not checked.problems else NO


def _report(imported: Imported, checked: CheckReport | None, output: Output) -> Iterator[str]:
    from agwtwisted.core.reports.arm_report import arm_table

    yield arm_table(imported.source, imported.findings)
    if not imported.is_taken:
        yield f"{imported.source}: refused; nothing was written"
        return
    yield from (_line(each, output) for each in (checked.problems if checked else ()))
    sections = listed(count(number, kind) for kind, number in imported.sections.items())
    yield f"{imported.source}: {sections}"
    yield f"{imported.file} written, with {count(len(imported.written) - 1, 'file')} beside it"
    yield f"next: agw run --config {shlex.quote(str(imported.file))}"


def _line(found: Problem, output: Output) -> str:
    """One finding, whole: a JSON path says something to its end only."""
    severity, _, rest = printable(str(found)).partition(" ")
    return f"{output.paint(severity, STYLES[severity])}{' ' * (8 - len(severity))}{rest}"


COMMAND: Final = Command(
    name="import",
    group=Group.RUN,
    help="write the configuration of a gateway that comes as ARM JSON",
    description=(
        "Every property either works here, or has no meaning on one machine (NOTE), or is ignored although it did"
        " something (WARNING), or is refused (ERROR): the report is a table of them, with `--json` each with its JSON"
        " path. Where one is refused, nothing is written. Certificates with their keys go to certificates/, for the"
        " owner alone. Listeners listen on 127.0.0.1 unless --address says otherwise."
    ),
    examples=(
        Example(
            "az network application-gateway show -g rg -n edge > edge.json && agw import edge.json --port 443=8443",
            "the gateway that is in production; az shows no keys: --certificate NAME=FILE gives them",
        ),
        Example("agw import main.json main.parameters.json --output edge", "a template with its parameters"),
        Example("agw import edge.json --backend app=127.0.0.1:9000", "with a server of this machine behind it"),
        Example("agw import --json --strict edge.json | jq .findings", "in a pipeline: a warning is an error, too"),
    ),
    statuses=Statuses(
        ok="written, and valid",
        no="refused: nothing is written; or a file is there already",
        failed="wrong usage, or a file cannot be read",
    ),
    arguments=add_arguments,
    run=run,
    failure=1,
)
