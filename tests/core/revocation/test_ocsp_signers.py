"""Only the issuer may sign responses about its certificates, and its delegates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation import ocsp_signers
from agwtwisted.core.revocation.ocsp import OcspRequest, OcspRules
from agwtwisted.core.revocation.status import CertStatus, Good, Unusable
from tests import pki
from tests.responder import NOCHECK, Response, Single, delegate, status_by

ROOT = pki.Authority.root("Root")
ISSUER = ROOT.intermediate("Issuer")
DEVICE = ISSUER.issue("device")
STRANGERS = pki.Authority.root("Strangers")
NAMESAKE = pki.Authority.root("Issuer")  # the issuer's name, another key


def judged(signer: pki.Credential, *certificates: pki.Credential, **options: Any) -> CertStatus | Unusable:
    """What becomes of a response that this credential has signed and that brings these certificates."""
    device, rules = options.pop("device", DEVICE), options.pop("rules", OcspRules())
    request = OcspRequest.of(device.der, device.issuers[0].der)
    assert isinstance(request, OcspRequest)
    response = Response(signer=signer, singles=[Single(certificate=device)], certificates=certificates, **options)
    return status_by(response.der(), request, rules, pki.NOW.timestamp())


class SignerTests(SynchronousTestCase):
    """Who may sign."""

    def refused(self, words: str, signer: pki.Credential, *certificates: pki.Credential, **options: Any) -> None:
        """The response proves nothing, for this reason."""
        status = judged(signer, *certificates, **options)
        self.assertIsInstance(status, Unusable)
        assert isinstance(status, Unusable)
        self.assertIn(words, status.reason)

    def test_issuer(self) -> None:
        """The issuer may, whether its certificate is in the response or not."""
        self.assertIsInstance(judged(ISSUER), Good)
        self.assertIsInstance(judged(ISSUER, ISSUER), Good)

    def test_delegate(self) -> None:
        """A delegate of the issuer may, and must bring its certificate."""
        signer = delegate(ISSUER)
        self.assertIsInstance(judged(signer, signer), Good)
        self.refused("has no certificate", signer)

    def test_delegate_among_others(self) -> None:
        """Of several certificates one has to fit, wherever it stands."""
        signer = delegate(ISSUER)
        for certificates in ((ISSUER, STRANGERS, signer), (signer, ROOT, ISSUER)):
            self.assertIsInstance(judged(signer, *certificates), Good)

    def test_delegates_of_one_name(self) -> None:
        """Of delegates of one name, an old one and its successor, that counts whose signature it is."""
        old, signer = delegate(ISSUER), delegate(ISSUER)
        for certificates in ((old, signer), (signer, old)):
            self.assertIsInstance(judged(signer, *certificates, by_name=True), Good)

    def test_many_delegates(self) -> None:
        """Not more than a few signatures are tried for one response."""
        signer = delegate(ISSUER)
        others = [delegate(ISSUER) for _ in range(ocsp_signers.MAX_CANDIDATES)]
        self.assertIsInstance(judged(signer, *others[1:], signer, by_name=True), Good)
        self.assertIsInstance(judged(signer, *others, signer, by_name=True), Unusable)

    def test_without_purpose(self) -> None:
        """A certificate of the issuer that is not for signing responses may not; any purpose is not this one."""
        for purposes in (None, (pki.CLIENT_AUTH,), (pki.ANY_USE,)):
            signer = delegate(ISSUER, eku=purposes)
            self.refused("unsuitable certificate purpose", signer, signer)

    def test_without_digital_signature(self) -> None:
        """keyUsage counts too, where there is one."""
        signer = delegate(ISSUER, usage=pki.key_usage("key_encipherment"))
        self.refused("digital signature", signer, signer)
        signer = delegate(ISSUER, usage=None)
        self.assertIsInstance(judged(signer, signer), Good)

    def test_without_nocheck(self) -> None:
        """A delegate that might itself be revoked is not believed: its issuer has to say that it need not be asked."""
        signer = delegate(ISSUER, extra=())
        self.refused("nocheck", signer, signer)

    def test_without_nocheck_allowed(self) -> None:
        """By ocsp_responder_without_nocheck = Allow it is believed, if nothing else is wrong with it."""
        rules = OcspRules(without_nocheck=True)
        signer, other = delegate(ISSUER, extra=()), ISSUER.issue("no responder")
        self.assertIsInstance(judged(signer, signer, rules=rules), Good)
        self.assertIsInstance(judged(other, other, rules=rules), Unusable)
        self.assertIsInstance(judged(DEVICE, DEVICE, rules=rules), Unusable)

    def test_device_signs_for_itself(self) -> None:
        """A client that steals the responder's place cannot absolve itself with its own key."""
        self.refused("unsuitable certificate purpose", DEVICE, DEVICE)

    def test_of_another_authority(self) -> None:
        """Delegates of the root, of a stranger, and of a stranger with the issuer's name are none of the issuer's."""
        for authority in (ROOT, STRANGERS, NAMESAKE):
            signer = delegate(authority)
            self.refused("not of the same issuer", signer, signer)

    def test_other_authorities(self) -> None:
        """Neither the root above the issuer nor another CA of its name may sign."""
        for signer in (ROOT, STRANGERS, NAMESAKE):
            for by_name in (False, True):
                self.assertIsInstance(judged(signer, signer, by_name=by_name), Unusable)

    def test_issuers_name_and_a_strangers_key(self) -> None:
        """A stranger that names the issuer as the responder has the wrong key."""
        for by_name in (False, True):
            self.refused("signature of the response is invalid", STRANGERS, responder=ISSUER, by_name=by_name)

    def test_delegates_name_and_a_strangers_key(self) -> None:
        """A true delegate's certificate beside a stranger's signature proves nothing."""
        true = delegate(ISSUER)
        self.refused("signature of the response is invalid", STRANGERS, true, responder=true)

    def test_self_signed(self) -> None:
        """A responder whose certificate the issuer did not issue is no delegate, whatever that certificate says."""
        signer = pki.self_signed("Issuer", eku=(pki.OCSP_SIGNING,), extra=(NOCHECK,))
        for by_name in (False, True):
            self.assertIsInstance(judged(signer, signer, by_name=by_name), Unusable)

    def test_false_certificate(self) -> None:
        """A delegate's certificate with the issuer's name and not its signature is a forgery."""
        signer = delegate(ISSUER, signature=b"\x30\x06\x02\x01\x01\x02\x01\x01")
        self.refused("not of the same issuer", signer, signer)

    def test_expired(self) -> None:
        """A delegate whose time is over, or has not come, proves nothing now."""
        past, future = datetime(2021, 1, 1, tzinfo=UTC), datetime(2048, 1, 1, tzinfo=UTC)
        for signer in (delegate(ISSUER, not_after=past), delegate(ISSUER, not_before=future)):
            self.refused("not valid now", signer, signer)

    def test_weak(self) -> None:
        """A delegate whose certificate is signed over SHA-1, or whose key is small, is not believed."""
        signer = delegate(ISSUER, hash=hashes.SHA1())
        self.refused("digest", signer, signer)
        signer = delegate(ISSUER, key=pki.rsa_key(1024))
        self.refused("too weak", signer, signer)

    def test_unreadable_certificate(self) -> None:
        """A certificate that cannot be read is refused, and no exception."""
        signer = delegate(ISSUER, extra=(NOCHECK, NOCHECK))
        self.assertIsInstance(judged(signer, signer), Unusable)


