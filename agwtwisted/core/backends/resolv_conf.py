"""resolv.conf(5): the name servers, and the names to look up."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

import attrs

MAX_SERVERS: Final = 3
MAX_SEARCH: Final = 6
MAX_DOTS: Final = 15
"""As in glibc; what is beyond is left out."""

MAX_NAME: Final = 253
"""Characters of a host name (RFC 1035 section 2.3.4)."""


@attrs.frozen(kw_only=True)
class ResolvConf:
    """What the file says; without servers it says nothing that is of use."""

    servers: tuple[str, ...] = ()  # IP addresses, in the order in which they are asked
    search: tuple[str, ...] = ()  # domains, in lower case and without dots at their ends
    dots: int = 1  # a name with so many is tried as it stands before the domains are appended

    def candidates(self, name: str) -> Iterator[str]:
        """The full names that a host name may stand for, the likeliest first."""
        whole = name.count(".") >= self.dots
        if whole:
            yield name
        for domain in self.search:
            if len(name) + len(domain) < MAX_NAME:
                yield f"{name}.{domain}"
        if not whole:
            yield name


def parse(text: bytes) -> ResolvConf:
    """The file's content, read as glibc does; lines that mean nothing are passed over."""
    servers: list[str] = []
    search: list[str] = []
    dots = 1
    for line in text.decode("ascii", "replace").splitlines():
        key, *values = line.split() or [""]
        if key == "nameserver" and values and _is_address(values[0]):
            servers.append(values[0])
        elif key == "domain":
            search = values[:1]
        elif key == "search":
            search = values
        elif key == "options":
            dots = _dots(values, dots)
    domains = (domain.strip(".").lower() for domain in search[:MAX_SEARCH])
    return ResolvConf(servers=tuple(servers[:MAX_SERVERS]), search=tuple(filter(None, domains)), dots=dots)


def _is_address(text: str) -> bool:
    """Whether this is an address without a zone, which Twisted's DNS client could not ask."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _dots(options: list[str], before: int) -> int:
    for option in options:
        name, _, value = option.partition(":")
        if name == "ndots" and value.isdecimal() and len(value) < 10:
            before = min(int(value), MAX_DOTS)
    return before
