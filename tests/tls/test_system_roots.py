"""Where the roots are that the system trusts for servers."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls import system_roots


class SystemRootsTests(SynchronousTestCase):
    """OpenSSL's own file, as the environment names it, and those of several systems."""

    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = str(Path(directory.name) / "roots.pem")

    def test_first(self) -> None:
        """OpenSSL's own comes first."""
        Path(self.file).touch()
        with mock.patch.dict(os.environ, SSL_CERT_FILE=self.file):
            self.assertEqual(system_roots.files(), (self.file, *system_roots.FILES))

    def test_every_place(self) -> None:
        """A file that comes or changes at any of the places is another state."""
        places = [f"{self.file}.{number}" for number in range(len(system_roots.FILES))]
        with mock.patch.object(system_roots, "FILES", places):
            states = [system_roots.state()]
            for place in places:
                Path(place).touch()
                states.append(system_roots.state())
                Path(place).write_text("changed")
                states.append(system_roots.state())
        self.assertEqual(len(set(states)), 1 + 2 * len(places))
