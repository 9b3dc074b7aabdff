"""The response to one request of the gateway's own while it comes: every byte is counted, and none is kept in vain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agwtwisted.core.http.header_lines import Header, value_of
from agwtwisted.core.http.messages import END, Framing, ResponseHead, UnfitResponse
from agwtwisted.core.http.response_reader import ResponseReader, events_of
from agwtwisted.outbound.fetching import Fetched, FetchProblem, NotFetched, Sink

MAX_HEAD_BYTES: Final = 16384
"""Of all heads of a response, with their status lines."""

_FRAMING: Final = 8
"""The part of a body that its chunks may take besides: an eighth."""

_TOO_LONG: Final = "the response is too long"


class IncomingResponse:
    """What comes for one request; `result` is there once it is known.

    Args:
        most: bytes of the body at most.
        into: takes the body; None: it is collected.
    """

    def __init__(self, most: int, into: Sink | None) -> None:
        self.result: Fetched | NotFetched | None = None
        self.begun = False  # a byte of it came
        self.reusable = False  # it is whole, and the connection may have another request
        self._reader = ResponseReader(to_head_request=False, max_header_bytes=MAX_HEAD_BYTES)
        self._taken = 0  # bytes
        self._most = most
        self._into = into
        self._status = 0
        self._headers: Sequence[Header] = ()
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, data: bytes) -> None:
        """Takes what came."""
        self.begun = True
        self._taken += len(data)
        if self._taken > MAX_HEAD_BYTES + self._most + self._most // _FRAMING:
            self.fail(FetchProblem.TOO_LARGE, _TOO_LONG)
            return
        self._reader.feed(data)
        self._read(FetchProblem.BAD_RESPONSE)

    def end(self, *, cut: bool) -> None:
        """The connection is over; `cut`: it is unknown whether all of it came."""
        if not self.begun:
            self.fail(FetchProblem.CLOSED, "the server closed the connection without a response")
        elif cut:
            self.fail(FetchProblem.CLOSED, "the response is truncated")
        else:
            self._reader.end()
            self._read(FetchProblem.CLOSED)

    def fail(self, problem: FetchProblem, reason: str) -> None:
        """There will be none, unless it is there."""
        if self.result is None:
            self.result = NotFetched(problem=problem, reason=reason, was_answered=self.begun)

    def again(self) -> None:
        """The request is sent once more, as nothing came of the first time."""
        self.result = None

    def _read(self, problem: FetchProblem) -> None:
        """Takes what the reader makes of what came; `problem`: of what it can make nothing."""
        for event in events_of(self._reader):
            if self.result is not None:
                return
            if event is END:
                self._finish()
            elif isinstance(event, ResponseHead):
                self._take_head(event)
            elif isinstance(event, bytes):
                self._take_body(event)
            elif isinstance(event, UnfitResponse):
                self._take_unfit(event, problem)

    def _take_unfit(self, unfit: UnfitResponse, problem: FetchProblem) -> None:
        if problem is FetchProblem.CLOSED:
            self.fail(problem, "the response is truncated")
        elif not self._status and self._taken > MAX_HEAD_BYTES:
            self.fail(FetchProblem.TOO_LARGE, "the head of the response is too long")
        else:
            self.fail(problem, f"the server does not speak HTTP: {unfit.problem}")

    def _take_head(self, head: ResponseHead) -> None:
        if head.status < 200 and head.status != 101:
            return
        self._status, self._headers = head.status, head.headers
        if head.status == 101:
            self.fail(FetchProblem.BAD_RESPONSE, "the server changes the protocol")
        elif head.status != 200:
            self._pass_over(head)
        elif value_of(head.headers, b"content-encoding"):
            self.fail(FetchProblem.BAD_RESPONSE, "the response has a Content-Encoding")
        elif head.content_length > self._most:
            self.fail(FetchProblem.TOO_LARGE, _TOO_LONG)

    def _pass_over(self, head: ResponseHead) -> None:
        """The body is of no use: it is not waited for, where there may be one."""
        if head.status not in (204, 304) and (head.framing is not Framing.LENGTH or head.content_length):
            self._succeed()

    def _take_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            self.fail(FetchProblem.TOO_LARGE, _TOO_LONG)
        elif self._into is None:
            self._pieces.append(data)
        else:
            self._pour(self._into, data)

    def _pour(self, into: Sink, data: bytes) -> None:
        try:
            into.write(data)
        except OSError as error:
            self.fail(FetchProblem.SINK, f"the response cannot be kept: {error.strerror or error}")

    def _finish(self) -> None:
        self.reusable = self._reader.clean
        self._succeed()

    def _succeed(self) -> None:
        self.result = Fetched(status=self._status, headers=self._headers, body=b"".join(self._pieces))
