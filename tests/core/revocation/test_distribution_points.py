"""Which certificates a list is about."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError, encoded, only_element
from agwtwisted.core.revocation.distribution_points import (
    ALL_REASONS,
    CrlScope,
    DistributionPoint,
    covered_reasons,
    crl_scope,
    distribution_points,
)
from tests import crls, pki
from tests.crls import directory, point_name, points_extension, uri
from tests.pki import tlv

ISSUER = pki.Authority.root("Issuer")
NAME = only_element(ISSUER.subject, 0x30)
HERE, THERE = "http://crl.example/1", "http://crl.example/2"
KEY_COMPROMISE = 0x4000
KEY = pki.ec_key()


def points_of(*points: bytes) -> tuple[DistributionPoint, ...]:
    """What a certificate with these points names."""
    return distribution_points(ISSUER.issue("device", extra=[points_extension(*points)]).parsed)


def scope_of(*parts: bytes) -> CrlScope:
    """What a list with this issuing distribution point is about."""
    return crl_scope(tlv(0x30, *parts), NAME)


def covered(scope: CrlScope, *points: bytes, is_authority: bool | None = False) -> int:
    """For which reasons a list covers a certificate with these points."""
    return covered_reasons(scope, points_of(*points), issuer=NAME, is_authority=is_authority)


class DistributionPointsTests(SynchronousTestCase):
    """`distribution_points`."""

    def test_urls(self) -> None:
        """The URLs of all points, in their order and of whatever scheme; those that are not ASCII are left out."""
        found = points_of(
            point_name(uri(HERE), uri("ldap://directory.example/cn=CRL"), tlv(0x86, b"http://\xff")),
            point_name(directory("CRL 2"), uri(THERE)),
        )
        urls = [point.urls for point in found]
        self.assertEqual(urls, [(HERE, "ldap://directory.example/cn=CRL"), (THERE,)])

    def test_as_the_library_writes_them(self) -> None:
        """Points that cryptography has encoded are read, reasons and issuers included."""
        reasons = frozenset({pki.x509.ReasonFlags.key_compromise, pki.x509.ReasonFlags.aa_compromise})
        name = pki.x509.UniformResourceIdentifier(HERE)
        other = pki.x509.DirectoryName(pki.name("Other"))
        extension = pki.x509.CRLDistributionPoints(
            [
                pki.x509.DistributionPoint([name], None, reasons, None),
                pki.x509.DistributionPoint([name], None, None, [other]),
                pki.x509.DistributionPoint(None, None, None, [other]),
            ]
        )
        found = distribution_points(ISSUER.issue("device", extra=[pki.extension(extension)]).parsed)
        self.assertEqual([point.reasons for point in found], [0x4080, ALL_REASONS, ALL_REASONS])
        self.assertEqual([point.is_indirect for point in found], [False, True, True])
        self.assertEqual([point.urls for point in found], [(HERE,), (HERE,), ()])

    def test_none(self) -> None:
        """A certificate without the extension, with it twice, or with one that cannot be read names no points."""
        self.assertEqual(distribution_points(ISSUER.issue("device").parsed), ())
        point = points_extension(point_name(uri(HERE)))
        self.assertEqual(distribution_points(ISSUER.issue("device", extra=[point, point]).parsed), ())
        for bad in (b"x", tlv(0xA3), tlv(0xA0), tlv(0xA0, tlv(0xA0)), tlv(0xA0, tlv(0xA5)), tlv(0x81)):
            self.assertEqual(points_of(bad), (), bad)

    def test_points_of_the_issuer_itself(self) -> None:
        """A point that names the certificate's own issuer as the lists' is like one that names none."""
        own = tlv(0xA2, uri("x"), directory("ISSUER"))
        self.assertEqual(points_of(point_name(uri(HERE)) + own), points_of(point_name(uri(HERE))))
        for other in (directory("Other"), uri("Issuer"), b""):
            (point,) = points_of(point_name(uri(HERE)) + tlv(0xA2, other))
            self.assertTrue(point.is_indirect)

    def test_relative_names(self) -> None:
        """A name relative to the issuer is the issuer's with one part more (section 4.2.1.13)."""
        attribute = only_element(only_element(pki.name("CRL 1").public_bytes(), 0x30), 0x31)
        relative = points_of(tlv(0xA0, tlv(0xA1, attribute)))
        full = pki.x509.Name([*pki.x509.Name.from_rfc4514_string("CN=Issuer"), *pki.name("CRL 1")])
        whole = points_of(point_name(directory(full.public_bytes())))
        self.assertEqual(relative, whole)


