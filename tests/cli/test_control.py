"""`agw reload` and `agw status`: where they find the gateway, and what they print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.control import RUNTIME_DIRECTORY, ControlAnswer, NoGatewayError, reload_text, socket_of, status_text

IN_FORCE: dict[str, Any] = {
    "outcome": "in_force",
    "generation": 4,
    "fingerprint": "0123456789abcdef",
    "seconds": 0.1,
    "added": ["listener a"],
    "changed": ["gateway"],
    "removed": ["listener \x1b[31mb"],
    "warnings": ["WARNING w"],
}
STATUS: dict[str, Any] = {
    "version": "1",
    "pid": 9,
    "phase": "running",
    "generation": 4,
    "fingerprint": "0123456789abcdef",
    "connections": 7,
    "listeners": [{"address": "::", "port": 443, "connections": 7}],
    "last_reload": None,
    "workers": [{"index": 0, "pid": 10, "connections": 7, "restarts": 1}],
}


class TextTests(SynchronousTestCase):
    """What is printed, and the exit status."""

    def test_in_force(self) -> None:
        """Warnings first, then what is in force and what has changed; nothing that a terminal would obey."""
        self.assertEqual(
            reload_text(ControlAnswer(200, IN_FORCE)),
            (
                0,
                "WARNING w\ngeneration 4 (0123456789ab) is in force\n  added: listener a\n  changed: gateway\n"
                "  removed: listener \\x1b[31mb",
            ),
        )

    def test_nothing_changed(self) -> None:
        """A reload that changes nothing says so."""
        nothing = {**IN_FORCE, "added": [], "changed": [], "removed": [], "warnings": []}
        self.assertEqual(
            reload_text(ControlAnswer(200, nothing)), (0, "generation 4 (0123456789ab) is in force\n  nothing changed")
        )

    def test_rejected(self) -> None:
        """Every problem, and what stays in force."""
        members = {"outcome": "rejected", "generation": 3, "fingerprint": "f", "problems": ["ERROR a", "ERROR b"]}
        expected = (1, "ERROR a\nERROR b\nrejected: generation 3 stays in force")
        self.assertEqual(reload_text(ControlAnswer(422, members)), expected)
        self.assertEqual(
            reload_text(ControlAnswer(403, {"error": "no"})), (1, "no\nrejected: generation ? stays in force")
        )

    def test_status(self) -> None:
        """One line each, aligned."""
        status, text = status_text(ControlAnswer(200, STATUS))
        self.assertEqual(status, 0)
        self.assertEqual(
            text.splitlines(),
            [
                "gateway        running, agwtwisted 1, process 9",
                "configuration  generation 4 (0123456789ab)",
                "last reload    none",
                "connections    7",
                "  [::]:443     7 connections",
                "  worker 0     process 10, 7 connections, 1 restart",
            ],
        )
        last = {"at": "2026-01-01T00:00:00Z", "outcome": "rejected", "problems": ["ERROR a"]}
        _, text = status_text(ControlAnswer(200, {**STATUS, "last_reload": last}))
        self.assertIn("rejected at 2026-01-01T00:00:00Z; ERROR a", text)
        last = {"at": "2026-01-01T00:00:00Z", "outcome": "in_force", "problems": []}
        _, text = status_text(ControlAnswer(200, {**STATUS, "last_reload": last}))
        self.assertIn("last reload    in force at 2026-01-01T00:00:00Z\n", text)
        self.assertEqual(status_text(ControlAnswer(403, {"error": "no"})), (1, "no"))


class SocketTests(SynchronousTestCase):
    """Where the gateway is."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp()).absolute()

    def test_given(self) -> None:
        """A path that was given counts, whatever the configuration."""
        self.assertEqual(socket_of("/a", "none.ini"), "/a")

    def test_found(self) -> None:
        """The configuration says it; else it is in the runtime directory, of systemd or of the unit."""
        self.file.write_text("[control]\nsocket = c.sock\nnonsense\n")
        self.assertEqual(socket_of(None, str(self.file)), str(self.file.parent / "c.sock"))
        self.file.write_text("nonsense\n")
        with mock.patch.dict(os.environ):
            os.environ.pop("RUNTIME_DIRECTORY", None)
            self.assertEqual(socket_of(None, str(self.file)), f"{RUNTIME_DIRECTORY}/control.sock")
            os.environ["RUNTIME_DIRECTORY"] = "/run/a:/run/b"
            self.assertEqual(socket_of(None, str(self.file)), "/run/a/control.sock")

    def test_not_found(self) -> None:
        """A file that is not there, and one that switches the socket off, are errors that say so."""
        with self.assertRaises(NoGatewayError) as caught:
            socket_of(None, str(self.file))
        self.assertIn(
            "cannot be read: No such file or directory; --config names another file, --control the socket",
            str(caught.exception),
        )
        self.file.write_text("[control]\nsocket = off\n")
        with self.assertRaises(NoGatewayError) as caught:
            socket_of(None, str(self.file))
        self.assertIn("socket = off", str(caught.exception))
