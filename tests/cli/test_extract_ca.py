"""`agw extract-ca` as a command; what it makes is in test_extraction.py."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import pki
from tests.cli.calls import call


class ExtractCaTests(SynchronousTestCase):
    """Its exit status."""

    def test_statuses(self) -> None:
        """0 for a file that was made, 1 for a chain that is not whole, 2 for a file that is not there."""
        directory = Path(self.mktemp())
        directory.mkdir()
        root = pki.Authority.root("Root")
        client = directory / "client.pem"
        client.write_bytes(root.issue("device").chain_pem)
        (directory / "root.pem").write_bytes(root.pem)
        output = str(directory / "ca.pem")
        self.assertEqual(call("extract-ca", str(client), "-o", output).status, 1)
        self.assertEqual(call("extract-ca", str(client), str(directory / "root.pem"), "-o", output).status, 0)
        self.assertEqual(call("extract-ca", str(directory / "none"), "-o", f"{output}2").status, 2)
