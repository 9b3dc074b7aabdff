"""`agw extract-ca`: the trusted client certificate file for the clients of a chain."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from agwtwisted.core.base.errors import AgwError, printable
from agwtwisted.core.certificates import pem, pkcs7
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.extraction import Extract, extract
from agwtwisted.core.verification.server_certificates import is_pfx

MAX_FILE_BYTES: Final = 1 << 20


class ExtractError(AgwError):
    """A file cannot be read or written; the message says which, why, and what to do."""


@attrs.frozen(kw_only=True)
class _Found:
    """What a file holds."""

    certificates: tuple[pem.CertificateBlock, ...]
    notes: tuple[str, ...] = ()  # what is left out of it, a line each


def run(files: Sequence[str], output: str, *, password_file: str | None = None, force: bool = False) -> int:
    """Make the output file of the input files, and say on standard output what is in it; returns the exit status.

    0: made; 1: a chain that is not whole, and nothing is written.

    Raises:
        ExtractError: a file that cannot be read, no certificate in any, or an output file that is there already.
    """
    _check_output(files, output, force=force)
    password = None if password_file is None else _read(password_file).rstrip(b"\r\n")
    found = [_found(file, password) for file in files]
    notes = [note for each in found for note in each.notes]
    certificates = [block for each in found for block in each.certificates]
    if not certificates:
        raise ExtractError("\n".join(["there is no certificate", *notes]))
    extracted = extract(certificates)
    chain = _chain(extracted, output)
    if isinstance(chain, TrustedChain):
        _write(output, extracted.pem, force=force)
    print("\n".join([*_result(chain, output), *(f"left out: {each}" for each in (*extracted.left_out, *notes))]))
    return 0 if isinstance(chain, TrustedChain) else 1


def _check_output(files: Sequence[str], output: str, *, force: bool) -> None:
    if not Path(output).exists():
        return
    if not force:
        raise ExtractError(f"{printable(output)} exists and stays as it is: name another file, or say --force")
    if any(Path(file).exists() and os.path.samefile(file, output) for file in files):
        raise ExtractError(f"{printable(output)} is one of the files to read: name another file")


def _found(file: str, password: bytes | None) -> _Found:
    data = _read(file)
    if is_pfx(file):
        return _in_pfx(data, file, password)
    bundled = _in_bundles(data, file)
    if bundled is not None:
        return bundled
    found = pem.read_certificates(data, file)
    keys = [f"{_at(file, line)}: a private key" for line in found.private_key_lines]
    problems = [f"{_at(problem.place.file, problem.place.line)}: {problem.message}" for problem in found.problems]
    return _Found(certificates=found.certificates, notes=(*keys, *problems))


def _in_pfx(data: bytes, file: str, password: bytes | None) -> _Found:
    try:
        held = pkcs12.load_pkcs12(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        hint = "the password is wrong" if password is not None else "it has a password: write it into a --password-file"
        raise ExtractError(f"{printable(file)} cannot be opened: it is not PKCS #12, or {hint}") from None
    inside = [each.certificate for each in (held.cert, *held.additional_certs) if each is not None]
    return _Found(certificates=_blocks(inside), notes=(f"{printable(file)}: a private key",) if held.key else ())


def _in_bundles(data: bytes, file: str) -> _Found | None:
    """What a PKCS #7 file holds, None where it is none."""
    try:
        inside = pkcs7.read_bundles(data)
    except ValueError:
        raise ExtractError(f"{printable(file)} is a PKCS #7 bundle that cannot be read") from None
    return None if inside is None else _Found(certificates=_blocks(inside))


def _blocks(certificates: Iterable[x509.Certificate]) -> tuple[pem.CertificateBlock, ...]:
    encoded = (each.public_bytes(Encoding.DER) for each in certificates)
    return tuple(pem.CertificateBlock(certificate=Certificate.read(each), der=each, line=0) for each in encoded)


def _chain(extracted: Extract, output: str) -> TrustedChain | tuple[str, ...]:
    """The file as a gateway would read it, or why it would not."""
    if extracted.missing:
        return extracted.missing
    chain = read_chain(extracted.pem, printable(output), datetime.now(UTC))
    return chain if isinstance(chain, TrustedChain) else tuple(problem.message for problem in chain)


def _result(chain: TrustedChain | tuple[str, ...], output: str) -> Iterator[str]:
    if not isinstance(chain, TrustedChain):
        yield f"{printable(output)} is not made:"
        yield from (f"  {reason}" for reason in chain)
        return
    count = len(chain.authorities)
    yield (
        f"{printable(output)}: {count} certificates, the root first" if count > 1 else f"{printable(output)}: one root"
    )
    for authority in chain.authorities:
        variables = certificate_variables(authority.der)
        yield f"  {variables.subject.decode() or '(no subject)'}, SHA-1 {variables.fingerprint.decode()}"
    issuer = certificate_variables(chain.issuer.der).subject.decode()
    yield f"issuer DN, for verify_client_cert_issuer_dn: {issuer}"
    yield from (f"warning: {printable(warning)}" for warning in chain.warnings)


def _read(file: str) -> bytes:
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ExtractError(f"{printable(file)} cannot be read: {_reason(error)}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ExtractError(f"{printable(file)} has more than {MAX_FILE_BYTES} bytes: that is no client's chain")
    return data


def _write(output: str, data: bytes, *, force: bool) -> None:
    """A file that others may read and only its owner may change: the gateway takes no other."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with open(os.open(output, flags, 0o644), "wb") as opened:
            opened.write(data)
    except (OSError, ValueError) as error:
        raise ExtractError(f"{printable(output)} cannot be written: {_reason(error)}") from error


def _at(file: str, line: int) -> str:
    return f"{printable(file)}:{line}" if line else printable(file)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
