"""HTTP/1.1 and 1.0: where the body of a request or a response ends, and what becomes of the connection.

RFC 9112 sections 6, 7.8 of RFC 9110 for Upgrade. What the request asks for is judged by `core.http.request_rules`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agwtwisted.core.http.header_lines import Header, HeaderBlock
from agwtwisted.core.http.header_names import (
    CONNECTION,
    CONTENT_LENGTH,
    HOP_BY_HOP,
    HOST,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderNames,
    SortedLines,
)
from agwtwisted.core.http.messages import METHODS, BadRequest, Framing, RequestHead, ResponseHead, tokens_of
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.request_rules import ABSOLUTE, RequestFraming, bad_method, fit_request

OF_CONNECTION: Final = frozenset((CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE)) | HOP_BY_HOP
"""Names, in lower case, of a response's headers that concern the backend's connection alone."""

# An Upgrade that cannot be granted is passed over, and the request answered in the protocol at hand (RFC 9110 section
# 7.8): one of HTTP/1.0, one with a body, and one to a protocol that carries HTTP. WebSocket with a body is a mistake of
# the client's that must not look like an answer (RFC 6455 section 4.1 knows GET alone).
_CARRIES_HTTP: Final = re.compile(rb"(?:^|,)[ \t]*(?:h[23]c?|http|tls)[ \t]*(?:[-/,]|$)", re.IGNORECASE)
"""Protocols that no connection is upgraded to: requests inside them would pass by routing and managed headers."""

BODILESS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"DELETE"))
"""Methods whose requests have no body where its length is 0; those of others have an empty one."""

_REASON: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # RFC 9112 section 4
_VERSIONS: Final = frozenset((b"1.1", b"1.0"))
_COMMON_TOKENS: Final = frozenset((b"close", b"keep-alive", b"upgrade"))
_NO_TOKENS: Final[frozenset[bytes]] = frozenset()

_INVALID_REQUEST: Final = BadRequest(400, ErrorInfo.INVALID_REQUEST)
_INVALID_HOST: Final = BadRequest(400, ErrorInfo.INVALID_HOST)
_INVALID_LENGTH: Final = BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH)


def request_head(
    method: bytes, target: bytes, version: bytes, lines: Sequence[Header], names: HeaderNames, size: int = 0
) -> RequestHead | BadRequest:
    """Makes a head of HTTP/1 that is fit to forward, or says why there is none.

    Args:
        method, target, version, lines: as they came; the version without its protocol's name.
        names: which header names go where.
        size: of the whole head, in bytes.
    """
    if version not in _VERSIONS:
        return BadRequest(400, ErrorInfo.INVALID_09_METHOD if version == b"0.9" else ErrorInfo.INVALID_VERSION)
    if method not in METHODS:
        return bad_method(method)
    found = names.sort(lines)
    if isinstance(found, BadRequest):
        return found
    for name in found.odd:
        names.drop(name)
    return request_of(method, target, version, found, size)


def request_of(
    method: bytes, target: bytes, version: bytes, lines: SortedLines, size: int = 0
) -> RequestHead | BadRequest:
    """The same of lines that are sorted, and of a version that is HTTP/1.1 or 1.0."""
    special = lines.special
    return fit_request(
        method, target, _authority(target, version, special), lines, _request_framing(method, version, special), size
    )


def _authority(target: bytes, version: bytes, special: dict[bytes, bytes]) -> bytes | BadRequest:
    """The Host header; HTTP/1.0 knows none, and may name a host in an absolute target (RFC 9112 section 3.2)."""
    host = special.get(HOST)
    if host is not None:
        return host.strip(b" \t") or _INVALID_HOST
    if version == b"1.0":
        absolute = ABSOLUTE.fullmatch(target)
        return b"" if absolute is None else absolute[1]
    return BadRequest(400, ErrorInfo.HTTP_NO_HOST_HEADER)


def _request_framing(method: bytes, version: bytes, special: dict[bytes, bytes]) -> RequestFraming | BadRequest:
    body = _request_body(method, version, special)
    if isinstance(body, BadRequest):
        return body
    framing, length = body
    tokens, upgrade = _NO_TOKENS, b""
    if CONNECTION in special:
        tokens = tokens_of(special[CONNECTION])
        if UPGRADE in special and b"upgrade" in tokens and version == b"1.1":
            upgrade = special[UPGRADE]
            if framing is Framing.CHUNKED or length:
                if b"websocket" in tokens_of(upgrade):
                    return _INVALID_REQUEST
                upgrade = b""
            elif _CARRIES_HTTP.search(upgrade):
                upgrade = b""
    return RequestFraming(
        version=version,
        framing=framing,
        content_length=length,
        upgrade=upgrade,
        keep_alive=_keeps_alive(version, tokens),
        hop_by_hop=_NO_TOKENS if tokens <= _COMMON_TOKENS else tokens,
    )


def _request_body(method: bytes, version: bytes, special: dict[bytes, bytes]) -> tuple[Framing, int] | BadRequest:
    """How a request's body ends (RFC 9112 section 6.3)."""
    length = special.get(CONTENT_LENGTH)
    coding = special.get(TRANSFER_ENCODING)
    if coding is not None:
        if length is not None:  # RFC 9112 section 6.1: ought to be handled as an error
            return _INVALID_LENGTH
        return (Framing.CHUNKED, 0) if version == b"1.1" and _is_chunked(coding) else _INVALID_REQUEST
    if length is not None:
        number = length_of(length)
        if number is None:
            return _INVALID_LENGTH
        return (Framing.LENGTH, number) if number or method not in BODILESS else (Framing.NONE, 0)
    # The product refuses a POST without a length.
    return _INVALID_LENGTH if method == b"POST" else (Framing.NONE, 0)


