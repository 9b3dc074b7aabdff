"""`agwtwisted.core.arm.import_text`: an imported gateway as the text of an INI file."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.import_text import imported_text, names_file, relative_to, summary
from agwtwisted.core.base.errors import Place, Problem, Severity
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini import Document, Entry

DOCUMENT = "azure/gateway.json"

TEXT = """\
[arm]
address = 127.0.0.1

[ssl_certificate site]
certificate_file = certificates/site.pfx

[http_listener public]
port = 8443
"""

OVERLAY = """\
[gateway]
access_log = log/access.json
state_directory = /var/lib/agw
"""


def document(*problems: Problem) -> Document:
    """A document with an overlay, and what was found about it."""
    parts = (ini.parse(TEXT.encode(), DOCUMENT), ini.parse(OVERLAY.encode(), "azure/gateway.overlay.ini"))
    return Document(sections=tuple(each for part in parts for each in part.sections), problems=problems)


def problem(section: str, message: str, severity: Severity) -> Problem:
    """Something that was found."""
    return Problem(place=Place(file=DOCUMENT), section=section, message=message, severity=severity)


class ImportTextTests(SynchronousTestCase):
    """The text."""

    def test_sections(self) -> None:
        """All sections are written but the one about the import; the file says where they came from."""
        text = imported_text(document(), DOCUMENT, "azure/edge")
        self.assertTrue(text.startswith("# Imported from azure/gateway.json by `agw import`."))
        self.assertNotIn("[arm]", text)
        self.assertIn("[http_listener public]\nport = 8443\n", text)
        self.assertLess(text.index("[gateway]"), text.index("[ssl_certificate site]"))
        self.assertEqual(summary(document()), {"ssl_certificate": 1, "http_listener": 1, "gateway": 1})

    def test_paths(self) -> None:
        """Files of the document are beside the INI file; those of the overlay stay where they are."""
        text = imported_text(document(), DOCUMENT, "azure/edge")
        self.assertIn("certificate_file = certificates/site.pfx\n", text)
        self.assertIn("access_log = ../log/access.json\nstate_directory = /var/lib/agw\n", text)

    def test_comments(self) -> None:
        """A warning stands before its section, or at the beginning where it has none; notes are not repeated."""
        found = document(
            problem("http_listener public", "is not bound", Severity.WARNING),
            problem("", "there is no firewall", Severity.WARNING),
            problem("http_listener public", "has no zones", Severity.NOTE),
        )
        text = imported_text(found, DOCUMENT, "azure/edge")
        self.assertIn("# WARNING: is not bound\n[http_listener public]\n", text)
        self.assertIn("\n#\n# WARNING: there is no firewall\n", text)
        self.assertNotIn("zones", text)
        self.assertEqual(ini.parse(text.encode(), "gw.ini").problems, ())

    def test_relative(self) -> None:
        """A path is relative to the new directory where both are relative, or both absolute."""

        def moved(path: str, file: str, directory: str, key: str = "file") -> str:
            entry = Entry(key=key, value=path, uncut=path, place=Place(file=file))
            return relative_to(entry, directory).value

        self.assertEqual(moved("a.pem", "conf/gw.ini", "."), "conf/a.pem")
        self.assertEqual(moved("a.pem", "/etc/agw/gw.ini", "/etc/other"), "../agw/a.pem")
        self.assertEqual(moved("a.pem", "/etc/agw/gw.ini", "other"), "/etc/agw/a.pem")
        self.assertEqual(moved("/a.pem", "/etc/agw/gw.ini", "/etc"), "/a.pem")
        self.assertEqual(moved("a.crl, /b.crl", "conf/gw.ini", ".", "crl_files"), "conf/a.crl, /b.crl")

    def test_keys(self) -> None:
        """Keys whose values are paths are known by how they are read."""
        self.assertTrue(names_file("trusted_client_certificate", "file"))
        self.assertTrue(names_file("ssl_profile", "crl_files"))
        self.assertFalse(names_file("http_listener", "port"))
        self.assertFalse(names_file("unknown", "file"))
