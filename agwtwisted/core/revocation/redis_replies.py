"""Commands to Redis, and its replies, in version 2 of its protocol (RESP2), bounded in every way.

Own code, since a server of it need not be trusted: no client library for Twisted bounds the bytes of a reply, and
hiredis allocates what a reply announces, 800 MB for one of twelve bytes. Caller: the connection to Redis.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

MAX_REPLY_BYTES: Final = 1024 * 1024
"""Of one reply, all that is in it together."""

MAX_ELEMENTS: Final = 2048
"""Of all arrays of one reply together: a batch of news has some nine hundred, and thousands more would take time."""

MAX_DEPTH: Final = 6
"""Arrays in each other: those of XREAD's reply are five."""

MAX_LINE: Final = 1024
"""Bytes of a line: an error's text, a number, a length."""

_MAX_DIGITS: Final = 20


class ProtocolError(Exception):
    """What came is no reply of Redis, or too long for one; `str` says how."""


@attrs.frozen
class RedisProblem:
    """An error that Redis has answered with: its first word says which one."""

    text: str

    @property
    def word(self) -> str:
        """The code: ``NOAUTH``, ``OOM``, ``READONLY``."""
        return self.text.partition(" ")[0]


RedisReply: TypeAlias = "bytes | int | RedisProblem | list[RedisReply] | None"
"""A string, be it simple or bulk, a number, an error, nothing, or an array of them."""


def command(*words: bytes) -> bytes:
    """A command and its arguments, as they are sent."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)


@attrs.define
class _Array:
    """One whose elements have not all come."""

    missing: int
    elements: list[RedisReply] = attrs.field(factory=list)


class RedisReplies:
    """Reads the replies of one connection, in any pieces.

    Args:
        most: bytes of one reply.
    """

    def __init__(self, most: int = MAX_REPLY_BYTES) -> None:
        self._most = most
        self._buffer = bytearray()
        self._at = 0  # what comes before it in the buffer is read
        self._taken = 0  # bytes that are read of a reply that is not whole
        self._bulk: int | None = None  # bytes of the bulk string that comes next; None: a line does
        self._elements = 0  # of the arrays of a reply that is not whole
        self._arrays: list[_Array] = []  # each the last element of the one before

    def feed(self, data: bytes) -> list[RedisReply]:
        """The replies that are whole with these bytes. Raises ProtocolError; what comes after that means nothing."""
        self._buffer += data
        replies: list[RedisReply] = []
        while self._read(replies):
            pass
        del self._buffer[: self._at]
        self._at = 0
        if self._taken + len(self._buffer) > self._most:
            raise ProtocolError("the reply is too long")
        return replies

    def _read(self, replies: list[RedisReply]) -> bool:
        """Reads a line or a bulk string, with which a reply may be whole; False where there is no more."""
        if self._bulk is not None:
            return self._read_bulk(self._bulk, replies)
        end = self._buffer.find(b"\r\n", self._at, self._at + MAX_LINE + 2)
        if end < 0:
            if len(self._buffer) - self._at > MAX_LINE:
                raise ProtocolError("the line is too long")
            return False
        line = bytes(self._buffer[self._at : end])
        self._take(end + 2)
        self._read_line(line[:1], line[1:], replies)
        return True

    def _read_bulk(self, size: int, replies: list[RedisReply]) -> bool:
        end = self._at + size
        if len(self._buffer) < end + 2:
            return False
        if self._buffer[end : end + 2] != b"\r\n":
            raise ProtocolError("the string is longer than it says")
        value = bytes(self._buffer[self._at : end])
        self._take(end + 2)
        self._bulk = None
        self._add(value, replies)
        return True

    def _read_line(self, kind: bytes, text: bytes, replies: list[RedisReply]) -> None:
        match kind:
            case b"+":
                self._add(text, replies)
            case b"-":
                self._add(RedisProblem(_printable(text)), replies)
            case b":":
                self._add(_number(text), replies)
            case b"$":
                self._expect(_number(text), replies)
            case b"*":
                self._begin(_number(text), replies)
            case _:
                raise ProtocolError("what came is no reply of Redis")

    def _expect(self, size: int, replies: list[RedisReply]) -> None:
        if size == -1:
            self._add(None, replies)
        elif 0 <= size <= self._most:
            self._bulk = size
        else:
            raise ProtocolError("the reply is too long")

    def _begin(self, count: int, replies: list[RedisReply]) -> None:
        self._elements += max(count, 0)
        if count < -1 or self._elements > MAX_ELEMENTS or len(self._arrays) == MAX_DEPTH:
            raise ProtocolError("the reply is too long")
        if count > 0:
            self._arrays.append(_Array(count))
        else:
            self._add(None if count else [], replies)

    def _add(self, value: RedisReply, replies: list[RedisReply]) -> None:
        """A value is whole, and so may be the arrays that it is the last of."""
        while self._arrays:
            array = self._arrays[-1]
            array.elements.append(value)
            array.missing -= 1
            if array.missing:
                return
            value = self._arrays.pop().elements
        self._taken = self._elements = 0
        replies.append(value)

    def _take(self, end: int) -> None:
        self._taken += end - self._at
        self._at = end
        if self._taken > self._most:
            raise ProtocolError("the reply is too long")


def _printable(text: bytes) -> str:
    """For logs: no text of a server that need not be trusted gets there as it is."""
    return "".join(chr(each) if 0x20 <= each < 0x7F else "?" for each in text)


def _number(text: bytes) -> int:
    digits = text.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > _MAX_DIGITS:
        raise ProtocolError("a number of the reply is none")
    return int(text)