def response_head(
    status: int, reason: bytes, version: bytes, lines: Sequence[Header], *, to_head_request: bool
) -> ResponseHead | str:
    """Makes the head of a backend's response, or says what makes it one that cannot be passed on."""
    if version not in _VERSIONS or status < 100 or not (reason == b"OK" or _REASON.fullmatch(reason)):
        return NO_STATUS_LINE
    headers: list[Header] = []
    special: dict[bytes, bytes] = {}
    for line in lines:
        lower = line[0].lower()
        if lower not in OF_CONNECTION:
            headers.append(line)
        elif lower not in special or lower == UPGRADE:
            special[lower] = line[1]
        elif lower == CONTENT_LENGTH:
            return "several Content-Length"
        else:
            special[lower] += b", " + line[1]
    tokens, upgrade = _NO_TOKENS, special.get(UPGRADE, b"")
    if CONNECTION in special:
        tokens = tokens_of(special[CONNECTION])
        if not tokens <= _COMMON_TOKENS:
            headers = [line for line in headers if line[0].lower() not in tokens]
    if status == 101 and not (upgrade and b"upgrade" in tokens):
        return "a 101 that does not say what it switches to"
    coding = special.get(TRANSFER_ENCODING)
    body = _response_body(status, version, special.get(CONTENT_LENGTH), coding, to_head_request=to_head_request)
    if isinstance(body, str):
        return body
    return ResponseHead(
        status=status,
        reason=reason,
        headers=HeaderBlock.of(headers),
        framing=body[0],
        content_length=body[1],
        upgrade=upgrade if status == 101 else b"",
        # A backend that speaks of chunks in its answer to HEAD may send them: a connection that is not used again.
        keep_alive=_keeps_alive(version, tokens) and (coding is None or not to_head_request),
    )


NO_STATUS_LINE: Final = "no status line of HTTP/1.1 or HTTP/1.0"


def _response_body(
    status: int, version: bytes, length: bytes | None, coding: bytes | None, *, to_head_request: bool
) -> tuple[Framing, int] | str:
    """How the response's body ends (RFC 9112 section 6.3); for HEAD and 304 the length is that of a body not sent."""
    number = None if length is None else length_of(length)
    if length is not None and number is None:
        return "Content-Length is no number"
    if length is not None and coding is not None:
        return "Transfer-Encoding with Content-Length"
    if coding is not None and not all(member.strip(b" \t") for member in coding.split(b",")):
        return (
            "an empty Transfer-Encoding"  # with a status that has no body, too: llhttp and others take it for an error
        )
    if status < 200 or status == 204:
        return Framing.NONE, 0
    if coding is not None:
        if not _is_chunked(coding) or version == b"1.0":
            return "a Transfer-Encoding other than chunked"
        return (Framing.NONE, 0) if to_head_request or status == 304 else (Framing.CHUNKED, 0)
    if number is not None:
        return Framing.LENGTH, number
    return (Framing.NONE, 0) if to_head_request or status == 304 else (Framing.CLOSE, 0)


def length_of(text: bytes) -> int | None:
    """The value of a Content-Length; None where it is no number, or one of more than 18 digits."""
    digits = text.strip(b" \t")
    return int(digits) if digits.isdigit() and len(digits) <= 18 else None


def _is_chunked(coding: bytes) -> bool:
    """Whether a Transfer-Encoding is chunked and nothing else; some readers do not take a tab for white space there."""
    return coding.strip(b" ").lower() == b"chunked"


def _keeps_alive(version: bytes, tokens: frozenset[bytes]) -> bool:
    """Whether the connection persists (RFC 9112 section 9.3)."""
    return b"keep-alive" in tokens if version == b"1.0" else b"close" not in tokens
