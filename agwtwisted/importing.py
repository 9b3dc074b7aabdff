"""Imports a gateway that comes as ARM JSON: an INI file, and the files of its certificates and pages beside it.

Nothing is written before all of it is known to be valid, and then all of it or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs

from agwtwisted.arm_files import ArmArguments, arm_files
from agwtwisted.core.arm.configuration import ArmGateway, arm_gateways
from agwtwisted.core.arm.import_text import imported_text, summary
from agwtwisted.core.arm.json_text import JsonNode, read_json
from agwtwisted.core.base.errors import AgwError, ConfigError, Place, Problem, Severity, has_error, shown
from agwtwisted.core.configuration.parsing import parse_document
from agwtwisted.core.sections.document_kinds import is_json
from agwtwisted.core.sections.sources import ReadFile, SourceFile
from agwtwisted.loading import UnreadableError, placed, read, try_contexts
from agwtwisted.starter.new_files import PRIVATE, NewFile, write_all

NAME: Final = "gw.ini"
"""Of the file that is written."""


@attrs.frozen(kw_only=True)
class ImportRequest:
    """What was asked for."""

    files: tuple[str, ...]
    """The document, and files of parameters for its template."""
    directory: Path | None = None
    """Where to write; None: a new directory with the name of the gateway."""
    arguments: ArmArguments = attrs.Factory(ArmArguments)
    strict: bool = False
    force: bool = False


@attrs.frozen(kw_only=True)
class Imported:
    """What became of it."""

    source: str
    gateway: str
    file: Path
    """The INI file."""
    written: tuple[Path, ...] = ()
    """Every file, the INI file first; none where it was refused."""
    findings: tuple[Problem, ...]
    sections: Mapping[str, int] = attrs.Factory(dict)
    """How many of each kind."""

    @property
    def is_taken(self) -> bool:
        """Whether it was written."""
        return bool(self.written)

    def members(self) -> Mapping[str, Any]:
        """The members of a JSON object."""
        return {
            "document": self.source,
            "gateway": self.gateway,
            "file": str(self.file) if self.is_taken else None,
            "written": list(map(str, self.written)),
            "sections": dict(self.sections),
            "findings": [each.members() for each in self.findings],
        }


def import_gateway(request: ImportRequest, now: datetime) -> Imported:
    """Reads a document, and writes what it comes to unless something is wrong with it.

    Args:
        request: what was asked for.
        now: the time (aware) at which certificates have ended.

    Raises:
        UnreadableError: a file cannot be read.
        AgwError: there is no document among the files or more than one, or a file is there already.
        ConfigError: a document is none, or has several gateways and none is named.
    """
    source, data, arguments = _document(request)
    gateway = gateway_of(source, data, arguments)
    directory = request.directory or Path(_directory_name(gateway, source))
    found = _judged(gateway, source, now)
    result = Imported(
        source=source,
        gateway=gateway.resource.name,
        file=directory / NAME,
        findings=found,
        sections=summary(gateway.document),
    )
    if has_error(found) or (request.strict and any(each.severity is Severity.WARNING for each in found)):
        return result
    text = imported_text(gateway.document, source, _beside(source, directory))
    beside = dict(_files(gateway, directory))
    files = beside | {result.file: NewFile(data=text.encode(), secret=True)}  # last: it never names what is not there
    write_all(files, force=request.force, directories=PRIVATE)
    return attrs.evolve(result, written=(result.file, *beside))


def _document(request: ImportRequest) -> tuple[str, bytes, ArmArguments]:
    """The document among the files; the others are its parameters."""
    found = {file: _bytes(file) for file in request.files}
    for file, data in found.items():
        if not is_json(data):
            raise ConfigError([Problem(place=Place(file=file), message=_not_json(data))])
    parameters = [file for file, data in found.items() if len(found) > 1 and _has_parameters(read_json(data, file))]
    documents = [file for file in found if file not in parameters]
    if len(documents) != 1:
        names = ", ".join(documents) or "none"
        raise AgwError(f"one document is imported at a time, with files of parameters; the documents here: {names}")
    given = (
        *(value for key, value in request.arguments.keys if key == "parameters"),
        *map(os.path.abspath, parameters),
    )
    keys = [(key, value) for key, value in request.arguments.keys if key != "parameters"]
    if given:
        keys.append(("parameters", "\n".join(given)))
    return documents[0], found[documents[0]], attrs.evolve(request.arguments, keys=tuple(keys))


def _bytes(file: str) -> bytes:
    try:
        return read(file).data
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableError([Problem(place=Place(file=file), message=f"cannot be read: {reason}")]) from error


def _not_json(data: bytes) -> str:
    if data.lstrip()[:1] in (b"[", b";", b"#"):
        return "is an INI file: `agw export` writes ARM JSON of it"
    return "is no JSON document: Bicep is compiled by `bicep build`, Terraform writes none"


def _has_parameters(node: JsonNode) -> bool:
    """Whether a document is a file of parameters for a template."""
    schema = node.member("$schema").value
    if isinstance(schema, str) and "deploymentparameters" in schema.lower():
        return True
    return bool(node.member("parameters").members()) and node.member("resources").is_absent


def gateway_of(source: str, data: bytes, arguments: ArmArguments) -> ArmGateway:
    """The one gateway of a document that is meant, with its overlay.

    Args:
        source: the path of the document.
        data: its content.
        arguments: what the command says about it.

    Raises:
        ConfigError: it is none, or has several gateways and none is named.
    """
    found = arm_gateways(arm_files(source, arguments, read).source(source, data), read)
    if len(found) > 1:
        names = ", ".join(shown(each.resource.name) for each in found)
        message = f"has {len(found)} application gateways: {names}; name one by --name"
        raise ConfigError([Problem(place=Place(file=source), message=message)])
    return found[0]


def _directory_name(gateway: ArmGateway, source: str) -> str:
    """The gateway's name, or that of the document, without what is special in a path."""
    name = gateway.resource.name or Path(source).stem
    return "".join(each if each.isalnum() or each in "._-" else "-" for each in name).lstrip(".-") or "gateway"


def _judged(gateway: ArmGateway, source: str, now: datetime) -> tuple[Problem, ...]:
    """Every finding of the conversion, and of the rules that any configuration is judged by."""
    try:
        plan = parse_document(gateway.document, source, reader_of(gateway, source), now=now)
        with placed(plan):
            try_contexts(plan)
    except ConfigError as error:
        return error.problems
    return (*plan.config.warnings, *plan.config.notes)


def reader_of(gateway: ArmGateway, source: str) -> ReadFile:
    """Reads the files that the sections of a gateway name: those in its document, and those of the overlay."""
    return partial(_read_any, gateway, os.path.dirname(source))


def _read_any(gateway: ArmGateway, directory: str, path: str) -> SourceFile:
    """A file that the document has in it, or one that the overlay names."""
    found = gateway.files.get(os.path.relpath(path, directory or "."))
    return read(path) if found is None else SourceFile(data=found.data, mode=0o600 if found.is_secret else 0o644)


def _files(gateway: ArmGateway, directory: Path) -> Iterator[tuple[Path, NewFile]]:
    for path, file in gateway.files.items():
        yield directory / path, NewFile(data=file.data, secret=file.is_secret)


def _beside(source: str, directory: Path) -> str:
    """The directory as the paths of the document are."""
    return str(directory.absolute()) if os.path.isabs(source) else os.path.relpath(directory)
