"""The store in a file: what every store does, and what befalls a file."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from agwtwisted.revocation.ocsp_store import FILE
from agwtwisted.revocation.sqlite_store import SqliteStore
from tests import forks
from tests.revocation.test_ocsp_store import Contract, stored

reactor: Any = global_reactor

PROCESSES = """
import attrs
from pathlib import Path
from twisted.logger import globalLogPublisher, formatEvent
from agwtwisted.revocation.ocsp_store import StoredResponse
from agwtwisted.revocation.sqlite_store import SqliteStore

directory = Path(sys.argv[1])
calls = []

def store():
    return SqliteStore(directory, lambda: 0.0, lambda call, *args, **values: calls.append((call, args, values)))

def stored(key, response, is_revoked=False, newer=False):
    made = StoredResponse(key=key, response=response, is_revoked=is_revoked, until=100.0)
    return attrs.evolve(made, is_newer_than_revocation=newer)

def put(*responses):
    made = store()
    made.load(0, 10)
    made.start()
    for each in responses:
        made.put(each)
    made.stop()
    made._thread.join()
    said = [values for _, _, values in calls if values]
    assert not said, said

def found():
    return {each.key: each for each in store().load(0, 1_000_000)}
"""


class ProcessesTests(SynchronousTestCase):
    """A file of several processes."""

    def run_with_store(self, program: str) -> str:
        """What a program prints that has a directory of its own."""
        with tempfile.TemporaryDirectory() as directory:
            return forks.run(PROCESSES + program, directory + "/var")

    def test_start_together(self) -> None:
        """Processes that begin at once with no file make one, and lose nothing; a reader meets no half of it."""
        self.run_with_store(
            """
def work(name):
    put(*(stored(b"%d of %d" % (number, name), b"r", is_revoked=True) for number in range(20)))

for attempt in range(15):
    all_well(*(forked(work, name) for name in range(5)))
    assert len(found()) == 100
    for path in directory.iterdir():
        path.unlink()
"""
        )

    def test_damaged_together(self) -> None:
        """A damaged file is set aside once: what a process has stored in the next one is not."""
        self.run_with_store(
            """
def work(name):
    put(*(stored(b"%d of %d" % (number, name), b"r", is_revoked=True) for number in range(20)))

garbage = bytes(range(256)) * 64
directory.mkdir()
for attempt in range(15):
    (directory / "ocsp.sqlite3").write_bytes(garbage)
    all_well(*(forked(work, name) for name in range(5)))
    assert len(found()) == 100, len(found())
    assert (directory / "ocsp.damaged").read_bytes() == garbage
    for path in directory.iterdir():
        path.unlink()
"""
        )

    def test_write_together(self) -> None:
        """Five processes write at once, in small batches; what each has stored is there, though one is killed."""
        self.run_with_store(
            """
def work(name):
    for first in range(0, 200, 5):
        put(*(stored(b"%d of %d" % (number, name), b"r", number % 2 == 0) for number in range(first, first + 5)))

def forever():
    number = 0
    while True:
        put(stored(b"%d" % number, b"r", is_revoked=True))
        number += 1

pids = [forked(work, name) for name in range(4)]
killed = forked(forever)
time.sleep(0.3)
os.kill(killed, signal.SIGKILL)
os.waitpid(killed, 0)
all_well(*pids)
rows = found()
for name in range(4):
    assert all(b"%d of %d" % (number, name) in rows for number in range(200)), name
"""
        )

    def test_revocation_stays(self) -> None:
        """A response of a process that does not know of a revocation does not replace it; a newer one that does
        know of it replaces it, and a revocation replaces everything.
        """
        self.run_with_store(
            """
put(stored(b"a", b"good"), stored(b"b", b"good"))
put(stored(b"a", b"revoked", is_revoked=True))
put(stored(b"a", b"older good"), stored(b"b", b"newer good"))
rows = found()
assert (rows[b"a"].response, rows[b"a"].is_revoked, rows[b"b"].response) == (b"revoked", True, b"newer good"), rows
put(stored(b"a", b"reinstated", newer=True))
assert found()[b"a"].response == b"reinstated"
"""
        )

    def test_not_set_aside_in_use(self) -> None:
        """A file that a process has open is not set aside: its journal would be taken for that of the next one."""
        self.run_with_store(
            """
from agwtwisted.sharing import directory_lock
directory_lock.ATTEMPTS = 2
first, second = store(), store()
first.load(0.0, 10)
with first._opened():
    try:
        second._anew(0.0, 10)
    except TimeoutError:
        pass
    else:
        raise AssertionError("it was not waited for")
second._anew(0.0, 10)
"""
        )

    def test_unwritten(self) -> None:
        """Revocations that could not be written while another process held the file are written later."""
        self.run_with_store(
            """
import sqlite3
put(stored(b"a", b"r"))
other = sqlite3.connect(directory / "ocsp.sqlite3", isolation_level=None)
other.execute("BEGIN IMMEDIATE")
real = sqlite3.connect
sqlite3.connect = lambda path, timeout, isolation_level: real(path, timeout=0.01, isolation_level=isolation_level)
made = store()
made._write([stored(b"b", b"r", is_revoked=True), stored(b"c", b"r")])
assert "locked" in calls[-1][2]["error"], calls
other.execute("COMMIT")
made._write([stored(b"d", b"r")])
made._write([])
assert set(found()) == {b"a", b"b", b"d"} and not made._unwritten
"""
        )


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
