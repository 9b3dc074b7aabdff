"""From the section ``[arm]`` to what a document is read with: the values of its template, and what replaces Azure's.

A command's options are keys of that section, too, over those of the overlay; their place is the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.import_options import GivenCertificate, ImportOptions
from agwtwisted.core.arm.json_text import JsonNode, read_json
from agwtwisted.core.arm.parameters import read_parameters
from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.base.limits import ERROR_PAGE_BYTES
from agwtwisted.core.sections import settings
from agwtwisted.core.sections.arm_keys import ARM
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.settings import Row, beside
from agwtwisted.core.sections.sources import ReadFile, Sources

COMMAND_LINE: Final = "command line"
"""In place of a file, where options of a command stand."""

ArmKeys: TypeAlias = tuple[tuple[str, str], ...]
"""Keys of ``[arm]`` with their texts, as options of a command set them."""

_GIVEN = ("certificate.", "password.")
_BEGINNINGS = ("{", "[", '"')


@attrs.frozen(kw_only=True)
class GivenFile:
    """A file in place of what the document has: a certificate, or its password.

    Attributes:
        certificate: the name of the certificate, in lower case.
        path: as it is written in its key, whose place it is relative to.
    """

    certificate: str
    data: bytes = attrs.field(repr=False)
    path: str
    place: Place
    mode: int


@attrs.frozen(kw_only=True)
class ArmInputs:
    """What a document is read with, and what is wrong with files that `[arm]` names.

    What is wrong with its keys is not here: that is said with those of all other sections.
    """

    context: TemplateContext
    options: ImportOptions
    given: tuple[GivenFile, ...] = ()
    problems: tuple[Problem, ...] = ()


def arm_section(overlay: Document, file: str) -> Section:
    """The section of an overlay; an empty one, said to be in that file, where it has none."""
    return next((each for each in overlay.sections if each.kind == "arm"), Section(kind="arm", place=Place(file=file)))


def with_arm(overlay: Document, file: str, keys: ArmKeys) -> Document:
    """An overlay with a command's options over the keys of its section.

    Args:
        file: that a section is said to be in which the overlay does not have.
        keys: those of the command line; paths in them are absolute, or relative to the working directory.
    """
    if not keys:
        return overlay
    section, place = arm_section(overlay, file), Place(file=COMMAND_LINE)
    given = {key: Entry(key=key, value=value, uncut=value, place=place) for key, value in keys}
    entries = {entry.key: entry for entry in section.entries} | given
    others = tuple(each for each in overlay.sections if each is not section)
    return attrs.evolve(overlay, sections=(*others, attrs.evolve(section, entries=tuple(entries.values()))))


def inputs_of(
    section: Section, read: ReadFile, *, local_addresses: frozenset[str] = frozenset(), names_may_wait: bool = False
) -> ArmInputs:
    """What a section `[arm]` comes to.

    Args:
        read: gives a file that it names, by its resolved path; may raise OSError.
        local_addresses: the addresses that this machine has.
        names_may_wait: as `ImportOptions` has it.
    """
    row, _ = settings.read(section, ARM)
    sources = Sources(read=read, now=None)
    problems: list[Problem] = []
    given = {each: _given(row, each, read, problems) for each in row.values if each.startswith(_GIVEN)}
    options = ImportOptions(
        addresses=_addresses(row),
        ports=dict(row.get("ports")),
        port_offset=row.get("port_offset"),
        backends=row.family("backend"),
        certificates=dict(_certificates(row, given)),
        pages=dict(_pages(row, sources)),
        tls_policy=row.get("tls_policy") or "",
        local_addresses=local_addresses,
        names_may_wait=names_may_wait,
    )
    context = _context(row, dict(_parameters(row, sources, problems)), dict(_values(row, problems)))
    files = tuple(each for each in given.values() if each is not None)
    return ArmInputs(context=context, options=options, given=files, problems=(*sources.problems, *problems))


def given_values(section: Section) -> Mapping[str, JsonNode]:
    """The values of expressions that a section `[arm]` has, for templates that are deployed where it is in force."""
    row, _ = settings.read(section, ARM)
    return dict(_values(row, []))


def _context(row: Row, parameters: Mapping[str, JsonNode], values: Mapping[str, JsonNode]) -> TemplateContext:
    given = {key: row.get(key) for key in ("subscription", "resource_group", "location", "name")}
    return TemplateContext(
        parameters=parameters,
        texts=row.family("parameter"),
        values=values,
        **{key: value for key, value in given.items() if value is not None},
    )


def _addresses(row: Row) -> Mapping[str, str]:
    every = row.get("address")
    return row.family("address") if every is None else {"": every, **row.family("address")}


def _given(row: Row, key: str, read: ReadFile, problems: list[Problem]) -> GivenFile | None:
    """The file of a key; its mode is looked at where it is used, as that of every file."""
    family, _, name = key.partition(".")
    path = row.file_at(key)
    try:
        source = read(path)
    except OSError as error:
        problems.append(row.problem(f"cannot read {path}: {error.strerror or type(error).__name__}", key=key))
        return None
    return GivenFile(
        certificate=name.rpartition("/")[2].casefold(),
        data=source.data.rstrip(b"\r\n") if family == "password" else source.data,
        path=row.values[key],
        place=row.place(key),
        mode=source.mode,
    )


def _certificates(row: Row, given: Mapping[str, GivenFile | None]) -> Iterator[tuple[str, GivenCertificate]]:
    for name in row.family("certificate"):
        found, password = given[f"certificate.{name}"], given.get(f"password.{name}")
        is_lost = password is None and f"password.{name}" in given
        if found is not None and not is_lost:
            yield name, GivenCertificate(data=found.data, password=None if password is None else password.data)


def _pages(row: Row, sources: Sources) -> Iterator[tuple[str, bytes]]:
    for number, (url, path) in row.family("page").items():
        key = f"page.{number}"
        page = sources.file(row, key, beside(row.place(key).file, path), most=ERROR_PAGE_BYTES)
        if page is not None:
            yield url, page.data


def _parameters(row: Row, sources: Sources, problems: list[Problem]) -> Iterator[tuple[str, JsonNode]]:
    for path in row.get("parameters"):
        found = beside(row.place("parameters").file, path)
        source = sources.file(row, "parameters", found)
        if source is None:
            continue
        try:
            yield from read_parameters(source.data, found).items()
        except ConfigError as error:
            problems += error.problems


def _values(row: Row, problems: list[Problem]) -> Iterator[tuple[str, JsonNode]]:
    for number, (expression, text) in row.family("value").items():
        key = f"value.{number}"
        try:
            yield expression, _typed(text, row.place(key))
        except ConfigError as error:
            problems += [row.problem(f"{key}: {each.message}", key=key) for each in error.problems]


def _typed(text: str, place: Place) -> JsonNode:
    """A value as it is meant: JSON where it begins as an object, an array or a text of JSON does, else a text."""
    is_json = text.startswith(_BEGINNINGS)
    return JsonNode(value=read_json(text.encode(), place.file).value if is_json else text, place=place)
