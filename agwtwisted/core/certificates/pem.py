"""Certificates from the bytes of a file: PEM, DER (CER), or base64 of either.

The product's uploads come in all of these. No message contains the text between the delimiters of a block: a file that
should hold certificates alone may hold a private key.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final

import attrs
from cryptography.hazmat.primitives import serialization

from agwtwisted.core.base.errors import Place, Problem
from agwtwisted.core.certificates import pkcs7
from agwtwisted.core.certificates.reading import Certificate, certificate_of

_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_DELIMITER: Final = re.compile(rb"-----(BEGIN|END) ?([A-Z0-9 .#]{0,40})(-----)?")
# RFC 7468 section 5.1
_CERTIFICATE_LABELS: Final = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"X.509 CERTIFICATE"})


_HARMLESS_LABELS: Final = frozenset(
    {b"EC PARAMETERS", b"DH PARAMETERS", b"DSA PARAMETERS", b"PUBLIC KEY", b"RSA PUBLIC KEY"}
)
"""Blocks that programs write beside certificates, and that mean nothing here: they are passed over."""

_PKCS12: Final = re.compile(rb"\x30(?:\x80|[\x00-\x7f]|\x81.|\x82..|\x83...)\x02\x01\x03", re.DOTALL)
"""How a PFX begins (RFC 7292 section 4): a SEQUENCE of any length, and in it version 3."""


@attrs.frozen(kw_only=True, eq=False)
class CertificateBlock:
    """One certificate of a file, and the line of its BEGIN (0 where the file is not PEM)."""

    certificate: Certificate
    der: bytes = attrs.field(repr=False)
    line: int


@attrs.frozen(kw_only=True)
class EncodedBlock:
    """What stands in a certificate's place, whether or not it can be read as one."""

    der: bytes = attrs.field(repr=False)
    line: int


@attrs.frozen(kw_only=True, eq=False)
class CertificateFile:
    """What a file of certificates holds, in its order; with problems, the certificates are those that could be read."""

    certificates: tuple[CertificateBlock, ...] = ()
    encoded: tuple[EncodedBlock, ...] = ()  # the certificates, and what cannot be read and says that it is one
    private_key_lines: tuple[int, ...] = ()  # lines of BEGIN; 0 where the file is not PEM
    problems: tuple[Problem, ...] = ()
    is_empty: bool = False


@attrs.frozen
class _Block:
    """What stands between a BEGIN and its END; `fault` says why it cannot be used."""

    label: bytes
    line: int
    body: bytes = attrs.field(default=b"", repr=False)
    fault: str = ""


def read_certificates(data: bytes, file: str) -> CertificateFile:
    """Every certificate in `data`, where each begins, and what is wrong; `file` is the name for messages.

    Text outside the blocks, CRLF, a byte order mark and indentation are accepted (RFC 7468 section 2). The problems
    carry no code of the product, because its codes differ with what the file is for. Never raises.
    """
    data = data.removeprefix(_BOM)
    if not data.strip():
        return attrs.evolve(_only_problem(file, "the file is empty"), is_empty=True)
    if data.startswith(_UTF_16):
        return _only_problem(file, "the file is UTF-16 text; save it as ASCII or UTF-8")
    if _DELIMITER.search(data):
        return _from_blocks(_blocks(data), file)
    if _looks_like_der(data):
        return _from_der(data, file)
    return _from_base64(data, file)


def is_pkcs12(data: bytes) -> bool:
    """Whether a file begins as a PFX does."""
    return _PKCS12.match(data) is not None


def pem_text(der: bytes) -> bytes:
    """A certificate as a PEM block (RFC 7468)."""
    text = base64.b64encode(der)
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


def _only_problem(file: str, message: str) -> CertificateFile:
    return CertificateFile(problems=(Problem(place=Place(file=file), message=message),))


def _looks_like_der(data: bytes) -> bool:
    """A SEQUENCE of more than 127 bytes: its second octet is not text."""
    return data[0] == 0x30 and len(data) > 1 and data[1] >= 0x80


def _from_base64(data: bytes, file: str) -> CertificateFile:
    """Base64 of a DER or PEM file, as templates embed it; lines of the text within would mislead, so they are 0."""
    decoded = _decoded(data)
    if decoded is None:
        return _only_problem(file, "neither PEM with its BEGIN and END lines, nor DER, nor base64 of either")
    if not _DELIMITER.search(decoded):
        return _from_der(decoded, file)
    return _from_blocks((attrs.evolve(block, line=0) for block in _blocks(decoded)), file)


