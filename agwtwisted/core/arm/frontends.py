"""Where listeners listen on this machine: the addresses of frontends and the ports are Azure's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.arm.findings import ADDRESS
from agwtwisted.core.arm.gateway_properties import FRONTEND_IP_CONFIGURATIONS
from agwtwisted.core.arm.listener_properties import HTTP_LISTENERS, LISTENERS
from agwtwisted.core.arm.reading import ChildResource, Reading, entry
from agwtwisted.core.base.errors import Place, UnacceptableError, shown
from agwtwisted.core.base.limits import PORT
from agwtwisted.core.http.host_names import listener_address, overlap
from agwtwisted.core.sections.ini import Entry

INVALID_PORT: Final = "ApplicationGatewayFrontendPortInvalidPortNumber"
_MOST: Final = 254
"""Loopback addresses that are tried: the product has four frontends."""


@attrs.frozen(kw_only=True, eq=False)
class Spot:
    """Where a listener listens: its frontend, and its port in the document and here."""

    listener: ChildResource
    frontend: ChildResource | None
    port: int | None
    local_port: int | None
    place: Place  # of the reference to the port


@attrs.frozen(kw_only=True, eq=False)
class FrontendPlaces:
    """The addresses and ports of all listeners."""

    reading: Reading
    spots: tuple[Spot, ...]
    addresses: Mapping[str, str]  # by the names of frontends

    def entries(self, listener: ChildResource) -> Iterator[Entry]:
        """Address and port of a listener; what could not be found was reported."""
        spot = next(each for each in self.spots if each.listener is listener)
        node = listener.members.values.get("frontendIPConfiguration", listener.members.node)
        if spot.frontend is not None:
            yield entry("address", self.addresses[spot.frontend.name], node.place)
        if spot.local_port is not None:
            yield entry("port", str(spot.local_port), spot.place)


def read_frontends(reading: Reading) -> FrontendPlaces:
    """Find the address and the port of every listener, and report what does not fit."""
    listeners = (*reading.of(HTTP_LISTENERS), *reading.of(LISTENERS))
    spots = tuple(_spot(reading, each) for each in listeners)
    _check_options(reading, spots)
    addresses = _addresses(reading, spots)
    _check_ports(reading, spots, addresses)
    return FrontendPlaces(reading=reading, spots=spots, addresses=addresses)


def _spot(reading: Reading, listener: ChildResource) -> Spot:
    frontend = _needed(reading, listener, "frontendIPConfiguration")
    port = _needed(reading, listener, "frontendPort")
    place = listener.members.values.get("frontendPort", listener.members.node).place
    number = _number(reading, port) if port else None
    local = None if number is None else reading.options.ports.get(number, number + reading.options.port_offset)
    if local is not None and local not in PORT:
        message = f"port {number} is {local} here, which is no port: --port and --port-offset move it"
        reading.findings.error(place, message, section=listener.title, key="port")
        local = None
    return Spot(listener=listener, frontend=frontend, port=number, local_port=local, place=place)


def _needed(reading: Reading, listener: ChildResource, name: str) -> ChildResource | None:
    if listener.members.body.member(name).is_absent:
        key = listener.members.row(name).key
        reading.findings.error(listener.place, f"{name} is missing", section=listener.title, key=key)
    return reading.target(listener, name)


def _number(reading: Reading, port: ChildResource) -> int | None:
    """The number of a port; None, with a finding, where it has none."""
    text = port.members.text("port")
    if not text.isdigit() or int(text) not in PORT:
        message = (
            f"Port specified for FrontendPort {reading.id_of(port.members, port.name)} is not valid."
            f" Supported range is [{PORT.lowest}, {PORT.highest}]."
        )
        place = port.members.values.get("port", port.members.node).place
        if (place, message) not in {(each.place, each.message) for each in reading.findings.problems}:
            reading.findings.error(place, message, section=port.title, code=INVALID_PORT)
        return None
    return int(text)


def _check_options(reading: Reading, spots: tuple[Spot, ...]) -> None:
    names = [each.name for each in reading.of(FRONTEND_IP_CONFIGURATIONS)]
    for name in reading.options.addresses:
        if name and reading.find(FRONTEND_IP_CONFIGURATIONS.name, name) is None:
            reading.unknown_option(f"address.{name}", names)
    for port in reading.options.ports:
        if port not in {each.port for each in spots}:
            message = f"ports has {port}, which no listener of the document has"
            reading.findings.note(reading.resource.place, message, section="arm", key="ports")


def _addresses(reading: Reading, spots: tuple[Spot, ...]) -> Mapping[str, str]:
    """The address of each frontend that a listener uses, in the order of the document's frontends."""
    used: dict[str, set[int | None]] = {}
    for spot in spots:
        if spot.frontend is not None:
            used.setdefault(spot.frontend.name, set()).add(spot.local_port)
    found: dict[str, str] = {}
    for child in reading.of(FRONTEND_IP_CONFIGURATIONS):
        if child.name not in used:
            continue
        taken = {found[name] for name in found if used[name] & used[child.name]}
        found[child.name] = _given(reading, child) or _loopback(taken)
        _say(reading, child, found[child.name])
    return found


