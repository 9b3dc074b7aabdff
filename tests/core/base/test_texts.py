"""A single line, and the name that is meant."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.base.texts import did_you_mean, nearest, one_line


class LineTests(SynchronousTestCase):
    """Values of one line."""

    def test_one_line(self) -> None:
        """A key that was indented by mistake does not vanish in the value above it."""
        self.assertEqual(one_line("a b"), "a b")
        self.assertRaises(UnacceptableError, one_line, "a\nkey = b")


class NearestTests(SynchronousTestCase):
    """Did you mean."""

    def test_similar_names(self) -> None:
        """Letters swapped, left out or of the other case are recognised; other words are not."""
        names = ["ssl_profile", "ssl_certificate", "OCSP"]
        self.assertEqual(nearest("ssl_porfile", names), "ssl_profile")
        self.assertEqual(nearest("ocsp", names), "OCSP")
        self.assertEqual(nearest("backend", names), "")
        self.assertEqual(nearest("x" * 100_000, names), "")
        self.assertEqual(did_you_mean("ocsp", names), "; did you mean 'OCSP'?")
        self.assertEqual(did_you_mean("ocsp", []), "")
