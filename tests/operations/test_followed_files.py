"""Files that are looked at: when a change is taken, and when it is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.loading import read
from agwtwisted.operations.followed_files import INTERVAL, LATE, FollowedFiles, signature_of


class SignatureTests(SynchronousTestCase):
    """What tells one state of a file from another."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.file = self.directory / "file"
        self.file.write_bytes(b"one")

    def changed(self, change: Callable[[], object]) -> bool:
        """Whether the signature is another one after this."""
        before = signature_of(str(self.file))
        change()
        return signature_of(str(self.file)) != before

    def replace(self) -> None:
        """Another file of the same size and time takes the name."""
        other = self.directory / "other"
        other.write_bytes(b"two")
        found = self.file.stat()
        os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
        other.rename(self.file)

    def rewrite(self) -> None:
        """Other content of the same size, with the time of the former one."""
        found = self.file.stat()
        self.file.write_bytes(self.file.read_bytes()[::-1])
        os.utime(self.file, ns=(found.st_atime_ns, found.st_mtime_ns))

    def test_changes(self) -> None:
        """Other content, another time, another inode of the same size and time, none at all."""
        self.assertTrue(self.changed(lambda: self.file.write_bytes(b"longer")))
        self.assertTrue(self.changed(lambda: os.utime(self.file, (1, 1))))
        self.assertTrue(self.changed(self.replace))
        self.assertTrue(self.changed(self.rewrite))
        self.assertFalse(self.changed(self.file.read_bytes))
        self.assertTrue(self.changed(self.file.unlink))

    def test_links(self) -> None:
        """Of a link the signature is that of what it leads to, over all links on the way."""
        for name in "ab":
            (self.directory / name).mkdir()
            (self.directory / name / "tls.crt").write_bytes(name.encode())
        data = self.directory / "..data"
        data.symlink_to("a")
        self.file.unlink()
        self.file.symlink_to("..data/tls.crt")
        self.assertEqual(signature_of(str(self.file)), signature_of(str(self.directory / "a" / "tls.crt")))
        data.unlink()
        data.symlink_to("b")
        self.assertEqual(signature_of(str(self.file)), signature_of(str(self.directory / "b" / "tls.crt")))

    def test_none(self) -> None:
        """What is not there, or is no name of a file, has none."""
        self.assertEqual([signature_of(path) for path in ("nowhere", "", "a\0b")], [None] * 3)

    def test_read(self) -> None:
        """A file that was read has the signature that it had before."""
        self.assertEqual(read(str(self.file)).signature, signature_of(str(self.file)))


