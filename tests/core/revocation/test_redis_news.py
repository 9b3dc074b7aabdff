"""News in a stream of Redis: the commands, and what replies of any server are taken for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.redis_news import BEFORE_ALL, EntryId, NewsEntry, entries_of, last_of
from agwtwisted.core.revocation.redis_replies import ProtocolError, RedisReply


def entry(identifier: bytes, topic: bytes = b"t", news: bytes = b"n") -> list[RedisReply]:
    """An entry as Redis has it."""
    return [identifier, [b"topic", topic, b"news", news]]


class EntryIdTests(SynchronousTestCase):
    """Identifiers."""

    def test_order(self) -> None:
        """They are compared as two numbers, not as text."""
        self.assertLess(EntryId(9, 10), EntryId(10, 9))
        self.assertLess(EntryId(9, 9), EntryId(9, 10))
        self.assertLess(BEFORE_ALL, EntryId(0, 1))
        self.assertEqual(bytes(EntryId(1526919030474, 55)), b"1526919030474-55")

    def test_last(self) -> None:
        """The last one of a stream is had of the reply about it; a stream that is not there has none."""
        self.assertEqual(last_of([entry(b"7-1")]), EntryId(7, 1))
        self.assertEqual((last_of([]), last_of(None)), (BEFORE_ALL, BEFORE_ALL))
        for reply in (b"7-1", 7, [b"7-1"], [[7]], [[b"7"]], [entry(b"7-1"), entry(b"8-1")], [[b"-1-1"]]):
            self.assertRaises(ProtocolError, last_of, reply)


class EntriesTests(SynchronousTestCase):
    """Entries."""

    def test_read(self) -> None:
        """Those of a reply are given in their order; one of other fields has no topic."""
        reply: RedisReply = [[b"s", [entry(b"1-0"), [b"1-1", [b"a", b"b"]], [b"1-2", None]]]]
        found = list(entries_of(reply, BEFORE_ALL))
        self.assertEqual(found[0], NewsEntry(identifier=EntryId(1, 0), topic=b"t", news=b"n"))
        self.assertEqual([(each.identifier.number, each.topic) for each in found[1:]], [(1, b""), (2, b"")])
        self.assertEqual(list(entries_of(None, BEFORE_ALL)), [])

    def test_order(self) -> None:
        """An entry that is not later than the one before ends the reading: the same would come for ever."""
        for identifiers in ((b"5-0",), (b"6-0", b"6-0"), (b"7-0", b"6-9")):
            reply: RedisReply = [[b"s", [entry(each) for each in identifiers]]]
            self.assertRaises(ProtocolError, list, entries_of(reply, EntryId(5, 0)))

    def test_none(self) -> None:
        """What is no list of entries is refused."""
        for reply in (b"", 1, [], [b"s"], [[b"s"]], [[b"s", b"x"]], [[b"s", [1]]], [[b"s", [[b"x-1", []]]]]):
            self.assertRaises(ProtocolError, list, entries_of(reply, BEFORE_ALL))
