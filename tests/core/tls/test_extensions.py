"""Protocols and groups as a configuration spells them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.tls.extensions import DEFAULT_GROUPS, alpn_protocol, openssl_groups, tls_group


class ProtocolTests(SynchronousTestCase):
    """Names of protocols."""

    def test_names(self) -> None:
        """Printable ASCII, as registered."""
        for text in ("h2", "http/1.1", "x-amzn-mqtt-ca", "a" * 255):
            self.assertEqual(alpn_protocol(text), text.encode())

    def test_others(self) -> None:
        """Nothing empty, too long, with blanks or beyond ASCII."""
        for text in ("", "a" * 256, "a b", "\x7f", "h\u00b2"):
            self.assertRaises(UnacceptableError, alpn_protocol, text)


class GroupTests(SynchronousTestCase):
    """Names of groups."""

    def test_names(self) -> None:
        """The registered name is found in any case, and by the names that NIST and X9.62 gave."""
        for text, name in (
            ("X25519", "x25519"),
            ("p-256", "secp256r1"),
            ("prime256v1", "secp256r1"),
            ("BRAINPOOLP256R1", "brainpoolP256r1"),
            ("x25519mlkem768", "X25519MLKEM768"),
        ):
            self.assertEqual(tls_group(text), name)

    def test_unknown(self) -> None:
        """The nearest name is proposed, or all are named."""
        near = self.assertRaises(UnacceptableError, tls_group, "x25591")
        self.assertIn("did you mean x25519?", str(near))
        far = self.assertRaises(UnacceptableError, tls_group, "?")
        self.assertIn("brainpoolP256r1", str(far))

    def test_for_openssl(self) -> None:
        """In order, with colons; none is OpenSSL's own choice and the brainpool curves."""
        self.assertEqual(openssl_groups(("x25519", "secp256r1")), b"x25519:secp256r1")
        self.assertEqual(openssl_groups(()), DEFAULT_GROUPS)
