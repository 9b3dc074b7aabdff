"""Digests of signatures, and whether signatures fit."""

from __future__ import annotations

import attrs
from cryptography.hazmat.primitives import hashes
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.certificates.signature_algorithms import has_weak_digest, is_signed, issued
from tests import odd, pki
from tests.pki import tlv
from tests.strategies import identifier

PSS = identifier("1.2.840.113549.1.1.10")


def signed_by(algorithm: bytes) -> Certificate:
    """A certificate whose signature says that it is of this algorithm."""
    return attrs.evolve(odd.ROOT.parsed, algorithm=algorithm)


class DigestTests(SynchronousTestCase):
    """`has_weak_digest`."""

    def test_by_algorithm(self) -> None:
        """SHA-2, SHA-3 and schemes with a digest of their own are strong; older and unknown ones are weak."""
        for dotted, weak in (
            ("1.2.840.113549.1.1.4", True),  # MD5
            ("1.2.840.113549.1.1.5", True),  # SHA-1
            ("1.3.14.3.2.29", True),
            ("1.2.840.10045.4.1", True),
            ("1.2.840.113549.1.1.11", False),
            ("1.2.840.10045.4.3.1", False),
            ("1.2.840.10045.4.3.4", False),
            ("2.16.840.1.101.3.4.3.14", False),
            ("2.16.840.1.101.3.4.3.18", False),  # ML-DSA-65
            ("1.3.101.112", False),
            ("1.2.3.4", True),
        ):
            self.assertIs(has_weak_digest(signed_by(identifier(dotted) + odd.NULL)), weak, dotted)
        self.assertRaises(DerError, has_weak_digest, signed_by(b""))

    def test_pss(self) -> None:
        """The digest stands in the parameters, and is SHA-1 where none does."""
        sha1, sha256 = identifier("1.3.14.3.2.26"), identifier("2.16.840.1.101.3.4.2.1")
        for parameters, weak in (
            (b"", True),
            (odd.sequence(), True),
            (odd.sequence(tlv(0xA2, pki.tlv(0x02, b"\x20"))), True),
            (odd.sequence(tlv(0xA0, odd.sequence(sha1))), True),
            (odd.sequence(tlv(0xA0, odd.sequence(sha256))), False),
        ):
            self.assertIs(has_weak_digest(signed_by(PSS + parameters)), weak, parameters)


class SignatureTests(SynchronousTestCase):
    """`issued` and `is_signed`."""

    def test_fitting(self) -> None:
        """A signature of one CA is distinguished from that of another, in each algorithm."""
        for options in ({}, {"key": odd.RSA_KEY}, {"key": pki.ed25519_key()}, {"hash": hashes.SHA384()}):
            root = pki.Authority.root("Root", **options)
            leaf = root.issue(hash=options.get("hash", hashes.SHA256())).parsed
            self.assertIs(issued(leaf, root.parsed), True)
            self.assertIs(issued(leaf, pki.Authority.root("Root").parsed), False)

    def test_odd_ones(self) -> None:
        """Odd certificates are signed like others."""
        for what, leaf in odd.leaves(odd.SERVED):
            self.assertIs(issued(leaf.parsed, odd.ROOT.parsed), True, what)

    def test_what_is_not_verified(self) -> None:
        """Of digests that are weak or unknown, and of keys that cannot be read, nothing is said."""
        self.assertIsNone(issued(odd.ROOT.issue(hash=hashes.SHA1()).parsed, odd.ROOT.parsed))
        self.assertIsNone(issued(signed_by(identifier("1.2.3.4")), odd.ROOT.parsed))
        self.assertIsNone(issued(signed_by(b""), odd.ROOT.parsed))
        keyless = attrs.evolve(odd.ROOT.parsed, public_key=b"")
        self.assertIsNone(issued(odd.ROOT.issue().parsed, keyless))

    def test_the_algorithm_goes_with_the_key(self) -> None:
        """An algorithm of another kind of key is no signature of this one."""
        self.assertIs(is_signed("1.2.840.113549.1.1.11", odd.ROOT.parsed, b"x", b"y"), False)
