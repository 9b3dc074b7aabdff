"""Stores of signed responses: what each must do, and what befalls a file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import TestCase

from agwtwisted.revocation.ocsp_store import FILE, MemoryStore, ResponseStore, SqliteStore, StoredResponse

reactor: Any = global_reactor


def stored(key: str, response: str = "response", *, until: float = 100.0, is_revoked: bool = False) -> StoredResponse:
    """A response to keep."""
    return StoredResponse(key=key.encode(), response=response.encode(), is_revoked=is_revoked, until=until)


class Contract:
    """What holds for every store; `again` is the store that comes after it, of another process where it can."""

    def again(self) -> ResponseStore:
        """The next one."""
        raise NotImplementedError

    async def kept(self, *responses: StoredResponse, now: float = 0.0, most: int = 10) -> list[StoredResponse]:
        """What the next store has of what was put into this one."""
        store = self.again()
        store.load(now, most)
        store.start()
        for each in responses:
            store.put(each)
        await store.stop()
        return self.again().load(now, most)

    async def test_nothing(self) -> None:
        """At first there is nothing."""
        assert await self.kept() == []

    async def test_kept(self) -> None:
        """What was put is there the next time, as it was."""
        responses = [stored("a"), stored("b", is_revoked=True, until=1e10)]
        found = await self.kept(*responses)
        assert sorted(found, key=lambda each: each.key) == responses

    async def test_last_one_counts(self) -> None:
        """Of several responses of one key the last one counts, revocation or not."""
        for last in (stored("a", "new"), stored("a", "new", is_revoked=True), stored("a", "newer")):
            assert await self.kept(stored("a", "old", is_revoked=not last.is_revoked), last) == [last]

    async def test_over(self) -> None:
        """What is over is not given back."""
        assert await self.kept(stored("a", until=5.0), stored("b", until=5.1), now=5.0) == [stored("b", until=5.1)]

    async def test_revocations_stay(self) -> None:
        """By a clock that is years ahead every certificate has ended: a revocation is there when it is right again."""
        revoked = stored("a", is_revoked=True, until=5.0)
        assert await self.kept(revoked, stored("b", until=5.0), now=1e9) == [revoked]

    async def test_most(self) -> None:
        """Those that last longest are given back, as many as are wanted, and every revocation."""
        revoked = [stored(f"r{number}", is_revoked=True, until=200) for number in range(5)]
        others = [stored(f"g{number}", until=number + 1) for number in range(5)]
        found = await self.kept(*others, *revoked, most=2)
        assert sorted(found, key=lambda each: each.key) == [*others[3:], *revoked]

    async def test_stop_without_start(self) -> None:
        """A store that was never started stops at once."""
        await self.again().stop()


class MemoryTests(Contract, TestCase):
    """The store in memory."""

    def setUp(self) -> None:
        self.store = MemoryStore()

    def again(self) -> ResponseStore:
        """There is only one."""
        return self.store

    def test_bounded(self) -> None:
        """It is bounded, but for revocations, of which the CAs issue only so many."""
        store = MemoryStore(most=2)
        for number in range(5):
            store.put(stored(f"g{number}"))
            store.put(stored(f"r{number}", is_revoked=True))
        self.assertEqual(len(store.load(0, 10)), 7)


class SqliteTests(Contract, TestCase):
    """The store in a file."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "var" / "agw"
        self.now = 0.0

    def again(self) -> SqliteStore:
        """As a new process would have it."""
        return SqliteStore(self.directory, lambda: self.now, reactor.callFromThread)

    def test_private(self) -> None:
        """The directory is its owner's alone."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.again()
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)

    def test_open_directory(self) -> None:
        """A directory that was there, and is open to others, is complained of."""
        self.directory.mkdir(parents=True, mode=0o755)
        with capturedLogs() as events:
            self.again()
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn])

    def test_no_directory(self) -> None:
        """A directory that cannot be made stops the start."""
        self.directory.parent.mkdir(parents=True)
        self.directory.write_text("a file")
        self.assertRaises(OSError, self.again)

    async def test_damaged(self) -> None:
        """A file that is no database is set aside with a line in the log, and another one is begun."""
        damage = b"no database at all, but long enough to be read as one" * 50
        await self.kept(stored("a"))
        file = self.directory / FILE
        file.write_bytes(damage)
        with capturedLogs() as events:
            found = await self.kept(stored("b"))
        self.assertEqual(found, [stored("b")])
        self.assertIn("set aside", events[0]["log_format"])
        self.assertEqual(file.with_suffix(".damaged").read_bytes(), damage)

    async def test_damaged_within(self) -> None:
        """So is one whose pages are spoilt."""
        await self.kept(*[stored(f"a{number}", "x" * 3000) for number in range(50)], most=100)
        file = self.directory / FILE
        whole = file.read_bytes()
        file.write_bytes(whole[:8192] + b"\xff" * 16384 + whole[24576:])
        with capturedLogs() as events:
            self.assertEqual(self.again().load(0.0, 100), [])
        self.assertIn("set aside", events[0]["log_format"])

    async def test_of_another_version(self) -> None:
        """A file of a later version is not understood, and set aside."""
        await self.kept(stored("a"))
        database = sqlite3.connect(self.directory / FILE)
        database.execute("PRAGMA user_version = 7")
        database.close()
        with capturedLogs():
            self.assertEqual(self.again().load(0.0, 10), [])

    async def test_cannot_be_read(self) -> None:
        """A file that cannot be opened is complained of, and nothing is known from before."""
        store = self.again()
        (self.directory / FILE).mkdir()
        with capturedLogs() as events:
            self.assertEqual(store.load(0.0, 10), [])
        self.assertIn("cannot be read", events[0]["log_format"])

    async def test_cannot_be_written(self) -> None:
        """A file that cannot be written is complained of once; what was put is lost, and nothing else happens."""
        store = self.again()
        (self.directory / FILE).mkdir()
        with capturedLogs() as events:
            store.start()
            for _ in range(3):
                store.put(stored("a"))
            await self.turns()
            store.put(stored("b"))
            await store.stop()
            await self.turns()
        self.assertEqual([event["log_format"].partition(",")[0] for event in events], ["{path} cannot be written"])

    async def test_forgets_what_is_over(self) -> None:
        """With what is written the file loses what is over."""
        await self.kept(stored("a", until=5))
        self.now = 6.0
        await self.kept(stored("b"))
        database = sqlite3.connect(self.directory / FILE)
        self.addCleanup(database.close)
        self.assertEqual(database.execute("SELECT key FROM responses").fetchall(), [(b"b",)])

    async def test_keeps_revocations(self) -> None:
        """They stay in the file when others are over, those that last longest, as many as there may be."""
        await self.kept(*[stored(key, is_revoked=True, until=until) for key, until in (("a", 5), ("b", 3), ("c", 4))])
        self.now = 6.0
        await self.kept(stored("d", until=9))
        store = SqliteStore(self.directory, lambda: self.now, reactor.callFromThread, most_revoked=2)
        found = [each.key for each in store.load(self.now, 10)]
        self.assertEqual(sorted(found), [b"a", b"c", b"d"])

    async def turns(self) -> None:
        """Lets the reactor turn, and other threads run."""
        turned: Deferred[None] = Deferred()
        reactor.callInThread(reactor.callFromThread, turned.callback, None)
        await turned
