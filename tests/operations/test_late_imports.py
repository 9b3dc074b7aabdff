"""Modules that are imported late, before and after their files were replaced."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations.late_imports import LateImports, ReplacedError, refuse_replaced


class LateImportsTests(SynchronousTestCase):
    """What becomes of an import while the gateway runs."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp())
        self.file.write_text("one")
        self.finder = LateImports(str(self.file))

    def find(self, name: str) -> None:
        """As the import of a module that is not there yet."""
        self.finder.find_spec(name, None)

    def refused(self) -> bool:
        """Whether a module of this package is, while another one never is."""
        self.find("prometheus_client")
        self.find("agwtwistedly.http2")
        try:
            self.find("agwtwisted.http2")
        except ReplacedError as error:
            self.assertIn("agwtwisted.http2", str(error))
            return True
        return False

    def test_same(self) -> None:
        """As long as the files are the same, other finders look for the module."""
        self.assertFalse(self.refused())

    def test_replaced(self) -> None:
        """Another version's files are none of this process, whatever their size or time."""
        self.file.write_text("three")
        self.assertTrue(self.refused())
        found = self.file.stat()
        self.finder = LateImports(str(self.file))
        os.utime(self.file, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
        self.assertTrue(self.refused())

    def test_midst(self) -> None:
        """In the midst of an upgrade there is none, and nothing else is imported either."""
        self.file.unlink()
        self.assertTrue(self.refused())

    def test_archive(self) -> None:
        """A package that is in no file system has none from the beginning, and is never refused."""
        self.finder = LateImports(str(self.file / "agwtwisted.zip"))
        self.assertFalse(self.refused())

    def test_once(self) -> None:
        """However often it is asked for, it looks once, before all other finders."""
        with mock.patch.object(sys, "meta_path", [object()]):
            refuse_replaced()
            refuse_replaced()
            self.assertEqual([isinstance(each, LateImports) for each in sys.meta_path], [True, False])
