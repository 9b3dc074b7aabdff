"""From an ARM resource to a configuration: the sections that an INI file would have, and the files that they name.

The sections are judged by the same rules as those of a file. What the conversion itself finds, of every severity, is in
the problems of the document, so that no error of it can be passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from agwtwisted.core.arm.backends import backend_sections
from agwtwisted.core.arm.certificate_data import VirtualFile
from agwtwisted.core.arm.certificates import Certificates, VirtualFiles
from agwtwisted.core.arm.context import FoundResource
from agwtwisted.core.arm.findings import WAF, Findings
from agwtwisted.core.arm.frontends import read_frontends
from agwtwisted.core.arm.gateway_properties import GATEWAY
from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.arm.listeners import error_page_sections, listener_sections
from agwtwisted.core.arm.reading import ChildResource, Reading, entry, read_gateway
from agwtwisted.core.arm.rewrites import rewrite_sections
from agwtwisted.core.arm.routing import routing_sections
from agwtwisted.core.arm.tls_policies import policy_entries, profile_sections
from agwtwisted.core.base.errors import ConfigError, Problem, Severity, has_error, shown
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.ini_text import written
from agwtwisted.core.sections.names import name_problem

_ENABLE_HTTP2 = "enableHttp2"
_SERVER_HEADER = "globalConfiguration.disableDefaultServerHeaderInResponse"


@attrs.frozen(kw_only=True)
class Conversion:
    """A gateway as a configuration: its sections with all findings, and files by their paths beside the document."""

    document: Document
    files: Mapping[str, VirtualFile] = attrs.field(repr=False)

    @property
    def findings(self) -> tuple[Problem, ...]:
        """Errors, warnings and notes, in the order of the conversion."""
        return self.document.problems


def convert(gateway: FoundResource, options: ImportOptions) -> Conversion:
    """The sections of a gateway. Nothing is raised: what is refused is an error among the findings."""
    findings, files = Findings(), VirtualFiles()
    reading = read_gateway(gateway, options, findings)
    sections = tuple(_sections(reading, files))
    document = Document(sections=tuple(_marked(sections, findings.problems)), problems=())
    if not has_error(findings.problems):
        findings.problems += _unwritable(document)
    return Conversion(document=attrs.evolve(document, problems=tuple(findings.problems)), files=files.files)


def _sections(reading: Reading, files: VirtualFiles) -> Iterator[Section]:
    certificates = Certificates(reading=reading, files=files)
    frontends = read_frontends(reading)
    yield from _gateway_section(reading)
    yield from certificates.sections()
    yield from profile_sections(reading)
    yield from listener_sections(reading, frontends)
    yield from error_page_sections(reading, files)
    yield from backend_sections(reading, certificates)
    yield from rewrite_sections(reading)
    yield from routing_sections(reading)
    _say_firewall(reading)
    _say_empty(reading)


def _say_empty(reading: Reading) -> None:
    """Where the listeners should be, of a document that has none."""
    if not any(reading.children.get(name) for name in ("httpListeners", "listeners")):
        place = reading.gateway.body.member("httpListeners").place
        message = "the gateway has no listeners; --parameters FILE gives those that are parameters of a template"
        reading.findings.note(place, message, section=GATEWAY.kind)


def _say_firewall(reading: Reading) -> None:
    """That a SKU with a firewall has none here, where the gateway names none by which that is said anyway."""
    body = reading.gateway.body
    tier = body.member("sku").member("tier")
    named = (body.member(name).is_absent for name in ("firewallPolicy", "webApplicationFirewallConfiguration"))
    if isinstance(tier.value, str) and tier.value.casefold().startswith("waf") and all(named):
        message = f"the tier {shown(tier.value)} has a web application firewall; there is none here"
        reading.findings.warning(tier.place, message, section=GATEWAY.kind, name=WAF.name)


def _gateway_section(reading: Reading) -> Iterator[Section]:
    """The section of the whole gateway, where there is something to say."""
    child = ChildResource(name="", members=reading.gateway)
    http2 = reading.entries(child, within=_ENABLE_HTTP2)
    entries = [*policy_entries(reading, child), *http2, *_server_header(reading)]
    if entries:
        yield Section(kind=GATEWAY.kind, place=child.place, entries=tuple(entries))


def _server_header(reading: Reading) -> Iterator[Entry]:
    if reading.gateway.is_true(_SERVER_HEADER):
        yield entry("server_header", "", reading.gateway.values[_SERVER_HEADER].place)


def _marked(sections: Iterable[Section], problems: Iterable[Problem]) -> Iterator[Section]:
    """The sections, each with the keys whose values were not taken: they are not reported as missing, too."""
    refused: dict[str, set[str]] = {}
    for problem in problems:
        if problem.severity is Severity.ERROR:
            refused.setdefault(problem.section, set()).add(problem.key)
    for section in sections:
        yield attrs.evolve(section, refused=frozenset(refused.get(section.title, ())))


def _unwritable(document: Document) -> tuple[Problem, ...]:
    """What no INI file can say: an imported file and the document itself must mean the same."""
    named = tuple(section for section in document.sections if name_problem(section) is None)
    try:
        written(attrs.evolve(document, sections=named))
    except ConfigError as error:
        return error.problems
    return ()
