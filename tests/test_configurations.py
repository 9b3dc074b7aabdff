"""What tests make configurations with."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError
from tests.configurations import GOOD, changed, files, load, said, with_listener


class ConfigurationsTests(SynchronousTestCase):
    """The configuration that tests start from."""

    def test_good_is_good(self) -> None:
        """Nothing is said about it, so what is said about a changed one is about the change."""
        self.assertEqual(said(GOOD), [])
        self.assertEqual([listener.name for listener in load().http_listeners], ["public"])

    def test_wrong_one_is_told(self) -> None:
        """Problems come out as lines, and `load` raises them."""
        text = changed(("port = 8443", "port = 0"))
        self.assertRaises(ConfigError, load, text)
        [line] = said(text)
        self.assertTrue(line.startswith("ERROR conf/gw.ini:17 [http_listener public] port"), line)

    def test_missing_file(self) -> None:
        """A file that is not there is an OSError with its reason, as a file system raises it."""
        self.assertRaises(FileNotFoundError, files().read, "conf/none.pem")

    def test_one_more_listener(self) -> None:
        """A listener beside the first is right too."""
        self.assertEqual(said(GOOD + with_listener("other", port=8444)), [])
