"""What may stand in the header list of a request, and in its trailers (RFC 9113 section 8, RFC 8441 section 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http2.header_codec import Fields

METHOD: Final = b":method"
SCHEME: Final = b":scheme"
AUTHORITY: Final = b":authority"
PATH: Final = b":path"
PROTOCOL: Final = b":protocol"

FORBIDDEN: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
"""Names of fields that concern a connection of HTTP/1.1, and have no place in HTTP/2 (RFC 9113 section 8.2.2)."""

_PSEUDO: Final = frozenset((METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL))
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
# What a line of HTTP/1.1 can hold, without white space at its ends: more than RFC 9113 section 8.2.1 forbids.
_VALUE: Final = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEME: Final = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*")  # RFC 3986 section 3.1


@attrs.frozen
class MalformedRequest:
    """Why a stream is reset: no request that may be answered (RFC 9113 section 8.1.1)."""

    reason: str


PseudoFields: TypeAlias = dict[bytes, bytes]
"""The pseudo-header fields by name."""


def parted(fields: Fields) -> tuple[PseudoFields, Fields] | MalformedRequest:
    """The pseudo-header fields of a request, and the others; all are sound, and the former whole."""
    pseudo: PseudoFields = {}
    for name, value in fields:
        if not name.startswith(b":"):
            break
        if name not in _PSEUDO:
            return MalformedRequest("an unknown pseudo-header field")
        if name in pseudo:
            return MalformedRequest("a pseudo-header field twice")
        if not _VALUE.fullmatch(value):
            return MalformedRequest("a pseudo-header field that no line can hold")
        pseudo[name] = value
    lines = fields[len(pseudo) :]
    malformed = _malformed_pseudo(pseudo) or malformed_lines(lines) or _malformed_host(pseudo, lines)
    return malformed or (pseudo, lines)


def malformed_lines(lines: Sequence[Header]) -> MalformedRequest | None:
    """What is wrong with fields that are no pseudo-header fields, or may not be."""
    for name, value in lines:
        if not _NAME.fullmatch(name):
            return MalformedRequest("a pseudo-header field late" if name.startswith(b":") else "a name that is none")
        if not _VALUE.fullmatch(value):
            return MalformedRequest("a value that no line can hold")
        if name in FORBIDDEN:
            return MalformedRequest("a field of the connection")
        if name == b"te" and value.lower() != b"trailers":
            return MalformedRequest("a TE other than trailers")
    return None


def _malformed_pseudo(pseudo: PseudoFields) -> MalformedRequest | None:
    if not _METHOD.fullmatch(pseudo.get(METHOD, b"")):
        return MalformedRequest("no :method")
    is_connect = pseudo[METHOD] == b"CONNECT"
    if PROTOCOL in pseudo and not is_connect:
        return MalformedRequest(":protocol without CONNECT")
    if is_connect and PROTOCOL not in pseudo:
        if SCHEME in pseudo or PATH in pseudo or AUTHORITY not in pseudo:
            return MalformedRequest("CONNECT to no :authority, or with more")
        return None
    if not _SCHEME.fullmatch(pseudo.get(SCHEME, b"")):
        return MalformedRequest("no :scheme")
    path = pseudo.get(PATH, b"")
    if not path.startswith(b"/") and not (path == b"*" and pseudo[METHOD] == b"OPTIONS"):
        return MalformedRequest("no :path")
    return None


def _malformed_host(pseudo: PseudoFields, lines: Fields) -> MalformedRequest | None:
    """A Host header must say what :authority does, in the same octets."""
    authority = pseudo.get(AUTHORITY)
    if authority is not None:
        for name, value in lines:
            if name == b"host" and value != authority:
                return MalformedRequest("a Host other than :authority")
    return None
