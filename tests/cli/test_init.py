"""`agw init`, as it is called; what it writes is in tests/starter."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.init import MODES
from agwtwisted.starter.configuration import StarterMode
from tests.cli.calls import call


class InitCommandTests(SynchronousTestCase):
    """From the arguments to the exit status."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()

    def test_modes(self) -> None:
        """Each mode that the command takes is one of the configuration, and the other way round."""
        self.assertEqual(MODES, tuple(mode.value for mode in StarterMode))

    def test_writes(self) -> None:
        """It writes what the options say, and prints commands."""
        words = ("--mode", "l4", "--port", "1234", "--host", "a.example", "--host", "b.example", "--state", "elsewhere")
        called = call("init", str(self.directory), *words)
        self.assertEqual((called.status, called.err), (0, ""))
        self.assertIn(f"run --config {self.directory}/gw.ini\n", called.out)
        text = (self.directory / "gw.ini").read_text()
        for part in ("[listener public]", "port = 1234", "a.example, b.example", "state_directory = elsewhere"):
            self.assertIn(part, text)

    def test_refuses(self) -> None:
        """A second call says in one message what is there, with status 1; a value that is wrong does the same."""
        call("init", str(self.directory))
        called = call("init", str(self.directory))
        self.assertEqual((called.status, called.out), (1, ""))
        self.assertIn("gw.ini: there already; nothing was written (--force replaces what is there)", called.err)
        self.assertEqual(call("init", str(self.directory), "--force").status, 0)
        called = call("init", str(self.directory / "other"), "--address", "everywhere")
        self.assertEqual((called.status, called.out), (1, ""))
        self.assertIn("--address everywhere: needs to be an IP address", called.err)
