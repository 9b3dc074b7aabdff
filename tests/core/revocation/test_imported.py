"""OCSP responses that were brought to the gateway."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.imported import MAX_SINGLES, ImportedAnswer, imported
from agwtwisted.core.revocation.ocsp import OcspRules, ProvenResponse
from agwtwisted.core.revocation.status import Good, Revoked, Unusable
from tests import pki
from tests.responder import TRY_LATER, Response, Single, delegate
from tests.revocations import DEVICE, HOUR, ISSUER, NOW, ROOT

ISSUERS = [Certificate.read(each.der) for each in (ROOT, ISSUER)]
RULES = OcspRules()


def response(signer: pki.Credential = ISSUER, device: pki.Credential = DEVICE, **options: Any) -> bytes:
    """A response about a device."""
    return Response(signer=signer, singles=[Single(certificate=device, **options)]).der()


class ImportedTests(SynchronousTestCase):
    """What a response proves by issuers alone."""

    def only(self, data: bytes) -> ImportedAnswer:
        """The one answer of a response."""
        found = imported(data, ISSUERS)
        assert isinstance(found, list)
        [answer] = found
        return answer

    def test_proven(self) -> None:
        """Its key is that of the certificate, whatever hash the response uses; the issuer and the serial are said."""
        for hash_name in ("sha1", "sha256"):
            found = self.only(response(hash=hash_name))
            self.assertEqual(found.key, ocsp.key_of(DEVICE.der, ISSUER.der))
            self.assertEqual((int(found.serial, 16), found.issuer), (DEVICE.certificate.serial_number, "CN=Issuer"))
            self.assertIsInstance(found.answer, ProvenResponse)
            self.assertIsInstance(found.worth([RULES], NOW), Good)
        self.assertIsInstance(self.only(response(status="revoked")).worth([RULES], NOW + 99 * HOUR), Revoked)

    def test_delegate(self) -> None:
        """A delegate of the issuer may have signed it."""
        signer = delegate(ISSUER)
        data = Response(signer=signer, certificates=[signer], singles=[Single(certificate=DEVICE)]).der()
        self.assertIsInstance(self.only(data).answer, ProvenResponse)

    def test_not_proven(self) -> None:
        """Another key's signature, and an issuer that is not known, prove nothing."""
        stranger = pki.Authority.root("Stranger")
        for data, words in (
            (response(signer=stranger), "names a responder that is not the issuer"),
            (response(device=stranger.issue("theirs"), signer=stranger), "not among the trusted client certificates"),
        ):
            answer = self.only(data)
            self.assertEqual(answer.key, b"")
            assert isinstance(answer.answer, Unusable)
            self.assertIn(words, answer.answer.reason)

    def test_no_worth(self) -> None:
        """What is over, or says unknown, is worth nothing; by the first rules that accept it, it is worth something."""
        good = self.only(response())
        for answer, rules, now, reason in (
            (good, [RULES], NOW + HOUR * 2, "the response has expired"),
            (good, [], NOW, "no SSL profile asks responders"),
            (self.only(response(status="unknown")), [RULES], NOW, "the issuer does not know the certificate"),
        ):
            self.assertEqual(answer.worth(rules, now), Unusable(reason))
        self.assertIsInstance(good.worth([OcspRules(max_age=1.0), RULES], NOW + 60), Good)

    def test_unreadable(self) -> None:
        """No content raises: what is no response, one without content, and one about too many certificates."""
        later = [
            Single(certificate=DEVICE, this_update=pki.NOW + timedelta(seconds=at)) for at in range(MAX_SINGLES + 1)
        ]
        for data, reason in (
            (b"", "the response cannot be read"),
            (response()[:-1], "the response cannot be read"),
            (b"x" * (ocsp.MAX_RESPONSE_BYTES + 1), "the response is too long"),
            (TRY_LATER, "the responder answers: try later"),
            (
                Response(signer=ISSUER, singles=later).der(),
                f"the response is about more than {MAX_SINGLES} certificates",
            ),
        ):
            self.assertEqual(imported(data, ISSUERS), Unusable(reason))
