"""Server-Sent Events as a client reads them (WHATWG HTML, 9.2.6): bytes in pieces of any size become events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import AgwError

LONGEST: Final = 1 << 20
"""Bytes of one event."""


class EventStreamError(AgwError):
    """What comes are no events."""


@attrs.frozen
class StreamEvent:
    """Something that has happened in the gateway."""

    kind: str
    members: Mapping[str, Any]
    id: str = ""


class EventReader:
    """Takes the bytes of a stream, and gives the events that are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._size = 0  # of the lines of the event so far
        self._fields: dict[str, list[str]] = {}

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        """The events that these bytes complete.

        Raises:
            EventStreamError: too long an event, or one that is no JSON object.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = self._line(line.removesuffix(b"\r"))
            if event is not None:
                yield event
        if self._size + len(self._rest) > LONGEST:
            raise EventStreamError(f"an event of more than {LONGEST} bytes")

    def _line(self, line: bytes) -> StreamEvent | None:
        if not line:
            fields, self._fields, self._size = self._fields, {}, 0
            return _event(fields) if "data" in fields else None
        self._size += len(line)
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name:  # else it is a comment
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
        return None


def _event(fields: Mapping[str, list[str]]) -> StreamEvent:
    try:
        members = json.loads("\n".join(fields["data"]))
    except ValueError:
        raise EventStreamError("an event that is not JSON") from None
    if not isinstance(members, dict):
        raise EventStreamError("an event that is no JSON object")
    return StreamEvent(fields.get("event", ["message"])[-1], members, fields.get("id", [""])[-1])
