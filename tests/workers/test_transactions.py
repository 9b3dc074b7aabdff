"""A configuration that all processes prepare."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.workers.transactions import SPAWNER, Transaction

WRONG = Problem(place=Place(file="gw.ini"), message="is wrong")


class TransactionTests(SynchronousTestCase):
    """Who is awaited, and what is decided."""

    def setUp(self) -> None:
        self.transaction = Transaction(5, [SPAWNER, 11, 12])

    def test_all_are_ready(self) -> None:
        """It is decided once all are ready, and not before; what they warn of is kept."""
        for process, left in ((SPAWNER, {11, 12}), (12, {11})):
            self.transaction.ready(process, 5, ["a warning"])
            self.assertEqual(self.transaction.awaited, left)
            self.assertNoResult(self.transaction.decided)
        self.transaction.ready(11, 5, [])
        self.assertIsNone(self.successResultOf(self.transaction.decided))
        self.assertEqual(self.transaction.prepared, {SPAWNER: ["a warning"], 12: ["a warning"], 11: []})

    def test_one_refuses(self) -> None:
        """One that cannot take it is enough; what others say afterwards changes nothing."""
        self.transaction.ready(11, 5, [])
        self.transaction.refuse(5, [WRONG])
        error = self.failureResultOf(self.transaction.decided, ConfigError).value
        self.assertEqual(error.problems, (WRONG,))
        self.transaction.refuse(5, [WRONG])
        self.transaction.ready(12, 5, [])
        self.transaction.ready(SPAWNER, 5, [])

    def test_earlier_answers(self) -> None:
        """An answer about a configuration that was given up is none about this one."""
        for process in (SPAWNER, 11, 12):
            self.transaction.ready(process, 4, [])
        self.transaction.refuse(4, [WRONG])
        self.assertNoResult(self.transaction.decided)
        self.assertEqual(self.transaction.awaited, {SPAWNER, 11, 12})

    def test_unknown_processes(self) -> None:
        """A worker that was forked since is not asked, and not counted."""
        self.transaction.ready(13, 5, [])
        self.assertEqual(self.transaction.prepared, {})

    def test_one_ends(self) -> None:
        """A worker that ends, ready or not, is awaited no longer: its successor is made from what is in force then."""
        self.transaction.ready(11, 5, ["a warning"])
        self.transaction.gone(11)
        self.transaction.gone(12)
        self.assertNoResult(self.transaction.decided)
        self.transaction.ready(SPAWNER, 5, [])
        self.assertIsNone(self.successResultOf(self.transaction.decided))
        self.assertEqual(self.transaction.prepared, {SPAWNER: []})

    def test_nobody_is_awaited(self) -> None:
        """Where there is no process, it is decided at once."""
        self.assertIsNone(self.successResultOf(Transaction(5, []).decided))

    def test_given_up(self) -> None:
        """Nothing that comes after it was given up does harm."""
        self.transaction.decided.cancel()
        self.failureResultOf(self.transaction.decided, CancelledError)
        for process in (SPAWNER, 11, 12):
            self.transaction.ready(process, 5, [])
