"""`agwtwisted.core.verification.path_building`: which paths are proposed, in what order, and what bounds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from unittest import mock

import attrs
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification import path_building
from agwtwisted.core.verification.path_building import Checks, Node, Uploaded, candidate_paths, may_be_mended, pieces
from tests import pki

NO_IDS: dict[str, Any] = {"ski": False, "aki": False}
KEY = pki.ec_key()


def node(credential: pki.Credential) -> Node:
    """What is known of a certificate."""
    found = Node.of(credential.der)
    assert found is not None
    return found


@attrs.define
class Asked:
    """Answers what the search asks, and counts it."""

    good: bool = True
    seconds: int = 1_000_000  # how often it is asked before it is enough
    signatures: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    unusable: frozenset[bytes] = frozenset()

    def checks(self) -> Checks:
        """As the search takes it."""
        return Checks(signed=self.signed, usable=lambda der: der not in self.unusable, enough=self.enough)

    def signed(self, lower: Node, upper: Node) -> bool:
        """Whether this signature holds."""
        self.signatures.append((lower.der, upper.der))
        return self.good

    def enough(self) -> bool:
        """Whether time is up."""
        self.seconds -= 1
        return self.seconds < 0


def found(
    asked: Asked, presented: Sequence[pki.Credential], authorities: Sequence[pki.Authority], max_depth: int = 8
) -> list[tuple[bytes, ...]]:
    """The paths, in DER; of the authorities those that signed themselves are roots."""
    roots = [each.der for each in authorities if not each.issuers]
    uploaded = Uploaded.of([each.der for each in authorities], roots)
    paths = candidate_paths([each.der for each in presented], uploaded, asked.checks(), max_depth)
    return [tuple(each.der for each in path) for path in paths]


class PathTests(SynchronousTestCase):
    """`candidate_paths`."""

    def setUp(self) -> None:
        """A root, two certificates of a CA below it, and a leaf of that CA."""
        self.root = pki.Authority.root("Root")
        self.first = self.root.intermediate("CA", key=KEY)
        self.second = self.root.intermediate("CA", key=KEY)
        self.leaf = self.first.issue()

    def test_every_candidate(self) -> None:
        """Each of two issuers makes a path, one that was uploaded before one that was sent."""
        paths = found(Asked(), [self.leaf, self.first], [self.root, self.second])
        self.assertEqual([path[1] for path in paths], [self.second.der, self.first.der])
        self.assertTrue(all(path[0] == self.leaf.der and path[-1] == self.root.der for path in paths))

    def test_shortest_first(self) -> None:
        """A detour comes after the direct way."""
        between = self.root.intermediate("Between")
        crossed = between.intermediate("CA", key=KEY)
        paths = found(Asked(), [self.leaf, crossed, between, self.first], [self.root])
        self.assertEqual([len(path) for path in paths], [3, 4])

    def test_depth(self) -> None:
        """No path has more certificates above the leaf than may be."""
        self.assertEqual(len(found(Asked(), [self.leaf, self.first], [self.root], max_depth=2)), 1)
        self.assertEqual(found(Asked(), [self.leaf, self.first], [self.root], max_depth=1), [])

    def test_nothing_to_begin_with(self) -> None:
        """Without a leaf, or with one that cannot be read, there is no path."""
        self.assertEqual(found(Asked(), [], [self.root]), [])
        uploaded = Uploaded.of([self.root.der, b"no certificate"], [self.root.der])
        self.assertEqual([*candidate_paths([b"0"], uploaded, Asked().checks(), 8)], [])

    def test_keys_of_strangers(self) -> None:
        """A signature is checked only with a key that a root vouches for."""
        stranger = pki.Authority.root("Stranger")
        sent = [stranger.intermediate("CA", key=KEY), stranger, self.first]
        asked = Asked()
        found(asked, [self.leaf, *sent], [self.root])
        vouched = {self.root.der, self.first.der}
        self.assertTrue(asked.signatures)
        self.assertTrue({upper for _, upper in asked.signatures} <= vouched)
        refused = Asked(good=False)
        found(refused, [self.leaf, *sent], [self.root])
        self.assertEqual({upper for _, upper in refused.signatures}, {self.root.der})

    def test_unusable(self) -> None:
        """A CA that can stand in no accepted path is passed over, with all that only it vouches for."""
        asked = Asked(unusable=frozenset([self.first.der]))
        self.assertEqual(found(asked, [self.leaf, self.first], [self.root]), [])
        roots = Asked(unusable=frozenset([self.root.der]))
        self.assertEqual(found(roots, [self.leaf, self.first], [self.root]), [])
        self.assertEqual(roots.signatures, [])

    def test_another_key_identifier(self) -> None:
        """Where both key identifiers are there and differ, it is no issuer."""
        other = self.root.intermediate("CA")
        self.assertEqual(found(Asked(), [self.leaf, other], [self.root]), [])

    def test_bad_signatures_are_bounded(self) -> None:
        """However many certificates are sent, few signatures that do not hold are checked."""
        sent = [pki.Authority.root("Root", **NO_IDS).intermediate("Root", key=KEY, **NO_IDS) for _ in range(40)]
        asked = Asked(good=False)
        leaf = sent[0].issue(**NO_IDS)
        self.assertEqual(found(asked, [leaf, *sent], [pki.Authority.root("Root", **NO_IDS)]), [])
        self.assertEqual(len(asked.signatures), path_building.MAX_BAD_SIGNATURES)

    def test_all_is_bounded(self) -> None:
        """Nor are many good ones, nor many paths, where all CAs certified each other."""
        root = pki.Authority.root("A", key=KEY, **NO_IDS)
        circle = [
            pki.Authority.root(upper, key=KEY, **NO_IDS).intermediate(lower, key=KEY, **NO_IDS)
            for upper in "ABCDEF"
            for lower in "BCDEF"
            if upper != lower
        ]
        asked = Asked()
        paths = found(asked, [circle[-1].issue(**NO_IDS), *circle], [root])
        self.assertLessEqual(len(asked.signatures), path_building.MAX_SIGNATURES)
        self.assertLessEqual(len(paths), path_building.MAX_PATHS)
        with mock.patch.object(path_building, "MAX_SIGNATURES", 10_000):
            self.assertLessEqual(len(found(Asked(), [circle[-1].issue(**NO_IDS), *circle], [root])), 32)

    def test_uploaded_links_do_not_count(self) -> None:
        """Signatures among uploaded CAs are known after the first client: they take nothing from the bound."""
        authorities = [self.root, *(self.root.intermediate(f"CA {number}") for number in range(40)), self.first]
        self.assertEqual(len(found(Asked(), [self.leaf], authorities)), 1)

    def test_time(self) -> None:
        """Nothing more is looked at once it has taken too long."""
        asked = Asked(seconds=0)
        self.assertEqual(found(asked, [self.leaf, self.first], [self.root]), [])
        self.assertEqual(asked.signatures, [])


class MendedTests(SynchronousTestCase):
    """`may_be_mended`."""

    def test_own_faults(self) -> None:
        """Dates, purpose, weak keys and unknown extensions are the leaf's own; a missing issuer is not."""
        for error in (9, 10, 13, 14, 26, 34, 66):
            self.assertFalse(may_be_mended(error), error)
        for error in (0, 2, 7, 18, 20, 21, 47, 48):
            self.assertTrue(may_be_mended(error), error)


