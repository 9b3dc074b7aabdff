"""How many requests are under way to a server that does not answer all of them in time."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.concurrency import ANSWERS_TO_ONE, COUNTED, LEAST, SILENT, ConcurrencyLimit

MOST = 256


class ConcurrencyLimitTests(SynchronousTestCase):
    """One server."""

    def setUp(self) -> None:
        self.limit = ConcurrencyLimit(MOST)
        self.now = 1000.0
        self.keys = 0

    def answer(self, count: int) -> None:
        """So many requests are answered."""
        for _ in range(count):
            self.limit.answered()

    def time_out(self, count: int, began: float | None = None, key: bytes | None = None) -> None:
        """So many different requests have no answer, or one has none so often."""
        for _ in range(count):
            self.keys += 1
            named = b"%d" % self.keys if key is None else key
            self.limit.timed_out(named, self.now if began is None else began, self.now)

    def test_begins_with_all(self) -> None:
        """While every request is answered as many are allowed as there may be."""
        self.assertEqual(self.limit.requests, MOST)
        self.answer(1000)
        self.assertEqual(self.limit.requests, MOST)

    def test_halved(self) -> None:
        """Different requests without an answer halve it, each time it takes as many again."""
        self.time_out(SILENT - 1)
        self.assertEqual(self.limit.requests, MOST)
        self.time_out(1)
        self.assertEqual(self.limit.requests, MOST // 2)
        self.time_out(SILENT)
        self.assertEqual(self.limit.requests, MOST // 4)

    def test_one_request(self) -> None:
        """A request that is never answered lowers it not at all, however often it is sent."""
        self.time_out(100, key=b"one")
        self.assertEqual(self.limit.requests, MOST)

    def test_a_few_among_many(self) -> None:
        """Requests that are never answered lower nothing while the server answers many others."""
        for _ in range(20):
            self.answer(SILENT * ANSWERS_TO_ONE)
            self.time_out(SILENT - 1)
        self.assertEqual(self.limit.requests, MOST)

    def test_good_part(self) -> None:
        """Among answers, too, it is lowered, once a good part of the requests has none."""
        self.answer(120)
        self.time_out(120 // ANSWERS_TO_ONE - 1)
        self.assertEqual(self.limit.requests, MOST)
        self.time_out(1)
        self.assertEqual(self.limit.requests, MOST // 2)

    def test_long_ago(self) -> None:
        """A server that answered for hours is not trusted longer than another one."""
        self.answer(100 * COUNTED)
        self.time_out(COUNTED // ANSWERS_TO_ONE, began=self.now - 5)
        self.assertEqual(self.limit.requests, MOST // 2)

    def test_once_for_what_was_under_way(self) -> None:
        """Requests that were sent before it was lowered do not lower it again: they met the same crowd."""
        self.time_out(SILENT)
        self.time_out(MOST, began=self.now - 5)
        self.assertEqual(self.limit.requests, MOST // 2)

    def test_least(self) -> None:
        """Some remain, whatever happens."""
        self.time_out(100 * SILENT)
        self.assertEqual(self.limit.requests, LEAST)

    def test_grows(self) -> None:
        """It grows by one for as many answers as it allows requests, up to the most."""
        self.time_out(100 * SILENT)
        self.answer(LEAST + 1)
        self.assertEqual(self.limit.requests, LEAST + 1)
        self.answer(MOST * MOST)
        self.assertEqual(self.limit.requests, MOST)

    def test_small_most(self) -> None:
        """A server that is allowed few requests anyway keeps them."""
        limit = ConcurrencyLimit(4)
        for number in range(100):
            limit.timed_out(b"%d" % number, self.now, self.now)
        self.assertEqual(limit.requests, 4)
