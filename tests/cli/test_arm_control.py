"""`agw control`: what it takes, and what it prints before the gateway runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import arm_control
from tests.cli.calls import call


class ControlCommandTests(SynchronousTestCase):
    """The command, with a gateway that does not run."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "plane"
        self.served: list[str] = []
        self.patch(arm_control, "serve", self.serve)

    def serve(self, config: str) -> int:
        """In place of a gateway."""
        self.served.append(config)
        return 0

    def test_starts(self) -> None:
        """It says where everything is, and runs the gateway of the configuration that it has written."""
        called = call("control", "-d", str(self.directory), "--port", "8999", "--gateway-port", "443=8443")
        self.assertEqual((called.status, self.served), (0, [str(self.directory / "gateway.ini")]))
        self.assertIn("https://localhost:8999", called.out)
        self.assertIn(f"agw control --directory {self.directory} --show-secret", called.out)
        self.assertNotIn((self.directory / "arm.secret").read_text().strip(), called.out)
        self.assertIn("ports = 443=8443", (self.directory / "gateway.ini").read_text())

    def test_show_secret(self) -> None:
        """It prints what sets up clients, and starts nothing."""
        called = call("control", "-d", str(self.directory), "--show-secret")
        self.assertEqual((called.status, self.served), (0, []))
        self.assertIn((self.directory / "arm.secret").read_text().strip(), called.out)

    def test_wrong_values(self) -> None:
        """A value that is not taken ends it with the reason."""
        called = call("control", "-d", str(self.directory), "--gateway-port", "443")
        self.assertEqual((called.status, self.served), (1, []))
        self.assertIn("must be pairs of ports", called.err)
