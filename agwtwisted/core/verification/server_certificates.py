"""A server's certificate: the leaf first, then the intermediates (the root may follow), and the leaf's key."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

from agwtwisted.core.base.errors import Place, Problem, UnacceptableError, shown
from agwtwisted.core.certificates import pem
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.certificates.signature_algorithms import issued
from agwtwisted.core.verification.certificate_rules import certificate_from

_KEY_TYPES = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)

_PASSWORD_INCORRECT = "ApplicationGatewaySslCertificatePasswordIncorrect"  # noqa: S105 - the product's error code

_TOO_ODD = "the certificate violates RFC 5280 (its version, a date, a string): many clients would refuse it"


@attrs.frozen(kw_only=True, eq=False)
class ServerCertificate:
    """What the two files, or the one .pfx, hold; in `certificates` each is issued by the next."""

    certificates: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes = attrs.field(repr=False)


def is_pfx(file: str) -> bool:
    """Whether the name says PKCS #12."""
    return file.lower().endswith((".pfx", ".p12"))


def read_certificates(data: bytes, file: str) -> tuple[tuple[x509.Certificate, ...], tuple[Problem, ...]]:
    """The certificates of a file in their order, and what is wrong: unreadable ones, none at all, a wrong order.

    A private key beside them is left to `read_key`.
    """
    found = pem.read_certificates(data, file)
    problems = list(found.problems)
    read = [certificate_from(block.der) for block in found.certificates]
    for block, each in zip(found.certificates, read, strict=True):
        if each is None:
            problems.append(Problem(place=Place(file=file, line=block.line), message=_TOO_ODD))
    certificates = tuple(filter(None, read))
    if not certificates and not problems:
        problems.append(Problem(place=Place(file=file), message="holds no certificate"))
    if len(certificates) < len(read):
        return certificates, tuple(problems)
    for index in range(1, len(certificates)):
        if not _issued(certificates[index], certificates[index - 1]):
            place = Place(file=file, line=found.certificates[index].line)
            problems.append(Problem(place=place, message=_out_of_order(certificates, index)))
    return certificates, tuple(problems)


def read_key(data: bytes) -> PrivateKeyTypes:
    """The private key of a PEM file, which must not be encrypted.

    Raises:
        UnacceptableError: no key, an encrypted one, or one that TLS has no use for.
    """
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise UnacceptableError(
            "is encrypted: store the key without passphrase (mode 0600), or as .pfx with password_file"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnacceptableError("has no valid private key in PEM") from error
    return _checked_key(key)


def read_pfx(data: bytes, password: bytes | None) -> ServerCertificate:
    """Certificate, key and chain of a PKCS #12 file; the chain is put in order, whatever its order in the file.

    Raises:
        UnacceptableError: wrong password, no certificate with its key, or certificates that are not of its chain.
    """
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        code = _PASSWORD_INCORRECT if pem.is_pkcs12(data) else ""
        if password is None:
            message = "cannot be opened: it is not PKCS #12, or has a password (set password_file)"
            raise UnacceptableError(message, code) from error
        raise UnacceptableError("cannot be opened: it is not PKCS #12, or the password is wrong", code) from error
    if key is None or leaf is None:
        raise UnacceptableError("has no certificate with its private key")
    return ServerCertificate(certificates=_in_order(leaf, others), key=_checked_key(key))


def matched(certificates: tuple[x509.Certificate, ...], key: PrivateKeyTypes) -> ServerCertificate:
    """The certificates with the key, which must be the first one's.

    Raises:
        UnacceptableError: it belongs to another certificate, or to none.
    """
    owners = [number for number, certificate in enumerate(certificates, start=1) if _has_key(certificate, key)]
    if not owners:
        raise UnacceptableError(f"is not the key of {_described(certificates, 0)}")
    if owners[0] != 1:
        owner = _described(certificates, owners[0] - 1)
        raise UnacceptableError(f"is the key of {owner}: the certificate file must begin with that certificate")
    return ServerCertificate(certificates=certificates, key=key)


def wrong_dates(certificates: Sequence[x509.Certificate], now: datetime.datetime) -> Iterator[str]:
    """Which certificates are out of date, and since when; `now` is aware of its time zone."""
    for index, certificate in enumerate(certificates):
        if certificate.not_valid_after_utc < now:
            yield f"{_described(certificates, index)} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        if certificate.not_valid_before_utc > now:
            yield f"{_described(certificates, index)} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"


def missing_intermediate(certificates: Sequence[x509.Certificate]) -> str:
    """What to say of a certificate that stands alone and was issued by another; empty where there is nothing to say.

    Browsers fetch or remember intermediates, devices do not (the server sends its chain: RFC 5246 section 7.4.2).
    Whether the issuer is a root cannot be seen from the certificate.
    """
    leaf = certificates[0]
    try:
        issuer = "" if leaf.issuer == leaf.subject else shown(leaf.issuer.rfc4514_string())
    except ValueError:  # it is unknown which of both it is
        issuer = ""
    if not issuer or len(certificates) > 1:
        return ""
    return (
        f"holds {_described(certificates, 0)} without its issuer ({issuer}): if that is an intermediate CA, many"
        " clients find no path to the root; append its certificate (append the root, too, to end this warning)"
    )


def _out_of_order(certificates: Sequence[x509.Certificate], index: int) -> str:
    wrong, before = _described(certificates, index), _described(certificates, index - 1)
    return (
        f"{wrong} is in the wrong place: it did not issue {before}"
        " (first the server's certificate, then the one that issued it, and so on)"
    )


def _in_order(leaf: x509.Certificate, others: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    chain, rest = [leaf], [other for other in others if other != leaf]
    while issuer := next((other for other in rest if _issued(other, chain[-1])), None):
        chain.append(issuer)
        rest.remove(issuer)
    if rest:
        raise UnacceptableError(f"has a certificate that is not part of the server's chain: {_described(rest, 0)}")
    return tuple(chain)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return _may_have_issued(issuer, certificate)
    return True


def _may_have_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Of a signature that cryptography does not verify (over SHA-1): whether the names say so.

    That such a signature is weak is another finding than that the order is wrong.
    """
    try:
        if certificate.issuer != issuer.subject:
            return False
    except ValueError:
        return False
    read, above = (certificate_of(each.public_bytes(Encoding.DER)) for each in (certificate, issuer))
    return read is not None and above is not None and issued(read, above) is None


def _has_key(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _checked_key(key: PrivateKeyTypes) -> PrivateKeyTypes:
    if not isinstance(key, _KEY_TYPES):
        raise UnacceptableError("has a private key that TLS cannot use: it must be RSA, EC, Ed25519 or Ed448")
    return key


def _described(certificates: Sequence[x509.Certificate], index: int) -> str:
    """``certificate 2 ('CN=…')``."""
    try:
        subject = shown(certificates[index].subject.rfc4514_string())
    except ValueError:
        subject = "unreadable subject"
    return f"certificate {index + 1} ({subject})"