class FollowedFilesTests(SynchronousTestCase):
    """Two files, on a clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.paths = [str(self.directory / name) for name in ("cert.pem", "key.pem")]
        for path in self.paths:
            Path(path).write_bytes(b"one")
        self.in_force: Mapping[str, SourceFile] = self.as_read()
        self.reloads = 0
        self.outcome: Deferred[None] = succeed(None)
        self.is_taken = True
        self.hanging: list[Callable[[], None]] | None = None  # looks that have not come to their end
        self.followed = FollowedFiles(self.clock, lambda: self.in_force, self.reload, self.in_thread)
        self.followed.startService()
        self.addCleanup(self.followed.stopService)

    def as_read(self) -> dict[str, SourceFile]:
        """The files as they are now."""
        return {path: read(path) for path in self.paths}

    def reload(self) -> Deferred[None]:
        """Takes them, unless something is wrong."""
        self.reloads += 1
        if self.is_taken:
            self.in_force = self.as_read()
        return self.outcome

    def in_thread(self, reactor: Any, call: Callable[[], Any], name: str) -> Deferred[Any]:
        """Calls it at once, or when the test says."""
        self.assertIs(reactor, self.clock)
        if self.hanging is None:
            return succeed(call())
        result: Deferred[Any] = Deferred()
        self.hanging.append(lambda: None if result.called else result.callback(call()))
        return result

    def write(self, index: int, content: bytes) -> None:
        """One of the files has another content."""
        Path(self.paths[index]).write_bytes(content)

    def looked(self, times: int = 1) -> int:
        """How many reloads there were, after so many looks."""
        for _ in range(times):
            self.clock.advance(INTERVAL)
        return self.reloads

    def test_unchanged(self) -> None:
        """What does not change is not reloaded."""
        self.assertEqual(self.looked(10), 0)

    def test_changed(self) -> None:
        """A change is taken with the second look that sees it, once."""
        self.write(0, b"other")
        self.assertEqual([self.looked() for _ in range(5)], [0, 1, 1, 1, 1])

    def test_before_the_first_look(self) -> None:
        """What has changed since it was read, before any look, is seen."""
        self.followed.stopService()
        self.write(0, b"other")
        self.followed.startService()
        self.assertEqual(self.looked(2), 1)

    def test_until_quiet(self) -> None:
        """As long as each look sees something else nothing is taken."""
        seen = []
        for number in range(5):
            self.write(number % 2, bytes(number + 4))
            seen.append(self.looked())
        self.assertEqual((seen, self.looked()), ([0] * 5, 1))

    def test_rejected(self) -> None:
        """A state that is not taken is tried once, and the next one again."""
        self.is_taken = False
        self.write(0, b"half a pair")
        self.assertEqual(self.looked(10), 1)
        self.write(1, b"the other half")
        self.is_taken = True
        self.assertEqual(self.looked(10), 2)
        self.assertEqual(self.in_force[self.paths[1]].data, b"the other half")

    def test_while_reloading(self) -> None:
        """While a reload is under way nothing is looked at; what changed meanwhile is taken after it."""
        self.outcome = Deferred()
        self.write(0, b"other")
        self.looked(2)
        self.write(1, b"another")
        self.assertEqual((self.looked(10), self.clock.getDelayedCalls()), (1, []))
        outcome, self.outcome = self.outcome, succeed(None)
        outcome.callback(None)
        self.assertEqual(self.looked(10), 2)

    def test_another_configuration(self) -> None:
        """The files of the configuration in force are followed, and those of another one no more."""
        self.looked()
        self.paths = [str(self.directory / "new.pem")]
        self.write(0, b"one")
        former, self.in_force = self.in_force, self.as_read()
        for path in former:
            Path(path).write_bytes(b"another")
        self.assertEqual(self.looked(5), 0)
        self.write(0, b"another")
        self.assertEqual(self.looked(5), 1)

    def test_reloaded_by_others(self) -> None:
        """What another reload has taken already is not taken again."""
        self.write(0, b"other")
        self.looked()
        self.in_force = self.as_read()
        self.assertEqual(self.looked(5), 0)

    def test_reloaded_during_a_look(self) -> None:
        """Nor where that happens while files are looked at; a look at files that are not followed any more says
        nothing.
        """
        for others in (False, True):
            self.setUp()
            self.write(0, b"other")
            self.looked()
            self.hanging = []
            self.looked()
            self.in_force = {} if others else self.as_read()
            looks, self.hanging = self.hanging, None
            looks[0]()
            self.assertEqual(self.looked(5), 0)

    def test_none(self) -> None:
        """Where no file is followed none is looked at, until there are some again."""
        former, self.in_force = self.in_force, {}
        self.hanging = []
        self.looked(5)
        self.assertEqual(self.hanging, [])
        self.in_force, self.hanging = former, None
        self.write(0, b"other")
        self.assertEqual(self.looked(2), 1)

    def test_vanished(self) -> None:
        """A file that is gone is said once, and no reason to reload; it is followed again once it is back."""
        Path(self.paths[0]).unlink()
        with capturedLogs() as events:
            self.assertEqual(self.looked(10), 0)
        said = [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]
        self.assertEqual(said, [f"{self.paths[0]} is not there any more: what was read of it stays in force"])
        self.is_taken = False
        self.write(1, b"other")
        with capturedLogs() as events:
            self.assertEqual(self.looked(2), 1)
        self.assertEqual(events, [])
        self.is_taken = True
        self.write(0, b"back")
        self.assertEqual(self.looked(2), 2)

    def test_vanished_beside_a_change(self) -> None:
        """Where another one has changed it is taken; the one that is gone is not said again then."""
        Path(self.paths[0]).unlink()
        self.write(1, b"other")
        taken = {self.paths[0]: SourceFile(data=b"one", mode=0o600), self.paths[1]: read(self.paths[1])}
        self.as_read = lambda: taken  # type: ignore[method-assign]
        with capturedLogs() as events:
            self.assertEqual(self.looked(10), 1)
        self.assertEqual(len([event for event in events if event["log_level"] is LogLevel.warn]), 1)

    def test_hanging(self) -> None:
        """While a look hangs there is no second one; the log says so once, and changes are seen after it."""
        self.hanging = []
        with capturedLogs() as events:
            self.looked(int(10 * LATE))
        self.assertEqual((len(self.hanging), len(events)), (1, 2))
        self.assertIn("the file system has not answered for 30 s", formatEvent(events[-1]))
        looks, self.hanging = self.hanging, None
        self.write(0, b"other")
        looks[0]()
        self.assertEqual(self.looked(), 1)

    def test_stopped_while_hanging(self) -> None:
        """A stop does not wait for a look, and leaves no timer."""
        self.hanging = []
        self.looked()
        self.followed.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.hanging[0]()
        self.assertEqual((self.clock.getDelayedCalls(), self.reloads), ([], 0))

    def test_stopped(self) -> None:
        """Nor between two looks; started again it goes on."""
        self.followed.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.followed.startService()
        self.write(0, b"other")
        self.assertEqual(self.looked(2), 1)

    def test_defect(self) -> None:
        """A defect is logged, and looks go on."""
        self.outcome = Deferred()
        self.outcome.errback(ZeroDivisionError())
        self.write(0, b"other")
        self.looked(2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.write(0, b"another")
        self.outcome = succeed(None)
        self.assertEqual(self.looked(2), 2)

    def test_said(self) -> None:
        """The log says how many files are followed, where that is another number."""
        with capturedLogs() as events:
            self.looked(3)
            self.write(0, b"other")
            self.looked(3)
            self.in_force = {}
            self.looked(3)
        self.assertEqual(
            [formatEvent(event) for event in events],
            [f"Following {count} files of the configuration" for count in (2, 0)],
        )
