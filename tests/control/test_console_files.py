"""Which requests are for the console; what they get is in test_site.py."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.control.console_files import is_file


class FilesTests(SynchronousTestCase):
    """Paths."""

    def test_paths(self) -> None:
        """The console is below /console/, and / leads there; all else is a question to the gateway."""

        class Asked:
            """A request for a path."""

            def __init__(self, path: bytes) -> None:
                self.path = path

        for path, expected in ((b"/", True), (b"/console/", True), (b"/console/x.js", True), (b"/console", False)):
            request: Any = Asked(path)
            self.assertEqual(is_file(request), expected, path)