class SignatureTests(SynchronousTestCase):
    """How it is signed."""

    def test_algorithms(self) -> None:
        """RSA in both paddings, ECDSA and Ed25519 are verified."""
        for key, options in (
            (pki.rsa_key(), {}),
            (pki.rsa_key(), {"pss": True}),
            (pki.rsa_key(), {"digest": "sha512"}),
            (pki.ec_key(), {"digest": "sha384"}),
            (pki.ed25519_key(), {}),
        ):
            signer = delegate(ISSUER, key=key)
            self.assertIsInstance(judged(signer, signer, **options), Good, repr(key))

    def test_old_digests(self) -> None:
        """Signatures over SHA-1 and MD5 are refused, the issuer's too."""
        rsa = pki.Authority.root("Old", key=pki.rsa_key())
        device = rsa.issue("device")
        for signer, digest in ((rsa, "md5"), (rsa, "sha1")):
            self.assertIsInstance(judged(signer, device=device), Good)
            status = judged(signer, device=device, digest=digest)
            self.assertEqual(status, Unusable("the response has an unsupported signature algorithm"))
        self.assertIsInstance(judged(ISSUER, digest="sha1"), Unusable)

    def test_wrong_signatures(self) -> None:
        """No signature, another one, and one in an algorithm that is not the key's are all wrong."""
        for options in (
            {"signature": b""},
            {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"},
            {"algorithm": ("rsa", "sha256")},
            {"algorithm": ("pss", "sha256")},
            {"algorithm": ("ed25519", "")},
            {"algorithm": ("ec", "sha384")},
        ):
            self.assertEqual(judged(ISSUER, **options), Unusable("the signature of the response is invalid"), options)

    def test_key_hash(self) -> None:
        """The key's hash is over its bits alone: what key identifiers of certificates are mostly made of."""
        self.assertEqual(len(ocsp_signers.key_hash(ISSUER.parsed)), 20)
        self.assertNotEqual(ocsp_signers.key_hash(ISSUER.parsed), ocsp_signers.key_hash(ROOT.parsed))
