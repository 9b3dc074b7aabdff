"""The key of the affinity cookies on disk."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.affinity_key import FILE, AffinityKey, load_key
from agwtwisted.core.backends.affinity import KEY_BYTES
from tests import forks


class ProcessTests(SynchronousTestCase):
    """The key of a process."""

    def test_in_a_directory(self) -> None:
        """It is that of the state directory, which is looked at once, and not before the key is asked for."""
        directory = Path(self.mktemp())
        key = AffinityKey(directory)
        self.assertFalse(directory.exists())
        found = key.load()
        self.assertEqual(found, load_key(directory))
        (directory / FILE).unlink()
        self.assertEqual(key.load(), found)

    def test_without_a_directory(self) -> None:
        """It is random, and stays the same as long as the process lives."""
        key = AffinityKey(None)
        self.assertEqual((len(key.load()), key.load()), (KEY_BYTES, key.load()))
        self.assertNotEqual(key.load(), AffinityKey(None).load())

    def test_of_another_process(self) -> None:
        """A worker has the key of its parent, and looks nowhere."""
        directory = Path(self.mktemp())
        self.assertEqual(AffinityKey(directory, b"the parent's").load(), b"the parent's")
        self.assertFalse(directory.exists())


class StartTogetherTests(SynchronousTestCase):
    """Several processes that begin at once."""

    def test_one_key(self) -> None:
        """All have the key that is on disk then, whether there was none before or one to be replaced."""
        said = forks.run(
            """
import tempfile
from pathlib import Path
from agwtwisted.backends.affinity_key import FILE, load_key

def load(ready, directory):
    os.read(ready, 1)
    os.write(1, load_key(directory).hex().encode() + b"\\n")

for attempt in range(40):
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "var"
        if attempt % 2:
            directory.mkdir()
            (directory / FILE).write_bytes(b"no key")
        ready, go = os.pipe()
        pids = [forked(load, ready, directory) for _ in range(6)]
        os.write(go, bytes(6))
        all_well(*pids)
        os.write(1, (directory / FILE).read_bytes().hex().encode() + b"\\n")
"""
        )
        lines = said.split()
        self.assertEqual(len(lines), 280)
        for start in range(0, 280, 7):
            self.assertEqual(len(set(lines[start : start + 7])), 1)


class KeyTests(SynchronousTestCase):
    """In a state directory."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "var"
        self.path = self.directory / FILE

    def test_made_once(self) -> None:
        """A new key for its owner alone, in a directory for its owner alone; the same one from then on."""
        with capturedLogs() as events:
            key = load_key(self.directory)
            self.assertEqual((len(key), load_key(self.directory)), (KEY_BYTES, key))
        self.assertEqual([oct(path.stat().st_mode & 0o777) for path in (self.directory, self.path)], ["0o700", "0o600"])
        self.assertEqual((os.listdir(self.directory), events), ([FILE], []))

    def test_masked(self) -> None:
        """Whatever the umask is."""
        self.addCleanup(os.umask, os.umask(0))
        load_key(self.directory)
        self.assertEqual(oct(self.path.stat().st_mode & 0o777), "0o600")

    def test_random(self) -> None:
        """Another directory has another key."""
        self.assertNotEqual(load_key(self.directory), load_key(self.directory.with_name("other")))

    def replaced(self, why: str) -> None:
        """The key that is there is not used any more, and the log says why."""
        before = self.path.read_bytes()
        with capturedLogs() as events:
            key = load_key(self.directory)
        self.assertEqual([formatEvent(event) for event in events], [f"{self.path} is replaced: {why}"])
        self.assertNotEqual(key, before)
        self.assertEqual((self.path.read_bytes(), oct(self.path.stat().st_mode & 0o777)), (key, "0o600"))

    def test_no_key(self) -> None:
        """What is no key is replaced: it would let clients make up cookies."""
        self.directory.mkdir(parents=True)
        for content in (b"", b"short", bytes(KEY_BYTES + 1)):
            self.path.write_bytes(content)
            self.path.chmod(0o600)
            self.replaced("it is not a key of this gateway")

    def test_open_key(self) -> None:
        """So is a key that others can read."""
        for mode in (0o640, 0o604, 0o644):
            load_key(self.directory)
            self.path.chmod(mode)
            self.replaced("other users can read or write it")

    def test_left_over(self) -> None:
        """Files of an interrupted start do not disturb the next one."""
        self.directory.mkdir(parents=True)
        beside = self.path.with_name(f"{FILE}.new")
        beside.write_bytes(b"half")
        load_key(self.directory)
        self.assertFalse(beside.exists())

    def test_unwritable(self) -> None:
        """A directory that cannot be made is an error of the start."""
        self.directory.parent.mkdir()
        self.directory.write_bytes(b"")
        with self.assertRaises(OSError):
            load_key(self.directory)
