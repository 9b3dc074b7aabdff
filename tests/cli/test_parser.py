"""The parser of `agw`: what it takes, and what it says of what it does not."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted._version import VERSION
from agwtwisted.cli.command import Command, Group
from agwtwisted.cli.described import STATUSES
from agwtwisted.cli.parser import COMMANDS, parse, parser
from tests.cli.calls import call

ROOT = Path(__file__).parents[2]


def every_command() -> list[tuple[str, Command]]:
    """Every command and action, with the words that call it."""
    found = [(command.name, command) for command in COMMANDS]
    return found + [(f"{name} {action.name}", action) for name, command in found for action in command.actions]


class HelpTests(SynchronousTestCase):
    """What is said about it."""

    def test_lists_every_command(self) -> None:
        """`agw --help` has a line for each command, below its group, and what exit statuses say."""
        done = call("--help")
        self.assertEqual((done.status, done.err), (0, ""))
        for command in COMMANDS:
            self.assertRegex(done.out, rf"(?m)^  {command.name} +{re.escape(command.help)}$")
        for group in {command.group for command in COMMANDS}:
            self.assertIn(f"\n{group.value}:\n", done.out)
        for number, meaning in STATUSES.items():
            self.assertIn(f"  {number:<3}  {meaning}\n", done.out)

    def test_every_command_has_examples(self) -> None:
        """The help of a command has what it does, examples that the parser takes, and what its exit statuses say."""
        for name, command in every_command():
            with self.subTest(name):
                done = call(*name.split(), "--help")
                self.assertEqual((done.status, done.err), (0, ""))
                self.assertTrue(command.examples)
                self.assertIn("exit status:\n  0  ", done.out)
                for example in command.examples:
                    self.assertIn(f"  {example.line}\n", done.out)

    def test_examples_are_taken(self) -> None:
        """Every `agw …` of an example is a command line that the parser takes."""
        for name, command in every_command():
            for example in command.examples:
                for line in re.findall(r"agw ([^|&;>]+)", example.line):
                    with self.subTest(f"{name}: {line}"):
                        options = parse(line.split())
                        self.assertIn(options.command, [*COMMANDS, command, *command.actions])

    def test_names(self) -> None:
        """No two commands have one name, and each belongs to a group."""
        names = [command.name for command in COMMANDS]
        self.assertEqual(len(set(names)), len(names))
        self.assertLessEqual({command.group for command in COMMANDS}, set(Group))

    def test_version(self) -> None:
        """`--version` is the package's."""
        done = call("--version")
        self.assertEqual((done.status, done.out, done.err), (0, f"agwtwisted {VERSION}\n", ""))


class ErrorTests(SynchronousTestCase):
    """What is not taken: exit status 2, the usage, and one line that says what was meant."""

    def assert_error(self, words: str, *expected: str) -> None:
        """The last line on standard error has the expected words."""
        done = call(*words.split())
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertTrue(done.err.startswith("usage: agw"), done.err)
        for each in expected:
            self.assertIn(each, done.err.splitlines()[-1])

    def test_no_command(self) -> None:
        """Without a command all of them are shown, as an error."""
        done = call()
        self.assertEqual((done.status, done.out, done.err), (2, "", call("--help").out))

    def test_option_before_the_command(self) -> None:
        """An option stands behind the command, and the error says so."""
        self.assert_error("--json status", "agw: error: options stand behind a command: agw COMMAND --json")
        self.assert_error("--config x status", "options stand behind a command: agw COMMAND --config")

    def test_unknown_command(self) -> None:
        """A name that is near one has the suggestion; for another the commands are listed."""
        self.assert_error("statsu", "no command 'statsu'; did you mean 'status'?")
        self.assert_error("dance", "no command 'dance'; there are init, run, control, check")

    def test_unknown_option(self) -> None:
        """An option that the command does not have, with the nearest one that it has."""
        self.assert_error("status --jsno", "agw status: error: no option '--jsno'; did you mean '--json'?")
        self.assert_error("status --confg=x", "no option '--confg'; did you mean '--config'?")
        self.assert_error("status --con x", "no option '--con'")

    def test_too_many(self) -> None:
        """Arguments that the command does not have."""
        self.assert_error("status here", "agw status: error: too many arguments: here")
        self.assert_error(
            "reload a.ini", "arguments: a.ini; a configuration is given by --config a.ini (see agw reload"
        )

    def test_unknown_value(self) -> None:
        """A value that is none of those that there are."""
        self.assert_error("deploy sytemd", "no kind 'sytemd'; did you mean 'systemd'?")

    def test_no_terminal_obeys(self) -> None:
        """What was given is escaped before it is printed."""
        with redirect_stderr(io.StringIO()) as err, self.assertRaises(SystemExit):
            parse(["\x1b[31m"])
        self.assertNotIn("\x1b", err.getvalue())
        with redirect_stderr(io.StringIO()) as err, self.assertRaises(SystemExit):
            parse(["status", "\x1b[31m"])
        self.assertNotIn("\x1b", err.getvalue())

    def test_parser(self) -> None:
        """The parser alone, for completions, is the one that is used."""
        self.assertEqual(parser().prog, "agw")
