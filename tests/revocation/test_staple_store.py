"""Stapled responses on the disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.ocsp import MAX_RESPONSE_BYTES
from agwtwisted.revocation import staple_store
from agwtwisted.revocation.staple_store import DIRECTORY, KEPT_FOR, StapleStore

KEY, OTHER = bytes(32), bytes([1]) * 32


class StoreTests(SynchronousTestCase):
    """A directory, and threads in the test's hand."""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(dir=self.mktemp_parent()))
        self.work: list[tuple[Any, Deferred[Any]]] = []
        self.patch(staple_store, "in_thread", self._in_thread)
        self.store = StapleStore(object(), self.directory)  # type: ignore[arg-type]

    def mktemp_parent(self) -> str:
        """A directory of this test."""
        path = self.mktemp()
        os.makedirs(path)
        return path

    def _in_thread(self, reactor: Any, call: Any, name: str) -> Deferred[Any]:
        self.work.append((call, Deferred()))
        return self.work[-1][1]

    def run_threads(self) -> None:
        """All threads come to their end."""
        while self.work:
            call, done = self.work.pop(0)
            done.callback(call())

    def test_kept(self) -> None:
        """What was put is there for the next process, in a directory for its owner alone."""
        self.store.put(KEY, b"response")
        self.run_threads()
        self.assertEqual(StapleStore(object(), self.directory).load([KEY, OTHER]), {KEY: b"response"})  # type: ignore[arg-type]
        self.assertEqual((self.directory / DIRECTORY).stat().st_mode & 0o777, 0o700)
        soon = self.store.load_soon([KEY])
        self.run_threads()
        self.assertEqual(self.successResultOf(soon), {KEY: b"response"})
        self.assertEqual(self.successResultOf(self.store.load_soon([])), {})

    def test_newest(self) -> None:
        """While one thread writes, what comes waits, and of each certificate the newest is written then."""
        for response in (b"1", b"2", b"3"):
            self.store.put(KEY, response)
        self.assertEqual(len(self.work), 1)
        self.run_threads()
        self.assertEqual(self.store.load([KEY]), {KEY: b"3"})

    def test_bounded(self) -> None:
        """No more is read of a file than a response may have."""
        self.store.put(KEY, bytes(MAX_RESPONSE_BYTES + 9))
        self.run_threads()
        self.assertEqual(len(self.store.load([KEY])[KEY]), MAX_RESPONSE_BYTES)

    def test_unwritable(self) -> None:
        """A directory that cannot be made is logged once, until it can be written again."""
        (self.directory / DIRECTORY).write_text("")
        with capturedLogs() as events:
            for _ in range(3):
                self.store.put(KEY, b"x")
                self.run_threads()
            self.assertEqual(len(events), 1)
            (self.directory / DIRECTORY).unlink()
            self.store.put(KEY, b"x")
            self.run_threads()
        self.assertEqual(len(events), 1)
        self.assertEqual(self.store.load([KEY]), {KEY: b"x"})

    def test_tidy(self) -> None:
        """Files of certificates that have not been in force for a month go, and nothing else."""
        for key in (KEY, OTHER):
            self.store.put(key, b"x")
        self.run_threads()
        note = self.directory / DIRECTORY / "README"
        note.write_text("")
        changed = max(each.stat().st_mtime for each in (self.directory / DIRECTORY).iterdir())
        self.store.tidy([KEY], changed + KEPT_FOR - 1)
        self.assertEqual(len(self.store.load([KEY, OTHER])), 2)
        self.store.tidy([KEY], changed + KEPT_FOR + 1)
        self.assertEqual(list(self.store.load([KEY, OTHER])), [KEY])
        self.assertTrue(note.exists())

    def test_without_state_directory(self) -> None:
        """Nothing is kept, and nothing is tried."""
        store = StapleStore(object(), None)  # type: ignore[arg-type]
        store.put(KEY, b"x")
        store.tidy([], 0.0)
        self.assertEqual(store.load([KEY]), {})
        self.assertEqual(self.successResultOf(store.load_soon([KEY])), {})
        self.assertEqual(self.work, [])
