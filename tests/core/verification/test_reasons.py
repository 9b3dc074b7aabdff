"""`agwtwisted.core.verification.reasons`: the library's own words."""

from __future__ import annotations

from OpenSSL._util import ffi, lib
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.reasons import REASONS, UNKNOWN, alert_code


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

    def test_words_of_openssl_have_its_alert(self) -> None:
        """A rule of our own that borrows OpenSSL's words borrows its alert, but for words whose alert says nothing."""
        chosen = {reasons.NO_CERTIFICATE_SIGNING, reasons.NO_DIGITAL_SIGNATURE, reasons.EXTENSION}
        chosen |= {reasons.POLICY_EXTENSION, reasons.VERSION_3_REQUIRED, REASONS[reasons.DEFECT]}
        for code, text in REASONS.items():
            if text not in chosen:
                self.assertEqual(REASONS[alert_code(text)], text, code)

    def test_a_reason_that_is_unknown_is_a_defect(self) -> None:
        """What no rule says goes out as internal_error; every reason of ours has another alert."""
        self.assertEqual(alert_code("of a test"), reasons.DEFECT)
        for text in (reasons.ISSUER_DN, reasons.UNREADABLE):
            self.assertNotIn(alert_code(text), (reasons.DEFECT, 0))
