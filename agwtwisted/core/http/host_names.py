"""Host names and addresses as a configuration may spell them, in the one form in which they are compared.

Wildcards follow the product page "Multiple site hosting" (multiple-site-overview): ``*`` stands for any characters,
dots included (``*.contoso.com`` also takes ``a.b.contoso.com``), ``?`` for one.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias

import idna

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import UnacceptableError, shown

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"[a-z0-9*?](?:[a-z0-9*?-]*[a-z0-9*?])?")
_BACKEND_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_HOST_AND_PORT = re.compile(r"(?:\[(?P<literal>[^\]]*)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")


def listener_host_name(text: str) -> str:
    """A listener's host name: lower case, without trailing dot, A-labels (RFC 5890) for what is not ASCII."""
    name = _ascii(text)
    labels = _checked_labels(text, name, _LABEL)
    if any(pair in label for label in labels for pair in ("**", "*?", "?*")):
        raise UnacceptableError(f"has {shown(text)}: ** and *? and ?* are not allowed")
    if any(label.count("*") not in limits.STARS_PER_LABEL for label in labels):
        raise UnacceptableError(f"has {shown(text)}: at most one * between two dots")
    if name.count("*") not in limits.STARS_PER_HOST_NAME:
        raise UnacceptableError(f"has {shown(text)}: at most {limits.STARS_PER_HOST_NAME.highest} * in a name")
    if name.count("*") + name.count("?") not in limits.WILDCARDS_PER_HOST_NAME:
        raise UnacceptableError(
            f"has {shown(text)}: at most {limits.WILDCARDS_PER_HOST_NAME.highest} of * and ? in a name"
        )
    return name


def backend_host(text: str) -> str:
    """A server's host name (an underscore is common inside a network) or IP address, in its canonical form."""
    address = _ip_address(text)
    if address is not None:
        return str(address)
    name = _ascii(text)
    labels = _checked_labels(text, name, _BACKEND_LABEL)
    if labels[-1].isdigit():
        raise UnacceptableError(f"has {shown(text)}, which is neither a host name nor an IP address")
    return name


def host_and_port(text: str) -> tuple[str, int | None]:
    """``host``, ``host:port``, ``[IPv6]:port`` or an IPv6 address alone."""
    if _ip_address(text) is not None:
        return backend_host(text), None
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or (match["literal"] is not None and _ip_address(match["literal"]) is None):
        raise UnacceptableError(f"has {shown(text)}, which is neither host, host:port nor [IPv6 address]:port")
    port = None if match["port"] is None else int(match["port"])
    if port is not None and port not in limits.PORT:
        raise UnacceptableError(f"has {shown(text)}: a port is a number from {limits.PORT}")
    return backend_host(match["literal"] or match["host"]), port


def host_header(text: str) -> str:
    """What is sent as Host: a name or address, with a port if it has one; IPv6 addresses in brackets."""
    host, port = host_and_port(text)
    return bracketed(host) if port is None else f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """A host as a URL or a Host header has it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def server_name(text: str) -> str:
    """A name that is sent to servers in a TLS handshake, where addresses have no place (RFC 6066 section 3)."""
    if _ip_address(text) is not None:
        raise UnacceptableError(f"is {shown(text)}, but must be a host name: IP addresses are never sent in SNI")
    return backend_host(text)


def listener_address(text: str) -> str:
    """An IPv4 or IPv6 address of this machine, in its canonical form."""
    address = _ip_address(text)
    if address is None:
        raise UnacceptableError(f"is {shown(text)}, but must be an IP address (0.0.0.0 or :: for all)")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise UnacceptableError(f"is {shown(text)}: write {address.ipv4_mapped}")
    return str(address)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a listener at that address (127.0.0.0/8, ::1)."""
    return ipaddress.ip_address(address).is_loopback


def is_address(name: str) -> bool:
    """Whether the name in a TLS handshake is an address literal, which is no host name (RFC 6066 section 3).

    Nearly all names are classified without parsing: no top-level domain is a number, and none has a colon.
    """
    if ":" not in name and not name.rpartition(".")[2].isdigit():
        return False
    return _ip_address(name.removeprefix("[").removesuffix("]")) is not None


def overlap(one: str, other: str) -> bool:
    """Whether two different addresses cannot both be bound to one port: one is a wildcard that takes in the other.

    ``::`` takes in IPv6 only: the listener's socket is set to that, so that 0.0.0.0 can be bound beside it.
    """
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return first != second and (_takes_in(first, second) or _takes_in(second, first))


def intersect(one: str, other: str) -> bool:
    """Whether some host name fits both patterns; the names are in the form of `listener_host_name`."""
    reached = {0}  # positions in `other` to which what was seen of `one` can lead
    for each in one:
        reached = _step(each, _widened(reached, other), other)
    return len(other) in _widened(reached, other)


def _takes_in(wildcard: IpAddress, address: IpAddress) -> bool:
    return wildcard.is_unspecified and wildcard.version == address.version


def _widened(reached: set[int], pattern: str) -> set[int]:
    """The positions, and those behind a ``*`` that stands for nothing."""
    for position in range(len(pattern)):
        if position in reached and pattern[position] == "*":
            reached = reached | {position + 1}
    return reached


def _step(each: str, reached: set[int], pattern: str) -> set[int]:
    """Where one more character of the other pattern leads."""
    if each == "*":
        return set(range(min(reached, default=len(pattern) + 1), len(pattern) + 1))
    stay = {position for position in reached if pattern[position : position + 1] == "*"}
    fits = {"*", "?", each} if each != "?" else set(pattern)
    return stay | {position + 1 for position in reached if position < len(pattern) and pattern[position] in fits}


def _ip_address(text: str) -> IpAddress | None:
    """The address; a zone (``fe80::1%eth0``) may be any text at all, so there is none with a zone."""
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


def _ascii(text: str) -> str:
    """Lower case, no trailing dot, and each label that is not ASCII as an A-label."""
    try:
        return ".".join(_ascii_label(label) for label in text.removesuffix(".").split("."))
    except UnicodeError as error:
        raise UnacceptableError(f"has {shown(text)}, which is not an international host name: {error}") from error


def _ascii_label(label: str) -> str:
    return label.lower() if label.isascii() else idna.encode(label, uts46=True).decode("ascii")


def _checked_labels(text: str, name: str, pattern: re.Pattern[str]) -> list[str]:
    labels = name.split(".")
    fits = all(len(label) in limits.LABEL_LENGTH and pattern.fullmatch(label) for label in labels)
    if not fits or len(name) not in limits.HOST_NAME_LENGTH:
        raise UnacceptableError(f"has {shown(text)}, which is not a host name")
    return labels
