"""The first step of an explanation: what a client sends, and whether it is in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from agwtwisted.core.base.errors import printable
from agwtwisted.core.certificates.attributes import fingerprint_sha256
from agwtwisted.core.certificates.pem import CertificateBlock, EncodedBlock
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.reports.access_explanation import attribute_lines
from agwtwisted.core.reports.examination import Examination, indented, name_of
from agwtwisted.core.reports.steps import ExplanationStep, StepOutcome
from agwtwisted.core.verification.chains import Member, is_root, member_of

DATES: Final = "%Y-%m-%d %H:%M:%S"

MOST_SHOWN: Final = 20
"""Certificates that are shown, the first of the file."""


def sent_step(examination: Examination) -> ExplanationStep:
    """Each certificate, and remarks about the order of the file: the gateway accepts any, the own one being first."""
    sent = examination.sent
    remarks = tuple(_remarks(sent, examination.key_lines))
    lines = [line for index, block in enumerate(sent[:MOST_SHOWN]) for line in _certificate(block, own=index == 0)]
    if len(sent) > MOST_SHOWN:
        lines += indented(f"and {len(sent) - MOST_SHOWN} more")
    lines += [line for remark in remarks for line in indented(remark)]
    title = f"Read: {len(sent)} certificate{'s'[: len(sent) > 1]}, the first is the client's own"
    return ExplanationStep("certificates", StepOutcome.NOTE if remarks else StepOutcome.PASSED, title, lines)


def dates(der: bytes) -> str:
    """When a certificate is valid."""
    certificate = certificate_of(der)
    if certificate is not None:
        return f"{certificate.not_before:{DATES}} to {certificate.not_after:{DATES}} UTC"
    variables = certificate_variables(der)
    return f"{variables.start_date.decode() or '(none)'} to {variables.end_date.decode() or '(none)'}"


def _certificate(block: EncodedBlock, *, own: bool) -> Iterator[str]:
    certificate = certificate_variables(block.der)
    yield from indented(_placed(block))
    for line in (
        f"issuer {certificate.issuer.decode() or '(none)'}",
        f"valid {dates(block.der)}",
        f"serial {certificate.serial.decode()}",
        f"SHA-1 {certificate.fingerprint.decode()}",
        f"SHA-256 {fingerprint_sha256(block.der).decode()}",
        *(attribute_lines(block.der) if own else ()),
    ):
        yield from indented(line, 2)
    if certificate_of(block.der) is None:
        yield from indented("cannot be parsed completely: it violates RFC 5280", 2)


def _placed(block: EncodedBlock) -> str:
    return f"{f'line {block.line}: ' if block.line else ''}{name_of(block.der)}"


def _remarks(sent: Sequence[EncodedBlock], key_lines: Sequence[int]) -> Iterator[str]:
    if key_lines:
        yield (
            f"There is a private key, too ({_lines(key_lines)}): it is not needed here, and belongs in no file that is"
            " passed on."
        )
    yield from _duplicates(sent)
    members = [_member(block) for block in sent]
    if not members or members[0] is None:
        return
    readable = list({each.certificate.der: each for each in members if each is not None}.values())
    yield from _order(readable)


def _lines(lines: Sequence[int]) -> str:
    return ", ".join(f"line {line}" for line in lines if line) or "in the file"


def _duplicates(sent: Sequence[EncodedBlock]) -> Iterator[str]:
    first: dict[bytes, EncodedBlock] = {}
    again = [block for block in sent if first.setdefault(block.der, block) is not block]
    for block in again[:MOST_SHOWN]:
        yield f"{_placed(block)} is there more than once: once is enough."
    if len(again) > MOST_SHOWN:
        yield f"{len(again) - MOST_SHOWN} more are there more than once."


def _member(block: EncodedBlock) -> Member | None:
    certificate = certificate_of(block.der)
    if certificate is None:
        return None
    member = member_of(CertificateBlock(certificate=certificate, der=block.der, line=block.line))
    return member if member.is_readable else None


def _order(members: Sequence[Member]) -> Iterator[str]:
    """What is odd about the order of distinct certificates, the first of which counts as the client's own."""
    own, *others = members
    leaf = next((each for each in others if not each.is_authority), None)
    if own.is_authority and leaf is not None:
        yield (
            f"The first certificate is a CA's, and another is not: put the client's own first ({_shown(leaf)} may be"
            " it). The verdict below is about the first one."
        )
        return
    if own.is_authority:
        yield "The client's own certificate is a CA's."
    path = _path(own, others)
    unrelated = [each for each in others if each not in path]
    for each in unrelated[:MOST_SHOWN]:
        yield f"{_shown(each)} is not needed: it stands nowhere above the client's own certificate."
    if len(unrelated) > MOST_SHOWN:
        yield f"{len(unrelated) - MOST_SHOWN} more are not needed."
    if [each for each in others if each in path] != path[1:]:
        order = ", ".join(f"{_shown(each)}" for each in path)
        yield (
            "The certificates are in the wrong order, which other servers refuse: each is to follow the one that it"
            f" issued: {order}."
        )
    if len(path) > 1 and is_root(path[-1]):
        yield f"{_shown(path[-1])} is a root, and need not be sent: a server has the roots that it trusts."


def _path(own: Member, others: Sequence[Member]) -> list[Member]:
    """From the client's own certificate upwards, as names and key identifiers have it."""
    path = [own]
    by_subject: dict[bytes, list[Member]] = {}
    for each in others:
        by_subject.setdefault(each.subject, []).append(each)
    while True:
        last = path[-1]
        found = [each for each in by_subject.get(last.issuer, ()) if each not in path and each.issued(last)]
        if not found or last.issued(last):
            return path
        path.append(found[0])


def _shown(member: Member) -> str:
    return printable(str(member))
