"""From an ARM document and its overlay to the sections of a configuration, as an INI file has them.

One way for `agw run`, `agw import` and the control plane, so that all behave alike: what the document says is
converted, the overlay is laid over it, and the one reader of sections judges the result.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.arm.certificate_data import VirtualFile
from agwtwisted.core.arm.context import FoundResource
from agwtwisted.core.arm.conversion import convert
from agwtwisted.core.arm.documents import gateways
from agwtwisted.core.arm.inputs import ArmInputs, GivenFile, arm_section, inputs_of
from agwtwisted.core.arm.overlay import overlaid, without_document
from agwtwisted.core.base.errors import ConfigError, Place, Problem, shown
from agwtwisted.core.sections import settings
from agwtwisted.core.sections.arm_keys import ARM
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.settings import beside
from agwtwisted.core.sections.sources import ReadFile
from agwtwisted.core.verification.server_certificates import is_pfx

NO_OVERLAY: Final = Document(sections=(), problems=())
"""In place of the overlay of a document that has none."""

_FILE_KEYS = ("certificate_file", "key_file", "password_file", "file")
_DATA_KEYS = ("certificate_file", "file")  # of an overlay: its certificate needs no data in the document


@attrs.frozen(kw_only=True)
class ArmSource:
    """What a configuration is made of where its gateway comes as ARM JSON.

    Attributes:
        data: the document; None: there is no gateway yet.
        file: its path, as messages name it; the files of the conversion are beside it.
        overlay: the sections of its overlay, with the options of a command among those of `[arm]`: `with_arm`.
        overlay_file: the path of the overlay, whether there is one or not.
        local_addresses: the addresses that this machine has.
        names_may_wait: whether the overlay may name what the document does not have yet.
    """

    data: bytes | None = attrs.field(repr=False)
    file: str
    overlay: Document = attrs.field(default=NO_OVERLAY, repr=False)
    overlay_file: str = ""
    local_addresses: frozenset[str] = frozenset()
    names_may_wait: bool = False


@attrs.frozen(kw_only=True)
class ArmGateway:
    """A gateway of a document, converted.

    Attributes:
        document: its sections with the overlay over them, and every finding of the way.
        files: what the sections name beside the document, by paths as the sections have them: certificates, pages.
        given: files that `[arm]` names, whose content is among them.
    """

    resource: FoundResource
    document: Document
    files: Mapping[str, VirtualFile] = attrs.field(repr=False)
    given: tuple[GivenFile, ...] = ()


@attrs.frozen(kw_only=True)
class ArmConfiguration:
    """The sections of the one gateway that is run; `files` by resolved paths, which no file of a disk has.

    `modes` are the permission bits of those whose content is that of another file than the document.
    """

    document: Document
    files: Mapping[str, VirtualFile] = attrs.field(factory=dict, repr=False)
    modes: Mapping[str, int] = attrs.Factory(dict)


def arm_gateways(source: ArmSource, read: ReadFile) -> tuple[ArmGateway, ...]:
    """Every gateway of a document, or the one that `[arm] name` names.

    Args:
        read: gives a file that `[arm]` names, by its resolved path; may raise OSError.

    Raises:
        ConfigError: the document cannot be read, or has no gateway. What is wrong with a gateway is in its document.
    """
    overlay = source.overlay
    section = arm_section(overlay, source.overlay_file)
    inputs = inputs_of(section, read, local_addresses=source.local_addresses, names_may_wait=source.names_may_wait)
    elsewhere = frozenset(each.title for each in overlay.sections if any(e.key in _DATA_KEYS for e in each.entries))
    inputs = attrs.evolve(inputs, options=attrs.evolve(inputs.options, elsewhere=elsewhere))
    try:
        found = gateways(source.data or b"", source.file, inputs.context)
    except ConfigError as error:
        _, of_keys = settings.read(section, ARM)
        raise ConfigError([*overlay.problems, *of_keys, *inputs.problems, *error.problems]) from error
    return tuple(_converted(resource, inputs, overlay, section, source.names_may_wait) for resource in found)


def arm_configuration(source: ArmSource, read: ReadFile) -> ArmConfiguration:
    """The sections that are run; `read` and what is raised as `arm_gateways` has them.

    A document with several gateways is refused unless one is named. Without a document, only what the overlay has of
    its own is left: a gateway that serves nothing.
    """
    if source.data is None:
        return ArmConfiguration(document=without_document(source.overlay))
    found = arm_gateways(source, read)
    if len(found) > 1:
        names = ", ".join(shown(each.resource.name) for each in found)
        message = f"has {len(found)} application gateways: {names}; name one: --name NAME, or [arm] name = NAME"
        raise ConfigError([Problem(place=Place(file=source.file), message=message)])
    return _placed(found[0], source.file)


def _converted(
    resource: FoundResource, inputs: ArmInputs, overlay: Document, section: Section, names_may_wait: bool
) -> ArmGateway:
    conversion = convert(resource, inputs.options)
    document = overlaid(conversion.document, overlay, names_may_wait=names_may_wait)
    problems = (*inputs.problems, *_at_their_keys(document.problems, section))
    document = attrs.evolve(document, problems=problems)
    return ArmGateway(resource=resource, document=document, files=conversion.files, given=inputs.given)


def _at_their_keys(problems: Iterable[Problem], section: Section) -> Iterator[Problem]:
    """What is found about keys of `[arm]`, where these stand."""
    places = {entry.key: entry.place for entry in section.entries}
    for problem in problems:
        at_key = problem.section == "arm" and problem.key in places
        yield attrs.evolve(problem, place=places[problem.key]) if at_key else problem


def _placed(gateway: ArmGateway, file: str) -> ArmConfiguration:
    """A gateway whose files have paths that no file beside the document can have.

    The overlay may name a file of the same path on the disk, and means that one. What was given as a file is that file.
    """
    placing = _Placing(gateway, file)
    sections = tuple(map(placing.section, gateway.document.sections))
    return ArmConfiguration(
        document=attrs.evolve(gateway.document, sections=sections), files=placing.files, modes=placing.modes
    )


class _Placing:
    """Gives the files of a conversion their paths."""

    def __init__(self, gateway: ArmGateway, file: str) -> None:
        self._gateway = gateway
        self._file = file
        self.files: dict[str, VirtualFile] = {}
        self.modes: dict[str, int] = {}

    def section(self, section: Section) -> Section:
        """A section with the new paths."""
        entries = (self._entry(section, each) if each.key in _FILE_KEYS else each for each in section.entries)
        return attrs.evolve(section, entries=tuple(entries))

    def _entry(self, section: Section, entry: Entry) -> Entry:
        content = self._gateway.files.get(entry.value)
        if content is None or entry.place.file != self._file:
            return entry
        given = self._given(section, content)
        if given is not None and is_pfx(given.path) == is_pfx(entry.value):
            return attrs.evolve(entry, value=given.path, uncut=given.path, place=given.place)
        value = f"{posixpath.basename(self._file)}#{entry.value}"
        path = beside(self._file, value)
        self.files[path] = content
        if given is not None:  # its name says another form than it has
            self.modes[path] = given.mode
        return attrs.evolve(entry, value=value, uncut=value)

    def _given(self, section: Section, content: VirtualFile) -> GivenFile | None:
        """The file that content was given in."""
        named = (each for each in self._gateway.given if each.certificate == section.name.casefold())
        return next((each for each in named if each.data == content.data), None)