def _from_der(data: bytes, file: str) -> CertificateFile:
    certificate = certificate_of(data)
    if certificate is not None:
        block = CertificateBlock(certificate=certificate, der=data, line=0)
        return CertificateFile(certificates=(block,), encoded=(EncodedBlock(der=data, line=0),))
    if _is_private_key(data):
        return CertificateFile(private_key_lines=(0,))
    message = "not an X.509 certificate"
    if pkcs7.is_bundle(data):
        message = pkcs7.HINT
    elif is_pkcs12(data):
        message = "a PKCS #12 file (.pfx): `openssl pkcs12 -nokeys` extracts the certificates"
    return attrs.evolve(_only_problem(file, message), encoded=(EncodedBlock(der=data, line=0),))


def _from_blocks(blocks: Iterator[_Block], file: str) -> CertificateFile:
    certificates: list[CertificateBlock] = []
    encoded: list[EncodedBlock] = []
    key_lines: list[int] = []
    problems: list[Problem] = []
    for block in blocks:
        if b"PRIVATE KEY" in block.label:
            key_lines.append(block.line)
            continue
        if block.label in _HARMLESS_LABELS and not block.fault:
            continue
        der = None if block.fault else _decoded(block.body)
        if der and block.label in _CERTIFICATE_LABELS:
            encoded.append(EncodedBlock(der=der, line=block.line))
        certificate = certificate_of(der) if der and block.label in _CERTIFICATE_LABELS else None
        if der and certificate:
            certificates.append(CertificateBlock(certificate=certificate, der=der, line=block.line))
        else:
            problems.append(Problem(place=Place(file=file, line=block.line), message=_fault(block, der)))
    return CertificateFile(
        certificates=tuple(certificates),
        encoded=tuple(encoded),
        private_key_lines=tuple(key_lines),
        problems=tuple(problems),
    )


def _fault(block: _Block, der: bytes | None) -> str:
    """Why this block is no certificate."""
    if block.fault:
        return block.fault
    if pkcs7.is_label(block.label):
        return pkcs7.HINT
    if block.label not in _CERTIFICATE_LABELS:
        return f"a block {block.label.decode()} does not belong here, only certificates"
    if der is None:
        return "the text between the delimiters is not base64"
    return "the block is not an X.509 certificate" if der else "nothing between the delimiters"


def _blocks(data: bytes) -> Iterator[_Block]:
    """The blocks of a PEM text and its faulty delimiters, in order."""
    opened: _Block | None = None  # a BEGIN that waits for its END
    line, counted, begin = 1, 0, 0
    for match in _DELIMITER.finditer(data):
        line, counted = line + data.count(b"\n", counted, match.start()), match.start()
        whole = match[3] is not None
        if opened and match[1] == b"BEGIN":
            yield attrs.evolve(opened, fault="a BEGIN line without its END line")
            opened = None
        if not whole:
            yield _Block(match[2], line, fault="a BEGIN or END line without five dashes at its end")
        elif match[1] == b"BEGIN":
            opened, begin = _Block(match[2], line), match.end()
        else:
            yield _closed(opened, _Block(match[2], line), data[begin : match.start()])
            opened = None
    if opened:
        yield attrs.evolve(opened, fault="a BEGIN line without its END line")


def _closed(opened: _Block | None, end: _Block, body: bytes) -> _Block:
    """The block that this END completes."""
    if opened is None:
        return attrs.evolve(end, fault="an END line without its BEGIN line")
    if opened.label != end.label:
        # Both labels are kept: either may be that of a private key.
        label = opened.label + b"/" + end.label
        return attrs.evolve(opened, label=label, fault="a BEGIN line and an END line with different labels")
    return attrs.evolve(opened, body=body)


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error:
        return None


def _is_private_key(der: bytes) -> bool:
    """Whether this is a private key, readable or (encrypted) not."""
    try:
        serialization.load_der_private_key(der, None)
    except TypeError:  # encrypted
        return True
    except Exception:  # whatever is wrong with it: it is not a key that could be identified
        return False
    return True
