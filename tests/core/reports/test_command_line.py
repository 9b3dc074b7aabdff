"""Hints about command lines of twistd."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.parser import COMMANDS as AGW
from agwtwisted.core.reports.command_line import COMMANDS, OPTIONS, command_line_hint
from agwtwisted.tap import Options

TWISTDS = {"-n", "--nodaemon", "--pidfile", "--logfile"}


class HintTests(SynchronousTestCase):
    """One line for each mistake."""

    def hint(self, words: str) -> str:
        """About what stands behind agwgateway."""
        return command_line_hint(words.split(), TWISTDS)

    def test_option_of_twistd(self) -> None:
        """An option of twistd stands before the subcommand; the file that was named stays named."""
        self.assertEqual(
            self.hint("--config a.ini -n"),
            "-n is an option of twistd, and stands before agwgateway: twistd -n agwgateway --config a.ini",
        )
        self.assertIn("twistd --logfile=x agwgateway --config b.ini", self.hint("--config=b.ini --logfile=x"))

    def test_positional(self) -> None:
        """A file is named by an option, and a command is one of agw."""
        self.assertEqual(
            self.hint("gw.ini"),
            "a configuration file is named by --config: twistd -n agwgateway --config gw.ini, or agw run --config "
            "gw.ini",
        )
        self.assertEqual(self.hint("-c a.ini check"), "check is a command of agw: agw check --config a.ini")

    def test_unknown_option(self) -> None:
        """The nearest one, or all."""
        self.assertEqual(self.hint("--chekc"), "there is no option --chekc; did you mean '--check'?")
        self.assertEqual(self.hint("-x"), f"there is no option -x; there are {', '.join(OPTIONS)}")

    def test_without_value(self) -> None:
        """The option for the file without one."""
        self.assertEqual(self.hint("--config"), "--config needs the name of a file behind it")

    def test_no_terminal_obeys(self) -> None:
        """What was written is escaped."""
        for words in ("\x1b[31m", "-\x1b[31m", "--config \x1b[31m -n"):
            self.assertTrue(self.hint(words).isprintable())

    def test_names(self) -> None:
        """The options are those of the gateway, the commands those of agw."""
        self.assertLessEqual(set(COMMANDS), {command.name for command in AGW})
        known = {f"--{name}" for name, *_ in (*Options.optParameters, *Options.optFlags)}
        self.assertEqual(set(OPTIONS) - {"--version", "--help"}, known)
