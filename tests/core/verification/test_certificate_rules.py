"""`agwtwisted.core.verification.certificate_rules`: one certificate at a time, without OpenSSL and without a chain."""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.x509.oid import ExtensionOID
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.certificates.signature_algorithms import has_weak_digest
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.certificate_rules import authority_fault, certificate_from, client_fault
from tests import pki

ROOT = pki.Authority.root()
PRIVATE = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
RSA_KEY = pki.rsa_key()


def unrecognized(oid: x509.ObjectIdentifier, value: bytes, *, critical: bool = False) -> x509.Extension:
    """An extension of any bytes."""
    return pki.extension(x509.UnrecognizedExtension(oid, value), critical=critical)


class ReadingTests(SynchronousTestCase):
    """`certificate_from`."""

    def test_what_cryptography_cannot_read_is_none(self) -> None:
        """Rubbish, month 13 and an unknown version."""
        for odd in (b"", b"\0", ROOT.issue(version=7).der, ROOT.issue(not_before=pki.utc_time(b"991301000000Z")).der):
            self.assertIsNone(certificate_from(odd))
        self.assertEqual(certificate_from(ROOT.der), ROOT.certificate)

    def test_serials_that_are_not_positive(self) -> None:
        """A serial number of zero, or below, is read without a word, though no warning is allowed."""
        for serial in (0, -2):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.assertIsNotNone(certificate_from(ROOT.issue(serial=serial).der), serial)

    def test_long_names(self) -> None:
        """A name longer than X.520 allows is read, and compared, without a word."""
        common_name = pki.tlv(0x30, b"\x06\x03U\x04\x03", pki.tlv(0x0C, b"a" * 80))
        leaf = ROOT.issue(pki.tlv(0x30, pki.tlv(0x31, common_name)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            certificate = certificate_from(leaf.der)
            assert certificate
            self.assertNotEqual(certificate.subject, certificate.issuer)


class ClientTests(SynchronousTestCase):
    """`client_fault`."""

    def test_keys(self) -> None:
        """112 bits of security are enough, in whatever kind of key."""
        for key, wanted in [
            (RSA_KEY, ""),
            (pki.ec_key(ec.SECP224R1()), ""),
            (pki.ed25519_key(), ""),
            (dsa.generate_private_key(1024), reasons.LEAF_KEY_WEAK),
            (pki.rsa_key(1024), reasons.LEAF_KEY_WEAK),
            (pki.ec_key(ec.SECP192R1()), reasons.LEAF_KEY_WEAK),
        ]:
            self.assertEqual(client_fault(ROOT.issue(key=key).parsed), wanted, key)

    def test_purposes(self) -> None:
        """clientAuth must be named where purposes are named; digitalSignature where key usages are."""
        for options, wanted in [
            ({"eku": (pki.SERVER_AUTH, pki.CLIENT_AUTH)}, ""),
            ({"eku": None, "usage": None}, ""),
            ({"eku": (pki.ANY_USE,)}, reasons.PURPOSE),
            ({"eku": (pki.ANY_USE, pki.CLIENT_AUTH)}, ""),
            ({"eku": (pki.OCSP_SIGNING,)}, reasons.PURPOSE),
            ({"usage": pki.key_usage("key_agreement", "key_encipherment")}, reasons.NO_DIGITAL_SIGNATURE),
            ({"usage": pki.key_usage("digital_signature", critical=False)}, ""),
        ]:
            self.assertEqual(client_fault(ROOT.issue(**options).parsed), wanted, options)

    def test_extensions(self) -> None:
        """Unknown and critical ones refuse, and what is needed and doubled or unreadable; the rest may be anything."""
        names = x509.ObjectIdentifier(ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string)
        usage = x509.ObjectIdentifier(ExtensionOID.KEY_USAGE.dotted_string)
        x400_address = pki.tlv(0x30, pki.tlv(0xA3))
        for extra, wanted in [
            ([unrecognized(PRIVATE, b"\5\0")], ""),
            ([unrecognized(PRIVATE, b"\5\0", critical=True)], reasons.CRITICAL_EXTENSION),
            ([unrecognized(PRIVATE, b"")] * 2, ""),
            ([unrecognized(names, b"\0")], ""),
            ([unrecognized(names, x400_address)], ""),
            ([pki.key_usage("digital_signature")], reasons.EXTENSION),
        ]:
            self.assertEqual(client_fault(ROOT.issue(extra=extra).parsed), wanted, extra)
        for odd in (b"", b"\x03\0", b"\x03\2\x08\x80", b"\4\1\x80"):
            leaf = ROOT.issue(usage=None, extra=[unrecognized(usage, odd)])
            self.assertEqual(client_fault(leaf.parsed), reasons.EXTENSION, odd)
        self.assertEqual(client_fault(ROOT.issue(san=["device.example"]).parsed), "")

    def test_versions(self) -> None:
        """No version refuses by itself, and what the extensions say counts in each of them."""
        for version in (1, 2, 3, 7):
            for has_extensions in (False, True):
                leaf = ROOT.issue(version=version, has_extensions=has_extensions)
                self.assertEqual(client_fault(leaf.parsed), "", (version, has_extensions))
            servers = ROOT.issue(version=version, has_extensions=True, eku=(pki.SERVER_AUTH,))
            self.assertEqual(client_fault(servers.parsed), reasons.PURPOSE, version)

    def test_signatures(self) -> None:
        """A leaf signed over SHA-1 may be forged."""
        self.assertEqual(client_fault(ROOT.issue(hash=hashes.SHA1()).parsed), reasons.DIGEST_WEAK)

    def test_weak_ones_may_be_allowed(self) -> None:
        """With `allow_weak` keys and digests do not count; everything else does."""
        weak = pki.rsa_key(1024)
        for options in ({"key": weak}, {"hash": hashes.SHA1()}):
            self.assertNotEqual(client_fault(ROOT.issue(**options).parsed), "")
            self.assertEqual(client_fault(ROOT.issue(**options).parsed, allow_weak=True), "")
        servers = ROOT.issue(key=weak, eku=(pki.SERVER_AUTH,)).parsed
        self.assertEqual(client_fault(servers, allow_weak=True), reasons.PURPOSE)


class AuthorityTests(SynchronousTestCase):
    """`authority_fault`."""

    def test_signatures(self) -> None:
        """MD5 and SHA-1 count against every CA but a root; unknown digests count, too."""
        rsa_root = pki.Authority.root(key=RSA_KEY)
        for digest in (hashes.MD5(), hashes.SHA1()):
            weak = rsa_root.intermediate(hash=digest).parsed
            self.assertTrue(has_weak_digest(weak))
            self.assertEqual(authority_fault(weak, is_root=False), reasons.DIGEST_WEAK)
            self.assertEqual(authority_fault(weak, is_root=True), "")
        self.assertEqual(authority_fault(rsa_root.intermediate().parsed, is_root=False), "")
        self.assertEqual(authority_fault(ROOT.intermediate(key=pki.ed25519_key()).parsed, is_root=False), "")

    def test_weak_ones_may_be_allowed(self) -> None:
        """With `allow_weak` keys and digests do not count; everything else does."""
        for options in ({"key": pki.rsa_key(1024)}, {"hash": hashes.SHA1()}):
            weak = ROOT.intermediate(**options).parsed
            self.assertNotEqual(authority_fault(weak, is_root=False), "")
            self.assertEqual(authority_fault(weak, is_root=False, allow_weak=True), "")
        no_ca = ROOT.issue(hash=hashes.SHA1()).parsed
        self.assertEqual(authority_fault(no_ca, is_root=False, allow_weak=True), reasons.INVALID_CA)

    def test_unknown_signatures_and_keys(self) -> None:
        """A key or a digest that is not known is refused, not passed over."""
        good = ROOT.intermediate().der
        ecdsa_with_sha256, ec_public_key = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d0201")
        for known, wanted in ((ecdsa_with_sha256, reasons.DIGEST_WEAK), (ec_public_key, reasons.UNREADABLE)):
            odd = Certificate.read(good.replace(known, known[:-1] + b"\x7f"))
            self.assertEqual(authority_fault(odd, is_root=False), wanted)

    def test_bits(self) -> None:
        """basicConstraints must say CA, keyUsage may not leave keyCertSign out."""
        for options, wanted in [
            ({"ca": False}, reasons.INVALID_CA),
            ({"ca": None}, reasons.INVALID_CA),
            ({"version": 1}, reasons.INVALID_CA),
            ({"usage": None}, ""),
            ({"usage": pki.key_usage("digital_signature")}, reasons.NO_CERTIFICATE_SIGNING),
            ({"extra": [unrecognized(PRIVATE, b"", critical=True)]}, reasons.CRITICAL_EXTENSION),
        ]:
            self.assertEqual(authority_fault(ROOT.intermediate(**options).parsed, is_root=False), wanted, options)
