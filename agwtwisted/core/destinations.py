"""Where a question about a certificate may be sent: the URLs that certificates name are not to be trusted blindly.

Who may issue certificates may name any address in them, and the gateway would knock there. So the ways that lead into
the gateway itself, or to the services of the machine that it runs on, are closed unless the operator opens them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import attrs

from agwtwisted.core import limits
from agwtwisted.core.errors import UnacceptableError, shown
from agwtwisted.core.host_names import IpAddress, host_and_port

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_LENGTH: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}

_CLOSED: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this machine, and what was never assigned
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, the clouds' metadata 169.254.169.254 in it
            "168.63.129.16/32",  # the platform of the product's own cloud
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "::/128",
            "::1/128",
            "fe80::/10",
            "ff00::/8",
            "fd00:ec2::/32",  # a cloud's metadata
        ),
    )
)

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@attrs.frozen(kw_only=True)
class PortRange:
    """Ports from `lowest` to `highest`, both in it."""

    lowest: int
    highest: int

    def __contains__(self, port: int) -> bool:
        return self.lowest <= port <= self.highest

    def __str__(self) -> str:
        return str(self.lowest) if self.lowest == self.highest else f"{self.lowest}-{self.highest}"


@attrs.frozen(kw_only=True)
class Destination:
    """A responder that may be asked, by its URL."""

    url: str
    scheme: str
    host: str  # a name or an address
    port: int


def destination(url: str) -> Destination:
    """The destination of an http or https URL.

    Raises:
        UnacceptableError: another scheme, a user name, a fragment, or what is no URL at all.
    """
    if len(url) > MAX_URL_LENGTH or not all("!" <= each <= "~" for each in url):
        raise UnacceptableError(f"is {shown(url)}, but must be a URL in printable ASCII")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnacceptableError(f"is {shown(url)}, which is no URL: {error}") from error
    if parts.scheme not in _PORTS:
        raise UnacceptableError(f"is {shown(url)}, but must begin with http:// or https://")
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise UnacceptableError(f"is {shown(url)}, but must have no user name and no fragment")
    host, port = host_and_port(parts.netloc)
    return Destination(url=url, scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme])


def closed(address: str, open_networks: Iterable[Network]) -> bool:
    """Whether nothing is sent to this IP address: it is one of the closed ones, and in no network that was opened.

    An address that stands for an IPv4 address (mapped, NAT64, 6to4) is judged as that.
    """
    found = _meant(ipaddress.ip_address(address.partition("%")[0]))
    return any(found in network for network in _CLOSED) and not any(found in network for network in open_networks)


def _meant(address: IpAddress) -> IpAddress:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def hindrance(url: str, open_networks: Iterable[Network], open_ports: Iterable[PortRange]) -> str:
    """Why no question goes to the URL of a certificate, as far as that is known before anybody is asked; else empty."""
    try:
        where = destination(url)
    except UnacceptableError as error:
        return str(error)
    if not any(where.port in each for each in open_ports):
        return f"is not asked: port {where.port} is not one of ocsp_allowed_ports"
    try:
        is_closed = closed(where.host, open_networks)
    except ValueError:  # a name, which is not looked up here
        return ""
    return f"is not asked: {where.host} is closed, and in none of ocsp_allowed_networks" if is_closed else ""


# -- as they stand in a configuration


def responder_url(text: str) -> str:
    """A URL of the operator's own choice."""
    return destination(text).url


def network(text: str) -> Network:
    """``10.0.0.0/8``, ``fd00::/8``, or one address."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UnacceptableError(f"has {shown(text)}, which is no network: {error}") from error


def port_range(text: str) -> PortRange:
    """``80``, or ``8000-8099``."""
    low, dash, high = (piece.strip() for piece in text.partition("-"))
    high = high if dash else low
    if not all(each.isascii() and each.isdigit() and len(each) <= 5 for each in (low, high)):
        raise UnacceptableError(f"has {shown(text)}, which is neither a port nor a range of ports (8000-8099)")
    found = PortRange(lowest=int(low), highest=int(high))
    if found.lowest not in limits.PORT or found.highest not in limits.PORT or found.lowest > found.highest:
        raise UnacceptableError(f"has {shown(text)}: ports are numbers from {limits.PORT}, the lower one first")
    return found
