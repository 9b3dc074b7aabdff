"""Which addresses a request of the gateway's own may be sent to: what is checked here is what is connected to.

URLs come from certificates, whose issuers write what they want, and mostly lead to plain HTTP.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, succeed

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.http.destinations import Destination, closed, refusal_of
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.outbound.fetching import AddressRules
from agwtwisted.transport.descriptors import SHORTAGES


class AddressRefusedError(AgwError):
    """The address rules do not allow the connection; `str` says which key would."""


def is_literal(host: str) -> bool:
    """Whether a host is an IP address."""
    return isIPAddress(host) or isIPv6Address(host)


def found_of(host: str, look_up: Callable[[str], Deferred[tuple[str, ...]]]) -> Deferred[tuple[str, ...]]:
    """The addresses of a host, which may be one itself; those of IPv4 first. None where a name has none."""
    if is_literal(host):
        return succeed((host,))
    return look_up(host).addCallback(lambda found: tuple(sorted(found, key=isIPv6Address)))


def permitted(found: Sequence[str], destination: Destination, rules: AddressRules | None) -> Sequence[str]:
    """Those of the addresses of a destination that may be connected to; without rules all.

    Raises:
        AddressRefusedError: there are addresses, and none may be, or the port may not.
        OSError: a shortage of the gateway's own.
    """
    if rules is None:
        return found
    opened = [each for each in found if not closed(each, rules.networks)]
    is_port_open = any(destination.port in each for each in rules.ports)
    if not is_port_open or (found and not opened):
        raise AddressRefusedError(refusal_of(destination, () if opened else found, rules.ports))
    others = [each for each in opened if not leads_to_ourselves(each, destination.port, rules)]
    if opened and not others:
        where = f"{bracketed(opened[0])} port {destination.port}"
        raise AddressRefusedError(f"the address {where} is one of the gateway's own listeners")
    return others


def permit_unresolved(destination: Destination, rules: AddressRules | None) -> None:
    """Holds the rules against a destination that a proxy connects to, as far as its addresses are known here.

    Those are literals, numbers that the proxy's resolver may take for one (inet_aton(3)), and names of the machine
    itself (RFC 6761 section 6.3). All others the proxy resolves.

    Raises:
        AddressRefusedError: the rules do not allow it.
        OSError: a shortage of the gateway's own.
    """
    permitted(_known_addresses(destination.host), destination, rules)


def _known_addresses(host: str) -> tuple[str, ...]:
    if is_literal(host):
        return (host,)
    if host == "localhost" or host.endswith(".localhost"):
        return ("127.0.0.1",)
    try:
        return (socket.inet_ntoa(socket.inet_aton(host)),)
    except OSError:
        return ()


def is_permitted(address: str, destination: Destination, rules: AddressRules | None) -> bool:
    """Whether a connection to this address of the destination, which is there, may be used by these rules."""
    try:
        return bool(permitted((address,), destination, rules))
    except AddressRefusedError:
        return False


def leads_to_ourselves(address: str, port: int, rules: AddressRules) -> bool:
    """Whether a listener of this gateway is there: the port is ours, and the address one of this machine's."""
    return port in rules.own_ports and _is_of_this_machine(address)


def _is_of_this_machine(address: str) -> bool:
    """Whether packets to an address come from the same one: so the kernel routes to its own. Nothing is sent.

    Raises:
        OSError: a shortage of the gateway's own.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.is_loopback or found.is_unspecified:
        return True
    family = socket.AF_INET6 if found.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((address, 9))
            return bool(asked.getsockname()[0] == address)
    except OSError as error:
        if error.errno in SHORTAGES:
            raise
        return False  # there is no way there, and connecting fails likewise
