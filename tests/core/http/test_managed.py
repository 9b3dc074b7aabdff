"""Managed header names and their canonical spelling."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.managed import MANAGED_NAMES, canonical


class CanonicalTests(SynchronousTestCase):
    """What `canonical` folds and what it leaves alone."""

    def test_spellings_that_backends_confuse_are_one_name(self) -> None:
        """Case, underscores and dots make no other name."""
        for name in (
            b"X-Client-Certificate",
            b"x_client_certificate",
            b"X.Client-CERTIFICATE",
            b"X_CLIENT.CERTIFICATE",
        ):
            self.assertEqual(canonical(name), b"x-client-certificate")

    def test_every_letter_is_lowered(self) -> None:
        """All 26 letters are folded, and no byte beyond ASCII is."""
        every_byte = bytes(range(256))
        self.assertEqual(canonical(every_byte), every_byte.lower().replace(b"_", b"-").replace(b".", b"-"))

    @given(st.binary(max_size=64))
    def test_folding_twice_changes_nothing(self, name: bytes) -> None:
        """A canonical name is its own canonical spelling, and no longer or shorter than the name."""
        self.assertEqual(canonical(canonical(name)), canonical(name))
        self.assertEqual(len(canonical(name)), len(name))


class ManagedNamesTests(SynchronousTestCase):
    """Which names a client cannot send to a backend."""

    def test_all_are_canonical(self) -> None:
        """Each entry can be found by the canonical spelling of what a client sent."""
        self.assertEqual({canonical(name) for name in MANAGED_NAMES}, set(MANAGED_NAMES))

    def test_what_the_gateway_says_is_managed(self) -> None:
        """The certificate headers, the forwarded ones and the trace id are ours, X-Forwarded-For is shared."""
        for name in (
            b"X-Client-Certificate",
            b"X_Client_Certificate_Verification",
            b"Client-Cert",
            b"Client.Cert.Chain",
        ):
            self.assertIn(canonical(name), MANAGED_NAMES)
        for name in (
            b"X-Forwarded-Client-Cert",
            b"X-Forwarded-Proto",
            b"X-Original-URL",
            b"X-AppGW-Trace-ID",
            b"X_Azure.JA4-Fingerprint",
        ):
            self.assertIn(canonical(name), MANAGED_NAMES)
        self.assertNotIn(canonical(b"X-Forwarded-For"), MANAGED_NAMES)
