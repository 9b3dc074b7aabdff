"""What is fuzzed of a server that gateways share: its replies, in any pieces, and the news in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from agwtwisted.core.revocation.redis_news import BEFORE_ALL, entries_of, last_of
from agwtwisted.core.revocation.redis_replies import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    ProtocolError,
    RedisProblem,
    RedisReplies,
    RedisReply,
)

_MOST = 4096


def replies(data: bytes) -> None:
    """The same replies come in any pieces, none larger than may be; errors can be logged; news are in order."""
    bytewise, pieces = _read(data, 1), _read(data, 7)
    assert bytewise[: len(pieces)] == pieces
    for reply in bytewise:
        assert _size(reply, 0) <= _MOST
        _news(reply)


def _read(data: bytes, size: int) -> list[RedisReply]:
    """The replies that come before a piece with something that is none."""
    reader, found = RedisReplies(_MOST), list[RedisReply]()
    with suppress(ProtocolError):
        for at in range(0, len(data), size):
            found += reader.feed(data[at : at + size])
    return found


def _size(reply: RedisReply, depth: int) -> int:
    assert depth <= MAX_DEPTH
    match reply:
        case bytes():
            return len(reply)
        case RedisProblem():
            assert reply.text.isprintable()
            return len(reply.text)
        case list():
            assert len(reply) <= MAX_ELEMENTS
            return sum(_size(each, depth + 1) for each in reply)
        case _:
            return 0


def _news(reply: RedisReply) -> None:
    readers: tuple[Callable[[], object], ...] = (
        lambda: last_of(reply),
        lambda: [each.identifier for each in entries_of(reply, BEFORE_ALL)],
    )
    for read in readers:
        with suppress(ProtocolError):
            found = read()
            assert not isinstance(found, list) or found == sorted(set(found))


def reply_seeds() -> Iterator[bytes]:
    """Replies of every kind, and news as XREAD and XREVRANGE give them."""
    entry = b"*2\r\n$3\r\n5-1\r\n*4\r\n$5\r\ntopic\r\n$7\r\nrevoked\r\n$4\r\nnews\r\n$3\r\nkey\r\n"
    yield b"+OK\r\n:-7\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n-OOM no memory\r\n"
    yield b"*1\r\n" + entry
    yield b"*1\r\n*2\r\n$4\r\nnews\r\n*2\r\n" + entry + entry.replace(b"5-1", b"6-0")
    yield b"*1\r\n" * (MAX_DEPTH + 1)
