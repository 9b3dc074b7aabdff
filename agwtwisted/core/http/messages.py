"""HTTP messages as frozen values, and what makes a request unfit to forward.

llhttp does the framing; what it lets pass and a gateway must not forward is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.http.header_lines import Header, value_of
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from agwtwisted.core.http.pages import ErrorInfo

MAX_TARGET = 32768
"""Bytes of a URL at most (the product's limit)."""

LONGEST_HOST = 255
"""Octets of a host name: none that can be looked up has more (RFC 1035 section 2.3.4)."""

METHODS = frozenset(
    b"ACL BIND CHECKOUT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY OPTIONS"
    b" PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SUBSCRIBE UNBIND UNLINK UNLOCK"
    b" UNSUBSCRIBE".split()
)
"""Methods that are forwarded: those llhttp knows without CONNECT, TRACE and the ones of RTSP and ICE."""

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
"""Methods that may be sent twice (RFC 9110 section 9.2.2; TRACE is never forwarded)."""


# An Upgrade that cannot be granted is passed over, and the request answered in the protocol at hand (RFC 9110 section
# 7.8): one of HTTP/1.0, one with a body, and one to a protocol that carries HTTP. WebSocket with a body is a mistake of
# the client's that must not look like an answer (RFC 6455 section 4.1 knows GET alone).
_CARRIES_HTTP = re.compile(rb"(?:^|,)[ \t]*(?:h[23]c?|http|tls)[ \t]*(?:[-/,]|$)", re.IGNORECASE)
"""Protocols that no connection is upgraded to: requests inside them would pass by routing and managed headers."""


class Framing(Enum):
    """How the end of a body is told (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


@value(kw_only=True)
class RequestHead:
    """A request's head, fit to forward."""

    method: bytes
    target: bytes  # origin-form or "*", path and query as they came
    version: bytes  # b"1.0" or b"1.1"
    host: str  # without port, lower case, no trailing dot; empty: HTTP/1.0 that names none
    authority: bytes  # the Host header as it came, or for HTTP/1.0 without one that of an absolute target
    headers: tuple[Header, ...]  # end-to-end ones; Host, the framing and managed names are not among them
    user_agent: bytes = b""
    forwarded_for: bytes = b""  # X-Forwarded-For as it came, several lines joined
    framing: Framing = Framing.NONE
    content_length: int = 0  # with Framing.LENGTH
    upgrade: bytes = b""  # the protocols asked for with Connection: upgrade that a server may switch to
    expects_continue: bool = False
    keep_alive: bool = True
    size: int = 0  # bytes of the head as it came


@attrs.frozen(kw_only=True)
class UnfitRequest:
    """A request that is answered by the gateway itself, as far as it could be read."""

    status: int
    error_info: ErrorInfo
    method: bytes = b""
    target: bytes = b""
    version: bytes = b"1.1"
    authority: bytes = b""
    user_agent: bytes = b""
    size: int = 0
    keep_alive: bool = False


@value(kw_only=True)
class ResponseHead:
    """A response's head, without what concerned only the backend's connection."""

    status: int
    reason: bytes
    headers: Sequence[Header]  # end-to-end ones, Content-Length not among them
    framing: Framing
    content_length: int = 0  # with Framing.LENGTH
    upgrade: bytes = b""  # of a 101
    keep_alive: bool = True


@attrs.frozen
class BadRequest:
    """Why a request is not forwarded: the status of the page and the access log's `error_info`."""

    status: int
    error_info: ErrorInfo


# What is done with a header line: what its name is for us. Plain bytes: an Enum's hash is computed in Python.
_END_TO_END = b""
_DROPPED = b"-"  # hop-by-hop or managed: never forwarded as it came
_ODD = b"?"  # outside [A-Za-z0-9-]
_AUTHORIZATION = b"authorization"
_CONNECTION = b"connection"
_CONTENT_LENGTH = b"content-length"
_EXPECT = b"expect"
_FORWARDED_FOR = b"x-forwarded-for"
_HOST_NAME = b"host"
_TRANSFER_ENCODING = b"transfer-encoding"
_UPGRADE = b"upgrade"
_USER_AGENT = b"user-agent"

_SPECIAL = frozenset(
    (
        _AUTHORIZATION,
        _CONNECTION,
        _CONTENT_LENGTH,
        _EXPECT,
        _FORWARDED_FOR,
        _HOST_NAME,
        _TRANSFER_ENCODING,
        _UPGRADE,
        _USER_AGENT,
    )
)
_FORWARDED = frozenset((_AUTHORIZATION, _FORWARDED_FOR, _USER_AGENT))  # special ones that backends get of the client
# RFC 9110 section 7.6.1, and what HTTP/2 upgrades and older proxies use.
_HOP_BY_HOP = frozenset((b"http2-settings", b"keep-alive", b"proxy-connection", b"te", b"trailer"))
_FORWARDABLE_NAME = re.compile(rb"[A-Za-z0-9-]+")
_TARGET = re.compile(rb"[\x21\x22\x24-\x7e]+")  # printable ASCII without "#"
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)(.*)")
_HOST = re.compile(rb"(?:([A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*\.?)|(\[[0-9A-Fa-f:.]+\]))(?::[0-9]{1,5})?")
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # RFC 9112 section 4; llhttp takes any byte but CR and LF
_REMEMBERED_NAMES = 1024
_LONGEST_REMEMBERED = 64

