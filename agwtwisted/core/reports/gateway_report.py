"""What holds for the whole gateway, as an operator wants to see it: limits, files, revocation, PROXY headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import table as rendered
from agwtwisted.core.configuration.coherence import AnyListener
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.route_report import address_and_port, distinct
from agwtwisted.core.resources.gateway import Control, Gateway
from agwtwisted.core.resources.resources import (
    Config,
    RevocationScope,
    RevocationUnavailable,
    SslProfile,
    WithoutNocheck,
)
from agwtwisted.core.sections.control_keys import OFF, TOKEN_NAME, socket_path, token_path

_BYTES: Final = ("_bytes", "_rate", "_header_list", "_header_field")
_LEFT_OUT: Final = frozenset({"ssl_policy"})  # which has a table of its own
_NONE: Final = {
    "access_log": "none",
    "state_directory": "none: what is learnt is lost at a restart",
    "max_connections_per_address": "no limit",
    "min_body_rate": "no limit",
    "min_response_rate": "no limit",
}


def tables(plan: Plan) -> Iterator[str]:
    """The tables, those that would be empty left out."""
    yield rendered("Gateway", ("KEY", "VALUE"), list(_gateway_rows(plan.gateway)))
    yield rendered("Control", ("KEY", "VALUE"), list(_control_rows(plan)))
    yield from _revocation(plan.config)
    yield from _proxies(plan.config)


def _gateway_rows(gateway: Gateway) -> Iterator[tuple[str, str]]:
    for field in attrs.fields(Gateway):
        if field.name not in _LEFT_OUT:
            yield field.name, _value(field.name, getattr(gateway, field.name))


def _value(name: str, value: Any) -> str:
    if not value and not isinstance(value, bool) and name in _NONE:
        return _NONE[name]
    if isinstance(value, float):
        return f"{value:g} s"
    if name.endswith(_BYTES):
        return f"{value} bytes{' a second' if name.endswith('_rate') else ''}"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(str(getattr(value, "value", value)))


def _control_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    control = plan.config.control or Control()
    socket = socket_path(control.socket, plan.gateway.state_directory, "")
    if control.socket == OFF:
        words = OFF
    else:
        words = printable(socket) if socket else "in the runtime directory, where systemd gives one; else none"
    yield "socket", words
    if control.arm:
        yield "arm", f"https on {address_and_port(control.address, control.arm_port)}"
        yield "arm_subscription", control.arm_subscription
    if control.port is None:
        yield "port", "none"
        return
    yield "port", address_and_port(control.address, control.port)
    yield "token_file", printable(token_path(control.token_file, plan.gateway.state_directory) or TOKEN_NAME)


def _revocation(config: Config) -> Iterator[str]:
    """Which responders are asked for which clients, and what becomes of these without an answer."""
    listeners: tuple[AnyListener, ...] = (*config.http_listeners, *config.listeners)
    for profile in distinct(listener.ssl_profile for listener in listeners):
        if RevocationSource.OCSP in profile.verify_client_revocation:
            rows = list(_revocation_rows(profile, config.gateway))
            yield rendered(f"Revocation (OCSP), SSL profile {profile.name}", ("WHAT", "HOW"), rows)


def _revocation_rows(profile: SslProfile, gateway: Gateway) -> Iterator[tuple[str, str]]:
    asked = "the client's own" if profile.ocsp_scope is RevocationScope.LEAF else "all of the chain but the root"
    yield "certificates asked about", asked
    if profile.ocsp_responder_url:
        yield "responder", f"{profile.ocsp_responder_url}, whatever certificates name"
    else:
        yield "responders", "those that certificates name"
        yield "at ports", ", ".join(map(str, profile.ocsp_allowed_ports))
        networks = ", ".join(map(str, profile.ocsp_allowed_networks))
        yield "in networks", f"public ones{f', and {networks}' if networks else ' alone'}"
    refuses = profile.ocsp_unavailable is RevocationUnavailable.REFUSE
    yield "clients without an answer", "refused" if refuses else "ALLOWED (ocsp_unavailable = Allow)"
    yield "timeout", f"{profile.ocsp_timeout:g} s"
    age = f"to its nextUpdate, at most {profile.ocsp_max_age:g} s; without one {profile.ocsp_default_age:g} s"
    yield "an answer is believed", age
    yield "clocks may differ by", f"{profile.ocsp_clock_skew:g} s"
    unmarked = profile.ocsp_responder_without_nocheck is WithoutNocheck.REFUSE
    yield "delegates without nocheck", "refused" if unmarked else "ALLOWED"
    yield "answers are kept", "in state_directory" if gateway.state_directory else "in memory alone"


def _proxies(config: Config) -> Iterator[str]:
    listeners: tuple[AnyListener, ...] = (*config.http_listeners, *config.listeners)
    rows = [
        (each.name, "\n".join(map(str, each.accept_proxy_protocol))) for each in listeners if each.accept_proxy_protocol
    ]
    if rows:
        yield rendered("PROXY protocol headers", ("LISTENER", "REQUIRED FROM"), rows)
