"""Certificates for tests, one call each: ``Authority.root().intermediate().issue("device")``.

The encoding is our own, because the interesting certificates are those that no library agrees to build: version 1,
month 13, doubled extensions, weak signatures. Names, extensions and keys come from cryptography.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from agwtwisted.core.certificates.reading import Certificate

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Subject: TypeAlias = str | x509.Name | bytes
"""A common name, a name, or a name's DER."""
Time: TypeAlias = datetime | bytes
"""A moment in UTC, or the DER of a Time."""

NOT_BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOT_AFTER = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
"""What a certificate is valid for by default, around any clock that a test runs under; NOW for those that pass one."""

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING
ANY_USE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """A new EC key, on P-256 by default."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key; expensive, so keep it where several certificates may share it."""
    return rsa.generate_private_key(65537, bits)


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """A new Ed25519 key."""
    return ed25519.Ed25519PrivateKey.generate()


def name(common_name: str, **attributes: str) -> x509.Name:
    """A name: ``name("device 7", organization_name="Contoso")``, the attributes before the common name."""
    oids = [(getattr(NameOID, key.upper()), value) for key, value in attributes.items()]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in [*oids, (NameOID.COMMON_NAME, common_name)]])


def key_usage(*uses: str, critical: bool = True) -> x509.Extension[x509.KeyUsage]:
    """``key_usage("digital_signature", "key_cert_sign")``."""
    bits = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every = (*bits, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    assert set(uses) <= set(every), uses
    return extension(x509.KeyUsage(**{bit: bit in uses for bit in every}), critical=critical)


def extension(value: x509.ExtensionType, *, critical: bool = False) -> x509.Extension[Any]:
    """An extension; `x509.UnrecognizedExtension` takes any OID and any bytes."""
    return x509.Extension(value.oid, critical, value)


def alternative_names(names: Iterable[str | x509.GeneralName]) -> x509.Extension[x509.SubjectAlternativeName]:
    """A subjectAltName extension; a string is an IP address where it reads as one, else a DNS name."""
    return extension(x509.SubjectAlternativeName([_general_name(entry) for entry in names]))


def _general_name(entry: str | x509.GeneralName) -> x509.GeneralName:
    if not isinstance(entry, str):
        return entry
    try:
        return x509.IPAddress(ipaddress.ip_address(entry))
    except ValueError:
        return x509.DNSName(entry)


@attrs.frozen(kw_only=True, eq=False)
class Credential:
    """A certificate with its private key, and the authorities between it and its root."""

    der: bytes = attrs.field(repr=False)
    key: Key = attrs.field(repr=False)
    subject: bytes
    issuers: tuple[Authority, ...] = attrs.field(default=(), repr=False)  # nearest first, root last

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate; raises ValueError where cryptography cannot read what was asked for."""
        return x509.load_der_x509_certificate(self.der)

    @property
    def parsed(self) -> Certificate:
        """The certificate as the gateway reads it; raises DerError where it cannot be read."""
        return Certificate.read(self.der)

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return pem_block("CERTIFICATE", self.der)

    @property
    def key_pem(self) -> bytes:
        """The private key, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def chain_pem(self) -> bytes:
        """The certificate and its intermediates, as a TLS endpoint sends them."""
        return bundle(self, *self.issuers[:-1])

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        """The certificate, its intermediates and the root."""
        return (self.der, *(issuer.der for issuer in self.issuers))

    def write(self, directory: str | os.PathLike[str], stem: str = "certificate") -> tuple[str, str]:
        """Write ``<stem>.pem`` (certificate and intermediates) and ``<stem>.key``; returns both paths."""
        certificate, key = Path(directory, f"{stem}.pem"), Path(directory, f"{stem}.key")
        certificate.write_bytes(self.chain_pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem)
        return str(certificate), str(key)


@attrs.frozen(kw_only=True, eq=False)
class Authority(Credential):
    """A certificate authority, root or intermediate."""

    @classmethod
    def root(cls, subject: Subject = "Test Root", **options: Any) -> Authority:
        """A self-signed authority; `options` are those of `Authority.issue`, CA bits by default."""
        return cls(**_issued(None, subject, {**_AUTHORITY, **options}))

    def intermediate(self, subject: Subject = "Test Intermediate", **options: Any) -> Authority:
        """An authority under this one; `options` as in `issue`, CA bits by default."""
        return Authority(**_issued(self, subject, {**_AUTHORITY, **options}))

    def issue(self, subject: Subject = "device", **options: Any) -> Credential:
        """A leaf, for client authentication by default; `options` are the fields of `Details`."""
        return Credential(**_issued(self, subject, options))

    def issue_server(self, *host_names: str, **options: Any) -> Credential:
        """A server's leaf for these DNS names and IP addresses."""
        return self.issue(host_names[0], **{"san": host_names, "eku": (SERVER_AUTH,), **options})


def self_signed(subject: Subject = "device", **options: Any) -> Credential:
    """A leaf that signed itself."""
    return Credential(**_issued(None, subject, options))


def with_other_signature(credential: Credential) -> Credential:
    """The same with another signature that holds, as can be derived from an ECDSA signature over P-256 (r, s)."""
    signature = credential.certificate.signature
    r, s = decode_dss_signature(signature)
    other = encode_dss_signature(r, _P256_ORDER - s)
    body = credential.certificate.tbs_certificate_bytes
    algorithm = _algorithm(ec_key(), hashes.SHA256())
    return attrs.evolve(credential, der=tlv(0x30, body, algorithm, tlv(0x03, b"\0" + other)))


_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@attrs.frozen(kw_only=True)
class Details:
    """What a certificate says besides its names; None leaves an extension out."""

    key: Key = attrs.field(factory=ec_key)
    not_before: Time = NOT_BEFORE
    not_after: Time = NOT_AFTER
    serial: int = attrs.field(factory=x509.random_serial_number)
    version: int = 3
    has_extensions: bool | None = None  # None: as the version allows
    ca: bool | None = False
    path_length: int | None = None
    usage: x509.Extension[x509.KeyUsage] | None = attrs.field(factory=lambda: key_usage("digital_signature"))
    eku: Sequence[x509.ObjectIdentifier] | None = (CLIENT_AUTH,)
    eku_critical: bool = False
    san: Sequence[str | x509.GeneralName] | None = None
    permitted: Sequence[x509.GeneralName] | None = None  # name constraints
    excluded: Sequence[x509.GeneralName] | None = None
    ocsp_url: str | None = None  # authority information access
    ski: bool = True
    aki: bool = True
    extra: Sequence[x509.Extension[Any]] = ()  # in addition, doubles allowed
    hash: hashes.HashAlgorithm = attrs.field(factory=hashes.SHA256)
    issuer: Subject | None = None  # instead of the issuing authority's own name
    signature: bytes | None = None  # instead of a true one


_AUTHORITY = {"ca": True, "usage": key_usage("key_cert_sign", "crl_sign", "digital_signature"), "eku": None}


def _issued(authority: Authority | None, subject: Subject, options: dict[str, Any]) -> dict[str, Any]:
    """The fields of the new credential."""
    details = Details(**options)
    issuers = (authority, *authority.issuers) if authority else ()
    subject_der = _name_der(subject)
    issuer_der = _name_der(details.issuer) if details.issuer else authority.subject if authority else subject_der
    der = _signed(_to_be_signed(subject_der, issuer_der, authority, details), authority, details)
    return {"der": der, "key": details.key, "subject": subject_der, "issuers": issuers}


def _to_be_signed(subject: bytes, issuer: bytes, authority: Authority | None, details: Details) -> bytes:
    """TBSCertificate (RFC 5280 section 4.1)."""
    signer = authority.key if authority else details.key
    parts = [
        _integer(details.serial),
        _algorithm(signer, details.hash),
        issuer,
        tlv(0x30, _time(details.not_before), _time(details.not_after)),
        subject,
        _public(details.key),
    ]
    if details.version > 1:
        parts.insert(0, tlv(0xA0, _integer(details.version - 1)))
    if details.version > 1 if details.has_extensions is None else details.has_extensions:
        parts.append(tlv(0xA3, tlv(0x30, *(_extension_der(entry) for entry in _extensions(authority, details)))))
    return tlv(0x30, *parts)


def _extensions(authority: Authority | None, details: Details) -> list[x509.Extension[Any]]:
    chosen: list[x509.Extension[Any]] = []
    if details.ca is not None:
        chosen.append(extension(x509.BasicConstraints(details.ca, details.path_length), critical=True))
    if details.usage is not None:
        chosen.append(details.usage)
    if details.eku is not None:
        chosen.append(extension(x509.ExtendedKeyUsage(details.eku), critical=details.eku_critical))
    if details.san is not None:
        chosen.append(alternative_names(details.san))
    if details.permitted or details.excluded:
        chosen.append(extension(x509.NameConstraints(details.permitted, details.excluded), critical=True))
    if details.ocsp_url:
        where = x509.UniformResourceIdentifier(details.ocsp_url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)
        chosen.append(extension(x509.AuthorityInformationAccess([access])))
    if details.ski:
        chosen.append(extension(x509.SubjectKeyIdentifier.from_public_key(details.key.public_key())))
    if details.aki and authority:
        issuer_key = authority.key.public_key()
        chosen.append(extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)))
    return [*chosen, *details.extra]