class ScopeTests(SynchronousTestCase):
    """`crl_scope`."""

    def test_as_the_library_writes_them(self) -> None:
        """What cryptography has encoded is read as it was meant."""
        name = pki.x509.UniformResourceIdentifier(HERE)
        some = frozenset({pki.x509.ReasonFlags.key_compromise})

        def read(**options: Any) -> CrlScope:
            values = {
                "full_name": None,
                "relative_name": None,
                "only_contains_user_certs": False,
                "only_contains_ca_certs": False,
                "only_some_reasons": None,
                "indirect_crl": False,
                "only_contains_attribute_certs": False,
            }
            return crl_scope(pki.x509.IssuingDistributionPoint(**{**values, **options}).public_bytes(), NAME)

        self.assertEqual(read(full_name=[name]), CrlScope(names=(b"\x86" + HERE.encode(),)))
        self.assertEqual(read(only_contains_user_certs=True), CrlScope(only_users=True))
        self.assertEqual(read(only_contains_ca_certs=True), CrlScope(only_authorities=True))
        self.assertEqual(read(only_contains_attribute_certs=True), CrlScope(only_attributes=True))
        self.assertEqual(read(indirect_crl=True), CrlScope(is_indirect=True))
        self.assertEqual(read(only_some_reasons=some), CrlScope(reasons=KEY_COMPROMISE))

    def test_flags_that_are_false(self) -> None:
        """A flag may be written out as false."""
        self.assertEqual(scope_of(tlv(0x81, b"\0"), tlv(0x84, b"\0")), CrlScope())

    def test_reasons(self) -> None:
        """Bits beyond the eight reasons, and bits that are not used, do not count."""
        for content, expected in {
            "0740": 0x0000,
            "0640": 0x4000,
            "00ff": 0x7F00,
            "00ffff": ALL_REASONS,
            "00": 0,
        }.items():
            self.assertEqual(scope_of(tlv(0x83, bytes.fromhex(content))).reasons, expected, content)
        self.assertEqual(scope_of(tlv(0x83, bytes.fromhex("00ffffff"))).reasons, ALL_REASONS)
        self.assertEqual(scope_of(crls.some_reasons("01")).reasons, KEY_COMPROMISE)

    def test_unreadable(self) -> None:
        """Parts that are unknown, doubled, not in their order or not what they should be are refused."""
        for parts in (
            [tlv(0x86, b"\xff")],
            [crls.ONLY_USERS, crls.ONLY_USERS],
            [crls.INDIRECT, crls.ONLY_USERS],
            [tlv(0x81, b"")],
            [tlv(0x83, b"")],
            [tlv(0x83, b"\x08\xff")],
            [crls.ONLY_USERS, crls.ONLY_ATTRIBUTES],
            [tlv(0xA0, tlv(0xA0))],
            [tlv(0xA0, tlv(0xA0, directory(b"x")))],
        ):
            with self.assertRaises(DerError):
                scope_of(*parts)

    def test_digests(self) -> None:
        """Two scopes have the same digest exactly when they are the same, in whatever order their names are."""
        one, two = scope_of(point_name(uri(HERE), uri(THERE))), scope_of(point_name(uri(THERE), uri(HERE)))
        self.assertEqual(one.digest, two.digest)
        others = [
            CrlScope(),
            scope_of(point_name(uri(HERE))),
            scope_of(crls.ONLY_USERS),
            scope_of(crls.ONLY_AUTHORITIES),
            scope_of(crls.some_reasons("01")),
        ]
        self.assertEqual(len({each.digest for each in (one, *others)}), 6)


