"""What a client says of the priority of a response (RFC 9218): the Priority header field, and PRIORITY_UPDATE."""

from __future__ import annotations

import re
from typing import Final

from agwtwisted.core.base.values import value

DEFAULT_URGENCY: Final = 3
"""Of a response of which nothing else is said (RFC 9218 section 4.1)."""

MAX_FIELD: Final = 256
"""Octets of a priority that are read; a longer one says nothing."""

MAX_EARLY: Final = 100
"""Streams that are not open yet, and whose priority is kept: as many as may be open at once."""

# A member of the Dictionary (RFC 9651 section 3.2) that means something, its parameters left out. A comma within a
# string of an unknown member divides it here: what it may change is the order of that client's own responses.
_MEMBER: Final = re.compile(rb"(?:\A|,)[ \t]*(?:u=([0-7])|(i)(?:=\?([01]))?)[ \t]*(?=[,;]|\Z)")


@value
class Priority:
    """How a response stands beside the others of its connection.

    Attributes:
        urgency: 0 is sent first, 7 last.
        incremental: whether the client makes use of its pieces as they come.
        explicit: whether the client has said anything; most clients say nothing of any response.
    """

    urgency: int = DEFAULT_URGENCY
    incremental: bool = False
    explicit: bool = False


UNSIGNALLED: Final = Priority()
"""Of a response of which the client says nothing."""


def priority_of(field: bytes) -> Priority:
    """The priority that a client gives; what is unknown, of another type or out of range is left out.

    A field that says nothing of urgency and order still is a priority: that of the defaults (RFC 9218 section 4).
    """
    return merged(Priority(explicit=True), field)


def merged(priority: Priority, field: bytes) -> Priority:
    """`priority`, and over it what the backend says of its response in a Priority field (RFC 9218 section 8)."""
    if len(field) > MAX_FIELD:
        return priority
    urgency, incremental = priority.urgency, priority.incremental
    said = False
    for member in _MEMBER.finditer(field):
        said = True
        if member[1]:
            urgency = int(member[1])
        else:
            incremental = member[3] != b"0"
    return Priority(urgency, incremental, explicit=True) if said else priority


class EarlyPriorities:
    """PRIORITY_UPDATE frames of streams that are not open yet, the last of each (RFC 9218 section 7.1).

    Of more than `MAX_EARLY` streams the oldest is forgotten: a client that names streams and never opens them gains
    nothing, and loses the others' order.
    """

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: dict[int, bytes] = {}

    def note(self, stream: int, field: bytes) -> None:
        """The client has said this of a stream that it may open later."""
        fields = self.fields
        fields.pop(stream, None)
        if len(field) <= MAX_FIELD:
            fields[stream] = field
        if len(fields) > MAX_EARLY:
            del fields[next(iter(fields))]

    def take(self, stream: int) -> bytes | None:
        """What was said of a stream that is opened now; None: nothing."""
        return self.fields.pop(stream, None)
