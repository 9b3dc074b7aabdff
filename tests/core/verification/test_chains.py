"""`agwtwisted.core.verification.chains`: what a trusted client CA file must hold, and whose DN it stands for."""

from __future__ import annotations

import base64
import itertools
from datetime import timedelta

from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from tests import pki

ROOT = pki.Authority.root("Root")
FIRST = ROOT.intermediate("First")
SECOND = FIRST.intermediate("Second")
OTHER = ROOT.intermediate("Other")
OTHER_SECOND = OTHER.intermediate("Other Second")
LEAF = FIRST.issue("device")
CODE = "ApplicationGatewayTrustedClientCertificate"


def chain(*credentials: pki.Credential) -> TrustedChain:
    """The chain of a file with these certificates, which must be a good one."""
    found = read_chain(pki.bundle(*credentials), "ca.pem")
    assert isinstance(found, TrustedChain), found
    return found


def issuer(*credentials: pki.Credential) -> str:
    """The common name of the issuer that such a file stands for."""
    return relative_names(chain(*credentials).issuer.subject).decode().removeprefix("CN=")


def lines(*credentials: pki.Credential) -> list[int]:
    """The lines on which the blocks of such a file begin."""
    sizes = [credential.pem.count(b"\n") for credential in credentials]
    return [1 + sum(sizes[:position]) for position in range(len(sizes))]


class IssuerTests(SynchronousTestCase):
    """The issuer DN, in the product's five scenarios and in every order of the file."""

    def test_root_and_one_intermediate(self) -> None:
        """The intermediate's."""
        for order in itertools.permutations([ROOT, FIRST]):
            self.assertEqual(issuer(*order), "First")

    def test_root_and_two_intermediates(self) -> None:
        """The last one's."""
        for order in itertools.permutations([ROOT, FIRST, SECOND]):
            self.assertEqual((issuer(*order), chain(*order).warnings), ("Second", ()))

    def test_root_alone(self) -> None:
        """The root's, with or without leaves beside it."""
        self.assertEqual(issuer(ROOT), "Root")
        self.assertEqual(issuer(LEAF, ROOT), "Root")

    def test_two_chains_of_equal_length(self) -> None:
        """The first one's in the file, with a warning."""
        for order in itertools.permutations([ROOT, FIRST, OTHER]):
            wanted = "First" if order.index(FIRST) < order.index(OTHER) else "Other"
            self.assertEqual(issuer(*order), wanted)
            [warning] = chain(*order).warnings
            self.assertIn("more than one chain in the file; the issuer DN is that of the first of the longest", warning)
            self.assertIn(f"'CN={wanted}'", warning)
        both = [ROOT, OTHER, FIRST, SECOND, OTHER_SECOND]
        self.assertEqual(issuer(*both), "Second")

    def test_two_chains_of_different_length(self) -> None:
        """The longest one's, with a warning."""
        for order in itertools.permutations([ROOT, FIRST, SECOND, OTHER]):
            self.assertEqual(issuer(*order), "Second")
            [warning] = chain(*order).warnings
            self.assertIn("the issuer DN is that of the longest, ", warning)

    def test_renewed_intermediates_are_one_chain(self) -> None:
        """Two certificates of one CA have one DN: nothing to warn of."""
        renewed = ROOT.intermediate("First", key=FIRST.key)
        self.assertEqual((issuer(ROOT, FIRST, renewed), chain(ROOT, FIRST, renewed).warnings), ("First", ()))

    def test_the_link_is_the_name_and_not_its_encoding(self) -> None:
        """An intermediate that spells its issuer in capitals and another string type still belongs to the chain."""
        spelled = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03", pki.tlv(0x13, b"FIRST"))))
        below = FIRST.intermediate("Below", issuer=spelled)
        self.assertEqual((issuer(ROOT, FIRST, below), chain(ROOT, FIRST, below).warnings), ("Below", ()))

    def test_key_identifiers_tell_twins_apart(self) -> None:
        """Of two CAs with one name, the one whose key signed is the issuer."""
        twin = SECOND.intermediate("Other")
        below = OTHER.intermediate("Below")
        found = chain(ROOT, FIRST, SECOND, twin, below)
        self.assertEqual(found.issuer, twin.parsed)
        self.assertIn("'CN=Below': not issued by another certificate of this file", found.warnings[0])

    def test_cas_that_certified_each_other_end(self) -> None:
        """A circle below the root has a depth, and one without the root is distinguished."""
        one, two = pki.ec_key(), pki.ec_key()
        a = ROOT.intermediate("A", key=one)
        b = a.intermediate("B", key=two)
        a_by_b = b.intermediate("A", key=one)
        self.assertEqual(issuer(ROOT, a, b, a_by_b), "A")
        [first, second] = chain(ROOT, b, a_by_b).warnings
        for warning in (first, second):
            self.assertIn("not issued by another certificate of this file", warning)


