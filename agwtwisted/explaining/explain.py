"""How a listener of a configuration judges a client, and why: for `agw explain`, and for a gateway that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from OpenSSL import crypto

from agwtwisted.arm_files import NO_ARGUMENTS, ArmArguments
from agwtwisted.core.base.errors import AgwError, printable, shown
from agwtwisted.core.base.texts import did_you_mean
from agwtwisted.core.certificates import pem
from agwtwisted.core.plan.plan import Plan, PortPlan, title_of
from agwtwisted.core.plan.resumption import why_not_resumed
from agwtwisted.core.plan.routing import AnySite, Site
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.reports.explanation import explained
from agwtwisted.core.reports.steps import Explanation
from agwtwisted.explaining.rehearsal import rehearse
from agwtwisted.loading import load, placed, read, try_contexts

MAX_FILE_BYTES: Final = 1 << 20
"""Ten times what OpenSSL takes from a client."""

PASTED: Final = "the certificate"
"""Where certificates were read that came without a file."""


class ExplainError(AgwError):
    """There is nothing to explain; the message says why, and what to do."""


class NoListenerError(ExplainError):
    """The configuration has no listener of that name."""


def examine_file(
    configuration: str, listener: str, file: str, at: str | None, arm: ArmArguments = NO_ARGUMENTS
) -> Examination:
    """What a listener of a configuration says to the certificates in a file; `explained` makes the steps of it.

    Raises:
        ConfigError: a configuration that is not taken.
        ExplainError: no such file, listener or time, or a file without certificates.
    """
    now = time_of(at)
    plan = load(configuration, None, arm)  # the explanation says what is wrong with dates
    with placed(plan):
        try_contexts(plan)
    return examine(plan, listener, _read(file), now, source=file, configuration=printable(configuration))


def explain(plan: Plan, listener: str, certificates: bytes, now: datetime) -> Explanation:
    """Why a listener accepts or refuses certificates; arguments and errors as those of `examine`."""
    return explained(examine(plan, listener, certificates, now))


def examine(
    plan: Plan,
    listener: str,
    certificates: bytes,
    now: datetime,
    *,
    source: str = PASTED,
    configuration: str = "the configuration",
) -> Examination:
    """What a listener says to certificates, and all that led to it.

    It may run in any thread, and beside a gateway of the same plan: the TLS contexts that it needs are its own. It asks
    no OCSP responder: `online.asked` does.

    Args:
        plan: of the listener.
        listener: the name of an [http_listener] or a [listener], or the title of its section: ``listener mqtt``.
        certificates: the client's own first, then its intermediates: PEM, DER, or base64 of either. Keys among them are
            ignored.
        now: the time (aware) at which they are judged.
        source: where the certificates were read, for messages.
        configuration: what has the listener, for messages.

    Raises:
        NoListenerError: there is no such listener.
        ExplainError: there are no certificates.
    """
    port, site = _site(plan, listener, configuration)
    if len(certificates) > MAX_FILE_BYTES:
        raise ExplainError(f"{printable(source)} has more than {MAX_FILE_BYTES} bytes: no client sends that much")
    found = pem.read_certificates(certificates, source)
    sent = _certificates(found, source)
    rehearsal = rehearse(site, [block.der for block in sent], now, plan.gateway)
    return Examination(
        source=source,
        sent=sent,
        key_lines=found.private_key_lines,
        listener=site.listener,
        now=now,
        verdict=rehearsal.verdict,
        required_verdict=rehearsal.required_verdict,
        evidence=rehearsal.evidence,
        anchors=rehearsal.anchors,
        max_depth=plan.gateway.max_client_chain_depth,
        failure=rehearsal.failure,
        rule=site.rule if isinstance(site, Site) else None,
        why_not_resumed=why_not_resumed(port.sites.all()),
        own_ports=frozenset(number for _, number in plan.addresses),
        outbound_proxy=plan.gateway.outbound_proxy,
    )


def time_of(text: str | None) -> datetime:
    """A moment in UTC, to the second; what names no zone is UTC, and None is now.

    Raises:
        ExplainError: it is no time.
    """
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise ExplainError(f"{shown(text)} is no time: write 2026-06-01, or 2026-06-01T12:00Z") from None


def _site(plan: Plan, listener: str, configuration: str) -> tuple[PortPlan[Any], AnySite]:
    sites = list(_sites(plan))
    by_title = {title_of(site.listener): (port, site) for port, site in sites}
    by_name = {site.listener.name: (port, site) for port, site in sites}
    found = by_title.get(listener) or by_name.get(listener)
    if found is None:
        unserved = {name for each in plan.config.unserved for name in (each.name, title_of(each))}
        if listener in unserved:
            raise NoListenerError(f"{configuration}: no rule names the listener {printable(listener)}: it is not bound")
        near = did_you_mean(listener, by_name) or f"; there are {', '.join(by_name) or 'none'}"
        raise NoListenerError(f"{configuration} has no listener {printable(listener)}{near}")
    return found


def _sites(plan: Plan) -> Iterator[tuple[PortPlan[Any], AnySite]]:
    """Every site with its port, those of L4 first: of two listeners with one name the HTTP listener is meant."""
    for ports in (plan.relay_ports, plan.http_ports):
        found: Mapping[Any, PortPlan[Any]] = ports
        for port in found.values():
            for site in port.sites.all():
                yield port, site


def _certificates(found: pem.CertificateFile, source: str) -> tuple[pem.EncodedBlock, ...]:
    """What a file holds of certificates, each of them one that OpenSSL can read."""
    blocks = tuple(block for block in found.encoded if _is_certificate(block.der))
    if not blocks or len(blocks) < len(found.encoded):
        raise ExplainError("\n".join(map(str, found.problems)) or f"{printable(source)} holds no certificate")
    return blocks


def _is_certificate(der: bytes) -> bool:
    try:
        crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except crypto.Error:
        return False
    return True


def _read(file: str) -> bytes:
    """A regular file; a pipe without a writer does not hold it up."""
    try:
        return read(file).data
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ExplainError(f"{printable(file)} cannot be read: {reason}") from error
