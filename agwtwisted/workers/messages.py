"""What parent, spawner and workers send each other: a kind, some fields, bytes, and descriptors of open files.

On the wire a message is a head (its kind, how many descriptors, and how long the two parts are), the fields as JSON,
and the bytes. The descriptors go with the head, as ancillary data of AF_UNIX sockets (unix(7), SCM_RIGHTS): the kernel
delivers them no later than the first byte that they were sent with.
"""

from __future__ import annotations

import json
import os
import struct
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import AgwError

_HEAD: Final = struct.Struct("!BHII")

MOST_BYTES: Final = 1 << 28
"""Of one message: a configuration with all its files is the longest."""

DESCRIPTORS_AT_ONCE: Final = 250
"""The kernel takes 253 with one call (SCM_MAX_FD)."""

MOST_DESCRIPTORS: Final = DESCRIPTORS_AT_ONCE * (_HEAD.size - 1)
"""Of one message: some go with each byte of its head."""


class MessageKind(IntEnum):
    """What a message is about."""

    # From the parent to the spawner and to workers:
    PREPARE = 1
    """A configuration, to be made ready."""
    COMMIT = 2
    """What is ready is in force from now on."""
    CANCEL = 3
    """What is ready, or is being made so, is not wanted any more."""
    # Their answers:
    PREPARED = 4
    """It is ready."""
    REFUSED = 5
    """It cannot be taken, for these reasons."""
    COMMITTED = 16
    """It is in force in this worker."""

    # From the parent to the spawner:
    FORK = 6
    """One more worker; its end of a channel and its listening sockets come with it."""
    # And back:
    FORKED = 7
    """There is a process."""
    ENDED = 8
    """It has ended."""

    # From a worker to the parent:
    READY = 9
    """It serves."""
    LOGGED = 10
    """An event for the log."""
    BEAT = 11
    """It is alive, and has so many connections."""
    COUNTED = 30
    """What it has counted so far, in case that it ends."""
    # From the parent to a worker:
    REOPEN = 12
    """The access log was rotated."""
    STOP = 13
    """It drains, and ends."""
    BEGIN = 15
    """It knows by now what the others know, and serves."""

    # Between the parent and a worker:
    ASK = 17
    """A question of the control API."""
    ANSWERED = 18
    """Its answer, or why there is none."""
    LISTEN = 19
    """Whether the parent wants to hear what happens."""
    HAPPENED = 20
    """An event."""

    PUBLISHED = 14
    """What one process lets all others know, on its way to the parent or from there."""


@attrs.frozen(kw_only=True)
class Message:
    """One message. Who receives it owns its descriptors."""

    kind: MessageKind
    fields: Mapping[str, Any] = attrs.Factory(dict)
    data: bytes = attrs.field(default=b"", repr=False)
    descriptors: Sequence[int] = ()


class ChannelError(AgwError):
    """The other process sends what is no message."""


def pieces(message: Message) -> Iterator[tuple[bytes, Sequence[int]]]:
    """A message as bytes, and the descriptors that go with each piece."""
    fields = json.dumps(message.fields).encode()
    left = list(message.descriptors)
    if len(left) > MOST_DESCRIPTORS or len(fields) + len(message.data) > MOST_BYTES:
        raise ChannelError(f"a message of {len(fields) + len(message.data)} bytes, {len(left)} descriptors")
    whole = b"".join((_HEAD.pack(message.kind, len(left), len(fields), len(message.data)), fields, message.data))
    at = 0
    while left:
        yield whole[at : at + 1], left[:DESCRIPTORS_AT_ONCE]
        left = left[DESCRIPTORS_AT_ONCE:]
        at += 1
    yield whole[at:], ()


class Decoder:
    """Makes messages of bytes and descriptors, in whatever pieces they come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._descriptors: deque[int] = deque()

    def feed(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Takes what has come."""
        self._bytes += data
        self._descriptors += descriptors

    def messages(self) -> Iterator[Message]:
        """Those that are complete. Raises ChannelError for what is none."""
        while len(self._bytes) >= _HEAD.size:
            kind, descriptors, fields, data = _HEAD.unpack_from(self._bytes)
            if fields + data > MOST_BYTES or descriptors > MOST_DESCRIPTORS:
                raise ChannelError(f"a message of {fields + data} bytes, {descriptors} descriptors")
            end = _HEAD.size + fields + data
            if len(self._bytes) < end:
                return
            with memoryview(self._bytes) as view:
                read, rest = bytes(view[_HEAD.size : end - data]), bytes(view[end - data : end])
            del self._bytes[:end]
            yield self._message(kind, read, rest, descriptors)

    def close(self) -> None:
        """Closes the descriptors of a message that will not be complete."""
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def _message(self, kind: int, fields: bytes, data: bytes, descriptors: int) -> Message:
        if len(self._descriptors) < descriptors:
            raise ChannelError("descriptors are missing: this process may have too many open already")
        own = tuple(self._descriptors.popleft() for _ in range(descriptors))
        try:
            return Message(kind=MessageKind(kind), fields=json.loads(fields), data=data, descriptors=own)
        except ValueError as error:
            raise ChannelError(str(error)) from error
