"""What lists mean at a moment: one of them, and several together."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.revocation.crl_status import NO_LIST, CrlRules, CrlSubject, covers, status_at, status_of
from agwtwisted.core.revocation.status import Good, Revoked, Unusable
from tests import crls, pki
from tests.crls import DAY, Crl, Listed, issuing_point, point_name, points_extension, revoked, status_by, uri

NOW = pki.NOW.timestamp()
SECONDS = DAY.total_seconds()
RULES = CrlRules()
HERE, THERE = "http://crl.example/1", "http://crl.example/2"

ISSUER = pki.Authority.root("Root").intermediate("Issuer")
DEVICE = ISSUER.issue("device")
OTHER = ISSUER.issue("other device")
SHARDED = ISSUER.issue("sharded", extra=[points_extension(point_name(uri(HERE)))])
BELOW = ISSUER.intermediate("Below")
EMPTY = Crl(signer=ISSUER)
LIST = Crl(signer=ISSUER, entries=[revoked(DEVICE)])
SHARD = Crl(signer=ISSUER, extensions=[issuing_point(point_name(uri(HERE)))])
OTHER_SHARD = Crl(signer=ISSUER, extensions=[issuing_point(point_name(uri(THERE)))])

REVOKED = Revoked(NOW - SECONDS, "keyCompromise", NOW + SECONDS, source=RevocationSource.CRL)


def good(until: float) -> Good:
    """Good, by a list."""
    return Good(until, source=RevocationSource.CRL)


GOOD = good(NOW + SECONDS)


class StatusCase(SynchronousTestCase):
    """What the tests ask."""

    def assert_unusable(self, words: str, status: object) -> None:
        """It is no status, for this reason."""
        self.assertIsInstance(status, Unusable)
        assert isinstance(status, Unusable)
        self.assertIn(words, status.reason)


class OneListTests(StatusCase):
    """`status_at`."""

    def test_not_in_the_list(self) -> None:
        """A certificate that a valid list does not have is good until nextUpdate."""
        self.assertEqual(status_at(LIST.proven(), OTHER.parsed.serial, RULES, NOW), GOOD)

    def test_in_the_list(self) -> None:
        """One that it has is revoked, at whatever age of the list."""
        crl = LIST.proven()
        for now in (NOW, NOW - 100 * SECONDS, NOW + 100 * SECONDS):
            self.assertEqual(status_at(crl, DEVICE.parsed.serial, RULES, now), REVOKED)

    def test_after_the_end(self) -> None:
        """From nextUpdate on a list clears no certificate."""
        crl = LIST.proven()
        self.assertEqual(status_at(crl, OTHER.parsed.serial, RULES, NOW + SECONDS - 1), GOOD)
        self.assert_unusable("has expired", status_at(crl, OTHER.parsed.serial, RULES, NOW + SECONDS))

    def test_before_the_beginning(self) -> None:
        """A list from the future counts within the skew of the clocks, and not before."""
        crl = attrs.evolve(LIST, this_update=pki.NOW).proven()
        self.assertEqual(status_at(crl, OTHER.parsed.serial, RULES, NOW - 300), GOOD)
        self.assert_unusable("not valid yet", status_at(crl, OTHER.parsed.serial, RULES, NOW - 301))

    def test_an_old_list_that_is_still_valid(self) -> None:
        """How old thisUpdate is does not matter while nextUpdate is in the future."""
        crl = attrs.evolve(LIST, this_update=pki.NOW - 3000 * DAY).proven()
        self.assertEqual(status_at(crl, OTHER.parsed.serial, RULES, NOW), GOOD)

    def test_removed_from_crl(self) -> None:
        """In a complete list removeFromCRL restores no certificate."""
        crl = attrs.evolve(LIST, entries=[revoked(DEVICE, reason=8)]).proven()
        status = status_at(crl, DEVICE.parsed.serial, RULES, NOW)
        self.assertEqual(status, attrs.evolve(REVOKED, reason="removeFromCRL"))

    def test_what_the_entry_says(self) -> None:
        """A status has the time, the reason and the invalidity date of the entry."""
        entry = Listed(serial=DEVICE.parsed.serial, at=pki.NOW - 5 * DAY, reason=4, invalidity_date=pki.NOW - 9 * DAY)
        crl = attrs.evolve(LIST, entries=[entry]).proven()
        expected = attrs.evolve(REVOKED, at=NOW - 5 * SECONDS, reason="superseded", invalidity_date=NOW - 9 * SECONDS)
        self.assertEqual(status_at(crl, DEVICE.parsed.serial, RULES, NOW), expected)

    def test_covers(self) -> None:
        """A list would clear the certificates of its issuer that it is about for all reasons."""
        subject = CrlSubject.of(DEVICE.der, ISSUER.der)
        assert isinstance(subject, CrlSubject)
        some = attrs.evolve(EMPTY, extensions=[issuing_point(crls.some_reasons("01"))])
        lists = (EMPTY, LIST, SHARD, some, Crl(signer=ISSUER.issuers[0]))
        self.assertEqual([covers(each.proven(), subject) for each in lists], [True, True, False, False, False])

    def test_odd_serials(self) -> None:
        """Certificates with serial numbers that RFC 5280 forbids are found."""
        for serial in (0, -5, 1 << 159):
            device = ISSUER.issue("odd", serial=serial)
            crl = Crl(signer=ISSUER, entries=[Listed(serial=serial)])
            self.assertIsInstance(status_by([crl], device, NOW), Revoked)
            self.assertIsInstance(status_by([crl], DEVICE, NOW), Good)


class SubjectTests(SynchronousTestCase):
    """`CrlSubject`."""

    def subject(self, certificate: pki.Credential) -> CrlSubject:
        """A certificate under its issuer."""
        found = CrlSubject.of(certificate.der, certificate.issuers[0].der)
        assert isinstance(found, CrlSubject)
        return found

    def test_fields(self) -> None:
        """It has what lists are asked by."""
        self.assertEqual(self.subject(SHARDED).urls, (HERE,))
        self.assertEqual([self.subject(each).is_authority for each in (DEVICE, BELOW)], [False, True])
        self.assertEqual(self.subject(DEVICE).issuer_key, LIST.proven().issuer_key)

    def test_urls(self) -> None:
        """Each URL is there once, and none at which another one signs."""
        points = (
            point_name(uri(HERE), uri(HERE)),
            point_name(uri(HERE)),
            point_name(uri(THERE)) + pki.tlv(0xA2, crls.directory("Other")),
        )
        self.assertEqual(self.subject(ISSUER.issue("device", extra=[points_extension(*points)])).urls, (HERE,))

    def test_what_cannot_be_read(self) -> None:
        """Without a certificate or an issuer there is nothing to look up."""
        self.assertIsInstance(CrlSubject.of(b"x", ISSUER.der), Unusable)
        self.assertIsInstance(CrlSubject.of(DEVICE.der, b"x"), Unusable)

    def test_basic_constraints_that_cannot_be_read(self) -> None:
        """Such a certificate is neither a CA's nor another one's."""
        broken = pki.extension(pki.x509.UnrecognizedExtension(pki.x509.ObjectIdentifier("2.5.29.19"), b"x"))
        device = ISSUER.issue("device", ca=None, extra=[broken])
        self.assertIsNone(self.subject(device).is_authority)
        for part in (crls.ONLY_USERS, crls.ONLY_AUTHORITIES):
            crl = attrs.evolve(EMPTY, extensions=[issuing_point(part)])
            self.assertIsInstance(status_by([crl], device, NOW), Unusable)


class SeveralListsTests(StatusCase):
    """`status_of`."""

    def test_one(self) -> None:
        """One list that is about everything decides."""
        self.assertEqual(status_by([LIST], DEVICE, NOW), REVOKED)
        self.assertEqual(status_by([LIST], OTHER, NOW), GOOD)

    def test_none(self) -> None:
        """Without a list of the issuer there is no status."""
        self.assertEqual(status_by([], DEVICE, NOW), NO_LIST)

    def test_lists_of_other_issuers(self) -> None:
        """A list of another CA, of its issuer or of a namesake neither clears nor revokes."""
        for other in (pki.Authority.root("Other"), ISSUER.issuers[0], ISSUER.issuers[0].intermediate("Issuer")):
            assert isinstance(other, pki.Authority)
            crl = Crl(signer=other, entries=[revoked(DEVICE)])
            self.assertEqual(status_by([crl], DEVICE, NOW), NO_LIST)
            self.assertEqual(status_by([crl, EMPTY], DEVICE, NOW), GOOD)

    def test_shards(self) -> None:
        """The list of the certificate's own point clears it, and another point's does not."""
        self.assertEqual(status_by([OTHER_SHARD, SHARD], SHARDED, NOW), GOOD)
        self.assert_unusable("about other certificates", status_by([OTHER_SHARD], SHARDED, NOW))
        self.assert_unusable("about other certificates", status_by([SHARD], DEVICE, NOW))

    def test_users_and_authorities(self) -> None:
        """A list of users clears no CA, and one of CAs no user."""
        users, authorities = (
            attrs.evolve(EMPTY, extensions=[issuing_point(each)]) for each in (crls.ONLY_USERS, crls.ONLY_AUTHORITIES)
        )
        self.assertEqual(status_by([users], DEVICE, NOW), GOOD)
        self.assertEqual(status_by([authorities], BELOW, NOW), GOOD)
        self.assert_unusable("about other certificates", status_by([authorities], DEVICE, NOW))
        self.assert_unusable("about other certificates", status_by([users], BELOW, NOW))

    def test_an_entry_revokes_wherever_it_stands(self) -> None:
        """An entry in a list of the issuer revokes, whatever that is about and however old it is."""
        for crl in (OTHER_SHARD, SHARD, attrs.evolve(EMPTY, extensions=[issuing_point(crls.ONLY_AUTHORITIES)])):
            with_entry = attrs.evolve(crl, entries=[revoked(SHARDED)])
            self.assertEqual(status_by([with_entry], SHARDED, NOW), REVOKED)
            self.assertEqual(status_by([EMPTY, with_entry, SHARD], SHARDED, NOW), REVOKED)
            self.assertEqual(status_by([with_entry], SHARDED, NOW + 100 * SECONDS), REVOKED)

    def test_a_later_list_ends_it(self) -> None:
        """A later list that would be enough to clear the certificate does so: a hold may be lifted."""
        later = attrs.evolve(EMPTY, this_update=pki.NOW, next_update=pki.NOW + 3 * DAY)
        self.assertEqual(status_by([LIST, later], DEVICE, NOW), good(NOW + 3 * SECONDS))
        self.assertEqual(status_by([later, LIST], DEVICE, NOW), good(NOW + 3 * SECONDS))

    def test_a_later_list_that_is_not_enough(self) -> None:
        """One that is about others, for some reasons alone, or no longer valid does not."""
        later = attrs.evolve(EMPTY, this_update=pki.NOW, next_update=pki.NOW + 3 * DAY)
        for part in (crls.ONLY_AUTHORITIES, crls.some_reasons("01"), point_name(uri(HERE))):
            limited = attrs.evolve(later, extensions=[issuing_point(part)])
            self.assertEqual(status_by([LIST, limited], DEVICE, NOW), REVOKED)
        self.assertEqual(status_by([LIST, later], DEVICE, NOW + 4 * SECONDS), REVOKED)
        self.assertEqual(
            status_by([LIST, attrs.evolve(later, entries=[Listed(serial=5)])], DEVICE, NOW - 2000), REVOKED
        )

    def test_the_later_of_two_revocations(self) -> None:
        """Of two lists that have it the later one says why."""
        later = attrs.evolve(LIST, this_update=pki.NOW, entries=[revoked(DEVICE, reason=4)])
        self.assertEqual(status_by([later, LIST], DEVICE, NOW), attrs.evolve(REVOKED, reason="superseded"))

    def test_until(self) -> None:
        """Of several lists that clear it the latest one says until when."""
        older = attrs.evolve(EMPTY, this_update=pki.NOW - 9 * DAY, next_update=pki.NOW + 300 * DAY)
        self.assertEqual(status_by([older, EMPTY], DEVICE, NOW), GOOD)
        self.assertEqual(status_by([older, EMPTY], DEVICE, NOW + 2 * SECONDS), good(NOW + 300 * SECONDS))

    def test_reasons(self) -> None:
        """Lists for some reasons clear a certificate together, until the first of them ends, and not alone."""
        first = attrs.evolve(EMPTY, extensions=[issuing_point(crls.some_reasons("01"))])
        rest = attrs.evolve(
            EMPTY, extensions=[issuing_point(crls.some_reasons("001111111"))], next_update=pki.NOW + 9 * DAY
        )
        self.assert_unusable("some reasons alone", status_by([first], DEVICE, NOW))
        self.assertEqual(status_by([first, rest], DEVICE, NOW), GOOD)
        with_entry = attrs.evolve(first, entries=[revoked(DEVICE)])
        self.assertEqual(status_by([with_entry, rest], DEVICE, NOW), REVOKED)

    def test_lists_that_have_ended(self) -> None:
        """Where every list is over, that is the reason."""
        self.assert_unusable("has expired", status_by([EMPTY], DEVICE, NOW + 2 * SECONDS))
        self.assert_unusable("not valid yet", status_by([EMPTY], DEVICE, NOW - 2 * SECONDS))

    def test_lists_together_with_those_of_issuers(self) -> None:
        """It is the lists of the issuer that count, among those of many."""
        others = [Crl(signer=pki.Authority.root(f"Root {number}"), entries=[revoked(DEVICE)]) for number in range(3)]
        found = [each.proven() for each in (*others, EMPTY)]
        subject = CrlSubject.of(DEVICE.der, ISSUER.der)
        assert isinstance(subject, CrlSubject)
        self.assertEqual(status_of(found, subject, RULES, NOW), GOOD)
