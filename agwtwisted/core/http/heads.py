"""The grammar of heads in HTTP/1.1 and 1.0: one for each head, however it comes (RFC 9112 sections 2 to 5).

Nothing is taken that llhttp refuses, which the tests and the fuzzer ask. What is cut here `core.http.framing` judges.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final
from weakref import proxy

from agwtwisted.core.base.remembering import remembering_within
from agwtwisted.core.http.framing import OF_CONNECTION, request_head, request_of, response_head
from agwtwisted.core.http.header_lines import Header, HeaderBlock, value_of
from agwtwisted.core.http.header_names import TRANSFER_ENCODING, HeaderNames
from agwtwisted.core.http.messages import MAX_TARGET, BadRequest, Framing, RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo

# Groups are not possessive: early releases of Python 3.11 have a defect in those that fail late. No line can begin as
# the end of a head does, so that nothing is tried again all the same.
_LINES: Final = rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*"

HEADER_LINES: Final = re.compile(_LINES)
"""Header lines from a place on, as far as they are whole and sound."""

_BLOCK: Final = re.compile(rb"(%b)\r\n" % _LINES)
_LINE: Final = re.compile(rb"([^:\r]++):[\t ]*+([^\r]*+)\r\n")

REQUEST_LINE: Final = re.compile(
    rb"([A-Z_-]{1,24}+) ++(?:(/[\x21\x22\x24-\x7e]*+)(?= )|([^\r\n ]++)) ++HTTP/(?:1\.1|([0-9]\.[0-9]))\r\n"
)
"""Method, target in origin-form or another one, and the version where it is not 1.1."""

FIRST_LINE: Final = re.compile(rb"%b|[A-Z_-]{1,24}+ ++[^\r\n ]++ *+\r\n" % REQUEST_LINE.pattern)
"""The same, or the line of a request of HTTP/0.9: that one is refused once its head is whole, as any other version."""

REQUEST_LINE_BEGUN: Final = re.compile(rb"[A-Z_-]{1,24}+(?: |\Z)")
"""What may become a request line."""

_UP_TO_END_OF_LINE: Final = re.compile(rb"[^\r\n]*+")
_METHOD_AND_TARGET: Final = re.compile(rb"([A-Z_-]{1,24}+) ++([^\r\n ]*+)")
_METHOD: Final = re.compile(rb"[A-Z_-]{1,24}+ ")

STATUS_LINE: Final = re.compile(rb"HTTP/(?:1\.1|([0-9]\.[0-9])) ([0-9]{3})(?: ([\t\x20-\x7e\x80-\xff]*+))?\r\n")
"""The version where it is not 1.1, status, and reason phrase if there is a space for one."""

STATUS_LINE_BEGUN: Final = re.compile(rb"HTTP/|(?:H|HT|HTT|HTTP)\Z")
"""What may become a status line."""

RESPONSE: Final = re.compile(STATUS_LINE.pattern + _BLOCK.pattern)
"""A whole head of a response: the groups of `STATUS_LINE`, and the header lines."""

# A line of a response that is not simply passed on; the group is there if it is the length, in the form that ours has.
_SPECIAL: Final = re.compile(
    rb"(?i)\n(?:content-length: (0|[1-9][0-9]{0,17})(?=\r)|(?:%b):[^\r]*+)" % b"|".join(sorted(OF_CONNECTION))
)

LONGEST_REQUEST_LINE: Final = MAX_TARGET + 64
"""Octets of a request's first line at most."""

LONGEST_STATUS_LINES: Final = 1024
"""Octets of a response's heads, beside its header lines, that do not count as `max_header_bytes`."""

MAX_HEADER_BYTES: Final = 32768
MAX_HEADER_LINES: Final = 100
"""Limits of a head where nothing else is said."""

REMEMBERED: Final = 2 << 20
"""Bytes that the remembered header blocks of requests with a body may take, and of those without: two times so much."""

_BY_LENGTH: Final = Framing.LENGTH
_INVALID_REQUEST: Final = BadRequest(400, ErrorInfo.INVALID_REQUEST)


def cut(lines: bytes) -> list[Header]:
    """Names and values of whole header lines, without the white space around the values."""
    pairs = _LINE.findall(lines)
    if b" \r" in lines or b"\t\r" in lines:
        # A coding keeps its end: some readers take no tab for white space behind it, and others do.
        return [(name, text if name.lower() == TRANSFER_ENCODING else text.rstrip(b"\t ")) for name, text in pairs]
    return pairs


