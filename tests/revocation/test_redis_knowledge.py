"""Values, leases and news over Redis: what is sent, what is made of replies, and what a server's failure costs."""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.redis_news import BATCH, KEPT
from agwtwisted.operations.counters import SharedStoreCounters
from agwtwisted.revocation.redis_knowledge import AGAIN, MAX_LOOKS, NEWS_SECONDS, PAUSE, REPLY_SECONDS, RedisKnowledge
from agwtwisted.revocation.redis_link import LAST_DELAY
from agwtwisted.revocation.shared_knowledge import MAX_NEWS, MAX_VALUE
from agwtwisted.revocation.unsent_news import RETRY
from tests.redis_lines import RedisInHand, commands, replied
from tests.wires import Line, Network

SECONDS = 0.2
BLOCK = b"%d" % (NEWS_SECONDS * 1000)


def reading(after: bytes) -> list[bytes]:
    """The command that waits for news after an entry."""
    return [b"XREAD", b"COUNT", b"%d" % BATCH, b"BLOCK", BLOCK, b"STREAMS", b"test:news", after]


LAST = [b"XREVRANGE", b"test:news", b"+", b"-", b"COUNT", b"1"]


def news(*entries: tuple[bytes, bytes, bytes]) -> bytes:
    """The reply with these entries: identifier, topic, news."""
    listed = [[identifier, [b"topic", topic, b"news", text]] for identifier, topic, text in entries]
    return replied([[b"test:news", listed]])


class KnowledgeCase(SynchronousTestCase):
    """A store, and its server's end of both connections."""

    def setUp(self) -> None:
        self.network = Network()
        self.server = RedisInHand(self.network)
        self.counters = SharedStoreCounters()
        self.knowledge = RedisKnowledge(
            self.network, self.server, Random(0), prefix="test:", seconds=SECONDS, counters=self.counters
        )
        self.knowledge.start()
        self.addCleanup(self.knowledge.stop)
        self.log_in()

    def log_in(self) -> None:
        """The server lets both connections in."""
        self.network.advance(0)
        for line in self.server.backend.lines[-2:]:
            self.assertEqual(commands(line), [[b"PING"]])
            line.send(b"+PONG\r\n")
        self.line: Line = self.server.line(-2)
        self.news: Line = self.server.line(-1)

    def reply(self, *expected: bytes, by: bytes) -> None:
        """The server gets this command alone, and replies."""
        self.assertEqual(commands(self.line), [list(expected)])
        self.line.send(by)


