"""Lists in files: kept whole with what goes with them, never trusted, one download of each at a time."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from errno import ENOLCK
from pathlib import Path

import attrs
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation.crl_store import (
    _MAGIC,
    _TAIL,
    FileListStore,
    MemoryListStore,
    StoredList,
    Validators,
    _members,
    name_of,
)

LIST = StoredList(
    data=b"\x30\x80 a list",
    issuer=b"a certificate",
    url="http://pki.example/ca.crl",
    validators=Validators(etag='"1"', last_modified="Mon, 01 Jun 2026 12:00:00 GMT"),
    fetched=1780315200.0,
)


class FileListStoreTests(SynchronousTestCase):
    """A store in a directory of its own."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "crls"
        self.store = FileListStore(self.directory)

    def path(self, stored: StoredList = LIST) -> Path:
        """The file of a list."""
        return self.directory / f"{stored.name}.crl"

    def test_kept(self) -> None:
        """A list is read again as it was stored, by its name and with all others, and the last one of a name counts."""
        newer = attrs.evolve(LIST, data=b"a newer list", validators=Validators())
        given = StoredList(data=b"of an operator", issuer=b"a certificate")
        for each in (LIST, newer, given):
            self.store.put(each)
        other = FileListStore(self.directory)
        self.assertEqual(FileListStore(self.directory / "none").load(), [])
        self.assertEqual(other.read(name_of(LIST.url, LIST.issuer)), newer)
        self.assertCountEqual(other.load(), [newer, given])
        self.assertIsNone(other.read("unheard-of"))
        self.assertTrue(other.outlives_process)

    def test_names(self) -> None:
        """Lists of one URL that were proven by different certificates do not replace each other."""
        other = attrs.evolve(LIST, issuer=b"another certificate")
        self.store.put(LIST)
        self.store.put(other)
        self.assertCountEqual(self.store.load(), [LIST, other])

    def test_private(self) -> None:
        """Directory and files are their owner's alone; a directory of another user, or a link to one, is not taken."""
        self.store.put(LIST)
        self.assertEqual([each.stat().st_mode & 0o777 for each in (self.directory, self.path())], [0o700, 0o600])
        self.patch(os, "geteuid", lambda: 4242)
        if self.directory.lstat().st_uid != 0:
            self.assertRaises(PermissionError, self.store.put, LIST)
        link = self.directory.with_name("link")
        link.symlink_to(self.directory)
        self.assertRaises(PermissionError, FileListStore(link).put, LIST)

    def test_damaged(self) -> None:
        """A file that is not what was written, in whichever part, is set aside with a line in the log."""
        self.store.put(LIST)
        whole = self.path().read_bytes()
        beginning = b"X" + whole[1:]
        trailer = whole.replace(b'"fetched"', b'"fetchEd"')
        for damaged in (b"", b"x" * 8, whole[:-1], beginning, trailer, whole[:-12] + b"\xff\xff\xff\xff" + whole[-8:]):
            self.path().write_bytes(damaged)
            with capturedLogs() as logs:
                self.assertIsNone(self.store.read(LIST.name))
            self.assertEqual([each["log_level"] for each in logs], [LogLevel.error])
            self.assertEqual(self.path().with_suffix(".damaged").read_bytes(), damaged)
        self.assertEqual(self.store.load(), [])

    def test_tampered_trailer(self) -> None:
        """What goes with a list stops no start, and puts no header into a request, whatever was written there."""
        for wrong in (b"[" * 60_000, b'{"issuer": ""}', b"1e999"):
            self.put_with(wrong)
        good = json.dumps({**_members(LIST), "fetched": 10**400}).encode()
        for wrong in (good, *(self.with_validator(each) for each in ("a\r\nX: y", "\u20ac", 7))):
            self.put_with(wrong)

    def with_validator(self, text: object) -> bytes:
        """A trailer with this ETag."""
        return json.dumps({**_members(LIST), "etag": text}).encode()

    def put_with(self, trailer: bytes) -> None:
        """The list is stored with it, and is not taken."""
        self.store.put(LIST)
        self.path().write_bytes(LIST.data + trailer + _TAIL.pack(len(trailer), _MAGIC))
        with capturedLogs() as logs:
            self.assertEqual(self.store.load(), [])
        self.assertEqual([each["log_level"] for each in logs], [LogLevel.error])

    def test_unreadable(self) -> None:
        """A file that cannot be read is left as it is."""
        self.path().mkdir(parents=True)
        with capturedLogs() as logs:
            self.assertIsNone(self.store.read(LIST.name))
        self.assertIn("cannot be read", logs[0]["log_format"])
        self.assertTrue(self.path().is_dir())

    def test_bound(self) -> None:
        """Of more lists than are kept those go that were stored first."""
        store = FileListStore(self.directory, most=2)
        lists = [attrs.evolve(LIST, url=f"http://pki.example/{number}.crl") for number in range(3)]
        for number, each in enumerate(lists):
            store.put(each)
            os.utime(self.path(each), (number, number))
        store.put(lists[2])
        self.assertCountEqual(store.load(), lists[1:])

    def test_lease(self) -> None:
        """One at a time downloads a list, in whichever process; other lists are not held up."""
        other = FileListStore(self.directory)
        lease = self.store.lease("one")
        self.assertIsNotNone(lease)
        self.assertIsNone(other.lease("one"))
        two = other.lease("two")
        assert lease is not None
        assert two is not None
        lease.release()
        again = other.lease("one")
        assert again is not None
        again.release()
        two.release()
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_lease_that_goes(self) -> None:
        """A lock whose file was removed before it was taken is none: another process may have the next one."""
        real = fcntl.flock

        def removed_meanwhile(descriptor: int, operation: int) -> None:
            (self.directory / "one.lock").unlink()
            real(descriptor, operation)

        self.patch(fcntl, "flock", removed_meanwhile)
        self.assertIsNone(self.store.lease("one"))

    def test_without_locks(self) -> None:
        """On a file system that knows no locks, or without descriptors, everybody downloads."""

        def refuse(*_: object) -> None:
            raise OSError(ENOLCK, "No locks available")

        self.patch(fcntl, "flock", refuse)
        self.assertIsNotNone(self.store.lease("one"))
        self.patch(os, "open", refuse)
        self.assertIsNotNone(self.store.lease("one"))


class MemoryListStoreTests(SynchronousTestCase):
    """A store that stores nothing."""

    def test_empty(self) -> None:
        """There is never anything in it, and everybody may download."""
        store = MemoryListStore()
        store.put(LIST)
        self.assertEqual((store.load(), store.read(LIST.name), store.outlives_process), ([], None, False))
        store.lease(LIST.name).release()
        self.assertIsNotNone(store.lease(LIST.name))
