"""The certificates of a file that a command sends to a gateway; a private key beside them stays here."""

from __future__ import annotations

from base64 import encodebytes
from pathlib import Path

from agwtwisted.core.base.errors import AgwError, printable


class CertificateFileError(AgwError):
    """There is no certificate in the file."""


def certificates_of(file: str) -> str:
    """The certificates of a file as PEM, and nothing else of it; raises CertificateFileError,"""
    from agwtwisted.core.certificates.pem import read_certificates

    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise CertificateFileError(f"{printable(file)} cannot be read: {error.strerror}") from error
    found = read_certificates(data, file)
    if not found.encoded:
        raise CertificateFileError("\n".join(map(str, found.problems)) or f"{printable(file)} holds no certificate")
    return "".join(_pem(block.der) for block in found.encoded)


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{encodebytes(der).decode()}-----END CERTIFICATE-----\n"
