"""The pages of docs/reference, as `agw reference` writes them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import reference
from agwtwisted.cli.man_page import man_page
from agwtwisted.cli.parser import parser
from tests.cli.calls import call

ROOT = Path(__file__).parents[2]


class ReferenceTests(SynchronousTestCase):
    """The pages of the repository."""

    def test_are_current(self) -> None:
        """They are those that the code makes: run `make reference` where they are not."""
        directory = ROOT / "docs" / "reference"
        made = reference.pages(parser())
        self.assertEqual({path.name for path in directory.iterdir()}, {*made})
        for name, text in made.items():
            self.assertEqual((directory / name).read_text(encoding="utf-8"), text, name)

    def test_manual_is_current(self) -> None:
        """So is the page of the manual."""
        self.assertEqual((ROOT / "deploy" / "man" / "agw.1").read_text(encoding="ascii"), man_page(parser()))

    def test_writes(self) -> None:
        """The command makes the directory, and writes all of them."""
        directory = Path(self.mktemp()) / "new"
        man = Path(self.mktemp())
        self.assertEqual(call("reference", str(directory), "--man", str(man)).status, 0)
        self.assertTrue(man.read_text().endswith(".BR twistd (1)\n"))
        self.assertEqual({path.name for path in directory.iterdir()}, {*reference.pages(parser())})