class ValueTests(KnowledgeCase):
    """Values and leases."""

    def test_get(self) -> None:
        """A value is had by its key; one that is not there, too long, or of another type is none."""
        for sent, expected in (
            (b"value", b"value"),
            (None, None),
            (bytes(MAX_VALUE + 1), None),
            (7, None),
            ([b"value"], None),
        ):
            got = self.knowledge.get("ocsp:1")
            self.reply(b"GET", b"test:ocsp:1", by=replied(sent))
            self.assertEqual(self.successResultOf(got), expected)
        got = self.knowledge.get("ocsp:1")
        self.reply(b"GET", b"test:ocsp:1", by=b"-WRONGTYPE not a string\r\n")
        self.assertIsNone(self.successResultOf(got))

    def test_put(self) -> None:
        """A value is stored with its end; one that is too long, or over, is not even sent."""
        put = self.knowledge.put("ocsp:1", b"value", 1.5)
        self.reply(b"SET", b"test:ocsp:1", b"value", b"PX", b"1500", by=b"+OK\r\n")
        self.assertTrue(self.successResultOf(put))
        put = self.knowledge.put("ocsp:1", b"value", 1e12)
        self.reply(b"SET", b"test:ocsp:1", b"value", b"PX", b"34560000000", by=b"-OOM no memory\r\n")
        self.assertFalse(self.successResultOf(put))
        for value, ttl in ((bytes(MAX_VALUE + 1), 1.0), (b"value", 0.0), (b"value", -1.0)):
            self.assertFalse(self.successResultOf(self.knowledge.put("ocsp:1", value, ttl)))
        self.assertEqual(commands(self.line), [])

    def test_lease(self) -> None:
        """A lease is had by one; where the server cannot say, by all."""
        for reply, expected in ((b"+OK\r\n", True), (b"$-1\r\n", False), (b"-OOM no memory\r\n", True)):
            lease = self.knowledge.lease("1", 5.0)
            self.reply(b"SET", b"test:lease:1", b"1", b"NX", b"PX", b"5000", by=reply)
            self.assertEqual(self.successResultOf(lease), expected)

    def test_release(self) -> None:
        """A lease is given back by who has it, and once; one that is over, or was not given, is left alone."""
        for given, after in ((True, 0.0), (True, 5.0), (False, 0.0)):
            self.knowledge.lease("1", 5.0)  # type: ignore[unused-awaitable]
            self.line.send(b"+OK\r\n" if given else b"-OOM no memory\r\n")
            self.network.advance(after)
            commands(self.line)
            released = self.knowledge.release("1")
            if given and not after:
                self.reply(b"DEL", b"test:lease:1", by=b":1\r\n")
            self.successResultOf(released)
            self.successResultOf(self.knowledge.release("1"))
            self.assertEqual(commands(self.line), [])

    def test_counted(self) -> None:
        """Commands are counted by what became of them, and shown without a secret."""
        for reply in (b"$1\r\na\r\n", b"$-1\r\n", b"-ERR no\r\n"):
            self.knowledge.get("1")  # type: ignore[unused-awaitable]
            self.line.send(reply)
        expected = {("get", "done"): 1, ("get", "none"): 1, ("get", "error"): 1}
        self.assertEqual(dict(self.counters.commands), expected)
        self.counters.answers.update({"hit": 3, "waited": 1, "asked": 2})
        members = self.knowledge.state.members()
        self.assertEqual(
            (members["url"], members["connected"], members["last_error"]), (self.server.name, True, "ERR no")
        )
        self.assertEqual([members[name] for name in ("hits", "misses", "commands", "errors")], [4, 2, 3, 1])


class FailureTests(KnowledgeCase):
    """A server that does not do its part."""

    def test_frozen(self) -> None:
        """All who wait at that moment wait once, together; all who come later not at all, until it answers again."""
        first = [self.knowledge.get("1"), self.knowledge.lease("2", 1.0), self.knowledge.put("3", b"", 1.0)]
        self.network.advance(SECONDS)
        self.network.advance(0)
        self.assertEqual([self.successResultOf(each) for each in first], [None, True, False])
        self.assertFalse(self.knowledge.is_usable)
        for _ in range(100):
            self.assertIsNone(self.successResultOf(self.knowledge.get("1")))
            self.assertTrue(self.successResultOf(self.knowledge.lease("1", 1.0)))
        while not self.line.connected:
            self.network.advance(LAST_DELAY)
            self.network.advance(0)
            self.line = self.server.line()
        self.assertFalse(self.knowledge.is_usable)
        commands(self.line)
        self.line.send(b"+PONG\r\n")
        self.assertTrue(self.knowledge.is_usable)

    def test_said_once(self) -> None:
        """The log says when sharing ends and begins, and not once a command."""
        with capturedLogs() as events:
            self.line.crash()
            for _ in range(100):
                self.successResultOf(self.knowledge.get("1"))
            self.network.advance(LAST_DELAY)
            self.network.advance(0)
            commands(self.server.line())
            self.server.line().send(b"+PONG\r\n")
        texts = [str(event["log_format"]) for event in events]
        self.assertEqual([text[:21] for text in texts], ["Revocation is not sha", "Revocation is shared "])

    def test_errors_are_few(self) -> None:
        """A server that is full is complained of a few times a minute."""
        with capturedLogs() as events:
            for _ in range(100):
                self.successResultOf(self.answered(self.knowledge.put("1", b"", 1.0)))
        self.assertLess(len(events), 10)

    def answered(self, asked: Deferred[bool]) -> Deferred[bool]:
        """The server is full."""
        self.line.send(b"-OOM no memory\r\n")
        return asked

    def test_stopped(self) -> None:
        """At the end what waits is answered, both connections close, and no timer is left."""
        got = self.knowledge.get("1")
        self.successResultOf(self.knowledge.stop())
        self.network.pump([0.0] * 3)
        self.assertIsNone(self.successResultOf(got))
        self.assertEqual([line.connected for line in (self.line, self.news)], [False, False])
        self.network.advance(60.0)
        self.assertEqual(self.network.timers(), [])