class ContentTests(SynchronousTestCase):
    """What is kept, and what is said about it."""

    def test_authorities_keep_the_order_of_the_file(self) -> None:
        """Root and intermediates, leaves left out, doubles once."""
        found = chain(SECOND, LEAF, ROOT, SECOND, FIRST)
        self.assertEqual(list(found.authorities), [c.parsed for c in (SECOND, ROOT, FIRST)])
        self.assertEqual((found.root, found.file), (ROOT.parsed, "ca.pem"))

    def test_leaves_and_doubles_bring_warnings_with_lines(self) -> None:
        """A leaf is ignored, the same certificate twice counts once."""
        order = (ROOT, FIRST, LEAF, ROOT)
        where = lines(*order)
        self.assertEqual(
            chain(*order).warnings,
            (
                f"line {where[2]}: 'CN=device': not a CA certificate (basicConstraints CA:TRUE), ignored",
                f"line {where[3]}: the same certificate as on line 1, counted once",
            ),
        )

    def test_time_counts_only_when_given(self) -> None:
        """An expired and a future CA bring a warning each, at the moment of reading."""
        old = ROOT.intermediate("Old", not_after=pki.NOW - timedelta(seconds=1))
        new = old.intermediate("New", not_before=pki.NOW + timedelta(seconds=1))
        data = pki.bundle(ROOT, old, new)
        found = read_chain(data, "f", pki.NOW)
        assert isinstance(found, TrustedChain), found
        refused = "clients that need it are refused"
        where = lines(ROOT, old, new)
        self.assertEqual(
            found.warnings,
            (
                f"line {where[1]}: 'CN=Old': expired on 2026-06-01 11:59:59 UTC: {refused}",
                f"line {where[2]}: 'CN=New': not valid before 2026-06-01 12:00:01 UTC: {refused}",
            ),
        )
        self.assertEqual(chain(ROOT, old, new).warnings, ())
        just = ROOT.intermediate("Just", not_before=pki.NOW, not_after=pki.NOW)
        found = read_chain(pki.bundle(ROOT, just), "f", pki.NOW)
        assert isinstance(found, TrustedChain), found
        self.assertEqual(found.warnings, ())

    def test_authorities_without_effect_bring_a_warning(self) -> None:
        """A weak key or signature of a CA is reported at the start, not when the first client is refused."""
        weak = ROOT.intermediate("Weak", key=pki.rsa_key(1024))
        sha1 = ROOT.intermediate("Old digest", key=FIRST.key, hash=hashes.SHA1())
        old_root = pki.Authority.root("Old root", hash=hashes.SHA1())
        self.assertIn("clients of this CA will be refused: CA certificate key too weak", chain(ROOT, weak).warnings[0])
        self.assertIn("signature digest algorithm too weak", chain(ROOT, sha1).warnings[0])
        self.assertEqual(chain(old_root).warnings, ())
        no_ca_bits = ROOT.intermediate("No signing", usage=pki.key_usage("crl_sign"))
        for authority, depends in ((weak, True), (sha1, True), (no_ca_bits, False)):
            self.assertEqual("unless the ssl_profile has allow_weak" in chain(ROOT, authority).warnings[0], depends)

    def test_names_in_messages_are_harmless(self) -> None:
        """A line break or an escape sequence in a name does not reach the log as such."""
        [warning] = chain(ROOT, ROOT.issue("a\nb\x1b[31m")).warnings
        self.assertTrue(warning.isprintable(), warning)

    def test_der_and_base64(self) -> None:
        """A CER file is a root alone; a template's base64 holds a whole chain."""
        for data in (ROOT.der, base64.b64encode(ROOT.der), base64.b64encode(ROOT.pem)):
            self.assertIsInstance(read_chain(data, "ca.cer"), TrustedChain)
        found = read_chain(base64.b64encode(pki.bundle(LEAF, ROOT, FIRST)), "f")
        assert isinstance(found, TrustedChain), found
        self.assertEqual(found.warnings, ("'CN=device': not a CA certificate (basicConstraints CA:TRUE), ignored",))