_INVALID_REQUEST = BadRequest(400, ErrorInfo.INVALID_REQUEST)
_INVALID_HOST = BadRequest(400, ErrorInfo.INVALID_HOST)
_INVALID_LENGTH = BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH)
_INVALID_TARGET = BadRequest(400, ErrorInfo.REQUEST_URI_INVALID)


class HeaderNames:
    """Sorts header names, each looked at once: the names that clients send are few and the same.

    Args:
        managed: further names, in canonical form, that clients may not set.
        reject_odd: whether a name outside ``[A-Za-z0-9-]`` makes the request bad; else its line is dropped.
        tell_dropped: is told such a name and how often it was dropped: the 1st time, the 10th, the 100th and so on.
    """

    def __init__(
        self,
        managed: frozenset[bytes] = frozenset(),
        *,
        reject_odd: bool = False,
        tell_dropped: Callable[[bytes, int], None] | None = None,
    ) -> None:
        self.reject_odd = reject_odd
        self._tell_dropped = tell_dropped
        self._dropped: dict[bytes, int] = {}
        self._managed = MANAGED_NAMES | managed
        self.known: dict[bytes, bytes] = {}  # what `kind` said of names that came before

    def kind(self, name: bytes) -> bytes:
        """What is done with a line of this name: its lower case where it is a special one."""
        kind = self.known.get(name)
        if kind is None:
            kind = self._sorted(name)
            if len(self.known) < _REMEMBERED_NAMES and len(name) <= _LONGEST_REMEMBERED:
                self.known[name] = kind
        return kind

    def drop(self, name: bytes) -> None:
        """Counts a line that is dropped for its name; beyond `_REMEMBERED_NAMES` of them, new ones are not counted.

        Long names count by how they begin: they are kept, and anybody can send them.
        """
        name = name[:_LONGEST_REMEMBERED]
        count = self._dropped.get(name, 0) + 1
        if count == 1 and len(self._dropped) >= _REMEMBERED_NAMES:
            return
        self._dropped[name] = count
        if self._tell_dropped is not None and str(count).strip("0") == "1":
            self._tell_dropped(name, count)

    def is_managed(self, name: bytes) -> bool:
        """Whether clients may not set this name, in whatever spelling."""
        return canonical(name) in self._managed

    def _sorted(self, name: bytes) -> bytes:
        lower = name.lower()
        if lower in _SPECIAL and not (lower in _FORWARDED and lower in self._managed):
            return lower
        if self.is_managed(name) or lower in _HOP_BY_HOP:
            return _DROPPED
        return _END_TO_END if _FORWARDABLE_NAME.fullmatch(name) else _ODD


def request_head(
    method: bytes, target: bytes, version: str, lines: Sequence[Header], names: HeaderNames, size: int = 0
) -> RequestHead | BadRequest:
    """Makes a head that is fit to forward, or says why there is none.

    Args:
        method, target, version, lines: as llhttp gave them.
        names: which header names go where.
        size: of the whole head, in bytes.
    """
    if version not in _VERSIONS:
        return BadRequest(400, ErrorInfo.INVALID_09_METHOD if version == "0.9" else ErrorInfo.INVALID_VERSION)
    if method not in METHODS:
        return _unforwarded_method(method)
    headers: list[Header] = []
    special: dict[bytes, bytes] = {}
    known = names.known.get
    for line in lines:
        kind = known(line[0])
        if kind is None:
            kind = names.kind(line[0])
        if kind is _END_TO_END:
            headers.append(line)
        elif kind is _ODD:
            if names.reject_odd:
                return _INVALID_REQUEST
            names.drop(line[0])
        elif kind is not _DROPPED:
            if kind in special and kind not in _REPEATABLE:
                return _REPEATED.get(kind, _INVALID_REQUEST)
            if kind in _LOOKED_AT:
                headers.append(line)
            special[kind] = special[kind] + b", " + line[1] if kind in special else line[1]
    return _head(method, target, version, headers, special, size)


