"""Certificates to try the gateway with: short-lived, named as what they are, their CA keys thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.configuration.coherence import DEMO_ORGANIZATION

LIFETIME = timedelta(days=30)
MARGIN = timedelta(days=1)
"""Certificates nearer to their end than this are made anew."""

MARK = "root.pem"
"""Written last: where it is, the set is complete and of one making."""

CLIENTS = ("client.pem", "expired.pem", "revoked.pem", "stranger.pem")
CERTIFICATES = ("server.pem", "clients-ca.pem", *CLIENTS, "responder.pem", MARK)
SECRETS = ("server.key", *CLIENTS, "responder.pem")
"""Files that hold a private key; a client's file is its key, its certificate and the intermediate."""


class DemoError(AgwError):
    """The demonstration cannot run here; the message says why."""


@attrs.frozen(kw_only=True)
class _Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def ensure(directory: Path, now: datetime) -> bool:
    """Keep the directory's demo certificates if they serve for another day, else make all of them anew.

    Returns whether they were made. Raises DemoError rather than overwrite a file that is not of the demo.
    """
    found = dict(_found(directory))
    if _complete(directory, found) and all(_serves(name, leaf, now) for name, leaf in found.items()):
        return False
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARK).unlink(missing_ok=True)
    for name, content in make(now).items():
        _write(directory / name, content, 0o600 if name in SECRETS else 0o644)
    return True


def make(now: datetime) -> dict[str, bytes]:
    """A new set: the content of each file by its name, in the order in which they are to be written."""
    root = _authority("Demo Root CA", now, path_length=1)
    intermediate = _authority("Demo Intermediate CA", now, path_length=0, issuer=root)
    elsewhere = _authority("Stranger Root CA", now, path_length=0)
    server = _server("localhost", intermediate, now)
    client = _client("demo client", intermediate, now)
    expired = _client("expired client", intermediate, now - LIFETIME - MARGIN)
    revoked = _client("revoked client", intermediate, now)
    stranger = _client("stranger", elsewhere, now)
    responder = _responder("demo OCSP responder", intermediate, now)
    return {
        "server.pem": server.pem() + intermediate.pem(),
        "server.key": server.key_pem(),
        "clients-ca.pem": intermediate.pem() + root.pem(),
        "client.pem": client.key_pem() + client.pem() + intermediate.pem(),
        "expired.pem": expired.key_pem() + expired.pem() + intermediate.pem(),
        "revoked.pem": revoked.key_pem() + revoked.pem() + intermediate.pem(),
        "stranger.pem": stranger.key_pem() + stranger.pem(),
        "responder.pem": responder.key_pem() + responder.pem(),
        MARK: root.pem(),
    }


def _found(directory: Path) -> Iterator[tuple[str, x509.Certificate]]:
    """The first certificate of each file that is there; every one of them has to be the demo's own."""
    for name in CERTIFICATES:
        path = directory / name
        if path.exists():
            yield name, _own(path)
    if (directory / "server.key").exists() and not (directory / "server.pem").exists():
        raise DemoError(f"{directory / 'server.key'} is not a demo file and stays unchanged; move it away first")


def _own(path: Path) -> x509.Certificate:
    try:
        leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
        organizations = {name.value for name in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)}
    except ValueError:
        organizations = set()
    if organizations != {DEMO_ORGANIZATION}:
        raise DemoError(f"{path} is not a demo certificate and stays unchanged; move it away first")
    return leaf


def _complete(directory: Path, found: dict[str, x509.Certificate]) -> bool:
    return len(found) == len(CERTIFICATES) and all((directory / name).exists() for name in SECRETS)


def _serves(name: str, leaf: x509.Certificate, now: datetime) -> bool:
    return name == "expired.pem" or now < leaf.not_valid_after_utc - MARGIN


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put the whole file there, or nothing; it never has a laxer mode than this, not for a moment."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    unfinished.replace(path)


def _authority(common_name: str, now: datetime, *, path_length: int, issuer: _Issued | None = None) -> _Issued:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return _issue(common_name, issuer, now, [constraints, _usage(signs_certificates=True)])


def _server(host: str, issuer: _Issued, now: datetime) -> _Issued:
    addresses = [x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1")]
    names = x509.SubjectAlternativeName([x509.DNSName(host), *addresses])
    return _issue(host, issuer, now, [*_leaf(ExtendedKeyUsageOID.SERVER_AUTH), names])


def _client(common_name: str, issuer: _Issued, now: datetime) -> _Issued:
    return _issue(common_name, issuer, now, _leaf(ExtendedKeyUsageOID.CLIENT_AUTH))


def _responder(common_name: str, issuer: _Issued, now: datetime) -> _Issued:
    return _issue(common_name, issuer, now, [*_leaf(ExtendedKeyUsageOID.OCSP_SIGNING), x509.OCSPNoCheck()])


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


def _issue(common_name: str, issuer: _Issued | None, start: datetime, extensions: list[x509.ExtensionType]) -> _Issued:
    """A certificate and its key, signed by the issuer or, where there is none, by itself (RFC 5280 section 4.2)."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else _name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension in extensions:
        critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
        builder = builder.add_extension(extension, critical=critical)
    return _Issued(certificate=builder.sign(signer, hashes.SHA256()), key=key)


def _name(common_name: str) -> x509.Name:
    attributes = {NameOID.ORGANIZATION_NAME: DEMO_ORGANIZATION, NameOID.COMMON_NAME: common_name}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])
