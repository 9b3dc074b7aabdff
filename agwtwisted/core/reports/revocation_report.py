"""How clients' certificates are checked for revocation, as an operator wants to see it: a table for each profile."""

from __future__ import annotations

from collections.abc import Iterator

from agwtwisted.core.base.tables import table
from agwtwisted.core.configuration.coherence import AnyListener
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.reports.route_report import distinct
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import (
    Config,
    RevocationScope,
    SslProfile,
    WithoutNocheck,
    sources_text,
)
from agwtwisted.core.revocation.policy import allows_unavailable


def revocation_tables(config: Config) -> Iterator[str]:
    """Which sources are asked about which clients, and what becomes of these without an answer."""
    listeners: tuple[AnyListener, ...] = (*config.http_listeners, *config.listeners)
    for profile in distinct(listener.ssl_profile for listener in listeners):
        if profile.verify_client_revocation:
            title = f"Revocation ({sources_text(profile.verify_client_revocation)}), SSL profile {profile.name}"
            yield table(title, ("WHAT", "HOW"), list(_rows(profile, config.gateway)))


def _rows(profile: SslProfile, gateway: Gateway) -> Iterator[tuple[str, str]]:
    sources = profile.verify_client_revocation
    if len(sources) > 1:
        yield "asked", f"{', then '.join(each.value for each in sources)}, where the one before cannot say"
    for source in sources:
        yield from _OF[source](profile)
    yield "clients without an answer", _unavailable(profile)
    yield "clocks may differ by", f"{profile.ocsp_clock_skew:g} s"
    kept = "in state_directory" if gateway.state_directory else "in memory alone"
    yield "answers are kept", kept
    if gateway.revocation_store is not None:
        yield "answers are shared", f"over {gateway.revocation_store}"


def _ocsp_rows(profile: SslProfile) -> Iterator[tuple[str, str]]:
    yield "certificates asked about", _scope(profile.ocsp_scope)
    if profile.ocsp_responder_url:
        yield "responder", f"{profile.ocsp_responder_url}, whatever certificates name"
    else:
        yield "responders", "those that certificates name"
        yield from _addresses(profile)
    yield "timeout", f"{profile.ocsp_timeout:g} s"
    age = f"to its nextUpdate, at most {profile.ocsp_max_age:g} s; without one {profile.ocsp_default_age:g} s"
    yield "an answer is believed", age
    unmarked = profile.ocsp_responder_without_nocheck is WithoutNocheck.REFUSE
    yield "delegates without nocheck", "refused" if unmarked else "ALLOWED"


def _crl_rows(profile: SslProfile) -> Iterator[tuple[str, str]]:
    yield "certificates looked for in CRLs", _scope(profile.crl_scope)
    count = len(profile.crl_files)
    files = f"{count} file{'s' if count > 1 else ''} (crl_files), and " if count else ""
    yield "CRLs", f"{files}those that certificates name"
    if RevocationSource.OCSP not in profile.verify_client_revocation or profile.ocsp_responder_url:
        yield from _addresses(profile)
    yield "a CRL that is downloaded", f"at most {profile.crl_max_bytes} bytes, within {profile.crl_timeout:g} s"


_OF = {RevocationSource.OCSP: _ocsp_rows, RevocationSource.CRL: _crl_rows}


def _scope(scope: RevocationScope) -> str:
    return "the client's own" if scope is RevocationScope.LEAF else "all of the chain but the root"


def _addresses(profile: SslProfile) -> Iterator[tuple[str, str]]:
    yield "at ports", ", ".join(map(str, profile.ocsp_allowed_ports))
    networks = ", ".join(map(str, profile.ocsp_allowed_networks))
    yield "in networks", f"public and private ones{f', and {networks}' if networks else ', not this machine'}"


def _unavailable(profile: SslProfile) -> str:
    if not allows_unavailable(profile):
        return "refused"
    keys = (f"{each.value.lower()}_unavailable = Allow" for each in profile.verify_client_revocation)
    return f"ALLOWED ({', '.join(keys)})"
