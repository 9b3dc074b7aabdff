"""What holds for the whole gateway, as an operator wants to see it: limits, files, revocation, PROXY headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import table as rendered
from agwtwisted.core.configuration.coherence import AnyListener
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.revocation_report import revocation_tables
from agwtwisted.core.reports.route_report import address_and_port
from agwtwisted.core.resources.gateway import Control, Gateway
from agwtwisted.core.resources.resources import (
    Config,
)
from agwtwisted.core.sections.control_keys import OFF, TOKEN_NAME, socket_path, token_path

_BYTES: Final = ("_bytes", "_rate", "_header_list", "_header_field")
_LEFT_OUT: Final = frozenset({"ssl_policy"})  # which has a table of its own
_NONE: Final = {
    "access_log": "none",
    "state_directory": "none: what is learnt is lost at a restart",
    "outbound_proxy": "none",
    "revocation_store": "none: what is learnt stays in this gateway",
    "revocation_store_password_file": "none",
    "revocation_store_trusted_file": "none: the system's CAs",
    "revocation_store_certificate_file": "none",
    "revocation_store_key_file": "none",
    "max_connections_per_address": "no limit",
    "min_body_rate": "no limit",
    "min_response_rate": "no limit",
}


def tables(plan: Plan) -> Iterator[str]:
    """The tables, those that would be empty left out."""
    yield rendered("Gateway", ("KEY", "VALUE"), list(_gateway_rows(plan.gateway)))
    yield rendered("Control", ("KEY", "VALUE"), list(_control_rows(plan)))
    yield from revocation_tables(plan.config)
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


def _proxies(config: Config) -> Iterator[str]:
    listeners: tuple[AnyListener, ...] = (*config.http_listeners, *config.listeners)
    rows = [
        (each.name, "\n".join(map(str, each.accept_proxy_protocol))) for each in listeners if each.accept_proxy_protocol
    ]
    if rows:
        yield rendered("PROXY protocol headers", ("LISTENER", "REQUIRED FROM"), rows)