_LOOKED_AT = frozenset((_AUTHORIZATION, _USER_AGENT))  # and forwarded as they came
_REPEATABLE = frozenset((_CONNECTION, _FORWARDED_FOR, _UPGRADE, _USER_AGENT))
_REPEATED = {_HOST_NAME: _INVALID_HOST, _CONTENT_LENGTH: _INVALID_LENGTH}


def _unforwarded_method(method: bytes) -> BadRequest:
    if method == b"TRACE":
        return BadRequest(405, ErrorInfo.INVALID_METHOD_TRACE)
    return BadRequest(405 if method == b"CONNECT" else 400, ErrorInfo.INVALID_METHOD)


def _head(
    method: bytes,
    target: bytes,
    version: str,
    headers: list[Header],
    special: dict[bytes, bytes],
    size: int,
) -> RequestHead | BadRequest:
    if _HOST_NAME in special:
        authority = special[_HOST_NAME].strip(b" \t")
    elif version == "1.0":  # which knows no Host (RFC 9112 section 3.2)
        absolute = _ABSOLUTE.fullmatch(target)
        authority = b"" if absolute is None else absolute[1]
    else:
        return BadRequest(400, ErrorInfo.HTTP_NO_HOST_HEADER)
    host = _known_host_of(authority) if len(authority) <= _LONGEST_REMEMBERED else host_of(authority)
    if not host and (authority or _HOST_NAME in special):
        return _INVALID_HOST
    origin = _origin_form(method, target, authority)
    if isinstance(origin, BadRequest):
        return origin
    framing = _framing(method, version, special)
    if isinstance(framing, BadRequest):
        return framing
    tokens, upgrade = _NO_TOKENS, b""
    if _CONNECTION in special:
        tokens = _tokens(special[_CONNECTION])
        if not tokens <= _COMMON_TOKENS:
            headers = [line for line in headers if line[0].lower() not in tokens]
        if _UPGRADE in special and b"upgrade" in tokens and version == "1.1":
            upgrade = special[_UPGRADE]
            if framing[0] is Framing.CHUNKED or framing[1]:
                if b"websocket" in _tokens(upgrade):
                    return _INVALID_REQUEST
                upgrade = b""
            elif _CARRIES_HTTP.search(upgrade):
                upgrade = b""
    return RequestHead(
        method=method,
        target=origin,
        version=_VERSIONS[version],
        host=host,
        authority=authority,
        headers=tuple(headers),
        user_agent=special.get(_USER_AGENT, b""),
        forwarded_for=special.get(_FORWARDED_FOR, b""),
        framing=framing[0],
        content_length=framing[1],
        upgrade=upgrade,
        expects_continue=_EXPECT in special and special[_EXPECT].lower() == b"100-continue" and version == "1.1",
        keep_alive=b"keep-alive" in tokens if version == "1.0" else b"close" not in tokens,
        size=size,
    )


_VERSIONS = {"1.1": b"1.1", "1.0": b"1.0"}
_NO_TOKENS: frozenset[bytes] = frozenset()
_COMMON_TOKENS = frozenset((b"close", b"keep-alive", b"upgrade"))


def host_of(authority: bytes) -> str:
    """The host name of a Host header, lower case, without port and trailing dot; empty when it is none, or too long."""
    matched = _HOST.fullmatch(authority)
    if matched is None or len(matched[1] or matched[2]) > LONGEST_HOST:
        return ""
    return (matched[1] or matched[2]).decode("ascii").lower().removesuffix(".")


_known_host_of = lru_cache(maxsize=_REMEMBERED_NAMES)(host_of)


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
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return _INVALID_TARGET
    if absolute[1].lower() != authority.lower():
        return _INVALID_HOST
    rest = absolute[2]
    return rest if rest.startswith(b"/") else b"/" + rest


