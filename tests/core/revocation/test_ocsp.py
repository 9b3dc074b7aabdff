"""What a response proves: every way in which responders lie, and what holds for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
from cryptography.x509 import ocsp as library
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.ocsp import CertId, OcspRequest, OcspRules
from agwtwisted.core.revocation.status import CertStatus, Good, Revoked, Unknown, Unusable
from tests import pki
from tests.responder import NOCHECK, TRY_LATER, Response, Single, delegate, extension, status_by

NOW = pki.NOW.timestamp()
HOUR = timedelta(hours=1)
RULES = OcspRules()

ROOT = pki.Authority.root("Root")
ISSUER = ROOT.intermediate("Issuer")
DEVICE = ISSUER.issue("device")
OTHER = ISSUER.issue("other device")
DELEGATE = delegate(ISSUER)
ARCHIVE = "06092b0601050507300106"  # id-pkix-ocsp-archive-cutoff
UNHEARD_OF = "06032a0304"


def request(device: pki.Credential = DEVICE) -> OcspRequest:
    """The request about a device of ISSUER."""
    asked = OcspRequest.of(device.der, device.issuers[0].der)
    assert isinstance(asked, OcspRequest)
    return asked


def by_sha256() -> OcspRequest:
    """The request about DEVICE with a CertID by SHA-256."""
    asked = request()
    return attrs.evolve(asked, cert_id=CertId.of(asked.certificate, asked.issuer, "sha256"))


def response(*singles: Single, signer: pki.Credential = ISSUER, **options: Any) -> bytes:
    """A response; about DEVICE, good, and signed by its issuer where nothing else is said."""
    if signer is DELEGATE:
        options = {"certificates": [DELEGATE], **options}
    return Response(signer=signer, singles=singles or (Single(certificate=DEVICE),), **options).der()


def judged(data: bytes, now: float = NOW, rules: OcspRules = RULES) -> CertStatus | Unusable:
    """What the response says about DEVICE."""
    return status_by(data, request(), rules, now)


class ResponseCase(SynchronousTestCase):
    """What the tests of responses ask."""

    def assert_unusable(self, status: CertStatus | Unusable, words: str) -> None:
        """It proves nothing, for this reason."""
        self.assertIsInstance(status, Unusable)
        assert isinstance(status, Unusable)
        self.assertIn(words, status.reason)


class OcspRequestTests(SynchronousTestCase):
    """What is asked."""

    def test_request(self) -> None:
        """The request names the certificate by SHA-1 CertID, and nothing else."""
        asked = library.load_der_ocsp_request(request().der)
        self.assertEqual(asked.hash_algorithm.name, "sha1")
        self.assertEqual(asked.serial_number, DEVICE.certificate.serial_number)
        self.assertEqual(len(asked.extensions), 0)

    def test_odd_serials(self) -> None:
        """Certificates with serial numbers that RFC 5280 forbids can be asked about."""
        for serial in (0, -5, 1 << 159):
            device = ISSUER.issue("odd", serial=serial)
            asked = library.load_der_ocsp_request(request(device).der)
            self.assertEqual(asked.serial_number, serial)

    def test_unreadable(self) -> None:
        """About what is no certificate nothing can be asked."""
        self.assertIsInstance(OcspRequest.of(b"x", ISSUER.der), Unusable)
        self.assertIsInstance(OcspRequest.of(DEVICE.der, b"x"), Unusable)

    def test_responders(self) -> None:
        """The responders are the OCSP URLs of the certificate, in its order; other access methods are none."""
        self.assertEqual(request().responders, ())
        device = ISSUER.issue("device", ocsp_url="http://ocsp.example/")
        self.assertEqual(request(device).responders, ("http://ocsp.example/",))

    def test_keys(self) -> None:
        """Answers are filed by serial number and issuer: clients of two CAs are not mixed up."""
        keys = {
            ocsp.key_of(DEVICE.der, ISSUER.der),
            ocsp.key_of(OTHER.der, ISSUER.der),
            ocsp.key_of(DEVICE.der, ROOT.der),
        }
        self.assertEqual(len(keys), 3)

    def test_keys_of_the_same_certificate(self) -> None:
        """What a holder can choose makes no other key: a second signature, another certificate of the issuer."""
        key = ocsp.key_of(DEVICE.der, ISSUER.der)
        other_issuer = pki.Authority.root("Other Root").intermediate("Issuer", key=ISSUER.key)
        self.assertEqual(ocsp.key_of(DEVICE.der, other_issuer.der), key)
        again = pki.with_other_signature(DEVICE)
        self.assertNotEqual(again.der, DEVICE.der)
        again.certificate.verify_directly_issued_by(ISSUER.certificate)
        self.assertEqual(ocsp.key_of(again.der, ISSUER.der), key)

    def test_keys_of_what_cannot_be_read(self) -> None:
        """There is a key of any bytes, for those alone."""
        self.assertEqual(len({ocsp.key_of(b"x", ISSUER.der), ocsp.key_of(b"y", ISSUER.der), ocsp.key_of(b"x", b"")}), 3)


class StatusTests(ResponseCase):
    """What honest responders say."""

    def test_good(self) -> None:
        """Good, until nextUpdate."""
        self.assertEqual(judged(response()), Good(NOW + 3600))

    def test_revoked(self) -> None:
        """Revoked, with time and reason; a response without reason has an empty one."""
        status = judged(response(Single(certificate=DEVICE, status="revoked")))
        self.assertEqual(status, Revoked(NOW - 86400, "keyCompromise", NOW + 3600))
        status = judged(response(Single(certificate=DEVICE, status="revoked", reason=None)))
        self.assertEqual(status, Revoked(NOW - 86400, "", NOW + 3600))

    def test_removed_from_crl(self) -> None:
        """revoked(removeFromCRL) is revoked: the reason is for delta CRLs and restores no certificate."""
        status = judged(response(Single(certificate=DEVICE, status="revoked", reason=8)))
        self.assertIsInstance(status, Revoked)

    def test_unknown(self) -> None:
        """A certificate that the issuer does not know is not good."""
        self.assertEqual(judged(response(Single(certificate=DEVICE, status="unknown"))), Unknown())

    def test_responder_ids(self) -> None:
        """Issuer and delegate are named by key hash or by name."""
        for signer in (ISSUER, DELEGATE):
            for by_name in (False, True):
                self.assertIsInstance(judged(response(signer=signer, by_name=by_name)), Good, str(by_name))


class AnsweredStatusTests(ResponseCase):
    """The status of the response is not that of the certificate."""

    def test_try_later(self) -> None:
        """A responder that says tryLater has said nothing about the certificate."""
        self.assert_unusable(judged(TRY_LATER), "try later")

    def test_every_other_status(self) -> None:
        """Whatever the content, with a status other than successful it does not count; unassigned ones neither."""
        for status in (1, 2, 3, 4, 5, 6, 7, 127):
            self.assertIsInstance(judged(response(status=status)), Unusable, str(status))
            self.assertIsInstance(judged(bytes.fromhex("30030a01") + bytes([status])), Unusable, str(status))

    def test_successful_without_content(self) -> None:
        """Successful and empty is nothing."""
        self.assertIsInstance(judged(bytes.fromhex("30030a0100")), Unusable)

    def test_another_kind(self) -> None:
        """A response that is not of the basic kind is not read."""
        self.assertIsInstance(judged(response(kind=bytes.fromhex("06032a0304"))), Unusable)


class CertificateIdTests(ResponseCase):
    """The response has to be about the certificate in question."""

    def test_every_field_counts(self) -> None:
        """Another serial number, name hash, key hash or hash algorithm is another certificate."""
        asked = request().cert_id
        same = {"name_hash": asked.name_hash, "key_hash": asked.key_hash}
        changes: tuple[dict[str, Any], ...] = (
            {"serial": OTHER.certificate.serial_number},
            {"name_hash": b"n" * 20},
            {"key_hash": b"k" * 20},
            {"hash": "sha256"},
            {"hash": "sha256", **same},
            {"issuer": ROOT},
        )
        for change in changes:
            status = judged(response(Single(certificate=DEVICE, **change)))
            self.assert_unusable(status, "another certificate")

    def test_sha256(self) -> None:
        """Asked with SHA-256, the answer has to be so too."""
        with_sha256 = response(Single(certificate=DEVICE, hash="sha256"))
        self.assertIsInstance(status_by(with_sha256, by_sha256(), RULES, NOW), Good)
        self.assert_unusable(status_by(response(), by_sha256(), RULES, NOW), "another certificate")

    def test_algorithm_nobody_knows(self) -> None:
        """A record whose hash algorithm is not known is about another certificate; those beside it count."""
        odd = Single(certificate=DEVICE, hash="md5")
        self.assertIsInstance(judged(response(odd)), Unusable)
        self.assertIsInstance(judged(response(odd, Single(certificate=DEVICE))), Good)

    def test_several_records(self) -> None:
        """Of several records that of the certificate counts, wherever it stands."""
        good, revoked = Single(certificate=OTHER), Single(certificate=DEVICE, status="revoked")
        for records in ((good, revoked), (revoked, good)):
            self.assertIsInstance(judged(response(*records)), Revoked)
        other_revoked = Single(certificate=OTHER, status="revoked")
        for records in ((other_revoked, Single(certificate=DEVICE)), (Single(certificate=DEVICE), other_revoked)):
            self.assertIsInstance(judged(response(*records)), Good)

    def test_contradiction(self) -> None:
        """Who says two things about one certificate is believed the worse."""
        good, revoked, unknown = (Single(certificate=DEVICE, status=word) for word in ("good", "revoked", "unknown"))
        for records in ((good, revoked), (revoked, good), (unknown, revoked)):
            self.assertIsInstance(judged(response(*records)), Revoked)
        for records in ((good, unknown), (unknown, good)):
            self.assertIsInstance(judged(response(*records)), Unknown)

    def test_no_records(self) -> None:
        """A response about nothing says nothing."""
        empty = Response(signer=ISSUER, singles=()).der()
        self.assertIsInstance(judged(empty), Unusable)


class TimeTests(ResponseCase):
    """Until when a response is believed."""

    def test_clock_skew(self) -> None:
        """Clocks may differ by ocsp_clock_skew, at either end, and not by more."""
        single = Single(certificate=DEVICE)
        for seconds, expected in ((-301, Unusable), (-300, Good), (3899, Good), (3900, Unusable)):
            self.assertIsInstance(judged(response(single), NOW + seconds), expected, str(seconds))

    def test_over_when_it_came(self) -> None:
        """The skew lets in what is past nextUpdate when it comes, for a moment, and no longer than the skew."""
        for seconds, until in ((0, 10), (289, 299), (295, 300)):
            self.assertEqual(judged(response(), NOW + 3600 + seconds), Good(NOW + 3600 + until), str(seconds))

    def test_over_since_it_came(self) -> None:
        """The skew is not for what came in time: that is over at nextUpdate, and has to be asked for again."""
        answer = ocsp.prove(response(), request())
        assert isinstance(answer, ocsp.ProvenResponse)
        for arrived in (NOW, NOW + 3599):
            self.assertEqual(ocsp.status_at(answer, RULES, NOW + 3599, arrived=arrived), Good(NOW + 3600))
            self.assert_unusable(ocsp.status_at(answer, RULES, NOW + 3600, arrived=arrived), "expired")
        self.assert_unusable(ocsp.status_at(answer, RULES, NOW + 3620, arrived=NOW + 3610), "expired")

    def test_signed_in_the_future(self) -> None:
        """A response that was signed later than now is not believed, whatever its thisUpdate is."""
        data = response(produced_at=pki.NOW + timedelta(seconds=301))
        self.assert_unusable(judged(data), "not valid yet")
        self.assertIsInstance(judged(data, NOW + 1), Good)

    def test_of_the_future(self) -> None:
        """So it is with one about a later time than now, whenever it was signed."""
        later = pki.NOW + timedelta(seconds=301)
        data = response(Single(certificate=DEVICE, this_update=later, next_update=later + HOUR))
        self.assert_unusable(judged(data), "not valid yet")
        self.assertIsInstance(judged(data, NOW + 1), Good)

    def test_far_next_update(self) -> None:
        """A nextUpdate in years ends after ocsp_max_age, counted from thisUpdate."""
        single = Single(certificate=DEVICE, next_update=pki.NOW + 9999 * HOUR)
        self.assertEqual(judged(response(single)), Good(NOW + RULES.max_age))
        self.assert_unusable(judged(response(single), NOW + RULES.max_age), "too old")

    def test_old_this_update(self) -> None:
        """A thisUpdate older than ocsp_max_age is too old, even if signed a moment ago, with nextUpdate or without."""
        for next_update in (None, pki.NOW + HOUR):
            old = Single(certificate=DEVICE, this_update=pki.NOW - 241 * HOUR, next_update=next_update)
            self.assert_unusable(judged(response(old)), "too old: its thisUpdate is not within ocsp_max_age (864000 s)")

    def test_as_long_as_public_authorities_may(self) -> None:
        """An answer of ten days counts on its ninth by default (Baseline Requirements section 4.9.10)."""
        single = Single(certificate=DEVICE, this_update=pki.NOW - 216 * HOUR, next_update=pki.NOW + 24 * HOUR)
        self.assertEqual(judged(response(single)), Good(NOW + 86400))

    def test_without_next_update(self) -> None:
        """Without nextUpdate a response lives for ocsp_default_age from its signature."""
        single = Single(certificate=DEVICE, this_update=pki.NOW - HOUR, next_update=None)
        self.assertEqual(judged(response(single)), Good(NOW + 300))
        self.assert_unusable(judged(response(single), NOW + 600), "expired")

    def test_ends_before_it_begins(self) -> None:
        """A nextUpdate before thisUpdate is nonsense, though the skew would bridge it."""
        single = Single(certificate=DEVICE, next_update=pki.NOW - timedelta(seconds=1))
        self.assert_unusable(judged(response(single)), "before it begins")

    def test_revoked_has_no_end(self) -> None:
        """A proven revocation is believed past nextUpdate, and from a responder whose clock is wrong."""
        old = response(Single(certificate=DEVICE, status="revoked"))
        for seconds in (-86400, 10**9):
            self.assertIsInstance(judged(old, NOW + seconds), Revoked)

    def test_delegate_ends(self) -> None:
        """A response of a delegate holds no longer than the delegate's certificate, and not before it."""
        short = delegate(ISSUER, not_before=pki.NOW, not_after=pki.NOW + HOUR / 2)
        data = response(signer=short, certificates=[short])
        self.assertEqual(judged(data), Good(NOW + 1800))
        for seconds in (-1, 1801):
            self.assert_unusable(judged(data, NOW + seconds), "not valid now")


