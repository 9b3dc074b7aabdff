"""A small OCSP responder: knows the demo's client certificates, and which one of them is revoked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp
from twisted.web.http import Request
from twisted.web.resource import Resource

LIFETIME = timedelta(minutes=5)


@attrs.frozen(kw_only=True, eq=False)
class Authority:
    """What the responder signs with, and what it knows: all from the directory of the demo's certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)
    known: frozenset[int]  # serial numbers
    revoked: frozenset[int]

    @classmethod
    def of(cls, directory: Path) -> Authority:
        """Reads ``responder.pem``, and the serial numbers of the clients."""
        pem = (directory / "responder.pem").read_bytes()
        key = load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        revoked = _serial(directory / "revoked.pem")
        return cls(
            certificate=x509.load_pem_x509_certificate(pem),
            key=key,
            known=frozenset({_serial(directory / "client.pem"), revoked}),
            revoked=frozenset({revoked}),
        )

    def answer(self, data: bytes, now: datetime) -> bytes:
        """The response to a request, both in DER."""
        try:
            request = ocsp.load_der_ocsp_request(data)
        except ValueError:
            malformed = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
            return malformed.public_bytes(Encoding.DER)
        revoked = request.serial_number in self.revoked
        status = ocsp.OCSPCertStatus.GOOD if request.serial_number in self.known else ocsp.OCSPCertStatus.UNKNOWN
        response = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                issuer_name_hash=request.issuer_name_hash,
                issuer_key_hash=request.issuer_key_hash,
                serial_number=request.serial_number,
                algorithm=request.hash_algorithm,
                cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else status,
                this_update=now,
                next_update=now + LIFETIME,
                revocation_time=now if revoked else None,
                revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
            .certificates([self.certificate])
            .sign(self.key, hashes.SHA256())
        )
        return response.public_bytes(Encoding.DER)


class ResponderResource(Resource):
    """Answers OCSP requests by POST (RFC 6960 appendix A)."""

    isLeaf = True

    def __init__(self, authority: Authority, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._authority = authority
        self._now = now

    def render_POST(self, request: Request) -> bytes:  # noqa: N802 - Twisted's name
        """The response."""
        request.setHeader(b"Content-Type", b"application/ocsp-response")
        assert request.content
        return self._authority.answer(request.content.read(), self._now())


def _serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number
