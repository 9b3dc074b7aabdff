"""Options that several commands have."""

from __future__ import annotations

import argparse

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.options import CONFIGURATION, add_control, add_output, config_of


class OptionsTests(SynchronousTestCase):
    """What they are without being given, and given."""

    def setUp(self) -> None:
        self.parser = argparse.ArgumentParser()
        add_control(self.parser)
        add_output(self.parser)

    def test_defaults(self) -> None:
        """Without options it is conf/gw.ini, and text in color where that may be."""
        options = self.parser.parse_args([])
        self.assertEqual((options.control, options.token_file, config_of(options)), (None, None, CONFIGURATION))
        self.assertEqual((options.json, options.quiet, options.no_color), (False, False, False))

    def test_given(self) -> None:
        """Each by its name, the configuration and quiet by their letters, too."""
        words = "--control http://127.0.0.1:9 --token-file t -c gw.ini --json -q --no-color"
        options = self.parser.parse_args(words.split())
        self.assertEqual((options.control, options.token_file), ("http://127.0.0.1:9", "t"))
        self.assertEqual(config_of(options), "gw.ini")
        self.assertEqual((options.json, options.quiet, options.no_color), (True, True, True))
