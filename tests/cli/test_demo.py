"""`agw demo`, as far as it starts nothing; what runs is in tests/demo."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.calls import call


class DemoTests(SynchronousTestCase):
    """The certificates."""

    def setUp(self) -> None:
        self.configuration = Path(self.mktemp()) / "gw.ini"

    def test_writes_certificates_beside_the_configuration(self) -> None:
        """`demo --certificates` makes them at its first call, and keeps them at its second."""
        for done in ("made", "kept"):
            called = call("demo", "--certificates", "--config", str(self.configuration))
            self.assertEqual(
                (called.status, called.out), (0, f"{self.configuration.parent / 'pki'}: demo certificates {done}\n")
            )
        self.assertTrue((self.configuration.parent / "pki" / "server.pem").exists())

    def test_says_why_it_does_not_run(self) -> None:
        """What is wrong is one line on standard error, without a traceback, and a status of 1."""
        foreign = self.configuration.parent / "pki" / "server.pem"
        foreign.parent.mkdir(parents=True)
        foreign.write_text("somebody's own")
        called = call("demo", "--certificates", "--config", str(self.configuration))
        expected = f"{foreign} is not a demo certificate and stays unchanged; move it away first\n"
        self.assertEqual((called.status, called.out, called.err), (1, "", expected))
