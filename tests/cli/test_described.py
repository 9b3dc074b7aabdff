"""The commands as pages describe them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.described import described_commands
from agwtwisted.cli.parser import COMMANDS, parser


class DescribedTests(SynchronousTestCase):
    """All of them."""

    def setUp(self) -> None:
        self.found = {each.name: each for each in described_commands(parser())}

    def test_all(self) -> None:
        """Every command, and every action of one behind it."""
        expected = []
        for command in COMMANDS:
            expected += [command.name, *(f"{command.name} {action.name}" for action in command.actions)]
        self.assertEqual(list(self.found), expected)

    def test_usage(self) -> None:
        """Options that are needed, and how many arguments there may be."""
        self.assertEqual(self.found["status"].usage, "agw status [OPTION]…")
        self.assertEqual(self.found["explain"].usage, "agw explain --listener NAME [OPTION]… CERTIFICATE")
        self.assertEqual(self.found["extract-ca"].usage, "agw extract-ca --output FILE [OPTION]… FILE…")
        self.assertEqual(self.found["deploy"].usage, "agw deploy [OPTION]… KIND [NAME]")

    def test_options(self) -> None:
        """Short names first, and what a value is called."""
        forms = [each.form for each in self.found["log"].options]
        self.assertIn("-f, --follow", forms)
        self.assertIn("-n, --lines N", forms)
        self.assertEqual(
            [each.form for each in self.found["backends drain"].arguments], ["POOL", "SETTINGS", "HOST:PORT"]
        )

    def test_all_have_a_meaning(self) -> None:
        """No argument, option or example is without words."""
        for each in self.found.values():
            self.assertTrue(all(row.meaning for row in (*each.arguments, *each.options)), each.name)
            self.assertTrue(all(example.meaning for example in each.command.examples), each.name)