class ProblemTests(SynchronousTestCase):
    """Files that are not taken."""

    def assert_problems(self, data: bytes, *wanted: tuple[int, str, str]) -> None:
        """`data` is refused with these lines, codes and beginnings of messages."""
        found = read_chain(data, "ca.pem")
        assert isinstance(found, tuple), found
        self.assertEqual(
            [(problem.place.line, problem.code) for problem in found], [(line, c) for line, c, _ in wanted]
        )
        for problem, (_, _, message) in zip(found, wanted, strict=True):
            self.assertEqual(problem.place.file, "ca.pem")
            self.assertIn(message, problem.message)

    def test_each_refusal_has_the_products_code(self) -> None:
        """Size, emptiness, private keys, no PEM, no CA, no root, two roots."""
        twin = pki.Authority.root("Root")
        where = lines(ROOT, FIRST, twin)
        only_one = "ApplicationGatewayOnlyOneRootCAAllowedInTrustedClientCertificate"
        big = ROOT.pem + b"\n" * (25 * 1024 - len(ROOT.pem))
        self.assertIsInstance(read_chain(big, "f"), TrustedChain)
        self.assert_problems(big + b"\n", (0, "", "the file has 25601 bytes; the limit is 25600"))
        self.assert_problems(b"", (0, f"{CODE}MustSpecifyData", "the file is empty"))
        self.assert_problems(b" \r\n", (0, f"{CODE}MustSpecifyData", "the file is empty"))
        key = (where[1], f"{CODE}MustNotHavePrivateKey", "a private key does not belong in this file")
        self.assert_problems(ROOT.pem + ROOT.key_pem, key)
        self.assert_problems(b"hello", (0, f"{CODE}InvalidData", "neither PEM"))
        nothing = ROOT.pem + pki.pem_block("CERTIFICATE", b"")
        self.assert_problems(nothing, (where[1], f"{CODE}InvalidData", "nothing between the delimiters"))
        self.assert_problems(LEAF.pem, (1, f"{CODE}DoesNotContainAnyCACertificate", "no CA certificate"))
        alone = pki.self_signed()
        self.assert_problems(alone.pem, (1, f"{CODE}DoesNotContainAnyCACertificate", "no CA certificate"))
        self.assert_problems(FIRST.pem + SECOND.pem, (1, only_one, "no root CA certificate"))
        two = pki.bundle(ROOT, FIRST, twin)
        self.assert_problems(two, (where[2], only_one, "a second root CA certificate, besides line 1: 'CN=Root'"))

    def test_every_problem_of_the_content_is_told_at_once(self) -> None:
        """A key and a bad block are two problems."""
        data = ROOT.key_pem + pki.pem_block("CERTIFICATE", b"0") + ROOT.pem
        line = 1 + ROOT.key_pem.count(b"\n")
        self.assert_problems(
            data, (1, f"{CODE}MustNotHavePrivateKey", "private key"), (line, f"{CODE}InvalidData", "not an X.509")
        )

    def test_a_self_issued_certificate_with_a_foreign_signature_is_no_root(self) -> None:
        """The root's own signature must be its own."""
        forged = FIRST.intermediate("Forged", issuer="Forged")
        broken = pki.Authority.root("Broken", signature=b"x" * 64)
        for pretender in (forged, broken):
            found = read_chain(pretender.pem, "f")
            self.assertIn("no root CA certificate", str(found))

    def test_a_certificate_that_cannot_be_read_whole_is_a_problem(self) -> None:
        """Doubled extensions and torn names are not passed over as a leaf's."""
        attribute = pki.tlv(0x30, b"\x06\x03\x55\x04\x03")  # without a value
        for odd in (
            ROOT.intermediate("Doubled", extra=[pki.key_usage("key_cert_sign")]),
            ROOT.intermediate(pki.tlv(0x30, pki.tlv(0x31, attribute))),
        ):
            wanted = (lines(ROOT, odd)[1], f"{CODE}InvalidData", "the extensions of this certificate cannot be parsed")
            self.assert_problems(ROOT.pem + odd.pem, wanted)

    def test_version_1_is_no_authority(self) -> None:
        """Without basicConstraints there is no CA, self-signed or not."""
        self.assert_problems(
            pki.Authority.root(version=1).pem, (1, f"{CODE}DoesNotContainAnyCACertificate", "no CA certificate")
        )


class AnythingTests(SynchronousTestCase):
    """Bytes from anywhere."""

    @given(st.data())
    def test_a_damaged_file_never_raises(self, data: st.DataObject) -> None:
        """One byte changed in a certificate: a chain or problems."""
        at = data.draw(st.integers(0, len(ROOT.der) - 1))
        damaged = ROOT.der[:at] + data.draw(st.binary(min_size=1, max_size=1)) + ROOT.der[at + 1 :]
        found = read_chain(pki.bundle(FIRST) + pki.pem_block("CERTIFICATE", damaged), "f", pki.NOW)
        if isinstance(found, tuple):
            self.assertTrue(found)
        else:
            self.assertIsInstance(found.root, Certificate)