def _given(reading: Reading, child: ChildResource) -> str:
    """The address that the options say, or that this machine has; empty where there is none."""
    addresses = {name.casefold(): address for name, address in reading.options.addresses.items()}
    private = child.members.text("privateIPAddress")
    if child.name.casefold() not in addresses and private in reading.options.local_addresses:
        return private
    key = child.name.casefold() if child.name.casefold() in addresses else ""
    try:
        return listener_address(addresses[key]) if key in addresses else ""
    except UnacceptableError as error:
        option = f"address.{child.name}" if key else "address"
        reading.findings.unacceptable(reading.resource.place, option, error, section="arm", key=option)
        return ""


def _loopback(taken: set[str]) -> str:
    """The first address of this machine alone that is free on the ports that are wanted."""
    every = (f"127.0.0.{number}" for number in range(1, _MOST + 1))
    return next((each for each in every if each not in taken), "127.0.0.1")


def _say(reading: Reading, child: ChildResource, address: str) -> None:
    message = f"listens on {address}: --address {child.name}=ADDRESS changes that"
    reading.findings.note(child.place, message, section=child.title, name=ADDRESS.name)


def _check_ports(reading: Reading, spots: tuple[Spot, ...], addresses: Mapping[str, str]) -> None:
    """Two ports, or the ports of two frontends, that are one here: listeners would be mixed that are apart in Azure."""
    first: list[Spot] = []
    for spot in spots:
        if spot.frontend is None or spot.local_port is None:
            continue
        other = next((each for each in first if _collide(spot, each, addresses)), None)
        if other is None:
            first.append(spot)
        elif other.frontend is not None and other.frontend is not spot.frontend:
            message = (
                f"the frontends {shown(other.frontend.name)} and {shown(spot.frontend.name)} have one address here and"
                f" both use port {spot.local_port}: --address {spot.frontend.name}=ADDRESS gives another"
            )
            reading.findings.error(spot.place, message, section=spot.listener.title, key="address")
        elif other.port != spot.port:
            message = (
                f"ports {other.port} and {spot.port} are both {spot.local_port} here: --port and --port-offset must"
                " keep them apart"
            )
            reading.findings.error(spot.place, message, section=spot.listener.title, key="port")


def _collide(one: Spot, other: Spot, addresses: Mapping[str, str]) -> bool:
    """Whether two listeners listen on one port of one address, but not on one port of one frontend."""
    if one.local_port != other.local_port or one.frontend is None or other.frontend is None:
        return False
    address, another = addresses[one.frontend.name], addresses[other.frontend.name]
    same = address == another or overlap(address, another)
    return same and (one.frontend is not other.frontend or one.port != other.port)
