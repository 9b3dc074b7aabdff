"""Certificates and their keys, made on this machine: for a gateway to begin with, and for the demonstration."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_address

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@attrs.frozen(kw_only=True)
class IssuedCertificate:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        """The key alone, without a password."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@attrs.frozen(kw_only=True)
class Issuing:
    """How certificates are made: with an ECDSA key on P-256 each, signed over SHA-256 (RFC 5280 section 4.2)."""

    organization: str  # organizationName of every subject
    lifetime: timedelta

    def authority(
        self,
        common_name: str,
        start: datetime,
        *,
        path_length: int,
        issuer: IssuedCertificate | None = None,
        constraints: x509.NameConstraints | None = None,
    ) -> IssuedCertificate:
        """A CA with at most `path_length` CAs below it, for the names of the constraints, else for all names.

        Without an issuer it signs itself: a root.
        """
        basic = x509.BasicConstraints(ca=True, path_length=path_length)
        extensions = [basic, _usage(signs_certificates=True), *([constraints] if constraints else [])]
        return self._issue(common_name, issuer, start, extensions)

    def server(
        self, common_name: str, issuer: IssuedCertificate, start: datetime, names: Iterable[str]
    ) -> IssuedCertificate:
        """The certificate of a server, for DNS names and IP addresses; raises ValueError for what is neither."""
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._issue(common_name, issuer, start, [*_leaf(ExtendedKeyUsageOID.SERVER_AUTH), alternatives])

    def client(self, common_name: str, issuer: IssuedCertificate, start: datetime) -> IssuedCertificate:
        """The certificate of a client."""
        return self._issue(common_name, issuer, start, _leaf(ExtendedKeyUsageOID.CLIENT_AUTH))

    def responder(self, common_name: str, issuer: IssuedCertificate, start: datetime) -> IssuedCertificate:
        """That of an OCSP responder to which the issuer delegates, and which is not asked about itself (RFC 6960)."""
        extensions = [*_leaf(ExtendedKeyUsageOID.OCSP_SIGNING), x509.OCSPNoCheck()]
        return self._issue(common_name, issuer, start, extensions)

    def _issue(
        self, common_name: str, issuer: IssuedCertificate | None, start: datetime, extensions: list[x509.ExtensionType]
    ) -> IssuedCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        signer = issuer.key if issuer else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(self._name(common_name))
            .issuer_name(issuer.certificate.subject if issuer else self._name(common_name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + self.lifetime)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        for extension in extensions:
            critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage | x509.NameConstraints)
            builder = builder.add_extension(extension, critical=critical)
        return IssuedCertificate(certificate=builder.sign(signer, hashes.SHA256()), key=key)

    def _name(self, common_name: str) -> x509.Name:
        attributes = {NameOID.ORGANIZATION_NAME: self.organization, NameOID.COMMON_NAME: common_name}
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])


def _general_name(name: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(name))
    return x509.DNSName(name)


def _leaf(purpose: x509.ObjectIdentifier) -> list[x509.ExtensionType]:
    constraints = x509.BasicConstraints(ca=False, path_length=None)
    return [constraints, _usage(signs_certificates=False), x509.ExtendedKeyUsage([purpose])]


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
