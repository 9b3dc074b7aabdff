"""`agwtwisted.core.reasons`: the library's own words."""

from __future__ import annotations

from OpenSSL._util import ffi, lib
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.reasons import REASONS, UNKNOWN


class ReasonsTests(SynchronousTestCase):
    """`REASONS`."""

    def test_the_table_is_that_of_the_library(self) -> None:
        """Every code that the OpenSSL in use knows has its text here, and no other code has one."""
        for code in range(1, 200):
            text = ffi.string(lib.X509_verify_cert_error_string(code)).decode()
            self.assertEqual(REASONS.get(code, UNKNOWN), text, code)
        self.assertLess(max(REASONS), 200)

    def test_every_reason_is_one_line(self) -> None:
        """A reason goes into a log line and an HTTP answer as it stands."""
        for text in REASONS.values():
            self.assertTrue(text.isprintable() and text.isascii(), text)
