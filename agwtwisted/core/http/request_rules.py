"""What a request must be to be forwarded, in any version of HTTP: method, target, host, and how they fit together.

`fit_request` is asked by each reader of requests, with what its version of HTTP says of the body and the connection.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from agwtwisted.core.base.values import value
from agwtwisted.core.http.header_lines import HeaderBlock
from agwtwisted.core.http.header_names import (
    EXPECT,
    FORWARDED_FOR,
    LONGEST_REMEMBERED,
    REMEMBERED_NAMES,
    USER_AGENT,
    SortedLines,
)
from agwtwisted.core.http.messages import MAX_TARGET, METHODS, BadRequest, Framing, RequestHead, host_of
from agwtwisted.core.http.pages import ErrorInfo

ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#]*)(.*)")
"""A target in absolute form: authority and what follows it (RFC 9112 section 3.2.2)."""

_TARGET: Final = re.compile(rb"[\x21\x22\x24-\x7e]+")  # printable ASCII without "#"

_INVALID_HOST: Final = BadRequest(400, ErrorInfo.INVALID_HOST)
_INVALID_TARGET: Final = BadRequest(400, ErrorInfo.REQUEST_URI_INVALID)

_known_host_of = lru_cache(maxsize=REMEMBERED_NAMES)(host_of)


@value(kw_only=True)
class RequestFraming:
    """What a version of HTTP says of a request beside what is asked."""

    version: bytes
    framing: Framing = Framing.NONE
    content_length: int = 0  # with Framing.LENGTH
    upgrade: bytes = b""
    keep_alive: bool = True
    hop_by_hop: frozenset[bytes] = frozenset()  # further names, in lower case, that concern the connection alone


def fit_request(
    method: bytes,
    target: bytes,
    authority: bytes | BadRequest,
    lines: SortedLines,
    framing: RequestFraming | BadRequest,
    size: int = 0,
) -> RequestHead | BadRequest:
    """Makes a head that is fit to forward, or says why there is none.

    Args:
        method, target: as they came.
        authority: the host and port that the request names; empty where it need not name any.
        lines: its header lines.
        framing: of its body and connection.
        size: of the whole head, in bytes.
    """
    if method not in METHODS:
        return bad_method(method)
    if isinstance(authority, BadRequest):
        return authority
    host = _known_host_of(authority) if len(authority) <= LONGEST_REMEMBERED else host_of(authority)
    if authority and not host:
        return _INVALID_HOST
    origin = _origin_form(method, target, authority)
    if isinstance(origin, BadRequest):
        return origin
    if isinstance(framing, BadRequest):
        return framing
    headers, special = lines.headers, lines.special
    if framing.hop_by_hop:
        headers = [line for line in headers if line[0].lower() not in framing.hop_by_hop]
    return RequestHead(
        method=method,
        target=origin,
        version=framing.version,
        host=host,
        authority=authority,
        headers=HeaderBlock.of(headers),
        user_agent=special.get(USER_AGENT, b""),
        forwarded_for=special.get(FORWARDED_FOR, b""),
        framing=framing.framing,
        content_length=framing.content_length,
        upgrade=framing.upgrade,
        expects_continue=EXPECT in special
        and special[EXPECT].lower() == b"100-continue"
        and framing.version != b"1.0",  # RFC 9110 section 10.1.1
        keep_alive=framing.keep_alive,
        size=size,
    )


def bad_method(method: bytes) -> BadRequest:
    """Why a request with a method that is not among `METHODS` is not forwarded."""
    if method == b"TRACE":
        return BadRequest(405, ErrorInfo.INVALID_METHOD_TRACE)
    return BadRequest(405 if method == b"CONNECT" else 400, ErrorInfo.INVALID_METHOD)


def _origin_form(method: bytes, target: bytes, authority: bytes) -> bytes | BadRequest:
    """The target in origin-form (RFC 9112 section 3.2); an absolute one must name the same host as the Host header."""
    if len(target) > MAX_TARGET:
        return BadRequest(414, ErrorInfo.REQUEST_URI_INVALID)
    if not _TARGET.fullmatch(target):
        return _INVALID_TARGET
    if target.startswith(b"/"):
        return target
    if target == b"*":
        return target if method == b"OPTIONS" else _INVALID_TARGET
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None:
        return _INVALID_TARGET
    if absolute[1].lower() != authority.lower():
        return _INVALID_HOST
    rest = absolute[2]
    return rest if rest.startswith(b"/") else b"/" + rest
