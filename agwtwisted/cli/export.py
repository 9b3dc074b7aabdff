"""`agw export`: a configuration as ARM JSON, the body of a request or a template."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from agwtwisted.cli.arm_options import add_arm_options, arm_arguments
from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.options import add_control, add_plain_output
from agwtwisted.cli.output import output_of
from agwtwisted.core.base.errors import AgwError, Problem

if TYPE_CHECKING:  # they take their time
    from agwtwisted.arm_files import ArmArguments
    from agwtwisted.core.arm.exporting import Export, ExportOptions
    from agwtwisted.core.arm.forms import GatewayIdentity
    from agwtwisted.core.sections.ini import Document
    from agwtwisted.core.sections.sources import ReadFile
    from agwtwisted.starter.new_files import NewFile

READABLE_BY_OTHERS: Final = 0o044
"""Permission bits of a file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw export` takes."""
    text = (
        "the configuration, INI or ARM JSON; default: the file of the configuration that a running gateway has in force"
    )
    parser.add_argument("configuration", nargs="?", metavar="CONFIG", help=text)
    parser.add_argument("--template", action="store_true", help="write a template, with parameters for ids and secrets")
    text = "write certificates with their keys, and passwords: into the body, or into a file of parameters beside FILE"
    parser.add_argument("--secrets", action="store_true", help=text)
    text = "write FILE, and what Azure does not know into an overlay beside it; default: standard output, no overlay"
    parser.add_argument("--output", "-o", metavar="FILE", type=Path, help=text)
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    text = "what the gateway is called; default: as in the document, or as the file"
    parser.add_argument("--gateway", metavar="NAME", help=text)
    parser.add_argument("--location", metavar="NAME", help="of the gateway; default: that of the document, or local")
    parser.add_argument("--subscription", metavar="ID", help="for ids; default: zeros")
    parser.add_argument("--resource-group", metavar="NAME", help="for ids; default: local")
    add_control(parser)
    add_plain_output(parser)
    add_arm_options(parser)


@attrs.frozen(kw_only=True)
class ExportSource:
    """A configuration that is valid, and what it is called."""

    document: Document
    read: ReadFile
    identity: GatewayIdentity
    directory: Path
    is_private: bool  # whether only its owner may read it: headers may have secrets


def run(options: argparse.Namespace) -> int:
    """Writes the document, and says what Azure will not know."""
    from agwtwisted.core.arm.exporting import exported

    if options.secrets and options.output is None:
        raise AgwError("--secrets needs --output FILE: keys are written into files for their owner alone")
    source = _source(options)
    export = exported(source.document, source.read, _read_body, _export_options(options, source))
    if options.output is None:
        output_of(options).show(_json(export.body).rstrip("\n"))
    else:
        _write(options, export, is_private=source.is_private)
    _report(export.findings)
    if options.output is None and export.overlay.sections:
        print("NOTE the overlay is not written to standard output: --output FILE has it beside FILE", file=sys.stderr)
    return 0


def _read_body(data: bytes) -> Document:
    """What a run of a body would come to."""
    from agwtwisted.core.arm.context import TemplateContext
    from agwtwisted.core.arm.conversion import convert
    from agwtwisted.core.arm.documents import gateways
    from agwtwisted.core.arm.import_options import ImportOptions

    [gateway] = gateways(data, "gateway.json", TemplateContext())
    return convert(gateway, ImportOptions()).document


def _export_options(options: argparse.Namespace, source: ExportSource) -> ExportOptions:
    import os
    import secrets

    from agwtwisted.core.arm.exporting import ExportOptions

    given = {"name": options.gateway, "location": options.location, "subscription": options.subscription}
    given["resource_group"] = options.resource_group
    identity = attrs.evolve(source.identity, **{name: each for name, each in given.items() if each})
    at = Path() if options.output is None else options.output.parent
    return ExportOptions(
        identity=identity,
        template=options.template,
        password=secrets.token_urlsafe(24) if options.secrets else "",
        directory=os.path.relpath(at) if not source.directory.is_absolute() else str(at.absolute()),
    )


def _source(options: argparse.Namespace) -> ExportSource:
    """The configuration that is named, or the one in force."""
    if options.configuration is not None:
        return _of_file(options.configuration, arm_arguments(options), "")
    from agwtwisted.cli.asking import ask, refusal

    answer = ask(options, "/configuration")
    if answer is None or answer.status != 200:
        raise AgwError("no answer came" if answer is None else refusal(answer))
    return _of_file(answer.members["file"], arm_arguments(options), answer.members["fingerprint"])


def _of_file(file: str, arm: ArmArguments, fingerprint: str) -> ExportSource:
    """A valid configuration.

    Args:
        file: its path.
        arm: what the command says about an ARM document.
        fingerprint: that it must have, of the one in force; empty: any.

    Raises:
        AgwError: it is not valid, or another one.
    """
    from agwtwisted.core.arm.forms import GatewayIdentity
    from agwtwisted.core.sections import ini
    from agwtwisted.loading import load_files

    loaded = load_files(file, None, arm=arm)
    if fingerprint and loaded.plan.fingerprint != fingerprint:
        message = "is not what the gateway has in force: it has changed since, or belongs to other options"
        raise AgwError(f"{file} {message}; to export it as it is, name it: agw export {file}")
    is_private = not loaded.files.main.mode & READABLE_BY_OTHERS
    if loaded.files.arm is not None:
        return _of_document(file, arm, is_private=is_private)
    return ExportSource(
        document=ini.parse(loaded.files.main.data, file),
        read=loaded.files.read,
        identity=GatewayIdentity(name=Path(file).stem),
        directory=Path(file).parent,
        is_private=is_private,
    )


def _of_document(file: str, arm: ArmArguments, *, is_private: bool) -> ExportSource:
    """The gateway of an ARM document, with its overlay."""
    from agwtwisted.core.arm.forms import identity_of
    from agwtwisted.importing import gateway_of, reader_of
    from agwtwisted.loading import read

    gateway = gateway_of(file, read(file).data, arm)
    return ExportSource(
        document=gateway.document,
        read=reader_of(gateway, file),
        identity=identity_of(gateway.resource, Path(file).stem),
        directory=Path(file).parent,
        is_private=is_private,
    )


def _write(options: argparse.Namespace, export: Export, *, is_private: bool) -> None:
    from agwtwisted.starter.new_files import write_all

    files = dict(_files(options, export, is_private=is_private))
    write_all(files, force=options.force)
    output_of(options).show("\n".join(f"{path} written" for path in files))


def _files(options: argparse.Namespace, export: Export, *, is_private: bool) -> Iterable[tuple[Path, NewFile]]:
    """The document, its overlay and its parameters, as far as there are any."""
    from agwtwisted.core.arm.overlay import overlay_path
    from agwtwisted.core.sections.ini_text import written
    from agwtwisted.starter.new_files import NewFile

    file: Path = options.output
    has_keys = options.secrets and not options.template
    yield file, NewFile(data=_json(export.body).encode(), secret=has_keys or is_private)
    if export.overlay.sections:
        head = (f"What Azure does not know of {file.name}, for `agw run --config {file.name}` and `agw import`.",)
        text = written(export.overlay, head=head)
        yield Path(overlay_path(str(file))), NewFile(data=text.encode(), secret=is_private)
    if export.parameters is not None:
        yield file.with_suffix(".parameters.json"), NewFile(data=_json(export.parameters).encode(), secret=True)


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=2) + "\n"


def _report(findings: Iterable[Problem]) -> None:
    for each in findings:
        print(each, file=sys.stderr)


COMMAND: Final = Command(
    name="export",
    group=Group.FILES,
    help="write a configuration as ARM JSON: the body of a request, or a template",
    description=(
        "Listeners, rules and all else that Azure Application Gateway has are written as it has them; what it does not"
        " know is reported, as a warning where it would let through what is refused here, and kept in an overlay beside"
        " FILE. Certificates of clients' CAs are written; keys are not, without --secrets."
    ),
    examples=(
        Example("agw export gw.ini", "the body of a request, without keys"),
        Example("agw export gw.ini --template --output main.json", "a template, with parameters for ids and secrets"),
        Example(
            "agw export gw.ini --secrets --output gateway.json", "all of it, which `agw run --config gateway.json` runs"
        ),
    ),
    statuses=Statuses(
        ok="written",
        failed="wrong usage, a configuration that is not valid or cannot be read, or a file is there already",
    ),
    arguments=add_arguments,
    run=run,
)
