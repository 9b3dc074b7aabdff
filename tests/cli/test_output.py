"""Standard output: width, color, and what is quiet."""

from __future__ import annotations

import argparse
import io
import json
import os
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.output import Output, Style, complain, output_of
from tests.cli.terminals import Terminal


class OutputTests(SynchronousTestCase):
    """What is printed, and how."""

    def output(self, stream: io.StringIO, environment: dict[str, str] | None = None, **options: bool) -> Output:
        """Standard output, as it is for a command."""
        variables = {"COLUMNS": "57", "TERM": "xterm", **(environment or {})}
        with mock.patch("sys.stdout", stream), mock.patch.dict(os.environ, variables, clear=True):
            return output_of(argparse.Namespace(**options))

    def test_terminal(self) -> None:
        """A terminal has its width, and color."""
        output = self.output(Terminal())
        self.assertEqual((output.width, output.color), (57, True))
        self.assertEqual(output.paint("up", Style.GOOD), "\x1b[32mup\x1b[0m")
        self.assertEqual((output.paint("up", Style.PLAIN), output.paint("", Style.GOOD)), ("up", ""))

    def test_pipe(self) -> None:
        """A pipe has neither."""
        output = self.output(io.StringIO())
        self.assertEqual((output.width, output.color), (None, False))
        self.assertEqual(output.paint("up", Style.GOOD), "up")

    def test_no_color(self) -> None:
        """Neither has a terminal where the option, NO_COLOR or TERM says so; an empty NO_COLOR says nothing."""
        self.assertFalse(self.output(Terminal(), no_color=True).color)
        self.assertFalse(self.output(Terminal(), {"NO_COLOR": "1"}).color)
        self.assertFalse(self.output(Terminal(), {"TERM": "dumb"}).color)
        self.assertTrue(self.output(Terminal(), {"NO_COLOR": ""}).color)

    def test_quiet(self) -> None:
        """`--quiet` prints nothing."""
        for quiet, expected in ((False, "a\n"), (True, "")):
            stream = io.StringIO()
            self.output(stream, quiet=quiet).show("a")
            self.assertEqual(stream.getvalue(), expected)

    def test_json(self) -> None:
        """JSON is the object that came, in its order; control characters and what is not ASCII are escaped."""
        stream = io.StringIO()
        members = {"b": "\x1b[31mé\x9b", "a": [1, None]}
        self.output(stream).show_json(members)
        self.assertTrue(stream.getvalue().isascii())
        self.assertNotIn("\x1b", stream.getvalue())
        self.assertEqual(list(json.loads(stream.getvalue()).items()), list(members.items()))

    def test_complaint(self) -> None:
        """A complaint is one line on standard error, escaped; one that nothing takes is dropped."""
        with mock.patch("sys.stderr", io.StringIO()) as err:
            complain("a\x1b[31m\nb")
        self.assertEqual(err.getvalue(), "a\\x1b[31m\\nb\n")
        with mock.patch("sys.stderr", mock.Mock(write=mock.Mock(side_effect=OSError))):
            complain("a")