class NewsTests(KnowledgeCase):
    """What is published, and heard."""

    def setUp(self) -> None:
        super().setUp()
        self.heard: list[bytes] = []
        self.working: Deferred[None] | None = None
        self.knowledge.subscribe("revoked", self.hear)

    def hear(self, text: bytes) -> Deferred[None] | None:
        """Notes it."""
        self.heard.append(text)
        return self.working

    def begin(self, last: bytes = b"*0\r\n", after: bytes = b"0-0") -> None:
        """The server says which entry is the last one, and is asked for later ones."""
        self.assertEqual(commands(self.news), [LAST])
        self.news.send(last)
        self.assertEqual(commands(self.news), [reading(after)])

    def test_published(self) -> None:
        """News are added to a stream, which is cut; none that is too long."""
        self.knowledge.publish("revoked", b"key")
        sent = [b"XADD", b"test:news", b"MAXLEN", b"~", KEPT, b"*", b"topic", b"revoked", b"news", b"key"]
        self.assertEqual(commands(self.line), [sent])
        self.knowledge.publish("revoked", bytes(MAX_NEWS + 1))
        self.assertEqual(commands(self.line), [])

    def test_announced(self) -> None:
        """A value and its news are sent together, and again where the server is away or full."""
        stored = [b"SET", b"test:1", b"value", b"PX", b"5000"]
        sent = [b"XADD", b"test:news", b"MAXLEN", b"~", KEPT, b"*", b"topic", b"revoked", b"news", b"key"]
        self.knowledge.announce("1", b"value", 5.0, topic="revoked", news=b"key")
        self.assertEqual(commands(self.line), [stored, sent])
        self.line.send(b"+OK\r\n-OOM no memory\r\n")
        self.network.advance(RETRY)
        self.assertEqual(commands(self.line), [[*stored[:-1], b"4500"], sent])
        self.line.send(b"+OK\r\n$3\r\n5-1\r\n")
        self.network.advance(RETRY)
        self.assertEqual(commands(self.line), [])
        self.line.crash()
        self.knowledge.announce("1", b"value", 1e6, topic="revoked", news=b"key")
        self.connect_again()
        self.network.advance(RETRY)
        self.assertEqual([each[0] for each in commands(self.line)], [b"SET", b"XADD"])

    def test_heard(self) -> None:
        """News are heard in their order, by who subscribed to their topic; then later ones are asked for."""
        self.begin()
        self.news.send(news((b"5-1", b"revoked", b"a"), (b"5-2", b"other", b"b"), (b"6-0", b"revoked", b"c")))
        self.assertEqual(self.heard, [b"a", b"c"])
        self.assertEqual(commands(self.news), [])
        self.network.advance(PAUSE)
        self.assertEqual(commands(self.news), [reading(b"6-0")])

    def test_silence(self) -> None:
        """Where there are none for a while they are asked for again; a server that does not say so is gone."""
        self.begin()
        self.network.advance(NEWS_SECONDS)
        self.news.send(b"*-1\r\n")
        self.assertEqual(commands(self.news), [LAST])
        self.news.send(b"*0\r\n")
        self.network.advance(PAUSE)
        self.assertEqual(commands(self.news), [reading(b"0-0")])
        self.network.advance(NEWS_SECONDS + REPLY_SECONDS)
        self.network.advance(0)
        self.assertFalse(self.news.connected)

    def test_new_stream(self) -> None:
        """A stream that was made anew by a clock that is behind is read from its beginning, once there is silence."""
        self.begin()
        self.news.send(news((b"5-1", b"revoked", b"a")))
        self.network.advance(PAUSE)
        self.assertEqual(commands(self.news), [reading(b"5-1")])
        self.news.send(b"*-1\r\n")
        self.assertEqual(commands(self.news), [LAST])
        self.news.send(replied([[b"3-0", [b"topic", b"revoked", b"news", b"b"]]]))
        self.network.advance(PAUSE)
        self.assertEqual(commands(self.news), [reading(b"0-0")])

    def test_one_after_the_other(self) -> None:
        """What is done about news is waited for, before the next are heard: a flood of them does not pile up."""
        self.begin()
        self.working = working = Deferred()
        self.news.send(news((b"5-1", b"revoked", b"a"), (b"5-2", b"revoked", b"b")))
        self.assertEqual(self.heard, [b"a"])
        self.working = None
        working.callback(None)
        self.assertEqual(self.heard, [b"a", b"b"])

    def test_not_looked_up(self) -> None:
        """What news are about cannot be had while the other connection is gone: they come again once it is back."""
        looked: list[bytes | None] = []
        self.knowledge.subscribe("revoked", lambda text: self.knowledge.get("1").addCallback(looked.append))
        self.begin()
        self.line.crash()
        text = news((b"5-1", b"revoked", b"a"))
        self.news.send(text)
        self.assertEqual(looked, [None])
        self.connect_again()
        self.assertEqual(commands(self.news)[-1:], [reading(b"0-0")])
        self.news.send(text)
        self.reply(b"GET", b"test:1", by=b"$1\r\nx\r\n")
        self.network.advance(AGAIN)
        self.assertEqual((looked[-1], commands(self.news)), (b"x", [reading(b"5-1")]))

    def test_never_looked_up(self) -> None:
        """What is not to be had although Redis is there is passed over in the end, for the sake of other news."""
        self.knowledge.subscribe("revoked", lambda text: self.knowledge.get("1").addCallback(lambda _: None))
        self.begin()
        for _ in range(MAX_LOOKS - 1):
            self.news.send(news((b"5-1", b"revoked", b"a")))
            self.network.advance(SECONDS)
            self.network.advance(0)
            self.connect_again()
            self.assertEqual(commands(self.news), [reading(b"0-0")])
        self.news.send(news((b"5-1", b"revoked", b"a")))
        self.network.advance(SECONDS)
        self.network.advance(0)
        self.network.advance(AGAIN)
        self.assertEqual(commands(self.news), [reading(b"5-1")])

    def connect_again(self) -> None:
        """The server is connected to for commands again."""
        while not self.server.line().connected or self.server.line() is self.news:
            self.network.advance(AGAIN)
        self.line = self.server.line()
        self.assertEqual(commands(self.line), [[b"PING"]])
        self.line.send(b"+PONG\r\n")

    def test_missed(self) -> None:
        """After a connection was lost the news since the last one are heard, and those of a stream that is new."""
        self.begin()
        self.news.send(news((b"5-1", b"revoked", b"a")))
        for last, after in ((b"9-0", b"5-1"), (b"3-0", b"0-0")):
            self.news.crash()
            while self.server.line() is self.news:
                self.network.advance(PAUSE)
            self.news = self.server.line()
            self.assertEqual(commands(self.news), [[b"PING"]])
            self.news.send(b"+PONG\r\n")
            self.begin(replied([[last, [b"topic", b"revoked", b"news", b"x"]]]), after)

    def test_no_news(self) -> None:
        """What is no list of entries in their order ends the connection, once what came before is heard."""
        self.begin()
        self.news.send(news((b"5-1", b"revoked", b"a"), (b"5-1", b"revoked", b"a")))
        self.network.advance(0)
        self.assertEqual((self.heard, self.news.connected), ([b"a"], False))

    def test_refused(self) -> None:
        """Where the stream may not be read, the log says so, and values are shared all the same."""
        with capturedLogs() as events:
            self.begin()
            self.news.send(b"-NOPERM no permissions to run the 'xread' command\r\n")
            self.network.advance(0)
        self.assertEqual([event["log_format"][:20] for event in events], ["News of revocations "])
        self.assertTrue(self.knowledge.is_usable)
