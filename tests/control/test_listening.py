"""The control socket as a file."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import TestCase

from agwtwisted.control.listening import AGAIN, ControlSocket
from tests.control.sites import ClockedReactor


class ListeningTests(TestCase):
    """Who has it."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="agw-")  # its path is short enough for a socket
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "state"
        self.path = self.directory / "control.sock"
        self.reactor: Any = ClockedReactor()
        self.made = 0

    def socket(self) -> ControlSocket:
        """One of a gateway."""
        made = ControlSocket(self.reactor, str(self.path), Factory.forProtocol(Protocol))  # type: ignore[arg-type]
        self.addCleanup(made.stopService)
        return made

    def connects(self) -> bool:
        """Whether a program answers there."""
        with closing(socket.socket(socket.AF_UNIX)) as client:
            try:
                client.connect(str(self.path))
            except OSError:
                return False
            return True

    def test_owner(self) -> None:
        """Directory and socket are the owner's alone, whatever the umask is, from their first moment on."""
        self.addCleanup(os.umask, os.umask(0))
        made = self.socket()
        self.assertTrue(made.open())
        status = self.path.stat()
        self.assertEqual((stat.S_ISSOCK(status.st_mode), status.st_mode & 0o777), (True, 0o600))
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)
        made.startService()
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_lock_that_leads_elsewhere(self) -> None:
        """A link in the place of the lock is not followed: another file could be locked or made by it."""
        self.directory.mkdir()
        elsewhere = self.directory / "elsewhere"
        self.path.with_name("control.sock.lock").symlink_to(elsewhere)
        self.assertRaises(OSError, self.socket().open)
        self.assertFalse(elsewhere.exists())

    def test_let_go(self) -> None:
        """One that cannot be made is let go of: another gateway may have it once it can."""
        self.directory.mkdir()
        self.path.touch()
        first = self.socket()
        self.assertRaises(FileExistsError, first.open)
        self.path.unlink()
        self.assertTrue(self.socket().open())

    def test_directory_of_a_daemon(self) -> None:
        """A relative path is that of the directory in which the gateway was started."""
        self.directory.mkdir()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        made = ControlSocket(self.reactor, "control.sock", Factory.forProtocol(Protocol))  # type: ignore[arg-type]
        self.addCleanup(made.stopService)
        os.chdir("/")
        self.assertTrue(made.open())
        self.assertTrue(self.path.exists())

    async def test_serves(self) -> None:
        """It serves after its start, and is removed at its end; then another gateway may have it."""
        made = self.socket()
        made.startService()
        self.assertTrue(self.connects())
        made.stopService()
        self.assertFalse(self.path.exists())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        following = self.socket()
        self.assertTrue(following.open())
        following.stopService()
        self.assertFalse(self.path.exists())

    def test_stale(self) -> None:
        """A socket that its gateway has left behind is replaced."""
        self.directory.mkdir()
        with closing(socket.socket(socket.AF_UNIX)) as stale:
            stale.bind(str(self.path))
        self.assertFalse(self.connects())
        made = self.socket()
        made.startService()
        self.assertTrue(self.connects())

    async def test_another_gateways(self) -> None:
        """One that a gateway has is not touched; it is taken once that gateway lets go of it."""
        first, second = self.socket(), self.socket()
        first.startService()
        before = self.path.stat().st_ino
        self.assertFalse(second.open())
        with capturedLogs() as events:
            second.startService()
        self.assertIn("is another gateway's", formatEvent(events[0]))
        self.reactor.advance(AGAIN)
        self.assertEqual(self.path.stat().st_ino, before)
        first.stopService()
        self.assertFalse(self.path.exists())
        self.reactor.advance(AGAIN)
        self.assertTrue(self.connects())
        second.stopService()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_waits_no_more(self) -> None:
        """A gateway that ends while it waits for the socket leaves no timer, and no socket of another."""
        first, second = self.socket(), self.socket()
        first.startService()
        second.startService()
        second.stopService()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertTrue(self.connects())

    def test_no_socket(self) -> None:
        """A file that is no socket is not replaced."""
        self.directory.mkdir()
        self.path.write_text("precious")
        with self.assertRaises(OSError) as caught:
            self.socket().open()
        self.assertIn("is no socket", str(caught.exception))
        self.assertEqual(self.path.read_text(), "precious")

    def test_cannot_be_made(self) -> None:
        """A path that is too long, or without a place, is an error; after the start it is reported."""
        self.path = self.directory / ("x" * 200)
        with self.assertRaises(OSError) as caught:
            self.socket().open()
        self.assertIn("is too long for a socket: at most 107 bytes", str(caught.exception))
        self.path = self.directory / "none" / "none" / "s"
        with capturedLogs() as events:
            self.socket().startService()
        self.assertIn("cannot be made: No such file or directory", formatEvent(events[0]))
