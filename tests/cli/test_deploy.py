"""`agw deploy`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.deploy import deploy
from agwtwisted.core.base.errors import AgwError

FILES = Path(__file__).parent.parent.parent / "deploy" / "systemd"


class DeployTests(SynchronousTestCase):
    """Files that are printed or written."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute() / "etc"

    def test_one(self) -> None:
        """One file is printed as it stands."""
        text = deploy("systemd", "agwgateway.service", None)
        self.assertEqual(f"{text}\n", (FILES / "agwgateway.service").read_text())

    def test_only_one(self) -> None:
        """One file alone is printed as it stands without its name, too: `agw deploy man | man -l -`."""
        self.assertTrue(deploy("man", None, None).startswith((".", "'")))

    def test_all(self) -> None:
        """All are printed below their names."""
        heads = [line for line in deploy("systemd", None, None).splitlines() if line.startswith("### ")]
        self.assertEqual(heads, [f"### {path.name}" for path in sorted(FILES.iterdir())])

    def test_written(self) -> None:
        """They are written into a directory that is made; what is there is replaced by request only, or nothing is."""
        printed = deploy("systemd", None, self.directory)
        self.assertEqual(printed.splitlines(), [str(path) for path in sorted(self.directory.iterdir())])
        for path in FILES.iterdir():
            self.assertEqual((self.directory / path.name).read_text(), path.read_text())
        own = self.directory / "agwgateway.service"
        own.write_text("mine")
        (self.directory / "agwgateway.socket").unlink()
        with self.assertRaises(AgwError) as caught:
            deploy("systemd", None, self.directory)
        self.assertIn(f"{own}", str(caught.exception))
        self.assertIn("exists already; --force replaces it", str(caught.exception))
        self.assertFalse((self.directory / "agwgateway.socket").exists())
        deploy("systemd", "agwgateway.service", self.directory, force=True)
        self.assertNotEqual(own.read_text(), "mine")

    def test_cannot_be_written(self) -> None:
        """A directory that cannot be made is an error with its reason."""
        self.directory.parent.write_text("a file")
        with self.assertRaises(AgwError) as caught:
            deploy("systemd", None, self.directory)
        self.assertIn("cannot be written: Not a directory", str(caught.exception))
