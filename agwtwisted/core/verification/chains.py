"""Files of trusted client CA certificates: what one must hold, and which issuer DN it stands for.

Rules and error codes: the product's pages "Troubleshoot mutual authentication errors" and "Overview of mutual
authentication".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import attrs

from agwtwisted.core.base.errors import Place, Problem
from agwtwisted.core.certificates import der, extensions, pem
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.public_keys import public_key
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.certificates.signature_algorithms import issued
from agwtwisted.core.verification import certificate_rules

MAX_FILE_BYTES: Final = 25 * 1024
"""The product's limit for one trusted client CA file."""

_EXTRACT: Final = "`agw extract-ca` makes one from a client's chain, or reports what is missing"
_CODE: Final = "ApplicationGatewayTrustedClientCertificate"
MUST_SPECIFY_DATA: Final = f"{_CODE}MustSpecifyData"
MUST_NOT_HAVE_PRIVATE_KEY: Final = f"{_CODE}MustNotHavePrivateKey"
INVALID_DATA: Final = f"{_CODE}InvalidData"
NO_CA_CERTIFICATE: Final = f"{_CODE}DoesNotContainAnyCACertificate"
ONLY_ONE_ROOT: Final = "ApplicationGatewayOnlyOneRootCAAllowedInTrustedClientCertificate"


@attrs.frozen(kw_only=True, eq=False)
class TrustedChain:
    """One file of CA certificates: exactly one root, any number of intermediates, leaves left out."""

    file: str
    root: Certificate
    authorities: tuple[Certificate, ...]  # root and intermediates, in the order of the file
    issuer: Certificate  # its subject is the DN of `verify_client_cert_issuer_dn`
    warnings: tuple[str, ...] = ()
    late: tuple[str, ...] = ()  # those of them about certificates that are out of their time


@attrs.frozen(kw_only=True, eq=False)
class Member:
    """A certificate of the file, with what links it to others; only with `is_readable` the rest means anything."""

    certificate: Certificate
    line: int
    is_readable: bool = True
    is_authority: bool = False
    subject: bytes = b""  # normalised, as `issuer`
    issuer: bytes = b""
    key_id: bytes | None = None
    issuer_key_id: bytes | None = None

    def __str__(self) -> str:
        # As repr, so that control characters in a name do not reach a terminal.
        name = repr(relative_names(self.certificate.subject).decode())
        return f"line {self.line}: {name}" if self.line else name

    def issued(self, other: Member) -> bool:
        """Whether names, and key identifiers where both are there, say so (RFC 5280 sections 4.1.2.4 and 4.2.1.1)."""
        same_key = self.key_id is None or other.issuer_key_id is None or self.key_id == other.issuer_key_id
        return self.subject == other.issuer and same_key


def read_chain(data: bytes, file: str, now: datetime | None = None) -> TrustedChain | tuple[Problem, ...]:
    """The chain in a trusted client CA file (PEM, CER, or base64 of either), or every problem with it.

    Certificates may come in any order. Warnings, a line of text each, report certificates that are left out or out of
    their time at `now` (aware; without it time does not count), of more than one chain, and of authorities under which
    no client will be accepted.
    """
    if len(data) > MAX_FILE_BYTES:
        return (_problem(file, 0, f"the file has {len(data)} bytes; the limit is {MAX_FILE_BYTES}", ""),)
    found = pem.read_certificates(data, file)
    problems = _content_problems(found, file)
    if problems:
        return problems
    members = [member_of(block) for block in distinct(found.certificates)]
    authorities = [member for member in members if member.is_authority]
    roots = [member for member in authorities if is_root(member)]
    problems = _member_problems(members, authorities, roots, file)
    if problems:
        return problems
    [root] = roots
    depths = depths_of(root, authorities)
    issuer = max(depths, key=depths.__getitem__)
    late = () if now is None else tuple(_late(authorities, root, now))
    return TrustedChain(
        file=file,
        root=root.certificate,
        authorities=tuple(member.certificate for member in authorities),
        issuer=issuer.certificate,
        warnings=(
            *_left_out(members, found.certificates),
            *_chain_warnings(authorities, depths, issuer),
            *_authority_warnings(authorities, root),
            *late,
        ),
        late=late,
    )


def _problem(file: str, line: int, message: str, code: str) -> Problem:
    return Problem(place=Place(file=file, line=line), message=message, code=code)


def _content_problems(found: pem.CertificateFile, file: str) -> tuple[Problem, ...]:
    """What is in the file besides readable certificates."""
    keys = tuple(
        _problem(file, line, "a private key does not belong in this file", MUST_NOT_HAVE_PRIVATE_KEY)
        for line in found.private_key_lines
    )
    code = MUST_SPECIFY_DATA if found.is_empty else INVALID_DATA
    return keys + tuple(attrs.evolve(problem, code=code) for problem in found.problems)


def distinct(blocks: Sequence[pem.CertificateBlock]) -> list[pem.CertificateBlock]:
    """Each certificate once, where it first stands."""
    first: dict[bytes, pem.CertificateBlock] = {}
    for block in blocks:
        first.setdefault(block.der, block)
    return list(first.values())