class RequestParser:
    """Cuts and judges the heads of requests; one for all clients of a port.

    A client's requests differ in their first lines, and seldom in the others: what these say is remembered by them.
    That is all of them, with whatever is secret there, in memory only and no longer than this lives.

    Args:
        names: which header names go where.
        max_header_bytes, max_header_lines: of the header lines of a head.
    """

    def __init__(
        self,
        names: HeaderNames,
        *,
        max_header_bytes: int = MAX_HEADER_BYTES,
        max_header_lines: int = MAX_HEADER_LINES,
    ) -> None:
        self.names = names
        self.max_header_bytes = max_header_bytes
        self.max_header_lines = max_header_lines
        usual = partial(RequestParser._usual, proxy(self))  # not in a circle: what is remembered goes with this at once
        without_body = remembering_within(partial(usual, b"GET"), REMEMBERED, _weight)
        with_body = remembering_within(partial(usual, b"POST"), REMEMBERED, _weight)
        self._usual_of = {
            **dict.fromkeys((b"GET", b"HEAD", b"OPTIONS", b"DELETE"), without_body),
            **dict.fromkeys((b"POST", b"PUT", b"PATCH"), with_body),
        }.get

    def usual(self, data: bytes, at: int = 0) -> RequestHead | None:
        """The head that begins at a place of `data` and has `RequestHead.size` bytes, where it is a usual one.

        None where it is not whole, not usual, or not fit, which `judge` finds out.
        """
        line = REQUEST_LINE.match(data, at)
        if line is None or line.lastindex != 2:
            return None
        method, target, _, _ = line.groups()
        usual_of = self._usual_of(method)
        if usual_of is None:
            return None
        begin = line.end()
        end = data.find(b"\r\n\r\n", begin - 2) + 4
        said = usual_of(data[begin:end])
        if said is None or len(target) > MAX_TARGET or begin - at > LONGEST_REQUEST_LINE:
            return None
        # By position, in the order of the fields: by name it takes half as long again.
        return RequestHead(
            method,
            target,
            b"1.1",
            said.host,
            said.authority,
            said.headers,
            said.user_agent,
            said.forwarded_for,
            said.framing,
            said.content_length,
            b"",
            said.expects_continue,
            said.keep_alive,
            end - at,
        )

    def judge(self, octets: bytes) -> RequestHead | UnfitRequest:
        """The head that `octets` are, or why they are none; a beginning is none."""
        line = REQUEST_LINE.match(octets)
        if line is None or line.end() > LONGEST_REQUEST_LINE:
            return self.refused(octets, _bad_request_line(octets))
        lines = self._lines(octets[line.end() :])
        if isinstance(lines, BadRequest):
            return self.refused(octets, lines)
        method, target, other_target, version = line.groups()
        head = request_head(method, target or other_target, version or b"1.1", lines, self.names, len(octets))
        return self.refused(octets, head) if isinstance(head, BadRequest) else head

    def refused(self, octets: bytes, bad: BadRequest) -> UnfitRequest:
        """A request that is refused, with what its head says, as far as that came and is sound."""
        begun = _METHOD_AND_TARGET.match(octets)
        method, target = (b"", b"") if begun is None else begun.groups()
        line = REQUEST_LINE.match(octets)
        lines = None if line is None else HEADER_LINES.match(octets, line.end())
        headers = [] if lines is None else cut(lines[0])
        return UnfitRequest(
            status=bad.status,
            error_info=bad.error_info,
            method=method,
            target=target,
            authority=value_of(headers, b"host"),
            user_agent=value_of(headers, b"user-agent"),
            size=len(octets),
        )

    def _lines(self, block: bytes) -> list[Header] | BadRequest:
        """The header lines of a block that ends with an empty line."""
        matched = _BLOCK.fullmatch(block)
        if matched is None or len(block) - 2 > self.max_header_bytes or block.count(b"\n") - 1 > self.max_header_lines:
            return _INVALID_REQUEST
        return cut(matched[1])

    def _usual(self, method: bytes, block: bytes) -> RequestHead | None:
        """The head of a request like this with these header lines, whatever its target; None: it has to be judged."""
        lines = self._lines(block)
        if isinstance(lines, BadRequest):
            return None
        found = self.names.sort(lines)
        if isinstance(found, BadRequest) or found.odd:  # each odd name is counted
            return None
        head = request_of(method, b"/", b"1.1", found)
        return None if isinstance(head, BadRequest) or head.upgrade else head


def _weight(block: bytes, head: RequestHead | None) -> int:
    """Bytes that header lines and what they say take: the lines twice, each name and value as an object, and a head."""
    return 800 + 3 * len(block) + (0 if head is None else 140 * len(head.headers))


def _bad_request_line(octets: bytes) -> BadRequest:
    """What is wrong with a first line that is none of a request, or with its beginning; methods first."""
    if _METHOD.match(octets) is None:
        return BadRequest(400, ErrorInfo.INVALID_METHOD)
    line = _UP_TO_END_OF_LINE.match(octets)
    end = 0 if line is None else line.end()
    if end + 2 > LONGEST_REQUEST_LINE:
        return BadRequest(414, ErrorInfo.REQUEST_URI_INVALID)
    if not octets.startswith(b"\r\n", end):
        return _INVALID_REQUEST
    _, space, protocol = octets[:end].partition(b" ")[2].lstrip(b" ").partition(b" ")
    protocol = protocol.lstrip(b" ")
    if not space:
        return BadRequest(400, ErrorInfo.INVALID_09_METHOD)
    if protocol.startswith(b"RTSP/"):
        return BadRequest(400, ErrorInfo.INVALID_VERSION)
    if protocol.startswith(b"ICE/"):
        return BadRequest(400, ErrorInfo.INVALID_METHOD)
    return _INVALID_REQUEST


def response_of(head: re.Match[bytes], to_head_request: bool) -> ResponseHead | str:
    """What a head is that `RESPONSE` takes, or what makes it one that cannot be passed on."""
    version, status_text, reason, block = head.groups()
    status = int(status_text)
    # The first line break is that of the status line: a line that is special has one ahead of it.
    begin, end = head.span(4)
    special = _SPECIAL.search(head.string, begin - 1, end)
    if (
        special is not None
        and special.lastindex
        and version is None
        and status >= 200
        and status != 204
        and _SPECIAL.search(head.string, special.end(), end) is None
    ):
        return ResponseHead(
            status=status,
            reason=reason or b"",
            headers=HeaderBlock(block, True),
            framing=_BY_LENGTH,
            content_length=int(special[1]),
        )
    return response_head(status, reason or b"", version or b"1.1", cut(block), to_head_request=to_head_request)
