"""What the bytes of a configuration file are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.sections.document_kinds import is_json
from tests.configurations import GOOD


class RecognitionTests(SynchronousTestCase):
    """What is a document, and what is an INI file."""

    def test_documents(self) -> None:
        """Objects, arrays and comments begin a document, behind a byte order mark and blank lines, too."""
        for text in (
            b"{}",
            b"[]",
            b"[\n{",
            b'["a"]',
            b"[[",
            b"// c\n{}",
            b"/* c */[",
            b"\xef\xbb\xbf\r\n {",
            b"[",
            b"[ //",
        ):
            self.assertTrue(is_json(text), text)

    def test_bicep(self) -> None:
        """Bicep is left to the reader of documents, which says what to do."""
        for text in (
            b"param x string\n",
            b"targetScope = 'subscription'",
            b"@description('x')\nparam y int",
            b"using './a.bicep'",
        ):
            self.assertTrue(is_json(text), text)

    def test_ini_files(self) -> None:
        """Sections, comments and keys begin an INI file, and so does nothing."""
        for text in (
            b"",
            b"[gateway]\n",
            b"[ http_listener a ]",
            b"; c\n[gateway]",
            b"# {",
            b"a = {",
            b"[1",
            GOOD.encode(),
        ):
            self.assertFalse(is_json(text), text)
