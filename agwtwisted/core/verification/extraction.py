"""From a client's chain to the file that trusts its like: the root and the intermediates, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from agwtwisted.core.certificates.pem import CertificateBlock, pem_text
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.certificates.signature_algorithms import issued
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.verification.chains import Member, depths_of, distinct, is_root, member_of


@attrs.frozen(kw_only=True, eq=False)
class Extract:
    """What was found: either `missing` is empty, or there are no `authorities`."""

    authorities: tuple[Certificate, ...] = ()  # the root first, then each below those that issued it
    left_out: tuple[str, ...] = ()  # a line each
    missing: tuple[str, ...] = ()  # what the file lacks, a line each

    @property
    def pem(self) -> bytes:
        """The file, without a word besides: not every upload takes text around the certificates."""
        return b"".join(pem_text(authority.der) for authority in self.authorities)


def extract(blocks: Sequence[CertificateBlock]) -> Extract:
    """The authorities above the clients' certificates among these, which may come in any order and more than once.

    Where there are no clients' certificates, all authorities count.
    """
    members = [member_of(block) for block in distinct(blocks)]
    readable = [member for member in members if member.is_readable]
    leaves = [member for member in readable if not member.is_authority]
    authorities = [member for member in readable if member.is_authority]
    above = _above(leaves, authorities) if leaves else authorities
    roots = [member for member in above if is_root(member)]
    missing = _missing(leaves, above, roots)
    left_out = [f"{_name(member)}: cannot be parsed" for member in members if not member.is_readable]
    left_out += [f"{_name(leaf)}: no CA" for leaf in leaves]
    if missing:
        return Extract(left_out=tuple(left_out), missing=tuple(missing))
    kept = depths_of(roots[0], above)
    left_out += [
        f"{_name(member)}: not between the client and its root" for member in authorities if member not in kept
    ]
    return Extract(authorities=tuple(member.certificate for member in kept), left_out=tuple(left_out))


def _above(leaves: Sequence[Member], authorities: Sequence[Member]) -> list[Member]:
    """Every authority over these leaves, in the order of the file."""
    found: set[Member] = set()
    below = list(leaves)
    while below:
        issuers = {issuer for member in below for issuer in _issuers(member, authorities)}
        below = [issuer for issuer in authorities if issuer in issuers - found]
        found |= issuers
    return [authority for authority in authorities if authority in found]


def _missing(leaves: Sequence[Member], above: Sequence[Member], roots: Sequence[Member]) -> list[str]:
    """Why these authorities are not one whole chain file."""
    if not leaves and not above:
        return ["there is no certificate that can be parsed"]
    if len(roots) > 1:
        names = ", ".join(_name(root) for root in roots)
        return [f"there are {len(roots)} roots, but a file must have one: {names}; make a file for each"]
    kept = depths_of(roots[0], above) if roots else {}
    lost = [leaf for leaf in leaves if not any(issuer in kept for issuer in _issuers(leaf, above))]
    if not leaves and not roots:
        lost = list(above)
    ends = [member for member in dict.fromkeys((*lost, *_above(lost, above))) if not _issuers(member, above)]
    if lost and not ends:
        return ["there is no root: each CA here was issued by another one"]
    return [_end(member) for member in ends]


def _end(member: Member) -> str:
    if member.subject == member.issuer and member.is_authority:
        return f"{_name(member)} names itself as its issuer, but its signature does not match its key"
    if member.subject == member.issuer:
        return f"{_name(member)} is self-signed and not a CA: there is no certificate above it to trust"
    issuer = certificate_variables(member.certificate.der).issuer.decode() or "(no subject)"
    return f"the issuer of {_name(member)} is missing: {issuer}; add a file with that CA certificate"


def _issuers(member: Member, authorities: Sequence[Member]) -> list[Member]:
    return [
        issuer for issuer in authorities if issuer is not member and issuer.issued(member) and _signed(issuer, member)
    ]


def _signed(issuer: Member, member: Member) -> bool:
    """Whether the signature fits; where none is verified here (over SHA-1, by unknown algorithms), names decide."""
    return issued(member.certificate, issuer.certificate) is not False


def _name(member: Member) -> str:
    return certificate_variables(member.certificate.der).subject.decode() or "(no subject)"
