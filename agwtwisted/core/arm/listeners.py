"""The listeners of a gateway, and their error pages, as sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agwtwisted.core.arm.certificate_data import VirtualFile
from agwtwisted.core.arm.certificates import VirtualFiles
from agwtwisted.core.arm.findings import IGNORED
from agwtwisted.core.arm.frontends import FrontendPlaces
from agwtwisted.core.arm.gateway_properties import CUSTOM_ERROR_CONFIGURATIONS
from agwtwisted.core.arm.listener_properties import HTTP_LISTENERS, LISTENERS
from agwtwisted.core.arm.members import ObjectMembers
from agwtwisted.core.arm.reading import ChildResource, Reading, entry, plain_values, section
from agwtwisted.core.base.errors import shown
from agwtwisted.core.sections.ini import Entry, Section

WHOLE_GATEWAY: Final = "gateway"
"""In the name of an error page's section, instead of a listener's."""

_PAGES: Final = "customErrorConfigurations"
_PLACE: Final = frozenset({"frontendIPConfiguration", "frontendPort"})
_SNI: Final = "requireServerNameIndication"


def listener_sections(reading: Reading, frontends: FrontendPlaces) -> Iterator[Section]:
    """The sections of all listeners, of HTTP first."""
    for child in (*reading.of(HTTP_LISTENERS), *reading.of(LISTENERS)):
        yield section(child, list(_listener(reading, child, frontends)))


def _listener(reading: Reading, child: ChildResource, frontends: FrontendPlaces) -> Iterator[Entry]:
    yield from frontends.entries(child)
    if child.members.collection is LISTENERS:
        yield from reading.entries(child, without=_PLACE)
        return
    names = list(_host_names(reading, child))
    without = _PLACE | {"hostNames", "hostName"}
    if child.members.is_true(_SNI) and (not names or child.members.text("protocol") == "Http"):
        why = "with Http there is no name in a handshake" if names else "there are no host names to compare with"
        place = child.members.values[_SNI].place
        reading.findings.note(place, f"{_SNI} has no effect: {why}", section=child.title, name=IGNORED.name)
        without |= {_SNI}
    yield from names
    yield from reading.entries(child, without=without)


def _host_names(reading: Reading, child: ChildResource) -> Iterator[Entry]:
    """The names of a listener, which stand in one of two properties."""
    members = child.members
    if "hostName" not in members:
        yield from reading.entries(child, within="hostNames")
        return
    one, several = members.text("hostName"), "".join(each.value for each in reading.entries(child, within="hostNames"))
    node = members.values["hostName"]
    if several and several.casefold() != one.casefold():
        message = f"hostName ({shown(one)}) and hostNames ({shown(several)}) exclude each other"
        reading.findings.error(node.place, message, section=child.title, key="host_names")
    if not one:
        reading.findings.error(node.place, "hostName must be a text", section=child.title, key="host_names")
    elif "," in one or "\n" in one:
        message = f"hostName is {shown(one)}, which is no host name: several stand in hostNames"
        reading.findings.error(node.place, message, section=child.title, key="host_names")
    else:
        yield entry("host_names", one, node.place)


def error_page_sections(reading: Reading, files: VirtualFiles) -> Iterator[Section]:
    """The sections of error pages whose files the options give; of the others, a warning."""
    urls: set[str] = set()
    yield from _pages(reading, reading.gateway, WHOLE_GATEWAY, files, urls)
    for child in reading.of(HTTP_LISTENERS):
        if child.name == WHOLE_GATEWAY and _PAGES in child.members:
            message = "a listener named gateway cannot have error pages of its own here: rename it"
            reading.findings.error(child.place, message, section=child.title)
            continue
        yield from _pages(reading, child.members, child.name, files, urls)
    for url in reading.options.pages:
        if url not in urls:
            reading.unknown_option(f"page.{url}", urls)


def _pages(
    reading: Reading, members: ObjectMembers, scope: str, files: VirtualFiles, urls: set[str]
) -> Iterator[Section]:
    seen: set[str] = set()
    for page in plain_values(reading, members, _PAGES, CUSTOM_ERROR_CONFIGURATIONS):
        status, url = page.text("statusCode").removeprefix("HttpStatus"), page.text("customErrorPageUrl")
        title = f"{CUSTOM_ERROR_CONFIGURATIONS.kind} {scope}/{status}"
        urls.add(url)
        if not status.isdigit() or not url or status in seen:
            message = (
                f"{title} stands twice" if status in seen else "an error page needs statusCode and customErrorPageUrl"
            )
            reading.findings.error(page.node.place, message, section=members.title)
            continue
        seen.add(status)
        yield Section(
            kind=CUSTOM_ERROR_CONFIGURATIONS.kind,
            name=f"{scope}/{status}",
            place=page.node.place,
            entries=tuple(_page(reading, page, f"{scope}-{status}", files)),
        )


def _page(reading: Reading, page: ObjectMembers, name: str, files: VirtualFiles) -> Iterator[Entry]:
    """Where the product has a page, and the file that the options give: it is never fetched."""
    url, place = page.text("customErrorPageUrl"), page.values["customErrorPageUrl"].place
    yield entry("custom_error_page_url", url, place)
    data = reading.options.pages.get(url)
    if data is not None:
        yield entry("file", files.add("pages", name, ".html", VirtualFile(data=data)), place)
