"""`agw listeners`: a row for each."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.listeners import listeners_text
from tests.cli.answered import LISTENERS, PIPE, answered, on_terminal


class ListenersTests(SynchronousTestCase):
    """The text."""

    def test_text(self) -> None:
        """Names, addresses, how clients are authenticated and connections."""
        expected = [
            "LISTENER  ADDRESS      PROTOCOL   HOST NAMES              SSL PROFILE  CLIENTS                  "
            "CONNECTIONS",
            "public    0.0.0.0:443  Https, h2  a.example, *.b.example  devices      Strict, Handshake, OCSP  7",
            "plain     [::]:80      Http       any host                -            -                        0",
        ]
        self.assertEqual(listeners_text(LISTENERS, PIPE).splitlines(), expected)
        done, asked = answered(LISTENERS, "listeners")
        self.assertEqual(done.out.splitlines(), expected)
        self.assertEqual(asked.call_args.args[1], "/listeners")

    def test_terminals(self) -> None:
        """Narrow terminals get no line that is too long."""
        for width in (40, 80, 200):
            lines = listeners_text(LISTENERS, on_terminal(width)).splitlines()
            self.assertLessEqual(max(map(len, lines)), width)
            self.assertEqual(lines[0].startswith("LISTENER     public"), width == 40)
