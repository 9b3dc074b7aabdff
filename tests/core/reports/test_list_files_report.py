"""Lists in files, as a check shows them."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Severity
from agwtwisted.core.reports.list_files_report import ListInFile, list_files_table, list_files_warnings

DAY = 86400.0


def a_list(**fields: Any) -> ListInFile:
    """One that holds for a day."""
    known: dict[str, Any] = {
        "path": "a.crl",
        "place": Place(file="gw.ini", line=7),
        "section": "ssl_profile p",
        "issuer": "CN=CA",
        "number": 42,
        "this_update": 0.0,
        "next_update": DAY,
        "entries": 3,
    }
    return ListInFile(**{**known, **fields})


class ListFilesReportTests(SynchronousTestCase):
    """The table and the warnings."""

    def test_table(self) -> None:
        """Whose list it is, how old, and until when; one that is not proven says why; no lists, no table."""
        text = " ".join(list_files_table([a_list(), a_list(number=None, entries=None)]).split())
        self.assertIn("a.crl CN=CA 2A 3 1970-01-01T00:00:00Z 1970-01-02T00:00:00Z", text)
        self.assertIn("not proven:", text)
        self.assertEqual(list_files_table([]), "")

    def test_over(self) -> None:
        """A list that has ended is a warning at the key that names it."""
        self.assertEqual(list(list_files_warnings([a_list()], DAY - 1)), [])
        [found] = list_files_warnings([a_list()], DAY)
        self.assertEqual((found.name, found.key, found.severity), ("crl-over", "crl_files", Severity.WARNING))
        self.assertTrue(str(found).startswith("WARNING gw.ini:7 [ssl_profile p] crl_files: a.crl: the CRL of CN=CA"))

    def test_other_key(self) -> None:
        """A list that another key has signed than that of the trusted CA of its name is a warning, and says so."""
        alien = a_list(entries=None, is_of_other_key=True)
        [found] = list_files_warnings([alien], DAY - 1)
        self.assertEqual((found.name, found.key, found.severity), ("crl-other-key", "crl_files", Severity.WARNING))
        self.assertIn("a.crl: the CRL of CN=CA is signed with another key", str(found))
        self.assertIn("another", list_files_table([alien]))
