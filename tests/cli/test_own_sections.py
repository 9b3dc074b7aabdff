"""`agwtwisted.cli.own_sections`: where a configuration says how its gateway is reached."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.control import place_of
from agwtwisted.cli.own_sections import own_sections

OVERLAY = b"[gateway]\nstate_directory = state\naccess_log = a.log\n"


class OwnSectionsTests(SynchronousTestCase):
    """The text with [gateway] and [control]."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.file = self.directory / "gateway.json"
        self.overlay = self.directory / "gateway.overlay.ini"

    def test_ini(self) -> None:
        """It is the configuration itself, whatever it is called."""
        for text in (OVERLAY, b"\xef\xbb\xbf; c\n", b"[gateway", b""):
            self.file.write_bytes(text)
            self.assertEqual(own_sections(str(self.file)), (text, str(self.file)))

    def test_document(self) -> None:
        """It is the overlay of a document, and empty where there is none."""
        for text in (b"{}", b"\xef\xbb\xbf[{}]", b"// c\n{"):
            self.file.write_bytes(text)
            self.overlay.unlink(missing_ok=True)
            self.assertEqual(own_sections(str(self.file)), (b"", str(self.overlay)))
            self.overlay.write_bytes(OVERLAY)
            self.assertEqual(own_sections(str(self.file)), (OVERLAY, str(self.overlay)))

    def test_control_socket(self) -> None:
        """The control socket of a document's gateway is found by its overlay."""
        self.file.write_bytes(b"{}")
        self.overlay.write_bytes(OVERLAY)
        file = os.path.relpath(self.file)  # paths of sockets are short
        self.assertEqual(place_of(None, None, file).path, f"{os.path.dirname(file)}/state/control.sock")

    def test_missing(self) -> None:
        """A configuration that is not there, and an overlay that cannot be read, are errors."""
        self.assertRaises(FileNotFoundError, own_sections, str(self.file))
        self.file.write_bytes(b"{}")
        os.mkdir(self.overlay)
        self.assertRaises(IsADirectoryError, own_sections, str(self.file))
