"""Where a question about a certificate may be sent: the URLs that certificates name are not to be trusted blindly.

Who may issue certificates may name any address in them, and the gateway would knock there. So the ways that lead into
the gateway itself, or to the services of the machine that it runs on, are closed unless the operator opens them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import attrs

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import UnacceptableError, shown
from agwtwisted.core.http.host_names import IpAddress, host_and_port

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_LENGTH: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}

_CLOSED: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",  # this machine, and what was never assigned
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, with most clouds' metadata: 169.254.169.254, 169.254.170.2
            "168.63.129.16/32",  # the platform of the product's own cloud
            "100.100.100.200/32",  # Alibaba Cloud's metadata
            "192.0.0.0/24",  # IETF protocol assignments (RFC 6890), with Oracle Cloud's metadata 192.0.0.192
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "::/128",
            "::1/128",
            "fe80::/10",
            "fec0::/10",  # site-local, deprecated (RFC 3879)
            "ff00::/8",
            "fd00:ec2::/32",  # AWS: metadata fd00:ec2::254, name server, time, pod identities
            "fd20:ce::254/128",  # Google Cloud's metadata
            "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud's metadata
            "fd00:42::42/128",  # Scaleway's metadata
            "64:ff9b:1::/48",  # NAT64 of local use (RFC 8215): what it stands for depends on a prefix that is not known
        ),
    )
)

_EMBEDDING: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "64:ff9b::/96",  # NAT64 (RFC 6052)
            "::ffff:0:0/96",  # IPv4-mapped (RFC 4291 section 2.5.5.2)
            "::/96",  # IPv4-compatible (RFC 4291 section 2.5.5.1), deprecated
            "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        ),
    )
)
"""Networks whose last 32 bits are an IPv4 address."""

_ISATAP: Final = (0x00005EFE, 0x02005EFE)
"""What stands before the IPv4 address in an interface identifier of ISATAP (RFC 5214 section 6.1)."""


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


@lru_cache(256)  # the certificates of one issuer have the same URLs
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
        raise UnacceptableError(f"is {shown(url)}, which is not a URL: {error}") from error
    if parts.scheme not in _PORTS:
        raise UnacceptableError(f"is {shown(url)}, but must begin with http:// or https://")
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise UnacceptableError(f"is {shown(url)}, but must have no user name and no fragment")
    host, port = host_and_port(parts.netloc)
    return Destination(url=url, scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme])


def closed(address: str, open_networks: Iterable[Network]) -> bool:
    """Whether nothing is sent to this IP address: it is one of the closed ones, and in no network that was opened.

    One that stands for IPv4 addresses (mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP) is closed if one of
    those is, and open where each of them is opened.
    """
    return _closed(address.partition("%")[0], tuple(open_networks))


@lru_cache(256)  # the same few are asked again and again
def _closed(address: str, opened: tuple[Network, ...]) -> bool:
    found = ipaddress.ip_address(address)
    return any(_is_in(each, _CLOSED) and not _is_in(each, opened) for each in (found, *_embedded(found)))


def refusal_of(destination: Destination, addresses: Iterable[str], ports: Iterable[PortRange]) -> str:
    """Why a responder is not connected to: `addresses` of it are closed, its port is in none of `ports`, or both.

    It names the host, the port and the addresses, and every key that has to change, with what has to stand there.
    """
    closed_ones = ", ".join(addresses)
    keys = [f"ocsp_allowed_networks = {closed_ones}"] if closed_ones else []
    if not any(destination.port in each for each in ports):
        keys.append(f"ocsp_allowed_ports = {destination.port}")
    where = f"{destination.host} port {destination.port}" + (f" at {closed_ones}" if closed_ones else "")
    return f"the address rules refuse {where}: {' and '.join(keys)} would allow it"


def _is_in(address: IpAddress, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _embedded(address: IpAddress) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    last, before = int(address) & 0xFFFFFFFF, int(address) >> 32 & 0xFFFFFFFF
    if int(address) > 1 and (_is_in(address, _EMBEDDING) or before in _ISATAP):  # not :: and ::1
        yield ipaddress.IPv4Address(last)
    if address.sixtofour is not None:  # RFC 3056
        yield address.sixtofour
    yield from address.teredo or ()  # its server and the client (RFC 4380 section 4)


def hindrance(url: str, open_networks: Iterable[Network], open_ports: Iterable[PortRange]) -> str:
    """Why no question goes to the URL of a certificate, as far as that is known before any lookup; else empty."""
    try:
        where = destination(url)
    except UnacceptableError as error:
        return str(error)
    try:
        closed_ones = (where.host,) if closed(where.host, open_networks) else ()
    except ValueError:  # a name, which is not looked up here
        closed_ones = ()
    if not closed_ones and any(where.port in each for each in open_ports):
        return ""
    return f"is not used: {refusal_of(where, closed_ones, open_ports)}"


# -- as they stand in a configuration


def responder_url(text: str) -> str:
    """A URL of the operator's own choice."""
    return destination(text).url


def network(text: str) -> Network:
    """``10.0.0.0/8``, ``fd00::/8``, or one address."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UnacceptableError(f"has {shown(text)}, which is not a network: {error}") from error


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
