"""agw(1)."""

from __future__ import annotations

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.described import described_commands
from agwtwisted.cli.man_page import man_page
from agwtwisted.cli.parser import parser
from tests.programs import needs


class ManPageTests(SynchronousTestCase):
    """What it is made of, and that it can be read."""

    def setUp(self) -> None:
        self.page = man_page(parser())

    def test_commands(self) -> None:
        """Every command has its part, and no text is taken for a request or an escape."""
        self.assertTrue(self.page.isascii())
        for each in described_commands(parser()):
            name = each.name.replace("-", "\\-")
            self.assertIn(f'\n.SS "agw {name}"\n', self.page)
        for line in self.page.splitlines():
            self.assertRegex(line, r"\A(\.(TH|SH|SS|PP|TP|B|BR|I|RS|RE|nf|fi|\\\")|\w|\\&|[^.'])")

    @needs("groff")
    def test_without_warnings(self) -> None:
        """groff formats it, without a warning of any kind, with every option that there is."""
        words = ["groff", "-man", "-Tutf8", "-ww", "-rLL=200n", "-P-cbou"]
        done = subprocess.run(words, input=self.page, capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        for each in described_commands(parser()):
            for option in each.options:
                if not option.form.startswith("-h"):
                    self.assertIn(option.form, done.stdout)

    @needs("mandoc")
    def test_lint(self) -> None:
        """mandoc, which other systems have, finds nothing to complain of."""
        words = ["mandoc", "-T", "lint", "-W", "all"]
        done = subprocess.run(words, input=self.page, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
