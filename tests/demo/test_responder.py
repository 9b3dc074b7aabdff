"""The demo's OCSP responder, judged as the gateway judges it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from agwtwisted.core.revocation.ocsp import OcspRequest, OcspRules
from agwtwisted.core.revocation.status import CertStatus, Good, Revoked, Unknown, Unusable
from agwtwisted.demo import certificates
from agwtwisted.demo.responder import Authority, ResponderResource
from tests.responder import status_by


class ResponderTests(SynchronousTestCase):
    """What it says about the demo's certificates."""

    def setUp(self) -> None:
        self.now = datetime.now(UTC)  # as the library signs
        self.directory = Path(self.mktemp())
        certificates.ensure(self.directory, self.now)
        self.authority = Authority.of(self.directory)

    def status(self, name: str) -> CertStatus | Unusable:
        """What the gateway makes of its answer about the certificate in that file."""
        leaf = x509.load_pem_x509_certificates((self.directory / name).read_bytes())[0]
        issuer = x509.load_pem_x509_certificates((self.directory / "clients-ca.pem").read_bytes())[0]
        asked = OcspRequest.of(leaf.public_bytes(Encoding.DER), issuer.public_bytes(Encoding.DER))
        assert isinstance(asked, OcspRequest)
        response = self.authority.answer(asked.der, self.now)
        return status_by(response, asked, OcspRules(), self.now.timestamp())

    def test_statuses(self) -> None:
        """The client is good, the revoked one revoked, and of others it knows nothing."""
        self.assertIsInstance(self.status("client.pem"), Good)
        self.assertIsInstance(self.status("revoked.pem"), Revoked)
        self.assertIsInstance(self.status("expired.pem"), Unknown)

    def test_malformed(self) -> None:
        """What is no request gets a response that says so."""
        self.assertEqual(self.authority.answer(b"x", self.now), bytes.fromhex("30030a0101"))

    def test_resource(self) -> None:
        """It is served by POST, under its content type."""
        request = DummyRequest([])
        request.method = b"POST"
        request.content = (self.directory / "server.pem").open("rb")
        self.addCleanup(request.content.close)
        body = ResponderResource(self.authority, lambda: self.now).render(request)  # type: ignore[arg-type]
        self.assertEqual(body, bytes.fromhex("30030a0101"))
        self.assertEqual(request.responseHeaders.getRawHeaders(b"content-type"), [b"application/ocsp-response"])
