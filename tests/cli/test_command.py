"""What a command is."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.command import FAILURE, Statuses, no_arguments
from agwtwisted.cli.parser import CommandParser
from tests import running

HEAVY = ("OpenSSL", "cryptography", "treq", "twisted", "agwtwisted.loading", "agwtwisted.core.plan")


class CommandTests(SynchronousTestCase):
    """Its defaults, and what it costs to have all of them."""

    def test_defaults(self) -> None:
        """A command without arguments takes none, and ends with 2 where it fails as all do."""
        made = CommandParser(prog="x", add_help=False)
        no_arguments(made)
        self.assertEqual(vars(made.parse_args([])), {})
        self.assertEqual(Statuses(ok="done"), Statuses(ok="done", no="", failed=FAILURE))

    def test_are_light(self) -> None:
        """The parser with all commands imports nothing that takes time: `agw` begins at once."""
        code = (
            "import sys; import agwtwisted.cli.parser as p; p.parser();"
            "print([name for name in sys.argv[1:] if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *HEAVY],
            env=running.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.stdout, done.stderr), ("[]\n", ""))