class NonceTests(ResponseCase):
    """A nonce (RFC 9654) is never sent."""

    def test_unasked(self) -> None:
        """An unrequested nonce does no harm."""
        self.assertIsInstance(judged(response(nonce=b"m" * 32)), Good)


class ExtensionTests(ResponseCase):
    """What is critical has to be understood (RFC 6960 section 4.4)."""

    def test_critical(self) -> None:
        """An unknown critical extension makes the response invalid: at its end, or in any of its records."""
        odd = extension(UNHEARD_OF, b"\x05\x00", critical=True)
        self.assert_unusable(judged(response(extensions=[odd])), "critical")
        strange, plain = Single(certificate=DEVICE, extensions=[odd]), Single(certificate=OTHER)
        for records in ((strange,), (strange, plain), (plain, strange)):
            self.assert_unusable(judged(response(*records)), "critical")

    def test_not_critical(self) -> None:
        """One that is not critical does not."""
        odd = extension(UNHEARD_OF, b"\x05\x00")
        single = Single(certificate=DEVICE, extensions=[odd])
        self.assertIsInstance(judged(response(single, extensions=[odd])), Good)

    def test_status_is_no_extension(self) -> None:
        """The status *revoked* has the tag of the extensions and is not taken for them."""
        self.assertIsInstance(judged(response(Single(certificate=DEVICE, status="revoked", reason=None))), Revoked)


