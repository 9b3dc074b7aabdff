"""Requests of HTTP/2 as those of HTTP/1.1: from a header list to the head that is forwarded (RFC 9113 section 8).

Here smuggling would begin: what is taken apart by lengths is sent on in lines, so that each name and value has to be
one that a line can hold, and whatever frames or routes a message must be there once and mean one thing. A list that
breaks the rules of `core.http2.field_rules` is malformed, and its stream is reset; one that keeps them and is not
forwarded, for what `core.http.request_rules` and others say of any version of HTTP, gets a page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final
from weakref import proxy

import attrs

from agwtwisted.core.base.remembering import remembering_within
from agwtwisted.core.http.framing import BODILESS, length_of
from agwtwisted.core.http.header_lines import Header, value_of
from agwtwisted.core.http.header_names import CONTENT_LENGTH, HOST, HeaderNames, SortedLines
from agwtwisted.core.http.heads import MAX_HEADER_LINES, REMEMBERED
from agwtwisted.core.http.messages import MAX_TARGET, BadRequest, Framing, RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.request_rules import RequestFraming, fit_request
from agwtwisted.core.http2.field_rules import (
    AUTHORITY,
    METHOD,
    PATH,
    PROTOCOL,
    SCHEME,
    MalformedRequest,
    PseudoFields,
    malformed_lines,
    parted,
)
from agwtwisted.core.http2.header_codec import Fields, list_size
from agwtwisted.core.http2.websockets import WEBSOCKET, upgrade_lines

VERSION: Final = b"2.0"

MAX_FIELD_LIST: Final = 16384
MAX_FIELD: Final = 8192
"""Limits of a header list and of one field, by `list_size`, where nothing else is said: those of the product."""

MAX_BODY: Final = 128 << 20

RECENT: Final = 256
_LONGEST_RECENT: Final = 1024
"""Whole requests that are remembered, and the octets of each at most, by `list_size` but for what :path takes."""

_USUAL_PATH: Final = re.compile(rb"/[\x21\x22\x24-\x7e]*")
_OF_FIELD: Final = 32  # what each field takes of a list beside its name and its value (RFC 7541 section 4.1)
_OF_PATH: Final = _OF_FIELD + len(PATH)
_SCHEMES: Final = frozenset((b"https", b"http"))
_GRPC: Final = re.compile(rb"application/grpc(?:[+;\t ].*)?", re.IGNORECASE)  # not application/grpc-web
_WITH_LENGTH: Final = frozenset((b"POST", b"PUT", b"PATCH"))
"""Methods of which a request without a body says that its length is 0 (RFC 9110 section 8.6)."""

_INVALID_TARGET: Final = BadRequest(400, ErrorInfo.REQUEST_URI_INVALID)
_INVALID_LENGTH: Final = BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH)
_INVALID_REQUEST: Final = BadRequest(400, ErrorInfo.INVALID_REQUEST)
_NO_HOST: Final = BadRequest(400, ErrorInfo.HTTP_NO_HOST_HEADER)
_TOO_MUCH: Final = BadRequest(413, ErrorInfo.INVALID_REQUEST)
_NO_GRPC: Final = BadRequest(415, ErrorInfo.INVALID_REQUEST)
_TOO_LARGE: Final = BadRequest(431, ErrorInfo.INVALID_REQUEST)
_UNKNOWN_PROTOCOL: Final = BadRequest(501, ErrorInfo.INVALID_METHOD)  # as RFC 9220 section 3 says for HTTP/3

_ADVICE: Final = (
    "gRPC is not forwarded: backends are asked in HTTP/1.1, which cannot carry it."
    " Use gRPC-Web, or a TCP listener, which passes connections on as they are."
)
_GRPC_HEADERS: Final = ((b"grpc-status", b"12"), (b"grpc-message", _ADVICE.encode()))  # UNIMPLEMENTED


class RequestTranslator:
    """Judges the header lists of requests; one for all clients of a port.

    A client's requests differ in their paths, and seldom in the other fields: what these say is remembered by them, as
    `core.http.heads.RequestParser` does.

    Args:
        names: which header names go where.
        new_key: makes a Sec-WebSocket-Key (RFC 6455 section 4.1), another one each time.
        max_list, max_field: octets of a header list and of a field, by `list_size`.
        max_lines: fields that are no pseudo-header fields and no crumbs of a cookie.
        max_body_bytes: of a body whose length is said ahead.
    """

    def __init__(
        self,
        names: HeaderNames,
        new_key: Callable[[], bytes],
        *,
        max_list: int = MAX_FIELD_LIST,
        max_field: int = MAX_FIELD,
        max_lines: int = MAX_HEADER_LINES,
        max_body_bytes: int = MAX_BODY,
    ) -> None:
        self._names = names
        self._new_key = new_key
        self._max_list = max_list
        self._max_field = max_field
        self._max_lines = max_lines
        self._max_body_bytes = max_body_bytes
        self._room = max_list - _OF_PATH
        self._longest_path = min(max_field - _OF_PATH, MAX_TARGET)
        usual = partial(RequestTranslator._usual, proxy(self))  # not in a circle, as in `RequestParser`
        self._usual_whole = remembering_within(partial(usual, True), REMEMBERED, _weight)
        self._usual_begun = remembering_within(partial(usual, False), REMEMBERED, _weight)
        self._recent: dict[Fields, RequestHead] = {}  # the same requests, path and all, without a body

    def request(self, fields: Fields, *, end_stream: bool, size: int) -> RequestHead | UnfitRequest | MalformedRequest:
        """What a header list asks for.

        A head with Framing.NONE has no body, even where DATA may follow; one with a length of 0 has an empty one, even
        where none does.

        Args:
            fields: the list, in its order.
            end_stream: whether no DATA follows.
            size: octets of the block that it came in.
        """
        if end_stream:
            recent = self._recent.get(fields)
            if recent is not None and recent.size == size:
                return recent
        at = _place_of_path(fields)
        path = fields[at][1] if at >= 0 else b""
        octets = len(path)
        if not octets or octets > self._longest_path or _USUAL_PATH.fullmatch(path) is None:
            return self._judged(fields, end_stream, size)
        usual_of = self._usual_whole if end_stream else self._usual_begun
        said = usual_of(fields[:at] + fields[at + 1 :])
        if said is None or said.size + octets > self._room:
            return self._judged(fields, end_stream, size)
        head = RequestHead(
            method=said.method,
            target=path,
            version=VERSION,
            host=said.host,
            authority=said.authority,
            headers=said.headers,
            user_agent=said.user_agent,
            forwarded_for=said.forwarded_for,
            framing=said.framing,
            content_length=said.content_length,
            expects_continue=said.expects_continue,
            size=size,
        )
        if end_stream and said.size + octets <= _LONGEST_RECENT:
            if len(self._recent) == RECENT:
                self._recent.clear()
            self._recent[fields] = head
        return head

    def trailers(self, fields: Fields) -> MalformedRequest | None:
        """Why a trailer section is none. It is not forwarded, but must not have what could be taken for a header."""
        if len(fields) > self._max_lines or list_size(fields) > self._max_list:
            return MalformedRequest("trailers are too large")
        for name, _ in fields:
            if name == CONTENT_LENGTH or self._names.is_managed(name):
                return MalformedRequest("a trailer with the name of a header")
        return malformed_lines(fields)

    # -- how it is found out

    def _usual(self, end_stream: bool, others: Fields) -> RequestHead | None:
        """The head of a request with these other fields, whatever its path; None: it has to be judged.

        Its size is that of the other fields by `list_size`.
        """
        sound = parted(((PATH, b"/"), *others))
        if isinstance(sound, MalformedRequest) or sound[0][METHOD] == b"CONNECT" or self._is_too_large(others):
            return None
        lines = self._names.sort(_with_one_cookie(sound[1]))
        if isinstance(lines, BadRequest) or lines.odd:  # each odd name is counted
            return None
        head = self._fit(sound[0], lines, end_stream, list_size(others))
        return head if isinstance(head, RequestHead) else None

    def _judged(self, fields: Fields, end_stream: bool, size: int) -> RequestHead | UnfitRequest | MalformedRequest:
        sound = parted(fields)
        if isinstance(sound, MalformedRequest):
            return sound
        pseudo, lines = sound
        found = self._answered(fields, pseudo, lines, end_stream, size)
        return _unfit(found, pseudo, lines, size) if isinstance(found, BadRequest) else found

    def _answered(
        self, fields: Fields, pseudo: PseudoFields, lines: Fields, end_stream: bool, size: int
    ) -> RequestHead | MalformedRequest | BadRequest:
        if self._is_too_large(fields):
            return _TOO_LARGE
        found = self._names.sort(_with_one_cookie(lines))
        if isinstance(found, BadRequest):
            return found
        for name in found.odd:
            self._names.drop(name)
        return self._fit(pseudo, found, end_stream, size)

    def _fit(
        self, pseudo: PseudoFields, lines: SortedLines, end_stream: bool, size: int
    ) -> RequestHead | MalformedRequest | BadRequest:
        """The head of a request whose fields are sound."""
        method = pseudo[METHOD]
        if PROTOCOL in pseudo:
            return self._websocket(pseudo, lines, end_stream, size)
        if pseudo.get(SCHEME, b"https").lower() not in _SCHEMES:
            return _INVALID_TARGET
        framing = self._framing(method, lines.special, end_stream)
        if isinstance(framing, MalformedRequest):
            return framing
        if method == b"POST" and _GRPC.fullmatch(value_of(lines.headers, b"content-type")):
            return _NO_GRPC
        return fit_request(method, pseudo.get(PATH, b""), _authority(pseudo, lines), lines, framing, size)

    def _framing(
        self, method: bytes, special: dict[bytes, bytes], end_stream: bool
    ) -> RequestFraming | MalformedRequest | BadRequest:
        """How the body is sent on: its end is that of the stream, and its length is the one that is said."""
        said = special.get(CONTENT_LENGTH)
        if said is None:
            if not end_stream:
                return _CHUNKED
            return _EMPTY if method in _WITH_LENGTH else _NO_BODY
        length = length_of(said)
        if length is None:
            return _INVALID_LENGTH
        if length and end_stream:
            return MalformedRequest("a Content-Length without DATA")
        if length > self._max_body_bytes:
            return _TOO_MUCH
        if not length:
            return _NO_BODY if method in BODILESS else _EMPTY
        return RequestFraming(version=VERSION, framing=Framing.LENGTH, content_length=length)

    def _websocket(
        self, pseudo: PseudoFields, lines: SortedLines, end_stream: bool, size: int
    ) -> RequestHead | MalformedRequest | BadRequest:
        """An extended CONNECT as a request for an upgrade (RFC 8441 section 5)."""
        if pseudo[PROTOCOL] != WEBSOCKET:
            return _UNKNOWN_PROTOCOL
        if pseudo[SCHEME].lower() not in _SCHEMES:
            return _INVALID_TARGET
        if end_stream:
            return MalformedRequest("a tunnel that is closed")
        if length_of(lines.special.get(CONTENT_LENGTH, b"0")) != 0:
            return _INVALID_REQUEST
        lines = attrs.evolve(lines, headers=upgrade_lines(lines.headers, self._new_key()))
        framing = RequestFraming(version=VERSION, upgrade=WEBSOCKET)
        return fit_request(b"GET", pseudo[PATH], _authority(pseudo, lines), lines, framing, size)

    def _is_too_large(self, fields: Fields) -> bool:
        """Whether a list is over a limit, or one of its fields."""
        octets = [len(name) + len(value) for name, value in fields]
        return (
            sum(octets) + _OF_FIELD * len(octets) > self._max_list
            or max(octets, default=0) + _OF_FIELD > self._max_field
            or (len(octets) > self._max_lines and _lines_of(fields) > self._max_lines)
        )


def _lines_of(fields: Fields) -> int:
    """Header lines that the fields of a list become; the crumbs of a cookie are in one of them."""
    return sum([name[:1] != b":" and name != b"cookie" for name, _ in fields])


_NO_BODY: Final = RequestFraming(version=VERSION)
_EMPTY: Final = RequestFraming(version=VERSION, framing=Framing.LENGTH)
_CHUNKED: Final = RequestFraming(version=VERSION, framing=Framing.CHUNKED)


def _place_of_path(fields: Fields) -> int:
    """Where :path stands among the pseudo-header fields at the beginning; -1: nowhere."""
    for at, field in enumerate(fields):
        name = field[0]
        if name == PATH:
            return at
        if name[:1] != b":":
            return -1
    return -1


def _authority(pseudo: PseudoFields, lines: SortedLines) -> bytes | BadRequest:
    """What the request is for: :authority, or else the Host header (RFC 9113 section 8.3.1)."""
    authority = pseudo.get(AUTHORITY, lines.special.get(HOST))
    if authority is None:
        return _NO_HOST
    return authority or BadRequest(400, ErrorInfo.INVALID_HOST)


def _with_one_cookie(lines: Fields) -> Fields:
    """The same with the crumbs of Cookie in one field, where the first one was (RFC 9113 section 8.2.3).

    Empty ones are left out: white space would be at an end of the value.
    """
    crumbs = [value for name, value in lines if name == b"cookie"]
    if len(crumbs) < 2:
        return lines
    whole: Header = (b"cookie", b"; ".join(filter(None, crumbs)))
    first = next(at for at, line in enumerate(lines) if line[0] == b"cookie")
    return (*lines[:first], whole, *[line for line in lines[first:] if line[0] != b"cookie"])


def _unfit(bad: BadRequest, pseudo: PseudoFields, lines: Fields, size: int) -> UnfitRequest:
    """A request that the gateway itself answers: with a page, or gRPC in the way that its clients understand.

    They read a status only of an answer that is its head alone ("Trailers-Only" in the protocol of gRPC over HTTP/2).
    """
    is_grpc = bad is _NO_GRPC
    return UnfitRequest(
        status=bad.status,
        error_info=bad.error_info,
        method=pseudo[METHOD],
        target=pseudo.get(PATH, b""),
        version=VERSION,
        authority=pseudo.get(AUTHORITY, value_of(lines, HOST)),
        user_agent=value_of(lines, b"user-agent"),
        size=size,
        page=not is_grpc,
        headers=_GRPC_HEADERS if is_grpc else (),
    )


def _weight(others: Fields, head: RequestHead | None) -> int:
    """Bytes that fields and what they say take: each as a tuple of two objects, and its line in a head."""
    size = list_size(others) if head is None else head.size
    return 1000 + 4 * size + (120 if head is None else 260) * len(others)
