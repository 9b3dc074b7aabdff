"""docs/reference/agw.md."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.command_page import command_page
from agwtwisted.cli.described import STATUSES, described_commands
from agwtwisted.cli.parser import parser


class PageTests(SynchronousTestCase):
    """What is on it."""

    def setUp(self) -> None:
        self.page = command_page(parser())

    def test_commands(self) -> None:
        """Every command has its part, with each of its options and examples."""
        parts = dict(re.findall(r"(?ms)^## agw (.*?)$(.*?)(?=^## |\Z)", self.page))
        for each in described_commands(parser()):
            part = parts[each.name]
            self.assertIn(f"\n    {each.usage}\n", part)
            for row in (*each.arguments, *each.options):
                self.assertIn(f"| `{row.form}` | ", part)
            for example in each.command.examples:
                self.assertIn(f"\n{example.line}", part)

    def test_statuses(self) -> None:
        """One table has the exit statuses of all of them."""
        for number, meaning in STATUSES.items():
            self.assertIn(f"| {number} | {meaning} |\n", self.page)
        for each in described_commands(parser()):
            self.assertIn(f"| `agw {each.name}` | {each.command.statuses.ok} | ", self.page)

    def test_tables(self) -> None:
        """Every row of a table has as many cells as its head."""
        for table in re.findall(r"(?:^\|.*\n)+", self.page, re.MULTILINE):
            self.assertEqual(len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}), 1, table)
