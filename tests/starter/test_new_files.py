"""Files that a command makes: all of them or none."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import AgwError
from agwtwisted.starter.new_files import PRIVATE, NewFile, write_all


class WritingTests(SynchronousTestCase):
    """`write_all`."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.public = self.directory / "deep" / "er" / "public"
        self.secret = self.directory / "deep" / "secret"
        self.files = {self.public: NewFile(data=b"p"), self.secret: NewFile(data=b"s", secret=True)}

    def content(self) -> dict[str, bytes]:
        """Every file below the directory."""
        return {path.name: path.read_bytes() for path in self.directory.rglob("*") if path.is_file()}

    def test_writes(self) -> None:
        """Directories are made, secrets are their owner's alone, and nothing is left besides."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        write_all(self.files)
        self.assertEqual(self.content(), {"public": b"p", "secret": b"s"})
        self.assertEqual((self.public.stat().st_mode & 0o777, self.secret.stat().st_mode & 0o777), (0o644, 0o600))

    def test_private_directories(self) -> None:
        """New directories may be their owner's alone; those that are there stay as they are."""
        self.directory.mkdir(mode=0o755)
        write_all(self.files, directories=PRIVATE)
        modes = [each.stat().st_mode & 0o777 for each in (self.directory, self.secret.parent, self.public.parent)]
        self.assertEqual(modes, [0o755, 0o700, 0o700])

    def test_refuses_what_is_there(self) -> None:
        """What is there is named, and nothing is written, not even what is missing."""
        self.secret.parent.mkdir(parents=True)
        self.secret.symlink_to("nowhere")
        with self.assertRaises(AgwError) as caught:
            write_all(self.files)
        self.assertIn(f"{self.secret}: there already; nothing was written (--force replaces", str(caught.exception))
        self.assertEqual(os.listdir(self.secret.parent), ["secret"])

    def test_replaces_by_force(self) -> None:
        """With force files are replaced, with the modes of the new ones; a directory is not."""
        self.secret.parent.mkdir(parents=True)
        self.secret.write_bytes(b"old")
        self.secret.chmod(0o666)
        write_all(self.files, force=True)
        self.assertEqual(self.content(), {"public": b"p", "secret": b"s"})
        self.assertEqual(self.secret.stat().st_mode & 0o777, 0o600)
        with self.assertRaises(AgwError) as caught:
            write_all({self.public.parent: NewFile(data=b"p")}, force=True)
        self.assertIn("not all of it is a file", str(caught.exception))

    def test_leaves_nothing_half_written(self) -> None:
        """Where one of them cannot be written, none is there, nor a directory that was made for them."""
        self.directory.mkdir()
        full = OSError(errno.ENOSPC, "No space left on device", str(self.secret))
        for name, failing in (("open", "os.open"), ("replace", "pathlib.Path.replace")):
            real = os.open if name == "open" else Path.replace
            calls = iter([real, full])

            def second_fails(*arguments: object, calls: object = calls, **named: object) -> object:
                following = next(calls)  # type: ignore[call-overload]
                if isinstance(following, OSError):
                    raise following
                return following(*arguments, **named)

            with self.subTest(name), mock.patch(failing, second_fails), self.assertRaises(AgwError) as caught:
                write_all(self.files)
            self.assertIn(f"{self.secret} cannot be written: No space left on device", str(caught.exception))
            self.assertEqual(os.listdir(self.directory), [])

    def test_directory_that_cannot_be_made(self) -> None:
        """A file in the place of a directory is an error with its reason."""
        self.directory.write_text("a file")
        with self.assertRaises(AgwError) as caught:
            write_all(self.files)
        self.assertIn("cannot be written: Not a directory", str(caught.exception))

    def test_disk_that_fills_while_writing(self) -> None:
        """An error that names no file is one of the file that was being written."""
        full = mock.Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
        with mock.patch("builtins.open", full), self.assertRaises(AgwError) as caught:
            write_all({self.secret: NewFile(data=b"s")})
        self.assertIn(f"{self.secret}.new cannot be written: No space left on device", str(caught.exception))

    def test_left_by_another(self) -> None:
        """What a command left that was stopped is named, and stays."""
        self.secret.parent.mkdir(parents=True)
        left = self.secret.with_name("secret.new")
        left.write_bytes(b"x")
        with self.assertRaises(AgwError) as caught:
            write_all({self.secret: NewFile(data=b"s")})
        self.assertIn(f"{left} is there, of a command that was stopped", str(caught.exception))
        self.assertEqual(left.read_bytes(), b"x")
