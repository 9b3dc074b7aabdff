"""What must fit together about L4 listeners alone; what concerns ports of any kind stands in `core.coherence`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agwtwisted.core.coherence import Draft
from agwtwisted.core.errors import Problem
from agwtwisted.core.resources import ClientAuth, Refusal, StreamProtocol


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def _refusals_without_meaning(draft: Draft) -> Iterator[Problem]:
    for listener in draft.relayed_listeners:
        profile = listener.value.ssl_profile
        if profile is not None and profile.client_auth is ClientAuth.STRICT and profile.refusal is Refusal.HTTP400:
            yield listener.row.warning(
                f"the profile {profile.name} has refusal = Http400, which has no meaning here: no HTTP is spoken, so"
                " clients are refused in the handshake",
                key="ssl_profile",
            )


def _nothing_to_tell(draft: Draft) -> Iterator[Problem]:
    for rule in draft.relay_rules:
        if rule.value.backend_settings.proxy_protocol_tls and rule.value.listener.protocol is StreamProtocol.TCP:
            yield rule.row.warning(
                f"{rule.value.backend_settings.name} has proxy_protocol_tls, and clients of the Tcp listener"
                f" {rule.value.listener.name} speak no TLS that could be told of",
                key="backend_settings",
            )


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (_refusals_without_meaning, _nothing_to_tell)