def member_of(block: pem.CertificateBlock) -> Member:
    """The certificate with its links."""
    certificate = block.certificate
    try:
        public_key(certificate), extensions.key_usage(certificate), extensions.purposes(certificate)
        return Member(
            certificate=certificate,
            line=block.line,
            is_authority=extensions.is_authority(certificate),
            subject=normalised_name(der.encoded(der.SEQUENCE, certificate.subject)),
            issuer=normalised_name(der.encoded(der.SEQUENCE, certificate.issuer)),
            key_id=extensions.key_identifier(certificate),
            issuer_key_id=extensions.issuer_key_identifier(certificate),
        )
    except DerError:
        return Member(certificate=certificate, line=block.line, is_readable=False)


def is_root(member: Member) -> bool:
    """Whether it is issued under its own name with its own key.

    A signature over MD5 or SHA-1, or in an algorithm that is not known here, is not verified. A root's own signature
    proves nothing, and many old roots have such a one: there the name and the key identifiers decide.
    """
    return member.issued(member) and issued(member.certificate, member.certificate) is not False


def _member_problems(
    members: Sequence[Member], authorities: Sequence[Member], roots: Sequence[Member], file: str
) -> tuple[Problem, ...]:
    """Which certificates are unreadable, missing or too much."""
    unreadable = [member for member in members if not member.is_readable]
    if unreadable:
        message = "the names, the key or the extensions of this certificate cannot be parsed"
        return tuple(_problem(file, member.line, message, INVALID_DATA) for member in unreadable)
    if not authorities:
        message = f"no CA certificate (basicConstraints CA:TRUE) in the file: {_EXTRACT}"
        return (_problem(file, members[0].line, message, NO_CA_CERTIFICATE),)
    if not roots:
        message = f"no root CA certificate (self-signed) in the file: {_EXTRACT}"
        return (_problem(file, authorities[0].line, message, ONLY_ONE_ROOT),)
    return tuple(
        _problem(file, extra.line, f"a second root CA certificate, besides {roots[0]}", ONLY_ONE_ROOT)
        for extra in roots[1:]
    )


def depths_of(root: Member, authorities: Sequence[Member]) -> dict[Member, int]:
    """How many steps each CA is below the root, nearest first and in file order; those of no chain are left out.

    The shortest way counts, so that CAs which certified each other in a circle have a depth too.
    """
    depths = {root: 0}
    waiting = [member for member in authorities if member is not root]
    above = [root]
    while above:
        below = [member for member in waiting if any(issuer.issued(member) for issuer in above)]
        depths.update(dict.fromkeys(below, depths[above[0]] + 1))
        waiting = [member for member in waiting if member not in depths]
        above = below
    return depths


def _left_out(members: Sequence[Member], blocks: Sequence[pem.CertificateBlock]) -> Iterator[str]:
    """Certificates of the file that do not count."""
    for member in members:
        if not member.is_authority:
            yield f"{member}: not a CA certificate (basicConstraints CA:TRUE), ignored"
    first: dict[bytes, int] = {}
    for block in blocks:
        if first.setdefault(block.der, block.line) != block.line:
            yield f"line {block.line}: the same certificate as on line {first[block.der]}, counted once"


def _chain_warnings(authorities: Sequence[Member], depths: dict[Member, int], issuer: Member) -> Iterator[str]:
    """Certificates of no chain, and more chains than one: the issuer DN is then a matter of their order."""
    for member in authorities:
        if member not in depths:
            yield f"{member}: not issued by another certificate of this file"
    issuers = [member for member in depths if any(member.issued(other) for other in depths if other is not member)]
    ends = [member for member in depths if member not in issuers]
    if len({member.subject for member in ends}) > 1:
        rule = "the first of the longest" if _is_tied(ends, depths) else "the longest"
        yield f"more than one chain in the file; the issuer DN is that of {rule}, {issuer}"


def _is_tied(ends: Sequence[Member], depths: dict[Member, int]) -> bool:
    """Whether several chains are the longest."""
    longest = max(depths.values())
    return len({member.subject for member in ends if depths[member] == longest}) > 1


def _authority_warnings(authorities: Sequence[Member], root: Member) -> Iterator[str]:
    """CAs under which no client is ever accepted."""
    for member in authorities:
        fault = certificate_rules.authority_fault(member.certificate, is_root=member is root)
        if fault:
            is_weak = not certificate_rules.authority_fault(member.certificate, is_root=member is root, allow_weak=True)
            unless = " (unless the ssl_profile has allow_weak)" if is_weak else ""
            yield f"{member}: clients of this CA will be refused: {fault}{unless}"


def _late(authorities: Sequence[Member], root: Member, now: datetime) -> Iterator[str]:
    """CAs under which no client is accepted at this time."""
    for member in authorities:
        certificate = member.certificate
        refused = "every client of this root is refused" if member is root else "clients that need it are refused"
        if now < certificate.not_before:
            yield f"{member}: not valid before {certificate.not_before:%Y-%m-%d %H:%M:%S} UTC: {refused}"
        if now > certificate.not_after:
            yield f"{member}: expired on {certificate.not_after:%Y-%m-%d %H:%M:%S} UTC: {refused}"
