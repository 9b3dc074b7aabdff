"""`agw explain`: how a listener of a configuration judges a client, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from OpenSSL import crypto

from agwtwisted.core.base.errors import AgwError, printable, shown
from agwtwisted.core.base.texts import did_you_mean
from agwtwisted.core.certificates import pem
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.reports.explanation import Explanation
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.verification.judging import Evidence
from agwtwisted.core.verification.verdicts import NotAsked
from agwtwisted.explaining.rehearsal import Rehearsal, rehearse
from agwtwisted.loading import load

MAX_FILE_BYTES: Final = 1 << 20
"""Ten times what OpenSSL takes from a client."""


_NOT_ASKED: Final = Rehearsal(verdict=NotAsked(), evidence=Evidence(chain=(), error=0), anchors=None, failure="")
"""Plain HTTP."""


class ExplainError(AgwError):
    """There is nothing to explain; the message says why, and what to do."""


def explain(configuration: str, listener: str, file: str, at: str | None) -> tuple[str, bool]:
    """The explanation as text, and whether the certificates in the file are accepted by the listener.

    Raises:
        ConfigError: a configuration that is not taken.
        ExplainError: no such file, listener or time, or a file without certificates.
    """
    now = _time(at)
    plan = load(configuration, None)  # the explanation says what is wrong with dates
    site = _site(plan, listener, configuration)
    sent = _certificates(file)
    rehearsal = _NOT_ASKED
    if site.listener.protocol is Protocol.HTTPS:
        rehearsal = rehearse(site, [block.der for block in sent], now, plan.gateway)
    explanation = Explanation(
        file=file,
        sent=sent,
        listener=site.listener,
        now=now,
        verdict=rehearsal.verdict,
        required_verdict=rehearsal.required_verdict,
        evidence=rehearsal.evidence,
        anchors=rehearsal.anchors,
        max_depth=plan.gateway.max_client_chain_depth,
        failure=rehearsal.failure,
        rule=site.rule,
    )
    return str(explanation), explanation.lets_in


def _time(text: str | None) -> datetime:
    """A moment in UTC, to the second; what names no zone is UTC."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise ExplainError(f"--at {shown(text)} is no time: write 2026-06-01, or 2026-06-01T12:00Z") from None


def _site(plan: Plan, listener: str, file: str) -> Site:
    sites = {site.listener.name: site for port in plan.http_ports.values() for site in port.sites.all()}
    if listener in {each.name for each in plan.config.listeners}:
        raise ExplainError(
            f"{listener} is an L4 listener: ask for an [http_listener] with the same ssl_profile, and write one into"
            " a copy of the file if there is none"
        )
    if not sites:
        raise ExplainError(f"{printable(file)} has no [http_listener]")
    if listener not in sites:
        near = did_you_mean(listener, sites) or f"; there are {', '.join(sites)}"
        raise ExplainError(f"{printable(file)} has no [http_listener {printable(listener)}]{near}")
    return sites[listener]


def _certificates(file: str) -> tuple[pem.EncodedBlock, ...]:
    """What the file holds of certificates, each of them one that OpenSSL can read."""
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ExplainError(_unreadable(file, error)) from error
    if len(data) > MAX_FILE_BYTES:
        raise ExplainError(f"{printable(file)} has more than {MAX_FILE_BYTES} bytes: no client sends that much")
    found = pem.read_certificates(data, file)
    blocks = tuple(block for block in found.encoded if _is_certificate(block.der))
    if not blocks or len(blocks) < len(found.encoded):
        raise ExplainError("\n".join(map(str, found.problems)) or f"{printable(file)} holds no certificate")
    return blocks


def _is_certificate(der: bytes) -> bool:
    try:
        crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except crypto.Error:
        return False
    return True


def _unreadable(file: str, error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"{printable(file)} cannot be read: {reason}"
