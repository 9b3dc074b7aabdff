"""Public keys of certificates."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.public_keys import KeyKind, PublicKey, key_octets, public_key
from agwtwisted.core.certificates.reading import Certificate
from tests import odd, pki
from tests.strategies import identifier, integer

ROOT = pki.Authority.root("Root")
RSA = identifier("1.2.840.113549.1.1.1") + odd.NULL


def of(algorithm: bytes, bits: bytes) -> PublicKey:
    """The key of a certificate with this SubjectPublicKeyInfo."""
    info = odd.sequence(odd.sequence(algorithm), pki.tlv(0x03, b"\0" + bits))
    return public_key(Certificate.read(odd.odd_certificate(public_key=info)))


class PublicKeyTests(SynchronousTestCase):
    """`public_key`."""

    def test_kinds_and_strengths(self) -> None:
        """112 bits of security are enough, whatever the kind."""
        for key, kind, bits, weak in (
            (odd.RSA_KEY, KeyKind.RSA, 2048, False),
            (pki.rsa_key(1024), KeyKind.RSA, 1024, True),
            (dsa.generate_private_key(1024), KeyKind.DSA, 1024, True),
            (pki.ec_key(), KeyKind.EC, 256, False),
            (pki.ec_key(ec.SECP521R1()), KeyKind.EC, 528, False),
            (pki.ec_key(ec.SECP224R1()), KeyKind.EC, 224, False),
            (pki.ec_key(ec.SECP192R1()), KeyKind.EC, 192, True),
            (pki.ed25519_key(), KeyKind.OTHER, 0, False),
        ):
            found = public_key(ROOT.issue(key=key).parsed)
            self.assertEqual((found.kind, found.bits, found.is_weak, found.is_costly), (kind, bits, weak, False))

    def test_odd_forms(self) -> None:
        """RSA without NULL or by its older name, a modulus with zeros before it, and a compressed point are read."""
        for what, leaf in odd.key_forms():
            found = public_key(leaf.parsed)
            self.assertEqual(found.bits, 256 if "point" in what else 2048, what)

    def test_exponents(self) -> None:
        """An exponent of more than 64 bits costs too much to be used."""
        for exponent, costly in ((65537, False), ((1 << 64) - 1, False), (1 << 64, True), ((1 << 2047) + 1, True)):
            self.assertIs(of(RSA, odd.sequence(integer(1 << 2047), integer(exponent))).is_costly, costly)

    def test_what_cannot_be_read(self) -> None:
        """Unknown kinds, DSA without parameters and torn numbers are errors."""
        for algorithm, bits in (
            (identifier("1.2.3.4"), b""),
            (b"", b""),
            (identifier("1.2.840.10040.4.1"), integer(5)),
            (RSA, b""),
            (RSA, odd.sequence(integer(5))),
            (RSA, odd.sequence(odd.NULL, integer(5))),
        ):
            self.assertRaises(DerError, of, algorithm, bits)
        bare = Certificate.read(odd.odd_certificate(public_key=odd.sequence()))
        for read in (public_key, key_octets):
            self.assertRaises(DerError, read, bare)

    def test_octets(self) -> None:
        """They are those of which a key identifier is the digest."""
        for key in (pki.ec_key(), odd.RSA_KEY):
            leaf = ROOT.issue(key=key)
            info = pki._public(key)
            self.assertTrue(info.endswith(key_octets(leaf.parsed)))
            digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
            self.assertEqual(hashlib.sha1(key_octets(leaf.parsed)).digest(), digest)
