"""What readers of HTTP/1 say, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from agwtwisted.core.http.messages import Mark
from agwtwisted.core.http.request_reader import RequestEvent, RequestReader
from agwtwisted.core.http.response_reader import ResponseEvent, ResponseReader

E = TypeVar("E")


def pulled(reader: RequestReader) -> list[RequestEvent]:
    """What there is to read of the request whose turn it is."""
    return list(iter(lambda: _next(reader), None))


def pulled_on(reader: RequestReader) -> list[RequestEvent]:
    """What there is to read, each request having its turn at once."""
    events: list[RequestEvent] = []
    while more := pulled(reader):
        events += more
        reader.next_request()
    return events


def pulled_response(reader: ResponseReader) -> list[ResponseEvent]:
    """What there is to read of a response."""
    return list(iter(lambda: _next(reader), None))


def in_one_piece(events: Iterable[E]) -> list[E]:
    """The same with neighbouring pieces of a body in one."""
    told: list[Any] = []
    for event in events:
        if isinstance(event, bytes) and told and isinstance(told[-1], bytes):
            told[-1] += event
        else:
            told.append(event)
    return told


def _next(reader: Any) -> Any:
    event = reader.next_event()
    return None if event is Mark.NEED_DATA or event is Mark.PAUSED else event
