"""Certificates for a run: root, intermediate, server and clients, a client of an untrusted root, more roots.

Where clients' certificates name OCSP responders, the files are there that `openssl ocsp` answers from.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

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
class Authority:
    """PEM files of a CA, and what its OCSP responder needs: the index of what it issued, and the responder's port."""

    certificate: Path
    key: Path
    index: Path
    port: int


@attrs.frozen(kw_only=True)
class Pki:
    """The files of one run; ``trusted`` holds root and intermediate.

    ``client.chain`` with ``.0``, ``.1`` and so on are further clients, all with the first one's key.
    """

    server: Identity
    renewed: Identity  # the server's next certificate, with a key of its own
    client: Identity
    stranger: Identity
    trusted: Path
    authorities: tuple[Authority, ...]  # those with a responder


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


def _authority(common_name: str, key: Key, issuer: _Issuer | None = None, responder: int = 0) -> _Issuer:
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
    return _Issuer(_with_responder(builder, responder).sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _with_responder(builder: x509.CertificateBuilder, port: int) -> x509.CertificateBuilder:
    if not port:
        return builder
    url = x509.UniformResourceIdentifier(f"http://127.0.0.1:{port}/")
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)
    return builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)


def _leaf(
    common_name: str, key: Key, issuer: _Issuer, purpose: x509.ObjectIdentifier, responder: int = 0
) -> x509.Certificate:
    builder = (
        _builder(common_name, key, issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
    )
    return _with_responder(builder, responder).sign(issuer.key, hashes.SHA256())


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


def _index(directory: Path, name: str, issued: Iterable[x509.Certificate]) -> Path:
    """The text database that `openssl ocsp` answers from; all certificates in it are good."""
    lines = [
        f"V\t{each.not_valid_after_utc:%y%m%d%H%M%SZ}\t\t{each.serial_number:040X}\tunknown\t/CN={number}\n"
        for number, each in enumerate(issued)
    ]
    _write(directory / f"{name}.index.attr", b"unique_subject = no\n")
    return _write(directory / f"{name}.index", "".join(lines).encode())


def make_pki(directory: Path, algorithm: str, *, clients: int = 0, responders: tuple[int, int] = (0, 0)) -> Pki:
    """Makes the certificates of one run in a new ``directory``.

    Args:
        directory: becomes theirs.
        algorithm: of `KEYS`; that of them all.
        clients: how many further clients there are.
        responders: the ports of the OCSP responders of root and intermediate, which certificates name; 0 for none.
    """
    directory.mkdir(mode=0o700)
    new_key = KEYS[algorithm]
    root = _authority("Benchmark Root", new_key())
    intermediate = _authority("Benchmark Intermediate", new_key(), root, responders[0])
    other = _authority("Benchmark Root", new_key())
    server_key, renewed_key, client_key, stranger_key = new_key(), new_key(), new_key(), new_key()
    server = _leaf(SERVER_NAME, server_key, intermediate, ExtendedKeyUsageOID.SERVER_AUTH)
    renewed = _leaf(SERVER_NAME, renewed_key, intermediate, ExtendedKeyUsageOID.SERVER_AUTH)
    client = _leaf("device-1", client_key, intermediate, ExtendedKeyUsageOID.CLIENT_AUTH, responders[1])
    stranger = _leaf("device-1", stranger_key, other, ExtendedKeyUsageOID.CLIENT_AUTH, responders[1])
    further = [
        _leaf(f"device-{number}", client_key, intermediate, ExtendedKeyUsageOID.CLIENT_AUTH, responders[1])
        for number in range(2, 2 + clients)
    ]
    for number, each in enumerate(further):
        _write(directory / f"client.pem.{number}", _pem(each, intermediate.certificate))
    authorities = []
    for name, issuer, port, issued in (
        ("root", root, responders[0], [intermediate.certificate]),
        ("intermediate", intermediate, responders[1], [client, *further]),
    ):
        files = _identity(directory, name, issuer.key, issuer.certificate)
        index = _index(directory, name, issued)
        authorities.append(Authority(certificate=files.chain, key=files.key, index=index, port=port))
    return Pki(
        server=_identity(directory, "server", server_key, server, intermediate.certificate),
        renewed=_identity(directory, "renewed", renewed_key, renewed, intermediate.certificate),
        client=_identity(directory, "client", client_key, client, intermediate.certificate),
        stranger=_identity(directory, "stranger", stranger_key, stranger),
        trusted=_write(directory / "trusted.pem", _pem(root.certificate, intermediate.certificate)),
        authorities=tuple(authorities),
    )


def more_chains(directory: Path, count: int) -> list[Path]:
    """Files with a root and an intermediate each, that issued nothing."""
    chains = []
    for number in range(count):
        root = _authority(f"Other Root {number}", KEYS["ecdsa"]())
        intermediate = _authority(f"Other Intermediate {number}", KEYS["ecdsa"](), root)
        pem = _pem(root.certificate, intermediate.certificate)
        chains.append(_write(directory / f"other-{number}.pem", pem))
    return chains
