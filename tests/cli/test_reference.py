"""The pages of docs/reference, as `agw reference` writes them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import reference
from tests.cli.calls import call

ROOT = Path(__file__).parents[2]


class ReferenceTests(SynchronousTestCase):
    """The pages of the repository."""

    def test_are_current(self) -> None:
        """They are those that the code makes: run `make reference` where they are not."""
        directory = ROOT / "docs" / "reference"
        made = reference.pages()
        self.assertEqual({path.name for path in directory.iterdir()}, {*made})
        for name, text in made.items():
            self.assertEqual((directory / name).read_text(encoding="utf-8"), text, name)

    def test_writes(self) -> None:
        """The command makes the directory, and writes all of them."""
        directory = Path(self.mktemp()) / "new"
        self.assertEqual(call("reference", str(directory)).status, 0)
        self.assertEqual({path.name for path in directory.iterdir()}, {*reference.pages()})