def _framing(method: bytes, version: str, special: dict[bytes, bytes]) -> tuple[Framing, int] | BadRequest:
    length = special.get(_CONTENT_LENGTH)
    coding = special.get(_TRANSFER_ENCODING)
    if coding is not None:
        if length is not None or version == "1.0" or coding.strip().lower() != b"chunked":
            return _INVALID_REQUEST
        return Framing.CHUNKED, 0
    if length is not None:
        length = length.strip()
        if not length.isdigit() or len(length) > 18:
            return _INVALID_LENGTH
        number = int(length)
        return (Framing.LENGTH, number) if number or method not in _BODILESS else (Framing.NONE, 0)
    # The product refuses a POST that tells no length.
    return _INVALID_LENGTH if method == b"POST" else (Framing.NONE, 0)


_BODILESS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"DELETE"))


def _tokens(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip().lower() for token in value.split(b",")) if value else frozenset()


def response_head(
    status: int, reason: bytes, version: str, lines: Sequence[Header], *, to_head_request: bool
) -> ResponseHead | str:
    """Makes the head of a backend's response, or says what makes it one that cannot be passed on."""
    if version not in _VERSIONS or status < 100 or not (reason == b"OK" or _REASON.fullmatch(reason)):
        return "no status line of HTTP/1.1 or HTTP/1.0"
    headers: list[Header] = []
    special: dict[bytes, bytes] = {}
    for line in lines:
        lower = line[0].lower()
        if lower not in OF_CONNECTION:
            headers.append(line)
        elif lower not in special or lower == _UPGRADE:
            special[lower] = line[1]
        elif lower == _CONTENT_LENGTH:
            return "several Content-Length"
        else:
            special[lower] += b", " + line[1]
    tokens, upgrade = _NO_TOKENS, special.get(_UPGRADE, b"")
    if _CONNECTION in special:
        tokens = _tokens(special[_CONNECTION])
        if not tokens <= _COMMON_TOKENS:
            headers = [line for line in headers if line[0].lower() not in tokens]
    if status == 101 and not (upgrade and b"upgrade" in tokens):
        return "a 101 that does not say what it switches to"
    coding = special.get(_TRANSFER_ENCODING)
    framing = _response_framing(status, version, special.get(_CONTENT_LENGTH), coding, to_head_request=to_head_request)
    if isinstance(framing, str):
        return framing
    keep_alive = b"keep-alive" in tokens if version == "1.0" else b"close" not in tokens
    return ResponseHead(
        status=status,
        reason=reason,
        headers=tuple(headers),
        framing=framing[0],
        content_length=framing[1],
        upgrade=upgrade if status == 101 else b"",
        # After a head without a body that speaks of chunks llhttp would not tell what is left over.
        keep_alive=keep_alive and (coding is None or not to_head_request),
    )


OF_CONNECTION = frozenset((_CONTENT_LENGTH, _TRANSFER_ENCODING, _CONNECTION, _UPGRADE)) | _HOP_BY_HOP
"""Names, in lower case, of a response's headers that concern the backend's connection alone."""


def _response_framing(
    status: int, version: str, length: bytes | None, coding: bytes | None, *, to_head_request: bool
) -> tuple[Framing, int] | str:
    """How the response's body ends (RFC 9112 section 6.3); for HEAD and 304 the length is that of a body not sent."""
    length = length and length.strip()
    if length is not None and (not length.isdigit() or len(length) > 18):
        return "Content-Length is no number"
    if status < 200 or status == 204:
        return Framing.NONE, 0
    if coding is not None:
        if length is not None:
            return "Transfer-Encoding with Content-Length"
        if coding.strip().lower() != b"chunked" or version == "1.0":
            return "a Transfer-Encoding other than chunked"
        return (Framing.NONE, 0) if to_head_request or status == 304 else (Framing.CHUNKED, 0)
    if length is not None:
        return Framing.LENGTH, int(length)
    return (Framing.NONE, 0) if to_head_request or status == 304 else (Framing.CLOSE, 0)


def is_event_stream(head: ResponseHead) -> bool:
    """Whether the body is a stream of server-sent events, which may go on for ever."""
    return value_of(head.headers, b"content-type").lower().startswith(b"text/event-stream")


def has_body(head: ResponseHead, *, to_head_request: bool) -> bool:
    """Whether bytes of a body follow this head."""
    return not (to_head_request or head.status in (204, 304) or head.status < 200 or head.framing is Framing.NONE)


def asks_for(head: RequestHead, protocol: bytes) -> bool:
    """Whether a request asks to be upgraded to this one protocol, among others perhaps."""
    return bool(protocol) and protocol.strip().lower() in _tokens(head.upgrade)
