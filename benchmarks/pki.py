"""Certificates for a run: root, intermediate, server and client, and a client of somebody else's root."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER_NAME = "gateway.test"

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KEYS: dict[str, Callable[[], Key]] = {
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


@attrs.frozen(kw_only=True)
class Identity:
    """PEM files: the certificate with its intermediate, and the key."""

    chain: Path
    key: Path


@attrs.frozen(kw_only=True)
class Pki:
    """The files of one run; ``trusted`` holds root and intermediate."""

    server: Identity
    client: Identity
    stranger: Identity
    trusted: Path


@attrs.frozen
class _Issuer:
    certificate: x509.Certificate
    key: Key


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Benchmark"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(common_name: str, key: Key, issuer: _Issuer | None) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    subject = _name(common_name)
    signer = issuer.key.public_key() if issuer else key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _authority(common_name: str, key: Key, issuer: _Issuer | None = None) -> _Issuer:
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        _builder(common_name, key, issuer)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True)
    )
    return _Issuer(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _leaf(common_name: str, key: Key, issuer: _Issuer, purpose: x509.ObjectIdentifier) -> x509.Certificate:
    builder = (
        _builder(common_name, key, issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
    )
    return builder.sign(issuer.key, hashes.SHA256())


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def _key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _identity(directory: Path, name: str, key: Key, *chain: x509.Certificate) -> Identity:
    return Identity(
        chain=_write(directory / f"{name}.pem", _pem(*chain)), key=_write(directory / f"{name}.key", _key_pem(key))
    )


def make_pki(directory: Path, algorithm: str) -> Pki:
    """Makes the certificates of one run in a new ``directory``; ``algorithm``, of `KEYS`, is that of them all."""
    directory.mkdir(mode=0o700)
    new_key = KEYS[algorithm]
    root = _authority("Benchmark Root", new_key())
    intermediate = _authority("Benchmark Intermediate", new_key(), root)
    other = _authority("Benchmark Root", new_key())
    server_key, client_key, stranger_key = new_key(), new_key(), new_key()
    server = _leaf(SERVER_NAME, server_key, intermediate, ExtendedKeyUsageOID.SERVER_AUTH)
    client = _leaf("device-1", client_key, intermediate, ExtendedKeyUsageOID.CLIENT_AUTH)
    stranger = _leaf("device-1", stranger_key, other, ExtendedKeyUsageOID.CLIENT_AUTH)
    return Pki(
        server=_identity(directory, "server", server_key, server, intermediate.certificate),
        client=_identity(directory, "client", client_key, client, intermediate.certificate),
        stranger=_identity(directory, "stranger", stranger_key, stranger),
        trusted=_write(directory / "trusted.pem", _pem(root.certificate, intermediate.certificate)),
    )
