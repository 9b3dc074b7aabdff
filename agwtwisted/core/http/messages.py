"""HTTP messages as frozen values: what a reader of any version of HTTP hands on, and what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.http.header_lines import Header, value_of
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
"""Methods that are forwarded: those of HTTP and WebDAV that are registered, without CONNECT and TRACE."""

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))
"""Methods that may be sent twice (RFC 9110 section 9.2.2; TRACE is never forwarded)."""

_HOST = re.compile(rb"(?:([A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*\.?)|(\[[0-9A-Fa-f:.]+\]))(?::[0-9]{1,5})?")


class Mark(Enum):
    """What a reader says beside heads and bodies."""

    END = auto()  # the message is whole; not said of a request without a body
    NEED_DATA = auto()  # all that was fed is read
    PAUSED = auto()  # the message is whole; what follows it waits


# Before Python 3.12 to look up a member of an Enum takes as long as a call: those that each event needs have names.
END, NEED_DATA, PAUSED = Mark


class Framing(Enum):
    """How a body is framed (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


_NO_BODY = Framing.NONE


@value
class RequestHead:
    """A request's head, fit to forward."""

    method: bytes
    target: bytes  # origin-form or "*", path and query as they came
    version: bytes  # b"1.0", b"1.1" or b"2.0"
    host: str  # without port, lower case, no trailing dot; empty: HTTP/1.0 that names none
    authority: bytes  # the Host header as it came, or for HTTP/1.0 without one that of an absolute target
    headers: Sequence[Header]  # end-to-end ones; Host, the framing and managed names are not among them
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
    page: bool = True  # whether the answer has one; without, it ends with its head
    headers: Sequence[Header] = ()  # that the answer has besides


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


@value
class WholeResponse:
    """A response whose head and body came together, with nothing behind them; the body has a length, and may be empty.

    Its connection is as it was before the request: neither side has said that it ends.
    """

    head: ResponseHead
    octets: bytes  # head and body as they came
    begin: int  # of the body among them
    rendered: bytes  # the head as a client of HTTP/1.1 gets it whose connection stays; empty: as it came

    @property
    def body(self) -> bytes:
        """The body alone."""
        return self.octets[self.begin :]

    @property
    def message(self) -> bytes:
        """Head and body as a client of HTTP/1.1 gets them whose connection stays, and for which no head was changed."""
        return self.rendered + self.octets[self.begin :] if self.rendered else self.octets


@attrs.frozen
class UnfitResponse:
    """A response that is not passed on, or not to its end."""

    problem: str


@attrs.frozen
class BadRequest:
    """Why a request is not forwarded: the status of the page and the access log's `error_info`."""

    status: int
    error_info: ErrorInfo


def host_of(authority: bytes) -> str:
    """The host name of a Host header, lower case, without port and trailing dot; empty when it is none, or too long."""
    matched = _HOST.fullmatch(authority)
    if matched is None or len(matched[1] or matched[2]) > LONGEST_HOST:
        return ""
    return (matched[1] or matched[2]).decode("ascii").lower().removesuffix(".")


def tokens_of(value: bytes) -> frozenset[bytes]:
    """The members of a list, in lower case (RFC 9110 section 5.6.1)."""
    return frozenset(token.strip().lower() for token in value.split(b",")) if value else frozenset()


def is_event_stream(head: ResponseHead) -> bool:
    """Whether the body is a stream of server-sent events, which may go on for ever."""
    return value_of(head.headers, b"content-type").lower().startswith(b"text/event-stream")


def has_body(head: ResponseHead, *, to_head_request: bool) -> bool:
    """Whether bytes of a body follow this head."""
    return not (to_head_request or head.status in (204, 304) or head.status < 200 or head.framing is _NO_BODY)


def asks_for(head: RequestHead, protocol: bytes) -> bool:
    """Whether a request asks to be upgraded to this one protocol, among others perhaps."""
    return bool(protocol) and protocol.strip().lower() in tokens_of(head.upgrade)
