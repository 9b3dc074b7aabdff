"""Files of CA certificates against which backend servers are verified: what one must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import attrs

from agwtwisted.core.base.errors import Place, Problem
from agwtwisted.core.certificates import pem
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.verification import chains
from agwtwisted.core.verification.chains import Member


@attrs.frozen(kw_only=True, eq=False)
class TrustedRoots:
    """The CA certificates of one file, each once, in its order."""

    certificates: tuple[Certificate, ...]
    warnings: tuple[str, ...] = ()


def read_roots(data: bytes, file: str, now: datetime | None = None) -> TrustedRoots | tuple[Problem, ...]:
    """The CA certificates of a file (PEM, CER, or base64 of either), or every problem with it.

    Any number of roots, and intermediates that servers leave out. Warnings report certificates that are out of their
    time at `now` (aware; without it time does not count), and self-signed ones that are no CA: as in the product, the
    server whose certificate that is is trusted.
    """
    found = pem.read_certificates(data, file)
    stray = "a private key does not belong in this file"
    problems = [_problem(file, line, stray) for line in found.private_key_lines]
    problems += found.problems
    members = [chains.member_of(block) for block in chains.distinct(found.certificates)]
    problems += _member_problems(members, file)
    roots = [member for member in members if chains.is_root(member)]
    if not problems and not roots:
        message = "no root CA certificate (self-signed) in the file: no server's chain could end here"
        problems.append(_problem(file, members[0].line, message))
    if problems:
        return tuple(problems)
    warnings = (*_alone(members), *(() if now is None else _out_of_time(members, roots, now)))
    return TrustedRoots(certificates=tuple(member.certificate for member in members), warnings=warnings)


def _alone(members: Sequence[Member]) -> Iterator[str]:
    """Certificates that are no CA: OpenSSL ends a chain in one that is trusted, but lets it issue no other."""
    for member in members:
        if not member.is_authority:
            yield f"{member}: self-signed and no CA (basicConstraints CA:TRUE): trusted as the server's own certificate"


def _problem(file: str, line: int, message: str) -> Problem:
    return Problem(place=Place(file=file, line=line), message=message)


def _member_problems(members: Sequence[Member], file: str) -> Iterator[Problem]:
    for member in members:
        if not member.is_readable:
            message = "the names, the key or the extensions of this certificate cannot be parsed"
            yield _problem(file, member.line, message)
        elif not member.is_authority and not chains.is_root(member):
            message = "not a CA certificate (basicConstraints CA:TRUE): a server's chain ends in a CA"
            yield _problem(file, member.line, message)


def _out_of_time(members: Sequence[Member], roots: Sequence[Member], now: datetime) -> Iterator[str]:
    late = {id(member): message for member in members if (message := _wrong_time(member, now))}
    if all(id(root) in late for root in roots):
        yield f"no server can be verified: {late[id(roots[0])]}"
    yield from late.values()


def _wrong_time(member: Member, now: datetime) -> str:
    if now < member.certificate.not_before:
        return f"{member}: not valid before {member.certificate.not_before:%Y-%m-%d %H:%M:%S} UTC"
    if now > member.certificate.not_after:
        return f"{member}: expired on {member.certificate.not_after:%Y-%m-%d %H:%M:%S} UTC"
    return ""
