"""`agwtwisted.core.verification.extraction`."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.pem import CertificateBlock
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.extraction import Extract, extract
from tests import pki

ROOT = pki.Authority.root("Root")
FIRST = ROOT.intermediate("First")
SECOND = FIRST.intermediate("Second")
LEAF = SECOND.issue("leaf")
SIBLING = ROOT.intermediate("Sibling")
OTHER = pki.Authority.root("Other")


def extracted(*credentials: pki.Credential) -> Extract:
    """What is made of these certificates."""
    return extract([CertificateBlock(certificate=each.parsed, der=each.der, line=0) for each in credentials])


def certificates(*credentials: pki.Credential) -> tuple[object, ...]:
    """Theirs."""
    return tuple(each.parsed for each in credentials)


class ExtractionTests(SynchronousTestCase):
    """Which certificates go into the file."""

    @given(st.randoms(use_true_random=False), st.integers(0, 3))
    def test_any_order(self, order: random.Random, doubles: int) -> None:
        """Root first, then down, in whatever order and however often they came; the leaf stays out."""
        given_ones: list[pki.Credential] = [LEAF, SECOND, FIRST, ROOT, *[FIRST] * doubles]
        order.shuffle(given_ones)
        found = extracted(*given_ones)
        self.assertEqual(found.authorities, certificates(ROOT, FIRST, SECOND))
        self.assertEqual((found.left_out, found.missing), (("CN=leaf: no CA",), ()))

    def test_is_what_a_gateway_takes(self) -> None:
        """The file is read without a warning, and stands for the leaf's issuer."""
        chain = read_chain(extracted(LEAF, ROOT, SECOND, FIRST).pem, "ca.pem", pki.NOW)
        assert isinstance(chain, TrustedChain), chain
        self.assertEqual((chain.issuer, chain.warnings), (SECOND.parsed, ()))

    def test_holds_certificates_alone(self) -> None:
        """There is no word around the blocks: not every upload takes one."""
        self.assertEqual(extracted(LEAF, SECOND, FIRST, ROOT).pem, pki.bundle(ROOT, FIRST, SECOND))

    def test_others_are_left_out(self) -> None:
        """Authorities that are not above the leaf, other roots among them, are named and left out."""
        found = extracted(LEAF, SIBLING, OTHER, ROOT, FIRST, SECOND)
        self.assertEqual(found.authorities, certificates(ROOT, FIRST, SECOND))
        left_out = (
            "CN=leaf: no CA",
            *(f"CN={name}: not between the client and its root" for name in ("Sibling", "Other")),
        )
        self.assertEqual(found.left_out, left_out)

    def test_authorities_alone(self) -> None:
        """Without a leaf, all authorities count."""
        self.assertEqual(extracted(SIBLING, FIRST, ROOT).authorities, certificates(ROOT, SIBLING, FIRST))
        self.assertEqual(extracted(ROOT).authorities, certificates(ROOT))

    def test_what_is_missing_is_named(self) -> None:
        """Whose issuer is not here, and what it is called."""
        hint = "; add a file with that CA certificate"
        for given_ones, lost in (
            ((LEAF, SECOND, FIRST), "the issuer of CN=First is missing: CN=Root"),
            ((LEAF, SECOND, ROOT), "the issuer of CN=Second is missing: CN=First"),
            ((LEAF, FIRST, ROOT), "the issuer of CN=leaf is missing: CN=Second"),
            ((LEAF,), "the issuer of CN=leaf is missing: CN=Second"),
            ((SECOND, FIRST), "the issuer of CN=First is missing: CN=Root"),
            ((LEAF, SECOND, FIRST, ROOT, OTHER.issue("x")), "the issuer of CN=x is missing: CN=Other"),
        ):
            found = extracted(*given_ones)
            self.assertEqual((found.authorities, found.missing), ((), (lost + hint,)))

    def test_another_key_is_another_issuer(self) -> None:
        """A CA of the right name that did not sign is not the issuer, key identifiers or not."""
        for options in ({}, {"ski": False, "aki": False}):
            root = pki.Authority.root("Root", **options)
            leaf = root.issue("leaf", **options)
            found = extracted(leaf, pki.Authority.root("Root", **options))
            self.assertEqual(found.missing[0][:44], "the issuer of CN=leaf is missing: CN=Root; a")

    def test_signed_itself(self) -> None:
        """There is nothing to trust above a self-signed leaf."""
        self.assertIn("CN=device is self-signed and not a CA", extracted(pki.self_signed()).missing[0])

    def test_a_root_with_a_wrong_signature(self) -> None:
        """A CA that names itself and did not sign is no root."""
        wrong = pki.Authority.root("Root", signature=b"0" * 70)
        self.assertIn("its signature does not match", extracted(wrong).missing[0])

    def test_two_roots(self) -> None:
        """A file has one root: clients of two want two files."""
        self.assertIn("there are 2 roots", extracted(ROOT.issue(), OTHER.issue(), ROOT, OTHER).missing[0])
        self.assertIn("CN=Root, CN=Other", extracted(ROOT, OTHER).missing[0])

    def test_certified_crosswise(self) -> None:
        """The way to the root that is here is taken; the other one, whose root is not, is left out."""
        crossed = OTHER.intermediate("Root", key=ROOT.key)
        found = extracted(LEAF, SECOND, FIRST, crossed, ROOT)
        self.assertEqual(found.authorities, certificates(ROOT, FIRST, SECOND))
        self.assertEqual(found.missing, ())

    def test_a_circle(self) -> None:
        """CAs that issued one another have no root."""
        one, other = pki.ec_key(), pki.ec_key()
        first = pki.Authority.root("One", key=one)
        second = pki.Authority.root("Two", key=other)
        found = extracted(first.intermediate("Two", key=other), second.intermediate("One", key=one))
        self.assertEqual(found.missing, ("there is no root: each CA here was issued by another one",))

    def test_nothing(self) -> None:
        """No certificates make no file."""
        self.assertEqual(extracted().missing, ("there is no certificate that can be parsed",))

    def test_unreadable_names(self) -> None:
        """A certificate whose name cannot be read is named as well as can be, and left out."""
        odd = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03")))
        found = extracted(LEAF, SECOND, FIRST, ROOT, ROOT.intermediate(odd))
        self.assertEqual(found.authorities, certificates(ROOT, FIRST, SECOND))
        self.assertEqual(found.left_out[0], "#310730050603550403: cannot be parsed")

    def test_old_signatures(self) -> None:
        """A chain over SHA-1 is put in order too; that it is refused is for the gateway to say."""
        root = pki.Authority.root("Old", hash=pki.hashes.SHA1())
        below = root.intermediate("Below", hash=pki.hashes.SHA1())
        self.assertEqual(extracted(below.issue(), below, root).authorities, certificates(root, below))
