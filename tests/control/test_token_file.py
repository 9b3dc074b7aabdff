"""The file with the token of the control API."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.control.token_file import TokenFileError, token_of


class TokenFileTests(SynchronousTestCase):
    """Made, read, refused."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name) / "state" / "control.token"

    def given(self, text: str, mode: int = 0o600) -> None:
        """A file of somebody."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.write_text(text)
        self.path.chmod(mode)

    def refused(self) -> str:
        """Why the file is not taken."""
        return str(self.assertRaises(TokenFileError, token_of, str(self.path)))

    def test_made(self) -> None:
        """It is made where there is none, its owner's alone whatever the umask is; and then it stays."""
        self.addCleanup(os.umask, os.umask(0))
        token = token_of(str(self.path))
        self.assertTrue(re.fullmatch(r"t[A-Za-z0-9_-]{43}", token))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(token_of(str(self.path)), token)
        self.assertEqual([each.name for each in self.path.parent.iterdir()], ["control.token"])
        self.path.unlink()
        self.assertNotEqual(token_of(str(self.path)), token)

    def test_given(self) -> None:
        """One that was put there is taken, without the end of its line; a link to it is followed."""
        self.given("t" * 32 + "\n", 0o400)
        self.assertEqual(token_of(str(self.path)), "t" * 32)
        link = self.path.with_name("link")
        link.symlink_to(self.path)
        self.assertEqual(token_of(str(link)), "t" * 32)

    def test_readable_by_others(self) -> None:
        """One that others can read or write is refused, and stays as it is."""
        for mode in (0o640, 0o604, 0o620, 0o602, 0o610):
            self.given("t" * 32, mode)
            self.assertIn(f"(mode {mode:04o}): chmod 600", self.refused())
            self.assertEqual(self.path.read_text(), "t" * 32)

    def test_of_another_user(self) -> None:
        """So is one of another user."""
        self.given("t" * 32)
        status = os.stat(self.path)
        other = os.stat_result((*status[:4], 4711, *status[5:]))
        with mock.patch("agwtwisted.sharing.private_files.os.fstat", return_value=other):
            self.assertIn("another user", self.refused())

    def test_no_token(self) -> None:
        """A file without a token is refused, and what stands in it is not shown."""
        for text in ("", "\n", "short", "secret word " * 5, "t" * 2000, "s\u00e9cret" * 10):
            self.given(text)
            self.assertIn("has no token", self.refused())
            self.assertNotIn("cret", self.refused())

    def test_no_file(self) -> None:
        """What is no regular file is refused, a pipe without waiting for its writer."""
        self.path.parent.mkdir()
        os.mkfifo(self.path, 0o600)
        self.assertIn("no regular file", self.refused())

    def test_no_place(self) -> None:
        """Where it can neither be read nor made there is an error of the system, with the path."""
        self.path = self.path.parent / "none" / "control.token"
        error = self.assertRaises(OSError, token_of, str(self.path))
        self.assertTrue(str(error.filename).startswith(str(self.path.parent)))