def _signed(to_be_signed: bytes, authority: Authority | None, details: Details) -> bytes:
    key = authority.key if authority else details.key
    signature = details.signature if details.signature is not None else _signature(key, to_be_signed, details.hash)
    return tlv(0x30, to_be_signed, _algorithm(key, details.hash), tlv(0x03, b"\0" + signature))


def _signature(key: Key, data: bytes, digest: hashes.HashAlgorithm) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(digest))
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), digest)
        case _:
            return key.sign(data)


_ALGORITHMS = {  # AlgorithmIdentifier's object identifier: RFC 5758, RFC 8017, RFC 8410
    "ecdsa-sha1": "1.2.840.10045.4.1",
    "ecdsa-sha256": "1.2.840.10045.4.3.2",
    "ecdsa-sha384": "1.2.840.10045.4.3.3",
    "rsa-md5": "1.2.840.113549.1.1.4",
    "rsa-sha1": "1.2.840.113549.1.1.5",
    "rsa-sha256": "1.2.840.113549.1.1.11",
    "rsa-sha384": "1.2.840.113549.1.1.12",
    "ed25519": "1.3.101.112",
}


def _algorithm(key: Key, digest: hashes.HashAlgorithm) -> bytes:
    match key:
        case ec.EllipticCurvePrivateKey():
            return tlv(0x30, _oid(_ALGORITHMS[f"ecdsa-{digest.name}"]))
        case rsa.RSAPrivateKey():
            return tlv(0x30, _oid(_ALGORITHMS[f"rsa-{digest.name}"]), tlv(0x05))
        case _:
            return tlv(0x30, _oid(_ALGORITHMS["ed25519"]))


