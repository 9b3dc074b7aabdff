"""News in a stream of Redis: how they are asked for, and what its replies have, of a server that need not be trusted.

An identifier of an entry is two numbers, which grow. A stream keeps the last entries, so that a gateway that was away
gets them once it is back. Caller: the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import attrs

from agwtwisted.core.revocation.redis_replies import ProtocolError, RedisReply

KEPT: Final = b"10000"
"""Entries of the stream, roughly: some hundred bytes each."""

BATCH: Final = 128
"""Entries that are read at once."""

_IDENTIFIER: Final = re.compile(rb"([0-9]{1,20})-([0-9]{1,20})\Z")


@attrs.frozen(order=True)
class EntryId:
    """Of an entry: milliseconds, and a number among those of one."""

    milliseconds: int
    number: int

    def __bytes__(self) -> bytes:
        return b"%d-%d" % (self.milliseconds, self.number)


BEFORE_ALL: Final = EntryId(0, 0)


@attrs.frozen(kw_only=True)
class NewsEntry:
    """One piece of news; a topic of another program may be any bytes."""

    identifier: EntryId
    topic: bytes
    news: bytes


def adding(stream: bytes, topic: bytes, news: bytes) -> tuple[bytes, ...]:
    """The command by which news are published."""
    return (b"XADD", stream, b"MAXLEN", b"~", KEPT, b"*", b"topic", topic, b"news", news)


def asking_for_last(stream: bytes) -> tuple[bytes, ...]:
    """The command that asks for the last entry."""
    return (b"XREVRANGE", stream, b"+", b"-", b"COUNT", b"1")


def waiting_after(stream: bytes, after: EntryId, seconds: float) -> tuple[bytes, ...]:
    """The command that asks for the entries after one, and waits for the first of them."""
    milliseconds = b"%d" % round(seconds * 1000)
    return (b"XREAD", b"COUNT", b"%d" % BATCH, b"BLOCK", milliseconds, b"STREAMS", stream, bytes(after))


def last_of(reply: RedisReply) -> EntryId:
    """The last entry that a stream has; `BEFORE_ALL` where there is none. Raises ProtocolError."""
    match reply:
        case None | []:
            return BEFORE_ALL
        case [[bytes() as identifier, *_]]:
            return _identifier(identifier)
        case _:
            raise ProtocolError("the last entry is none")


def entries_of(reply: RedisReply, after: EntryId) -> Iterator[NewsEntry]:
    """The entries of a reply, each later than the one before. Raises ProtocolError where they are not."""
    match reply:
        case None:  # there was none in time
            return
        case [[bytes(), list() as entries]]:
            for each in entries:
                entry = _entry(each)
                if entry.identifier <= after:
                    raise ProtocolError("the entries are not in order")
                after = entry.identifier
                yield entry
        case _:
            raise ProtocolError("the entries are none")


def _entry(reply: RedisReply) -> NewsEntry:
    """Fields of other names are left alone."""
    match reply:
        case [bytes() as identifier, [b"topic", bytes() as topic, b"news", bytes() as news, *_]]:
            return NewsEntry(identifier=_identifier(identifier), topic=topic, news=news)
        case [bytes() as identifier, _]:
            return NewsEntry(identifier=_identifier(identifier), topic=b"", news=b"")
        case _:
            raise ProtocolError("an entry is none")


def _identifier(text: bytes) -> EntryId:
    found = _IDENTIFIER.match(text)
    if found is None:
        raise ProtocolError("the identifier of an entry is none")
    return EntryId(int(found[1]), int(found[2]))
