"""Heads that come whole and plain, cut into lines by patterns.

A pattern takes less than llhttp does: nothing but visible ASCII, no folding, no space at the end of a value, HTTP/1.1.
What it does not take says nothing about the message: llhttp reads that one. What it takes, llhttp would cut the same.
Either is read in less time than a parser of its own takes.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

import attrs

from agwtwisted.core.base.remembering import remembering_within
from agwtwisted.core.http.header_lines import HeaderBlock, HeaderLines
from agwtwisted.core.http.messages import (
    MAX_TARGET,
    OF_CONNECTION,
    BadRequest,
    Framing,
    HeaderNames,
    RequestHead,
    ResponseHead,
    request_head,
    response_head,
)

_LINES: Final = rb"((?:[%b]++:[\t\x20-\x7e]*+(?<![\t ])\r\n)+)\r\n"
_REQUEST_LINE: Final = re.compile(
    rb"(?:(GET|HEAD|OPTIONS|DELETE)|(POST|PUT|PATCH)) (/[\x21\x22\x24-\x7e]*) HTTP/1\.1\r\n"
)
_REQUEST_LINES: Final = re.compile(_LINES % rb"0-9A-Za-z-")
_RESPONSE: Final = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([\x21-\x7e][\t\x20-\x7e]*|)\r\n" + _LINES % rb"!#$%&'*+.^_`|~0-9A-Za-z-"
)
# A line of a response that is not simply passed on; the group is there if it is the length, in the form that ours has.
_SPECIAL: Final = re.compile(
    rb"(?i)\n(?:content-length: (0|[1-9][0-9]{0,17})(?=\r)|(?:%b):[^\r]*+)" % b"|".join(sorted(OF_CONNECTION))
)
_LINE: Final = re.compile(rb"([^:]++):[\t ]*+([^\r]*+)\r\n")

_SHORTEST_LINE: Final = 4
"""Bytes of a header line at least."""

MAX_HEADER_LINES: Final = 100
"""Lines of a head where nothing else is said."""

REMEMBERED: Final = 2 << 20
"""Bytes that the remembered header blocks of requests with a body may take, and of those without: two times so much."""


class PlainRequests:
    """Reads the heads of requests that have no body, or tell its length.

    A client's requests differ in their first lines, and seldom in the others: what these say is remembered by them.
    That is all of them, with whatever is secret there, in memory only and no longer than this lives.

    Args:
        names: which header names go where.
        max_header_lines: of a head; llhttp gets one that has more, and the reader refuses it.
    """

    def __init__(self, names: HeaderNames, *, max_header_lines: int = MAX_HEADER_LINES) -> None:
        self.names = names
        self._max_lines = max_header_lines
        self._said_without_body = remembering_within(partial(self._said, b"GET", Framing.NONE), REMEMBERED, _weight)
        self._said_with_body = remembering_within(partial(self._said, b"POST", Framing.LENGTH), REMEMBERED, _weight)

    def head(self, data: bytes, at: int = 0) -> RequestHead | None:
        """The head that begins at a place of `data` and has `RequestHead.size` bytes.

        None where it is another one, or none, and llhttp has to look.
        """
        line = _REQUEST_LINE.match(data, at)
        if line is None:
            return None
        method, with_body, target = line.groups()
        end = data.find(b"\r\n\r\n", line.end() - 2) + 4
        said = (self._said_with_body if with_body else self._said_without_body)(data[line.end() : end])
        if said is None or len(target) > MAX_TARGET:
            return None
        return RequestHead(
            method=with_body or method,
            target=target,
            version=said.version,
            host=said.host,
            authority=said.authority,
            headers=said.headers,
            user_agent=said.user_agent,
            forwarded_for=said.forwarded_for,
            framing=said.framing,
            content_length=said.content_length,
            expects_continue=said.expects_continue,
            keep_alive=said.keep_alive,
            size=end - at,
        )

    def _said(self, method: bytes, framing: Framing, lines: bytes) -> RequestHead | None:
        """The head of a request like this with these header lines, whatever its target; None: llhttp has to look."""
        matched = _REQUEST_LINES.fullmatch(lines)
        if matched is None or matched[1].count(b"\n") > self._max_lines:
            return None
        head = request_head(method, b"/", "1.1", _LINE.findall(matched[1]), self.names)
        if isinstance(head, BadRequest) or head.framing is not framing or head.upgrade:
            return None
        return attrs.evolve(head, headers=HeaderLines.of(head.headers))


def _weight(lines: bytes, head: RequestHead | None) -> int:
    """Bytes that header lines and what they say take: the lines twice, each name and value as an object, and a head."""
    return 800 + 3 * len(lines) + (0 if head is None else 140 * len(head.headers))


def plain_response(
    data: bytes, *, to_head_request: bool, max_lines: int = MAX_HEADER_LINES
) -> tuple[ResponseHead, int] | None:
    """The head that `data` begins with and how many bytes it has, of a response that tells its length.

    None where it is another one, or none, or has more than `max_lines` lines, and llhttp has to look. An interim
    response is another one.
    """
    matched = _RESPONSE.match(data)
    if matched is None:
        return None
    begin, end = matched.span(3)
    if end - begin > _SHORTEST_LINE * max_lines and data.count(b"\n", begin, end) > max_lines:
        return None
    special = _SPECIAL.search(data, begin - 1, end)
    if special is None:
        return None
    status, reason = int(matched[1]), matched[2]
    if special.lastindex and status != 204 and _SPECIAL.search(data, special.end(), end) is None:
        headers = HeaderBlock(matched[3])
        length = int(special[1])
        return ResponseHead(
            status=status, reason=reason, headers=headers, framing=Framing.LENGTH, content_length=length
        ), matched.end()
    lines = _LINE.findall(matched[3])
    head = response_head(status, reason, "1.1", lines, to_head_request=to_head_request)
    return (head, matched.end()) if isinstance(head, ResponseHead) and head.framing is Framing.LENGTH else None