# DER


def tlv(tag: int, *contents: bytes) -> bytes:
    """One DER element of a low tag number (X.690 section 8.1)."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def utc_time(text: bytes) -> bytes:
    """A UTCTime of these characters, sensible or not: ``utc_time(b"261301000000Z")``."""
    return tlv(0x17, text)


def _time(moment: Time) -> bytes:
    if isinstance(moment, bytes):
        return moment
    if moment.year < 2050:
        return utc_time(moment.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _integer(number: int) -> bytes:
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return tlv(0x06, *map(_base128, [first * 40 + second, *rest]))


def _base128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def _name_der(subject: Subject) -> bytes:
    if isinstance(subject, str):
        subject = name(subject)
    return subject if isinstance(subject, bytes) else subject.public_bytes()


def _extension_der(entry: x509.Extension[Any]) -> bytes:
    critical = tlv(0x01, b"\xff") if entry.critical else b""
    return tlv(0x30, _oid(entry.oid.dotted_string), critical, tlv(0x04, entry.value.public_bytes()))


def _public(key: Key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


# Files


def pem_block(label: str, der: bytes) -> bytes:
    """One PEM block (RFC 7468), 64 characters a line."""
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])


def bundle(*credentials: Credential) -> bytes:
    """Their certificates in PEM, one after the other."""
    return b"".join(credential.pem for credential in credentials)


def write(directory: str | os.PathLike[str], file: str, *credentials: Credential) -> str:
    """Write their certificates to one PEM file, a trusted client CA file for instance; returns its path."""
    path = Path(directory, file)
    path.write_bytes(bundle(*credentials))
    return str(path)
