"""Commands to Redis and its replies: every kind, in any pieces, and what no honest server sends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.redis_replies import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_LINE,
    ProtocolError,
    RedisProblem,
    RedisReplies,
    RedisReply,
    command,
)
from tests.redis_lines import replied

_PROBLEMS = st.text("ABC xyz", min_size=1).map(RedisProblem)
_PLAIN = st.none() | st.binary(max_size=40) | st.integers(-(2**63), 2**63 - 1) | _PROBLEMS
_REPLIES = st.recursive(_PLAIN, lambda inner: st.lists(inner, max_size=4), max_leaves=12)


class CommandTests(SynchronousTestCase):
    """What is sent."""

    def test_words(self) -> None:
        """Each word goes with its length, whatever bytes it has: none ends a command or begins another."""
        sent = command(b"SET", b"key\r\nDEL x", b"")
        self.assertEqual(sent, b"*3\r\n$3\r\nSET\r\n$10\r\nkey\r\nDEL x\r\n$0\r\n\r\n")


class RepliesTests(SynchronousTestCase):
    """What an honest server sends."""

    def test_kinds(self) -> None:
        """Strings, numbers, errors, nothing, and arrays of them are read."""
        replies = RedisReplies().feed(
            b"+OK\r\n:-3\r\n$3\r\na\r\n\r\n-OOM no memory\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n:1\r\n$0\r\n\r\n"
        )
        problem = RedisProblem("OOM no memory")
        self.assertEqual(replies, [b"OK", -3, b"a\r\n", problem, None, None, [], [1, b""]])
        self.assertEqual(problem.word, "OOM")

    @given(st.lists(_REPLIES, max_size=5), st.lists(st.integers(1, 9), min_size=1, max_size=9))
    def test_any_pieces(self, expected: list[RedisReply], sizes: list[int]) -> None:
        """The same replies come of the same bytes, in whatever pieces these come."""
        data, replies, found, at, turn = b"".join(map(replied, expected)), RedisReplies(), [], 0, 0
        while at < len(data):
            size = sizes[turn % len(sizes)]
            found += replies.feed(data[at : at + size])
            at, turn = at + size, turn + 1
        self.assertEqual(found, expected)

    def test_errors_are_printable(self) -> None:
        """The text of an error can be logged as it is, whatever bytes it has."""
        self.assertEqual(RedisReplies().feed(b"-ERR \x1b[2J\n\xff\r\n"), [RedisProblem("ERR ?[2J??")])

    def test_replies_are_counted_one_by_one(self) -> None:
        """The bound is that of each reply: any number of short ones may follow each other."""
        replies = RedisReplies(most=32)
        for _ in range(50):
            self.assertEqual(replies.feed(b"$5\r\nhello\r\n+OK\r\n"), [b"hello", b"OK"])


class HostileTests(SynchronousTestCase):
    """What no honest server sends ends the connection, before it costs memory."""

    def assert_refused(self, data: bytes, most: int = 1000) -> None:
        """Checks that these bytes are no reply, nor when they come one by one."""
        self.assertRaises(ProtocolError, RedisReplies(most).feed, data)
        replies = RedisReplies(most)
        self.assertRaises(ProtocolError, lambda: [replies.feed(data[at : at + 1]) for at in range(len(data))])

    def test_announced_sizes(self) -> None:
        """A string or an array that is announced as too long is refused at once, and so are sizes below none."""
        for data in (
            b"$1001\r\n",
            b"$99999999999999999999\r\n",
            b"*%d\r\n" % (MAX_ELEMENTS + 1),
            b"$-2\r\n",
            b"*-2\r\n",
        ):
            self.assert_refused(data)

    def test_nested_arrays(self) -> None:
        """Arrays in arrays have a depth, so that a few bytes do not announce more than all bytes that may come."""
        self.assert_refused(b"*1\r\n" * (MAX_DEPTH + 1))

    def test_elements_together(self) -> None:
        """The elements of all arrays of a reply count together, and those of the next reply anew."""
        half = b"*%d\r\n" % (MAX_ELEMENTS // 2) + b":1\r\n" * (MAX_ELEMENTS // 2)
        self.assertEqual(len(RedisReplies().feed(half * 4)), 4)
        self.assert_refused(b"*2\r\n" + half * 2, most=10 * len(half))

    def test_many_parts(self) -> None:
        """The parts of an array count together."""
        self.assert_refused(b"*100\r\n" + b"$95\r\n" + b"x" * 95 + b"\r\n" + b":12345\r\n" * 99, most=800)
        self.assert_refused(b"*3\r\n" + (b"$400\r\n" + b"x" * 400 + b"\r\n") * 3)

    def test_endless_lines(self) -> None:
        """A line has an end."""
        self.assert_refused(b"+" + b"x" * (MAX_LINE + 1), most=10_000)

    def test_other_protocols(self) -> None:
        """HTTP, TLS, what is no number, and a string that is not as long as it says are refused."""
        for data in (
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\x16\x03\x01\r\n",
            b":1x\r\n",
            b"$ 1\r\n",
            b"*+1\r\n",
            b"$1\r\nabc",
            b"\r\n",
        ):
            self.assert_refused(data)
