"""Backend pools, settings and probes of a gateway, as sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agwtwisted.core.arm.backend_properties import (
    BACKEND_ADDRESS_POOLS,
    BACKEND_ADDRESSES,
    BACKEND_HTTP_SETTINGS_COLLECTION,
    BACKEND_SETTINGS_COLLECTION,
    PROBES,
)
from agwtwisted.core.arm.certificates import Certificates
from agwtwisted.core.arm.findings import IGNORED
from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.arm.members import ObjectMembers
from agwtwisted.core.arm.reading import ChildResource, Reading, entry, plain_values, section
from agwtwisted.core.base.errors import shown
from agwtwisted.core.sections.ini import Entry, Section

_ADDRESSES: Final = "backendAddresses"
_DRAINING: Final = "connectionDraining"
_SERVER_CHECKS: Final = ("validateCertChainAndExpiry", "validateSNI")
_OF_HTTP_PROBES: Final = frozenset({"path", "pickHostNameFromBackendHttpSettings", "match.statusCodes", "match.body"})


def backend_sections(reading: Reading, certificates: Certificates) -> Iterator[Section]:
    """The sections of all of them, those that are referred to first."""
    yield from pool_sections(reading)
    for child in reading.of(PROBES):
        yield section(child, list(_probe(reading, child)))
    for child in reading.of(BACKEND_HTTP_SETTINGS_COLLECTION):
        yield section(child, list(_http_settings(reading, child, certificates)))
    for child in reading.of(BACKEND_SETTINGS_COLLECTION):
        yield section(child, reading.entries(child))


def pool_sections(reading: Reading) -> Iterator[Section]:
    """The sections of pools, with the servers of the options in place of those that only Azure has."""
    given = {name.casefold(): servers for name, servers in reading.options.backends.items()}
    pools = reading.of(BACKEND_ADDRESS_POOLS)
    for name in reading.options.backends:
        if reading.find(BACKEND_ADDRESS_POOLS.name, name) is None:
            reading.unknown_option(f"backend.{name}", [each.name for each in pools])
    for child in pools:
        servers = given.get(child.name.casefold())
        yield section(child, list(_servers(reading, child) if servers is None else _given(child, servers)))


def _given(child: ChildResource, servers: tuple[str, ...]) -> Iterator[Entry]:
    yield entry("backend_addresses", ", ".join(servers), child.place)


def _servers(reading: Reading, child: ChildResource) -> Iterator[Entry]:
    node = child.members.values.get(_ADDRESSES)
    if unknown := child.members.unknown.get(_ADDRESSES):
        _not_known(reading, child, child.members, _ADDRESSES, unknown)
    if node is None:
        return
    servers = (
        _server(reading, child, each) for each in plain_values(reading, child.members, _ADDRESSES, BACKEND_ADDRESSES)
    )
    found = [each for each in dict.fromkeys(servers) if each]
    if found:
        yield entry("backend_addresses", ", ".join(found), node.place)


def _not_known(
    reading: Reading, child: ChildResource, members: ObjectMembers, name: str, unknown: UnknownValue
) -> None:
    """Report servers that only a deployment knows, with the option that replaces them."""
    place, instead = members.body.member(name).place, f"--backend {child.name}=HOST:PORT gives the servers"
    reading.findings.unknown(place, name, unknown, section=child.title, key="backend_addresses", instead=instead)


def _server(reading: Reading, child: ChildResource, members: ObjectMembers) -> str:
    """A server of a pool; empty, with a finding, where it is none or two."""
    for each, unknown in members.unknown.items():
        _not_known(reading, child, members, each, unknown)
    name, address = members.text("fqdn"), members.text("ipAddress")
    if name and address and name != address:
        message = f"{shown(name)} and {shown(address)} are one member of the pool: give each an object of its own"
        reading.findings.error(members.node.place, message, section=child.title, key="backend_addresses")
        return ""
    server = name or address
    if any(each in server for each in ", \n"):
        message = f"{shown(server)} is no server"
        reading.findings.error(members.node.place, message, section=child.title, key="backend_addresses")
        return ""
    return server


def _probe(reading: Reading, child: ChildResource) -> Iterator[Entry]:
    """A probe; one without HTTP has no use for what scripts send along."""
    if child.members.text("protocol") not in ("Tcp", "Tls"):
        yield from reading.entries(child)
        return
    for name in sorted(_OF_HTTP_PROBES):
        if name in child.members and child.members.text(name) not in ("", "false", "/"):
            message = f"{name} has no effect in a probe without HTTP"
            place = child.members.values[name].place
            reading.findings.note(place, message, section=child.title, name=IGNORED.name)
    yield from reading.entries(child, without=_OF_HTTP_PROBES)


def _http_settings(reading: Reading, child: ChildResource, certificates: Certificates) -> Iterator[Entry]:
    members, without = child.members, {"trustedRootCertificates", f"{_DRAINING}.drainTimeoutInSec"}
    if members.text("cookieBasedAffinity") != "Enabled":
        without.add("affinityCookieName")
    if members.text("protocol") in ("", "Http"):
        without |= set(_SERVER_CHECKS)
    yield from reading.entries(child, without=frozenset(without))
    yield from _roots(reading, child, certificates)
    yield from _draining(reading, child)
    _say_dropped(reading, child, without)


def _say_dropped(reading: Reading, child: ChildResource, without: set[str]) -> None:
    for name, why in (
        ("affinityCookieName", "without cookieBasedAffinity"),
        *((name, "without TLS") for name in _SERVER_CHECKS),
    ):
        if name in without and name in child.members and child.members.text(name) != "true":
            place = child.members.values[name].place
            message = f"{name} has no effect {why}"
            reading.findings.note(place, message, section=child.title, name=IGNORED.name)


def _roots(reading: Reading, child: ChildResource, certificates: Certificates) -> Iterator[Entry]:
    """Trusted roots, and the certificates that v1 pinned as far as they can be such."""
    names = [each.name for each in reading.targets(child, "trustedRootCertificates")]
    pinned = reading.targets(child, "authenticationCertificates")
    names += [certificates.pinned[each.name] for each in pinned if each.name in certificates.pinned]
    node = child.members.values.get("trustedRootCertificates") or child.members.values.get("authenticationCertificates")
    if names and node is not None:
        yield entry("trusted_root_certificates", ", ".join(dict.fromkeys(names)), node.place)


def _draining(reading: Reading, child: ChildResource) -> Iterator[Entry]:
    """The time for requests at servers that go, where draining is on."""
    name = f"{_DRAINING}.drainTimeoutInSec"
    if not child.members.is_true(f"{_DRAINING}.enabled"):
        return
    if name not in child.members and not isinstance(child.members.body.member(_DRAINING).value, UnknownValue):
        place = child.members.values[_DRAINING].place
        reading.findings.error(place, f"{name} is missing", section=child.title, key="connection_draining_timeout")
    yield from (each for each in reading.entries(child, within=name))