class PieceTests(SynchronousTestCase):
    """`pieces`, and the certificate that stands in for one that was renewed."""

    def names(self, issuer: pki.Authority) -> dict[str, Any]:
        """An authority key identifier with the issuer's serial number."""
        value = x509.AuthorityKeyIdentifier(
            None, [x509.DirectoryName(issuer.certificate.issuer)], issuer.certificate.serial_number
        )
        return {"aki": False, "extra": [pki.extension(value)]}

    def test_whole(self) -> None:
        """A path whose identifiers fit is one piece."""
        root = pki.Authority.root("Root")
        between = root.intermediate("CA")
        leaf = between.issue(**self.names(between))
        path = [node(each) for each in (leaf, between, root)]
        whole = pieces(path)
        assert whole
        [piece] = whole
        self.assertEqual(piece.certificates, (leaf.der, between.der))
        self.assertEqual((piece.anchor, piece.begins_with_leaf, piece.ends_in_root), (root.der, True, True))

    def test_cut(self) -> None:
        """It is cut where another serial number is named; the stand-in differs in number and issuer alone."""
        root = pki.Authority.root("Root")
        old = pki.Authority.root("Old Root").intermediate("CA", key=KEY)
        new = root.intermediate("CA", key=KEY, permitted=[x509.DNSName("example.com")])
        leaf = old.issue(**self.names(old))
        cut = pieces([node(each) for each in (leaf, new, root)])
        assert cut
        lower, upper = cut
        self.assertEqual((lower.begins_with_leaf, lower.ends_in_root), (True, False))
        self.assertEqual((upper.begins_with_leaf, upper.ends_in_root), (False, True))
        self.assertEqual((upper.certificates, upper.anchor), ((new.der,), root.der))
        anchor, true = x509.load_der_x509_certificate(lower.anchor), new.certificate
        self.assertEqual(anchor.serial_number, old.certificate.serial_number)
        self.assertEqual(anchor.issuer, old.certificate.issuer)
        self.assertEqual([*anchor.extensions], [*true.extensions])
        for part in ("subject", "not_valid_before_utc", "not_valid_after_utc", "signature"):
            self.assertEqual(getattr(anchor, part), getattr(true, part))
        self.assertEqual(anchor.public_key(), true.public_key())

    def test_limits_above_a_cut(self) -> None:
        """Names that are limited above a cut, and a path length that does not hold over it, make the path none."""
        old = pki.Authority.root("CA", key=KEY)
        leaf = old.issue(**self.names(old))
        for root, holds in (
            (pki.Authority.root("Root"), True),
            (pki.Authority.root("Root", path_length=1), True),
            (pki.Authority.root("Root", path_length=0), False),
            (pki.Authority.root("Root", permitted=[x509.DNSName("example.com")]), False),
        ):
            new = root.intermediate("CA", key=KEY)
            self.assertEqual(pieces([node(each) for each in (leaf, new, root)]) is not None, holds)

    def test_lengths_that_are_oddly_written(self) -> None:
        """A path length is read as OpenSSL reads it; where none can be read, the path is none."""
        old = pki.Authority.root("CA", key=KEY)
        leaf = old.issue(**self.names(old))
        ca, none_below, torn = b"\x01\x01\xff", b"\x02\x01\x00", b"\x02\x05\x00"
        for value, holds in (
            (pki.tlv(0x30, ca) + b"\x05\0", True),
            (pki.tlv(0x30, ca, none_below) + b"\x05\0", False),
            (b"\x30\x80" + ca + none_below + b"\0\0", False),
            (pki.tlv(0x30, ca, torn), False),
        ):
            constraints = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), value)
            root = pki.Authority.root("Root", ca=None, extra=[pki.extension(constraints, critical=True)])
            new = root.intermediate("CA", key=KEY)
            self.assertEqual(pieces([node(each) for each in (leaf, new, root)]) is not None, holds, value)

    def test_a_root_that_is_named_otherwise(self) -> None:
        """A renewed root is trusted itself: there is no upper piece."""
        old = pki.Authority.root("Root", key=KEY, not_after=pki.NOW - timedelta(days=1))
        new = pki.Authority.root("Root", key=KEY)
        cut = pieces([node(old.issue(**self.names(old))), node(new)])
        assert cut
        self.assertEqual([each.ends_in_root for each in cut], [False])


class NodeTests(SynchronousTestCase):
    """`Node`."""

    @given(st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """Any bytes are read or not; nothing raises."""
        self.assertIsNone(Node.of(data))

    @given(st.integers(0, 600), st.integers(0, 255))
    def test_damaged(self, at: int, octet: int) -> None:
        """A damaged certificate is read or not, and asked everything; nothing raises."""
        good = pki.Authority.root("Root", key=KEY).intermediate("CA", key=KEY, path_length=1, serial=5)
        data = bytearray(good.der)
        data[at % len(data)] = octet
        read = Node.of(bytes(data))
        if read is not None:
            _ = (read.key_id, read.issuer_id, read.path_length, read.constrains_names, read.is_for_clients)
            read.may_be_issued_by(node(good))
            read.names_another_serial(node(good))
            node(good).as_named_by(read)
