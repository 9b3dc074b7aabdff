"""`agw status` as a command; what it prints is in test_control.py, and of a running gateway in tests/end_to_end."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.calls import call


class StatusCommandTests(SynchronousTestCase):
    """Its exit status."""

    def test_no_gateway(self) -> None:
        """Where no gateway answers it is 2, and one line says where that was."""
        place = str(Path(self.mktemp()).absolute())
        done = call("status", "--config", place)
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn(f"{place} cannot be read", done.err)
