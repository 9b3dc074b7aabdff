"""Requests from bytes: a reader that is fed and asked, and stops behind each request (the shape of h11).

Heads are cut by `core.http.heads` and judged by `core.http.framing`; bodies are counted here, and chunks taken apart by
`core.http.chunks`. A head that is not whole is kept as octets in one buffer, and its bounds hold while it arrives.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, TypeAlias

from agwtwisted.core.http.chunks import ChunkedBody
from agwtwisted.core.http.heads import LONGEST_REQUEST_LINE, RequestParser
from agwtwisted.core.http.messages import END, NEED_DATA, PAUSED, BadRequest, Framing, Mark, RequestHead, UnfitRequest
from agwtwisted.core.http.open_heads import OF_REQUESTS, OpenHead, behind_empty_lines
from agwtwisted.core.http.pages import ErrorInfo

FRAMING_OF_A_BYTE: Final = 16
"""How many bytes may frame one byte of a body: chunks of a single byte need six, and their extensions the rest."""

LARGEST_WHOLE: Final = 65536
"""Bytes of a body that is handed on with its head, where it came with that; a larger one flows."""

LONGEST_REPEATED: Final = 1024
"""Octets of a head that is remembered until the next one of its connection, as long as that is open."""

RequestEvent: TypeAlias = RequestHead | UnfitRequest | bytes | Mark

_LATE: Final = BadRequest(408, ErrorInfo.INVALID_REQUEST)
_BROKEN: Final = BadRequest(500, ErrorInfo.INTERNAL_ERROR)
_BAD_BODY: Final = BadRequest(400, ErrorInfo.INVALID_REQUEST)
_TOO_MUCH: Final = BadRequest(413, ErrorInfo.INVALID_REQUEST)


class _RequestState(Enum):
    HEAD = auto()
    COUNTED = auto()  # in a body with a length
    CHUNKED = auto()  # in a chunked one
    END = auto()  # the end of a body, which must be reported
    PAUSED = auto()  # behind a request
    DONE = auto()  # behind the last one, or one that is unfit


# As with `messages.NEED_DATA`: to look up a member of an Enum takes as long as a call.
_HEAD, _COUNTED, _CHUNKED, _END, _PAUSED, _DONE = _RequestState
_NO_BODY = Framing.NONE


class RequestReader:
    """Reads one client's requests, one at a time: `feed` it, and ask for the `next_event`.

    Each request gives its head; if it has a body, the data of that in pieces and `Mark.END`. Then, until
    `next_request`, there is `Mark.PAUSED`, and what follows waits unread. `Mark.NEED_DATA` asks for more.

    After an `UnfitRequest`, or a request that says it is the last one, `done` is true, and nothing more is read. Behind
    a request for an upgrade `take_unread` gives what followed it; where the upgrade is refused, `next_request` goes on.

    Args:
        parser: cuts the heads, with the limits of heads, which hold for trailers, too.
        max_body_bytes: of a body.
    """

    __slots__ = (
        "_ahead",
        "_at",
        "_body_size",
        "_chunks",
        "_data",
        "_head",
        "_left",
        "_max_body_bytes",
        "_octets",
        "_open",
        "_parser",
        "_said",
        "_state",
        "done",
    )

    def __init__(self, parser: RequestParser, *, max_body_bytes: int) -> None:
        self._parser = parser
        self._max_body_bytes = max_body_bytes
        self._state = _HEAD
        self.done = False  # whether no further request is read
        self._data = b""  # what was fed, unread from `_at` on
        self._at = 0
        self._ahead: bytearray | None = None  # what was fed after it
        self._open: OpenHead | None = None
        self._head: RequestHead | None = None  # of the request that is read
        self._left = 0  # of a body with a length
        self._chunks: ChunkedBody | None = None
        self._body_size = 0  # of a chunked body
        self._octets = b""  # of the last usual head that was not long
        self._said: RequestHead | None = None  # by these; None: there are none

    @property
    def head_open(self) -> bool:
        """Whether a head has begun and is not whole."""
        return self._open is not None

    @property
    def upgrading(self) -> bool:
        """Whether the reader stands behind a request for an upgrade."""
        return self._state is _PAUSED and self._head is not None and bool(self._head.upgrade)

    @property
    def unread(self) -> int:
        """Bytes that were fed and wait; empty lines behind a request are none."""
        return len(self._data) - self._at + (0 if self._ahead is None else len(self._ahead))

    def feed(self, data: bytes) -> None:
        """Takes what came; what comes when the reader is `done` is dropped."""
        if self.done:
            return
        if self._at == len(self._data):
            self._data, self._at = data, 0
            if self._state is _PAUSED:
                self._skip_empty_lines()
        elif self._state is _PAUSED:  # many small pieces may come before it is known what they belong to
            if self._ahead is None:
                self._ahead = bytearray()
            self._ahead += data
        else:
            self._data, self._at = self._data[self._at :] + data, 0

    def read_by(self, parser: RequestParser, max_body_bytes: int) -> None:
        """Between two requests: reads the next one by this parser, and a head that has begun from its beginning."""
        self._parser, self._max_body_bytes, self._said = parser, max_body_bytes, None
        if self._open is not None:
            self._data, self._at, self._open = bytes(self._open.octets) + self._data[self._at :], 0, None

    def next_event(self) -> RequestEvent:
        """What comes next of what was fed."""
        state = self._state
        if state is _HEAD:
            if self._open is None:
                data, at = self._data, self._at
                # Many a client repeats its request, or all of it but the body: the same octets say the same.
                head = self._said
                if head is None or not data.startswith(self._octets, at):
                    head = self._parser.usual(data, at)
                    if head is not None and head.size <= LONGEST_REPEATED:
                        self._said, self._octets = head, data[at : at + head.size]
                if head is not None:
                    return self._take_head(head, at + head.size)
            return self._next_of_head()
        if state is _COUNTED:
            return self._next_of_counted()
        if state is _CHUNKED and self._chunks is not None:
            return self._next_of_chunks(self._chunks)
        if state is _END:
            self._finish()
            return END
        return PAUSED

    def whole_body(self) -> bytes | None:
        """All of the body of the request whose head was the last event, if it came with that; there is no END then.

        None: it has no length, or did not come, or is a larger one: it is read by the next events.
        """
        data, at, left = self._data, self._at, self._left
        if self._state is _END:
            self._finish()
            return b""
        if self._state is not _COUNTED or left > LARGEST_WHOLE or left > len(data) - at:
            return None
        self._left = 0
        self._behind(at + left)
        return data[at : at + left]

    def next_request(self) -> None:
        """Lets the next request be read, where one may follow."""
        if self._state is not _PAUSED:
            return
        is_last = self._head is not None and not self._head.keep_alive  # an upgrade was asked for, and refused
        self._head = None
        if is_last:
            self._end()
        else:
            self._state = _HEAD
            if self._ahead is not None:
                self._data = self.take_unread()

    def take_unread(self) -> bytes:
        """What was fed and not read, which is the caller's from now on."""
        data = self._data[self._at :] + (self._ahead or b"")
        self._forget()
        self._ahead = None
        return data

    def late(self) -> UnfitRequest:
        """The head that is open did not come in time."""
        return self._refuse(_LATE)

    def give_up(self) -> UnfitRequest:
        """Reads no further after an error of the reader's own."""
        return self._refuse(_BROKEN)

    # -- heads

    def _next_of_head(self) -> RequestEvent:
        data, at = self._data, self._at
        if at == len(data):
            return self._need_data()
        open_head = self._open
        if open_head is None:
            at = behind_empty_lines(data, at)
            if at == len(data):
                return self._need_data()
            parser = self._parser
            open_head = self._open = OpenHead(
                OF_REQUESTS,
                longest_start_line=LONGEST_REQUEST_LINE,
                max_bytes=parser.max_header_bytes,
                max_lines=parser.max_header_lines,
            )
        end = open_head.take(data, at)
        if not (open_head.whole or open_head.faulty):
            return self._need_data()
        self._open = None
        found = self._parser.judge(bytes(open_head.octets))
        if isinstance(found, RequestHead):
            return self._take_head(found, end)
        return self._end_with(found)

    def _take_head(self, head: RequestHead, end: int) -> RequestEvent:
        """A head that is fit, and where it ends: what is read next."""
        self._at = end
        self._head = head
        if head.framing is _NO_BODY:
            self._behind(end)
        elif head.framing is Framing.CHUNKED:
            self._state = _CHUNKED
            self._body_size = 0
            parser = self._parser
            self._chunks = ChunkedBody(
                max_trailer_bytes=parser.max_header_bytes, max_trailer_lines=parser.max_header_lines
            )
        elif head.content_length > self._max_body_bytes:
            return self._refuse(_TOO_MUCH)
        else:
            self._left = head.content_length
            self._state = _COUNTED if self._left else _END
        return head

    # -- bodies

    def _next_of_counted(self) -> RequestEvent:
        """The rest of a body whose length is known, or a part of it."""
        at = self._at
        piece = self._data[at : at + self._left]
        if not piece:
            return self._need_data()
        self._at = at + len(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = _END
        return piece

    def _next_of_chunks(self, chunks: ChunkedBody) -> RequestEvent:
        while True:
            allowed = LONGEST_REQUEST_LINE + self._parser.max_header_bytes + FRAMING_OF_A_BYTE * self._body_size
            if chunks.problem or chunks.framing > allowed:
                return self._refuse(_BAD_BODY)
            if chunks.done:
                return self._end_of_chunks(chunks.trailer_names)
            if self._at == len(self._data):
                return self._need_data()
            body = chunks.feed(self._data, self._at)
            self._at = len(self._data) - chunks.unread
            self._body_size += len(body)
            if self._body_size > self._max_body_bytes:
                return self._refuse(_TOO_MUCH)
            if body:
                return body

    def _end_of_chunks(self, trailer_names: tuple[bytes, ...]) -> RequestEvent:
        """Trailers are not forwarded; one that frames, or has a managed name, was meant to be taken for a header."""
        for name in trailer_names:
            if name.lower() == b"content-length":
                return self._refuse(BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH))
            if name.lower() == b"transfer-encoding" or self._parser.names.is_managed(name):
                return self._refuse(_BAD_BODY)
        self._chunks = None
        self._finish()
        return END

    # -- ends

    def _behind(self, end: int) -> None:
        """The request is whole, and ends there: mostly with what was fed."""
        if end == len(self._data) and self._head is not None and self._head.keep_alive:
            self._state = _PAUSED
            self._data, self._at = b"", 0
        else:
            self._at = end
            self._finish()

    def _finish(self) -> None:
        """The request is whole."""
        head = self._head
        if head is not None and (head.keep_alive or head.upgrade):
            self._state = _PAUSED
            self._skip_empty_lines()
        else:
            self._end()

    def _skip_empty_lines(self) -> None:
        """Empty lines between requests mean nothing (RFC 9112 section 2.2); another protocol begins as it likes."""
        if not self.upgrading:
            self._at = behind_empty_lines(self._data, self._at)
        if self._at == len(self._data):
            self._forget()

    def _refuse(self, bad: BadRequest) -> UnfitRequest:
        """What the answer and the log need of the request in progress, as far as it was read."""
        head = self._head
        if head is not None:
            return self._end_with(
                UnfitRequest(
                    status=bad.status,
                    error_info=bad.error_info,
                    method=head.method,
                    target=head.target,
                    authority=head.authority,
                    user_agent=head.user_agent,
                    size=head.size,
                )
            )
        octets = b"" if self._open is None else bytes(self._open.octets)
        return self._end_with(self._parser.refused(octets, bad))

    def _end_with(self, unfit: UnfitRequest) -> UnfitRequest:
        self._open = self._head = self._chunks = None
        self._end()
        return unfit

    def _end(self) -> None:
        """Nothing more is read."""
        self._state = _DONE
        self.done = True
        self._ahead = None
        self._forget()

    def _need_data(self) -> Mark:
        self._forget()
        return NEED_DATA

    def _forget(self) -> None:
        """All that was fed is read, or of no use."""
        self._data, self._at = b"", 0
