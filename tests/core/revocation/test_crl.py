"""What a list proves: every way in which lists are of no use, and which of two is the newer one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.revocation.crl import CrlHead, ProvenCrl, issuer_key, prove, proving, read_head
from agwtwisted.core.revocation.status import Unusable
from tests import crls, pki
from tests.crls import Crl, Listed, extension, issuing_point, revoked
from tests.pki import tlv

ROOT = pki.Authority.root("Root")
ISSUER = ROOT.intermediate("Issuer")
NAMESAKE = ROOT.intermediate("Issuer")
DEVICE = ISSUER.issue("device")
RSA_KEY = pki.rsa_key()
PSS = (
    "304106092a864886f70d01010a"
    "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
)
"""The AlgorithmIdentifier of RSASSA-PSS with SHA-256 (RFC 4055 section 3.1)."""

LIST = Crl(signer=ISSUER, entries=[revoked(DEVICE)])


class CrlCase(SynchronousTestCase):
    """What the tests of lists ask."""

    def assert_unusable(self, words: str, crl: Crl | bytes, issuer: Certificate = ISSUER.parsed) -> None:
        """It proves nothing, for this reason."""
        found = prove(crl if isinstance(crl, bytes) else crl.der(), issuer)
        self.assertIsInstance(found, Unusable)
        assert isinstance(found, Unusable)
        self.assertIn(words, found.reason)

    def assert_changed_unusable(self, words: str, **changes: Any) -> None:
        """Nor does the list with these changes."""
        self.assert_unusable(words, attrs.evolve(LIST, **changes))


class ProveTests(CrlCase):
    """`prove`, with lists as they should be."""

    def test_fields(self) -> None:
        """A list says who issued it, when, its number, when the next one comes, and what it is about."""
        data = LIST.der()
        found = prove(data, ISSUER.parsed)
        assert isinstance(found, ProvenCrl)
        self.assertEqual((found.number, len(found.table), found.size), (1, 1, len(data)))
        self.assertEqual(found.this_update, (pki.NOW - crls.DAY).timestamp())
        self.assertEqual(found.next_update, (pki.NOW + crls.DAY).timestamp())
        self.assertEqual(found.issuer_key, issuer_key(ISSUER.parsed))

    def test_keys(self) -> None:
        """The signature is verified with RSA, ECDSA and Ed25519 keys."""
        for key in (RSA_KEY, pki.ec_key(), pki.ed25519_key()):
            authority = pki.Authority.root("Root", key=key)
            self.assertEqual(len(Crl(signer=authority, entries=[Listed(serial=7)]).proven().table), 1)

    def test_other_digests(self) -> None:
        """SHA-384 is accepted; SHA-1, for which collisions are made, is not."""
        self.assertEqual(len(attrs.evolve(LIST, digest=hashes.SHA384()).proven().table), 1)
        self.assert_changed_unusable("unsupported signature algorithm", digest=hashes.SHA1())

    def test_pss(self) -> None:
        """RSASSA-PSS is accepted, and refused over something else."""
        authority = pki.Authority.root("Root", key=RSA_KEY)
        algorithm = bytes.fromhex(PSS)
        signed = Crl(signer=authority, inner_algorithm=algorithm).to_be_signed()
        for data in (signed, b"something else"):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            signature = tlv(0x03, b"\0" + RSA_KEY.sign(data, pss, hashes.SHA256()))
            found = prove(tlv(0x30, signed, algorithm, signature), authority.parsed)
            self.assertEqual(isinstance(found, ProvenCrl), data is signed)

    def test_empty(self) -> None:
        """A list without entries is one, without extensions too."""
        self.assertEqual(len(attrs.evolve(LIST, entries=[]).proven().table), 0)
        bare = attrs.evolve(LIST, entries=[], number=None, key_identifier=None).proven()
        self.assertEqual((len(bare.table), bare.number), (0, None))
        full = attrs.evolve(LIST, number=None, key_identifier=None).proven()
        self.assertEqual(len(full.table), 1)

    def test_cross_certified(self) -> None:
        """Every certificate of a CA with its name and key proves its lists, and files them as the same."""
        other = pki.Authority.root("Other Root").intermediate("Issuer", key=ISSUER.key)
        self.assertEqual(LIST.proven(other).key, LIST.proven().key)

    def test_names_as_they_are_compared(self) -> None:
        """Case, white space and string types of names do not count (RFC 5280 section 7.1)."""
        same = pki.x509.Name(
            [pki.x509.NameAttribute(pki.NameOID.COMMON_NAME, " ISSUER", pki.x509.name._ASN1Type.BMPString)]
        )
        self.assertEqual(attrs.evolve(LIST, issuer=same.public_bytes()).proven().key, LIST.proven().key)

    def test_steps(self) -> None:
        """In steps it comes to the same, and the entries of a long list are many steps."""
        long = Crl(signer=ISSUER, entries=[Listed(serial=number) for number in range(1, 5002)])
        steps = proving(long.der(), ISSUER.parsed)
        self.assertGreater(len(list(steps)), 10)
        self.assertEqual(len(long.proven().table), 5001)

    def test_issuer_without_key_usage(self) -> None:
        """A CA whose certificate limits no use of its key may sign lists."""
        authority = pki.Authority.root("Root", usage=None)
        self.assertEqual(len(Crl(signer=authority).proven().table), 0)


class RefusedTests(CrlCase):
    """`prove`, with lists that prove nothing."""

    def test_another_issuer(self) -> None:
        """A list of another CA says nothing, not even one of the CA's own issuer."""
        self.assert_unusable("of another issuer", Crl(signer=ROOT))
        self.assert_unusable("of another issuer", attrs.evolve(LIST, issuer=ROOT.subject))

    def test_another_key_of_the_same_name(self) -> None:
        """A list signed with another key of the same name is refused, with and without a key identifier."""
        self.assert_unusable("another key of the same name", Crl(signer=NAMESAKE))
        self.assert_unusable("signature of the CRL is invalid", Crl(signer=NAMESAKE, key_identifier=None))
        own = pki.x509.SubjectKeyIdentifier.from_public_key(ISSUER.key.public_key()).digest
        self.assert_unusable("signature of the CRL is invalid", Crl(signer=NAMESAKE, key_identifier=own))

    def test_signature(self) -> None:
        """A signature that is wrong, empty, or of something else is refused."""
        for signature in (b"", b"\0" * 70, pki._signature(ISSUER.key, b"another list", hashes.SHA256())):
            self.assert_changed_unusable("signature of the CRL is invalid", signature=signature)

    def test_every_changed_byte(self) -> None:
        """Whatever octet of a list is changed, nothing is proven by it."""
        data = LIST.der()
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 0x01
            self.assertIsInstance(prove(bytes(changed), ISSUER.parsed), Unusable, at)

    def test_a_leaf_that_signs(self) -> None:
        """A CA whose key may not sign lists (cRLSign) proves none."""
        authority = pki.Authority.root("Root", usage=pki.key_usage("key_cert_sign"))
        self.assert_unusable("without cRLSign", Crl(signer=authority), authority.parsed)

    def test_truncated(self) -> None:
        """A list that ends early is refused at every length, and so is one with bytes after it."""
        data = LIST.der()
        for end in range(len(data)):
            self.assertIsInstance(prove(data[:end], ISSUER.parsed), Unusable)
        self.assert_unusable("cannot be read", data + b"\0")

    def test_something_else(self) -> None:
        """A page, a compressed list, a certificate and nothing at all are no lists."""
        for data in (b"<html><body>503</body></html>", b"\x1f\x8b\x08\0" + bytes(20), ISSUER.der, b"", b"0"):
            self.assert_unusable("cannot be read", data)

    def test_version_1(self) -> None:
        """A list of version 1 does not count, nor one of a version to come."""
        self.assert_changed_unusable("not of version 2", version=b"", number=None, key_identifier=None)
        for version in (b"\0", b"\2"):
            self.assert_changed_unusable("not of version 2", version=tlv(0x02, version))

    def test_next_update(self) -> None:
        """A list without nextUpdate does not count, nor one that ends before it begins."""
        self.assert_changed_unusable("no nextUpdate", next_update=None)
        self.assert_changed_unusable("no nextUpdate", next_update=None, entries=[])
        self.assert_changed_unusable("ends before it begins", next_update=LIST.this_update)

    def test_times(self) -> None:
        """Times that are none are refused."""
        self.assert_changed_unusable("not a time", this_update=pki.utc_time(b"261301000000Z"))
        self.assert_changed_unusable("not a time", next_update=pki.utc_time(b"2612010000Z"))

    def test_delta(self) -> None:
        """A delta list is refused, whether it says so critically or not."""
        for critical in (True, False):
            delta = extension(crls.DELTA, tlv(0x02, b"\1"), critical=critical)
            self.assert_changed_unusable("delta CRL", extensions=[delta])

    def test_indirect(self) -> None:
        """An indirect list is refused by its issuing distribution point, and by an entry of another issuer."""
        self.assert_changed_unusable("indirect", extensions=[issuing_point(crls.INDIRECT)])
        other = extension(crls.CERTIFICATE_ISSUER, tlv(0x30, crls.directory("Other")), critical=True)
        self.assert_changed_unusable("indirect", entries=[Listed(serial=1, extensions=[other])])

    def test_attribute_certificates(self) -> None:
        """A list of attribute certificates has other serial numbers."""
        self.assert_changed_unusable("attribute", extensions=[issuing_point(crls.ONLY_ATTRIBUTES)])

    def test_critical_extensions(self) -> None:
        """An unknown critical extension, of the list or of an entry, makes it unusable; others do nothing."""
        unknown = extension(crls.UNHEARD_OF, b"x", critical=True)
        self.assert_changed_unusable("critical and unknown", extensions=[unknown])
        self.assert_changed_unusable("critical and unknown", entries=[Listed(serial=1, extensions=[unknown])])
        harmless = extension(crls.UNHEARD_OF, b"x")
        entries = [Listed(serial=1, extensions=[harmless], reason=1)]
        self.assertEqual(len(attrs.evolve(LIST, extensions=[harmless], entries=entries).proven().table), 1)

    def test_doubled_extensions(self) -> None:
        """An extension that is there twice is refused: each reader would take another one."""
        self.assert_changed_unusable("twice", extensions=[extension(crls.NUMBER, tlv(0x02, b"\2"))])
        points = [issuing_point(crls.ONLY_USERS), issuing_point()]
        self.assert_changed_unusable("twice", extensions=points)

    def test_contradictory_points(self) -> None:
        """An issuing distribution point that cannot be read, or that excludes everything, is refused."""
        both = issuing_point(crls.ONLY_USERS, crls.ONLY_AUTHORITIES)
        self.assert_changed_unusable("excludes every certificate", extensions=[both])
        for parts in ([tlv(0x86, b"\xff")], [crls.ONLY_USERS, crls.ONLY_USERS], [tlv(0x81)], [tlv(0xA0)], [b"x"]):
            self.assert_changed_unusable("cannot be read", extensions=[issuing_point(*parts)])

    def test_numbers(self) -> None:
        """A cRLNumber that is negative, too long or none is refused."""
        for number in (b"\xff", b"\1" * 21, b""):
            found = [extension(crls.NUMBER, tlv(0x02, number))]
            self.assert_changed_unusable("not a cRLNumber", number=None, extensions=found)
        self.assert_changed_unusable("cannot be read", number=None, extensions=[extension(crls.NUMBER, b"")])

    def test_two_algorithms(self) -> None:
        """The algorithm that is signed is the one that is used."""
        self.assert_changed_unusable(
            "two signature algorithms", inner_algorithm=pki._algorithm(ISSUER.key, hashes.SHA384())
        )

    def test_fields_that_do_not_belong_there(self) -> None:
        """Something after the last field is refused."""
        for rest in (tlv(0x02, b"\1"), tlv(0xA1, b""), b"\0"):
            self.assert_changed_unusable("cannot be read", rest=rest)

    def test_excessive(self) -> None:
        """Names and extensions that are made to cost are not read."""
        name = pki.x509.Name([pki.x509.NameAttribute(pki.NameOID.ORGANIZATION_NAME, "x" * 60) for _ in range(70)])
        self.assert_changed_unusable("more than 4096 octets", issuer=name.public_bytes())
        many = [extension(crls.UNHEARD_OF, bytes(70_000))]
        self.assert_changed_unusable("more than 65536 octets", extensions=many)

    def test_too_long(self) -> None:
        """A list whose positions have more than four bytes is not read."""

        class Long(bytes):
            def __len__(self) -> int:
                return 2**32

        self.assert_unusable("too long", Long(LIST.der()))

    @given(st.binary(max_size=100))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes whatever are a reason, and no exception."""
        self.assertIsInstance(prove(data, ISSUER.parsed), Unusable)


class HeadTests(SynchronousTestCase):
    """`read_head`."""

    def test_may_be_of(self) -> None:
        """A list may be of issuers of its name whose key identifier does not contradict."""
        head = read_head(LIST.der())
        assert isinstance(head, CrlHead)
        tried = [head.may_be_of(each.parsed) for each in (ISSUER, NAMESAKE, ROOT)]
        self.assertEqual(tried, [True, False, False])


class NewerTests(SynchronousTestCase):
    """`ProvenCrl.is_older_than` and `key`."""

    def test_numbers(self) -> None:
        """The number decides, whatever thisUpdate says; of equal ones thisUpdate does."""
        first, second = LIST.proven(), attrs.evolve(LIST, number=2, this_update=pki.NOW - 3 * crls.DAY).proven()
        self.assertEqual((first.is_older_than(second), second.is_older_than(first)), (True, False))
        later = attrs.evolve(LIST, this_update=pki.NOW).proven()
        self.assertEqual((first.is_older_than(later), later.is_older_than(first)), (True, False))
        self.assertFalse(first.is_older_than(first))

    def test_without_numbers(self) -> None:
        """Where one has no number, thisUpdate decides."""
        first = LIST.proven()
        bare = attrs.evolve(LIST, number=None, this_update=pki.NOW - 3 * crls.DAY).proven()
        self.assertEqual((first.is_older_than(bare), bare.is_older_than(first)), (False, True))

    def test_same_second(self) -> None:
        """Of two lists of one number and second the one that revokes less does not replace the other one."""
        less = attrs.evolve(LIST, entries=()).proven()
        more = attrs.evolve(LIST, entries=[crls.Listed(serial=5)]).proven()
        self.assertEqual((less.is_older_than(more), more.is_older_than(less)), (True, False))

    def test_keys(self) -> None:
        """Lists are filed by their issuer and by what they are about, whatever else they say."""
        users = attrs.evolve(LIST, extensions=[issuing_point(crls.ONLY_USERS)])
        shards = [
            attrs.evolve(LIST, extensions=[issuing_point(crls.point_name(crls.uri(f"http://crl.example/{number}")))])
            for number in (1, 2)
        ]
        other = Crl(signer=NAMESAKE)
        self.assertEqual(len({each.proven().key for each in (LIST, users, *shards, other)}), 5)
        again = attrs.evolve(users, number=9, entries=[], next_update=pki.NOW + timedelta(days=9))
        self.assertEqual(again.proven().key, users.proven().key)
