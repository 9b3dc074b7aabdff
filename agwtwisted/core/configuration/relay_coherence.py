"""Checks across sections for L4 listeners; for ports of any kind see `core.configuration.coherence`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.configuration.coherence import Draft
from agwtwisted.core.resources.resources import ClientAuth, Refusal, StreamProtocol
from agwtwisted.core.sections.settings import Row


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def _refusals_without_meaning(draft: Draft) -> Iterator[Problem]:
    """A refusal by HTTP where there is none: a note where the profile serves HTTP listeners, too."""
    of_http = {each.value.ssl_profile.name for each in draft.listeners if each.value.ssl_profile is not None}
    for listener in draft.relayed_listeners:
        profile = listener.value.ssl_profile
        if profile is not None and profile.client_auth is ClientAuth.STRICT and profile.refusal is Refusal.HTTP400:
            say = listener.row.note if profile.name in of_http else listener.row.warning
            yield say(
                f"the profile {profile.name} has refusal = Http400, which has no effect on an L4 listener: clients are"
                " refused in the handshake",
                key="ssl_profile",
            )


def _header_without_tls(draft: Draft) -> Iterator[Problem]:
    for rule in draft.relay_rules:
        if rule.value.backend_settings.proxy_protocol_tls and rule.value.listener.protocol is StreamProtocol.TCP:
            yield rule.row.warning(
                f"{rule.value.backend_settings.name} has proxy_protocol_tls, but clients of the Tcp listener"
                f" {rule.value.listener.name} use no TLS that the header could describe",
                key="backend_settings",
            )


def _probes(draft: Draft) -> Iterator[Problem]:
    probes = {row.name: row for row in draft.rows.get("probe", ())}
    for row in draft.of("backend_settings", "probe"):
        probe = probes.get(getattr(row.get("probe"), "name", ""))
        if probe is not None and not {"protocol"} & (row.refused | probe.refused):
            yield from _probe_of(row, probe)


def _probe_of(row: Row, probe: Row) -> Iterator[Problem]:
    """What does not fit together between backend settings and their probe."""
    asked, spoken = probe.get("protocol"), row.get("protocol")
    if asked is not spoken:
        message = (
            f"{probe.section.title} has the protocol {asked.value}, these settings {spoken.value}: they must be the"
            " same"
        )
        yield row.problem(message, key="probe")
    header = "enable_probe_proxy_protocol_header"
    preserving = row.get("enable_l4_client_ip_preservation")
    if preserving and asked is StreamProtocol.TLS and not probe.get(header):
        yield row.warning(
            f"{probe.section.title} has no {header}: servers that expect a PROXY protocol header never answer the"
            " probe",
            key="probe",
        )


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _refusals_without_meaning,
    _header_without_tls,
    _probes,
)
