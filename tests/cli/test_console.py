"""`agw console` as a command; in a browser it is in tests/console."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import console
from agwtwisted.cli.control import ControlAnswer
from tests.cli.calls import call


class ConsoleTests(SynchronousTestCase):
    """Its ends, and what it prints."""

    def test_no_gateway(self) -> None:
        """Where no gateway answers it is over at once, with the exit status 2."""
        place = str(Path(self.mktemp()).absolute())
        done = call("console", "--config", place)
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn(f"{place} cannot be read", done.err)

    def test_ends(self) -> None:
        """Ctrl-C is its usual end; a gateway that refuses is 1."""
        with mock.patch.object(console, "reached", return_value=None):
            self.assertEqual(call("console").status, 0)
        with mock.patch.object(console, "reached", return_value=ControlAnswer(403, {"error": "no"})):
            self.assertEqual((call("console").status, call("console").err), (1, "no\n"))

    def test_ports(self) -> None:
        """A port that is none is an error of usage."""
        for text in ("0", "65536", "x"):
            done = call("console", "--port", text)
            self.assertEqual(done.status, 2)
            self.assertIn("is no port: 1 to 65535", done.err)

    def test_own_port(self) -> None:
        """A configuration with a control port leads there, one without, or none, to the control socket."""
        file = Path(self.mktemp()).absolute()
        self.assertIsNone(console.own_port(str(file)))
        file.write_text("[control]\nport = 9\n")
        self.assertEqual(console.own_port(str(file)), "http://127.0.0.1:9")
        file.write_text("[control]\nport = 9\naddress = ::1\n")
        self.assertEqual(console.own_port(str(file)), "http://[::1]:9")
        file.write_text("[control]\nsocket = c.sock\n")
        self.assertIsNone(console.own_port(str(file)))

    def test_token_is_not_printed_into_files(self) -> None:
        """Where standard output is no terminal, the URL has its token only if no browser is to be opened."""
        for secret, expected in ((True, "http://h/console/#token=a\n"), (False, "http://h/console/\n")):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                console._said("http://h/console/#token=a", "", secret=secret)
            self.assertEqual(out.getvalue(), expected)
