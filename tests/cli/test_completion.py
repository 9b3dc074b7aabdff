"""`agw completion`: what shells complete by it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.completion import SHELLS
from agwtwisted.cli.parser import COMMANDS
from tests.cli.calls import call
from tests.programs import needs

COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=$(complete -p agw | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
"$function" agw "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


class ScriptTests(SynchronousTestCase):
    """The scripts."""

    def test_shells(self) -> None:
        """For each shell there is one, with every command."""
        for shell in SHELLS:
            done = call("completion", shell)
            self.assertEqual((done.status, done.err), (0, ""))
            for command in COMMANDS:
                self.assertIn(command.name, done.out, shell)

    def test_unknown_shell(self) -> None:
        """Another shell is an error that names those that there are."""
        done = call("completion", "cmd")
        self.assertEqual(done.status, 2)
        self.assertIn("no shell 'cmd'; there are bash, zsh, fish", done.err)


@needs("bash")
class BashTests(SynchronousTestCase):
    """bash, which reads the script."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.script = self.directory / "agw"
        self.script.write_text(call("completion", "bash").out)

    def complete(self, *words: str) -> set[str]:
        """What the last of the words may become."""
        run = ["bash", "--norc", "-c", COMPLETE, "bash", str(self.script), *words]
        done = subprocess.run(run, cwd=self.directory, capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_commands(self) -> None:
        """Commands, and actions of one."""
        self.assertEqual(self.complete("agw", "re"), {"reload", "reference", "revocation", "refusals"})
        self.assertEqual(self.complete("agw", "backends", "d"), {"drain"})

    def test_options(self) -> None:
        """Options of the command that was written, and values of an argument."""
        self.assertEqual(self.complete("agw", "status", "--co"), {"--control", "--config"})
        self.assertEqual(self.complete("agw", "completion", "z"), {"zsh"})

    def test_files(self) -> None:
        """The path of a file where one is meant."""
        (self.directory / "gateway.ini").touch()
        self.assertEqual(self.complete("agw", "status", "--config", "gate"), {"gateway.ini"})
