"""What the sources of revocation status say about one client's certificates, and what an operator brings them."""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.logger import Logger

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.identity.clients import RevocationFinding
from agwtwisted.core.operations.questions import QuestionError, required_text
from agwtwisted.core.operations.record_texts import cut
from agwtwisted.core.operations.status_reports import reports_members
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.revocation.crl_encodings import CrlFileError
from agwtwisted.core.revocation.imported import ImportedAnswer, imported
from agwtwisted.core.revocation.profiles import rules_of
from agwtwisted.core.revocation.status import Good, Revoked, Unusable
from agwtwisted.revocation.crl_files import bytes_of, lists_in
from agwtwisted.revocation.crl_proving import pause
from agwtwisted.revocation.reporting import finding_for, reports_of
from agwtwisted.revocation.shared_source import share_brought
from agwtwisted.shared import Shared
from agwtwisted.transport.threads import in_thread

_log = Logger()


async def statuses(shared: Shared, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is known about a client's certificates, and what is learnt by asking now.

    Args:
        shared: of this process.
        arguments: `profile`, a name; `subjects`, each certificate and its issuer in DER as base64, the client's own
            first; `ask`: whether the sources are asked.

    Raises:
        QuestionError: 409, the profile does not check revocation, or not any more.
    """
    revocation = shared.revocation
    name = required_text(arguments, "profile")
    profile = next((each for each in revocation.profiles if each.name == name), None)
    if profile is None:
        raise QuestionError(409, f"the SSL profile {name} does not check revocation, or not any more: ask again")
    subjects = [(b64decode(der), b64decode(issuer)) for der, issuer in arguments["subjects"]]
    ask = bool(arguments["ask"])
    reports = await reports_of(revocation.sources, subjects, profile, ask=ask)
    finding = _finding(await finding_for(revocation, subjects, profile)) if ask else None
    return {"certificates": reports_members(reports), "finding": finding}


def _finding(finding: RevocationFinding) -> Mapping[str, Any]:
    """What follows for the client by the rules of the profile."""
    return {
        "accepted": finding.refusal is None,
        "status": finding.status.value,
        "source": finding.source.value or None,
        "reason": None if finding.refusal is None else finding.refusal.reason,
    }


async def import_brought(shared: Shared, plan: Plan, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Takes an OCSP response, or lists, that an operator has brought.

    Args:
        shared: of this process.
        plan: the configuration in force, whose trusted client certificates are issuers.
        arguments: `ocsp_response`, base64 of DER; or `crl_file`, an absolute path; `issuers`, further ones, as PEM.

    Raises:
        QuestionError: 400, the arguments are none of these.
    """
    response, file = arguments.get("ocsp_response"), arguments.get("crl_file")
    if (response is None) == (file is None):
        raise QuestionError(400, "one of ocsp_response and crl_file is needed")
    issuers = [*_issuers(arguments), *_authorities(plan)]
    if file is not None:
        return {"imported": await _imported_lists(shared, issuers, required_text(arguments, "crl_file"))}
    found = _imported(shared, issuers, _decoded(response))
    return {"imported": [{"taken": not why, "what": what, "detail": detail} for what, why, detail in found]}


async def _imported_lists(shared: Shared, issuers: Sequence[Certificate], file: str) -> list[Mapping[str, Any]]:
    """What becomes of each list in a file, which this process reads; raises QuestionError."""
    if not os.path.isabs(file):
        raise QuestionError(400, "crl_file has to be an absolute path")
    try:
        lists = await in_thread(shared.reactor, partial(_lists_of, file), "import")
        found = [each for data in lists for each in await shared.crl_lists.take(data, [each.der for each in issuers])]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise QuestionError(400, f"the gateway cannot read the file: {reason}") from error
    except CrlFileError as error:
        raise QuestionError(400, str(error)) from error
    _log.info("An operator has brought {count} CRLs", count=sum(each.taken for each in found))
    return [{"taken": each.taken, "what": cut(each.what), "detail": cut(each.detail) or None} for each in found]


def _lists_of(file: str) -> tuple[bytes, ...]:
    """The lists in a file, in DER; in a thread, since it may be large. Raises OSError, CrlFileError."""
    return lists_in(bytes_of(file), pause)


def _imported(shared: Shared, issuers: Sequence[Certificate], response: bytes) -> Iterator[tuple[str, str, str | None]]:
    """Of each certificate that a response is about: what it is, why it is not taken, and what the answer is."""
    found = imported(response, issuers)
    if isinstance(found, Unusable):
        yield "the response", found.reason, found.reason
        return
    for each in found:
        why = _take(shared, each)
        of = f" of {each.issuer}" if each.issuer else ""
        yield f"serial {each.serial}{of}", why, why or _worth(shared, each)


def _take(shared: Shared, answer: ImportedAnswer) -> str:
    """Why an answer is not taken; empty: it is."""
    revocation = shared.revocation
    rules = [*map(rules_of, revocation.profiles)]
    worth = answer.worth(rules, revocation.seconds())
    if isinstance(worth, Unusable):
        return worth.reason
    why = shared.ocsp_answers.take(answer)
    if not why:
        share_brought(shared.knowledge, answer, rules[0], revocation.seconds())
        _log.info("An operator has brought an OCSP response about serial {serial}", serial=answer.serial)
    return why


def _worth(shared: Shared, answer: ImportedAnswer) -> str:
    match answer.worth(map(rules_of, shared.revocation.profiles), shared.revocation.seconds()):
        case Good(until):
            return f"good until {utc_text(until)}"
        case Revoked(at):
            return f"revoked on {utc_text(at)}"
        case Unusable(reason):
            return reason


def _issuers(arguments: Mapping[str, Any]) -> Iterator[Certificate]:
    """Those that came with the question; raises QuestionError."""
    given = arguments.get("issuers")
    if given is None:
        return
    if not isinstance(given, str):
        raise QuestionError(400, "issuers has to be a text: PEM")
    blocks = read_certificates(given.encode(errors="replace"), "issuers").certificates
    if not blocks:
        raise QuestionError(400, "issuers has no certificate")
    yield from (each.certificate for each in blocks)


def _authorities(plan: Plan) -> Iterator[Certificate]:
    """The certificates of the files by which clients are verified."""
    for listener in plan.config.served:
        profile = listener.ssl_profile
        for trusted in () if profile is None else profile.trusted_client_certificates:
            yield from trusted.chain.authorities


def _decoded(response: Any) -> bytes:
    """Raises QuestionError."""
    if not isinstance(response, str):
        raise QuestionError(400, "ocsp_response has to be a text: base64")
    try:
        return b64decode(response, validate=True)
    except (binascii.Error, ValueError) as error:
        raise QuestionError(400, "ocsp_response is no base64") from error
