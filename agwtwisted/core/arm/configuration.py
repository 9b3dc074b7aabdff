"""From an ARM document and its overlay to the sections of a configuration, as an INI file has them.

One way for `agw run`, `agw import` and the control plane, so that all behave alike: what the document says is
converted, the overlay is laid over it, and the one reader of sections judges the result.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.arm.certificate_data import VirtualFile
from agwtwisted.core.arm.context import FoundResource
from agwtwisted.core.arm.conversion import convert
from agwtwisted.core.arm.documents import gateways
from agwtwisted.core.arm.inputs import ArmInputs, arm_section, inputs_of
from agwtwisted.core.arm.overlay import overlaid, without_document
from agwtwisted.core.base.errors import ConfigError, Place, Problem, shown
from agwtwisted.core.sections import settings
from agwtwisted.core.sections.arm_keys import ARM
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.settings import beside
from agwtwisted.core.sections.sources import ReadFile

NO_OVERLAY: Final = Document(sections=(), problems=())
"""In place of the overlay of a document that has none."""

_BLANKS = re.compile(rb"[ \t\r\n]*")
_ARRAY = re.compile(rb"\[[ \t\r\n]*(?:[\[{\]\"/-]|$)")
_BOM = b"\xef\xbb\xbf"
_FILE_KEYS = ("certificate_file", "key_file", "password_file", "file")


def is_json(data: bytes) -> bool:
    """Whether bytes are a document of JSON rather than an INI file: by what they begin with, never by a name.

    ``[`` begins a section of an INI file, too: what follows it decides.
    """
    text = data.removeprefix(_BOM)
    blanks = _BLANKS.match(text)
    at = blanks.end() if blanks else 0
    return text[at : at + 1] in (b"{", b"/") or _ARRAY.match(text, at) is not None


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
    """

    resource: FoundResource
    document: Document
    files: Mapping[str, VirtualFile] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class ArmConfiguration:
    """The sections of the one gateway that is run; `files` by resolved paths, which no file of a disk has."""

    document: Document
    files: Mapping[str, VirtualFile] = attrs.field(factory=dict, repr=False)


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
    elsewhere = frozenset(each.title for each in overlay.sections if any(e.key in _FILE_KEYS for e in each.entries))
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
    return ArmGateway(resource=resource, document=attrs.evolve(document, problems=problems), files=conversion.files)


def _at_their_keys(problems: Iterable[Problem], section: Section) -> Iterator[Problem]:
    """What is found about keys of `[arm]`, where these stand."""
    places = {entry.key: entry.place for entry in section.entries}
    for problem in problems:
        at_key = problem.section == "arm" and problem.key in places
        yield attrs.evolve(problem, place=places[problem.key]) if at_key else problem


def _placed(gateway: ArmGateway, file: str) -> ArmConfiguration:
    """A gateway whose files have paths that no file beside the document can have.

    The overlay may name a file of the same path on the disk, and means that one.
    """
    name = posixpath.basename(file)
    renamed = {path: f"{name}#{path}" for path in gateway.files}
    sections = tuple(_renamed(section, renamed, file) for section in gateway.document.sections)
    return ArmConfiguration(
        document=attrs.evolve(gateway.document, sections=sections),
        files={beside(file, renamed[path]): content for path, content in gateway.files.items()},
    )


def _renamed(section: Section, renamed: Mapping[str, str], file: str) -> Section:
    def entry(each: Entry) -> Entry:
        new = renamed.get(each.value) if each.key in _FILE_KEYS and each.place.file == file else None
        return each if new is None else attrs.evolve(each, value=new, uncut=new)

    return attrs.evolve(section, entries=tuple(map(entry, section.entries)))