class BytesTests(ResponseCase):
    """Any bytes at all."""

    def test_trailing(self) -> None:
        """Bytes after the response, or after the basic response in it, spoil it."""
        self.assert_unusable(judged(response(trailing=b"\0")), "read")
        self.assert_unusable(judged(response(inner_trailing=b"\0")), "read")

    def test_too_long(self) -> None:
        """A response of more than 64 KB is not even read."""
        big = response(
            signer=DELEGATE,
            certificates=[DELEGATE, *[ISSUER.issue("x", san=["a" * 60 + ".example"] * 100) for _ in range(9)]],
        )
        self.assertGreater(len(big), ocsp.MAX_RESPONSE_BYTES)
        self.assert_unusable(judged(big), "too long")

    def test_every_prefix(self) -> None:
        """A response that is cut anywhere proves nothing."""
        whole = response(signer=DELEGATE)
        for size in range(len(whole)):
            self.assertIsInstance(judged(whole[:size]), Unusable)

    def test_every_octet(self) -> None:
        """No octet of the signed part can be changed."""
        whole = response(Single(certificate=DEVICE, status="unknown"))
        for at in range(len(whole)):
            changed = bytearray(whole)
            changed[at] ^= 0x02
            self.assertNotIsInstance(judged(bytes(changed)), Good)

    @given(st.binary(max_size=200))
    def test_garbage(self, data: bytes) -> None:
        """Garbage is a value, never an exception."""
        self.assertIsInstance(judged(data), Unusable)

    @given(st.integers(0, 2000), st.binary(min_size=1, max_size=8))
    def test_garbage_within(self, at: int, data: bytes) -> None:
        """So is garbage within a response."""
        whole = response(Single(certificate=DEVICE, status="unknown"), signer=DELEGATE)
        at %= len(whole)
        self.assertNotIsInstance(judged(whole[:at] + data + whole[at + len(data) :]), Good)

    def test_years(self) -> None:
        """Times at the ends of the calendar are times."""
        single = Single(certificate=DEVICE)
        for old, new in ((b"20260601120000Z", b"99991231235959Z"), (b"20260601130000Z", b"00010101000000Z")):
            data = Response(signer=ISSUER, singles=[_Replaced(single, old, new)]).der()  # type: ignore[list-item]
            self.assertIsInstance(judged(data), Unusable)


class _Replaced:
    """A record with some of its bytes replaced before it is signed."""

    def __init__(self, single: Single, old: bytes, new: bytes) -> None:
        self.single, self.old, self.new = single, old, new

    def der(self) -> bytes:
        """SingleResponse."""
        whole = self.single.der()
        assert self.old in whole
        return whole.replace(self.old, self.new)


class AnswerTests(SynchronousTestCase):
    """What is kept of a response."""

    def test_judged_again(self) -> None:
        """An answer is proven once and judged at any time, by the rules of each profile."""
        answer = ocsp.prove(response(), request())
        assert isinstance(answer, ocsp.ProvenResponse)
        self.assertIsInstance(ocsp.status_at(answer, RULES, NOW), Good)
        self.assertIsInstance(ocsp.status_at(answer, RULES, NOW + 7200), Unusable)
        self.assertIsInstance(ocsp.status_at(answer, OcspRules(max_age=60), NOW + 61), Unusable)
        self.assertEqual(ocsp.end_of(answer, RULES), NOW + 3600)
        self.assertEqual(ocsp.last_end_of(answer, RULES), NOW + 3900)
        self.assertIn(NOCHECK.oid.dotted_string, "1.3.6.1.5.5.7.48.1.5")