class CoveredTests(SynchronousTestCase):
    """`covered_reasons`."""

    def test_everything(self) -> None:
        """A list that is not limited is about every certificate of its issuer, whatever points that names."""
        for points in ((), (point_name(uri(HERE)),), (tlv(0xA2, directory("Other")),)):
            for is_authority in (True, False, None):
                self.assertEqual(covered(CrlScope(), *points, is_authority=is_authority), ALL_REASONS)

    def test_users_and_authorities(self) -> None:
        """One for users is not about CAs, one for CAs not about users; neither about one that cannot be read."""
        cases = {
            (crls.ONLY_USERS, False): ALL_REASONS,
            (crls.ONLY_USERS, True): 0,
            (crls.ONLY_USERS, None): 0,
            (crls.ONLY_AUTHORITIES, True): ALL_REASONS,
            (crls.ONLY_AUTHORITIES, False): 0,
            (crls.ONLY_AUTHORITIES, None): 0,
        }
        for (part, is_authority), expected in cases.items():
            self.assertEqual(covered(scope_of(part), is_authority=is_authority), expected)

    def test_names(self) -> None:
        """One of a point is about the certificates that name this point, by one of its names, and no others."""
        scope = scope_of(point_name(uri(HERE), uri("ldap://x/")))
        self.assertEqual(covered(scope, point_name(uri(THERE)), point_name(uri(HERE))), ALL_REASONS)
        for other in (point_name(uri(THERE)), point_name(uri(HERE + "/")), point_name(directory(HERE)), b""):
            self.assertEqual(covered(scope, other), 0)
        self.assertEqual(covered(scope), 0)

    def test_directory_names(self) -> None:
        """Directory names are compared as names are, and the issuer's own name is a point of all its certificates."""
        scope = scope_of(point_name(directory("crl  1")))
        self.assertEqual(covered(scope, point_name(directory("CRL 1"))), ALL_REASONS)
        self.assertEqual(covered(scope, point_name(directory("CRL 2"))), 0)
        self.assertEqual(covered(scope_of(point_name(directory("ISSUER")))), ALL_REASONS)
        self.assertEqual(covered(scope_of(point_name(directory("ISSUER"))), point_name(uri(HERE))), ALL_REASONS)

    def test_points_of_others(self) -> None:
        """A point at which another one signs the lists is not one of the issuer's own lists."""
        indirect = point_name(uri(HERE)) + tlv(0xA2, directory("Other"))
        self.assertEqual(covered(scope_of(point_name(uri(HERE))), indirect), 0)

    def test_reasons(self) -> None:
        """Reasons are limited by the list and by the point, and several points add up."""
        self.assertEqual(covered(scope_of(crls.some_reasons("01"))), KEY_COMPROMISE)
        scope = scope_of(point_name(uri(HERE)))
        first = point_name(uri(HERE)) + crls.some_reasons("01", tag=0x81)
        rest = point_name(uri(HERE)) + crls.some_reasons("001111111", tag=0x81)
        self.assertEqual(covered(scope, first), KEY_COMPROMISE)
        self.assertEqual(covered(scope, first, rest), ALL_REASONS)

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        """Extensions of any content give points and a scope, or an error that says so."""
        extension = pki.extension(pki.x509.UnrecognizedExtension(pki.x509.ObjectIdentifier("2.5.29.31"), data))
        distribution_points(pki.self_signed(extra=[extension], key=KEY).parsed)
        with contextlib.suppress(DerError):
            crl_scope(encoded(0x30, data), NAME)
