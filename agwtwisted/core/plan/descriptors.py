"""How many connections the file descriptors of a process allow for."""

from __future__ import annotations

from typing import Final

import attrs

from agwtwisted.core.base.errors import Problem, Severity
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.gateway import Control
from agwtwisted.core.resources.resources import Config

CONTROL: Final = 33
"""Descriptors of one socket of the control API: the socket itself, and its connections."""

BASE: Final = 32 + CONTROL
"""Descriptors of the program itself: logs, its state, the reactor, files that are read, the control socket, and some to
spare.
"""

QUESTIONS: Final = 64
"""Questions to name servers at once."""

RESPONDER_QUESTIONS: Final = 512
"""Questions to OCSP responders at once."""

LIST_DOWNLOADS: Final = 8
"""Downloads of CRLs at once: each has a connection, a file, and the lock that keeps other processes from it."""

STAPLE_QUESTIONS: Final = 8
"""Questions at once about the gateway's own certificates."""

KEPT_CONNECTIONS: Final = 64
"""Idle connections of the gateway's own questions that are kept for further ones."""

STORE_CONNECTIONS: Final = 3
"""To `revocation_store`: one for questions, one for news, and a new one while an old one ends."""

STREAMS: Final = 4
"""The part that is kept for further requests of connections, where a connection may have several: a quarter."""

DEDICATED: Final = 4
"""Idle connections to servers that are kept for one client connection at most, where settings ask for that."""


@attrs.frozen(kw_only=True)
class Budget:
    """What `budget` found."""

    room: int
    """Client connections that there may be, each with its own to servers."""
    needed: int
    """Descriptors that `max_connections` of them would take."""
    limit: int
    """Those that the system gives."""
    per_client: int = 2
    """Those that a client may need, with the one of its own connection."""
    streams: int = 0
    """Those that are left for further requests of a connection, as HTTP/2 has them."""

    def warning(self, max_connections: int) -> str:
        """What is too little, and what to do; empty where nothing is."""
        if self.room >= max_connections:
            return ""
        servers = "one to a server" if self.per_client == 2 else f"{self.per_client - 1} to servers"
        return (
            f"max_connections = {max_connections} takes {self.needed} file descriptors, because each connection may"
            f" need {servers}; the system's limit is {self.limit} (LimitNOFILE, ulimit -n), so only {self.room}"
            f" connections are accepted; raise that limit, or set max_connections = {self.room}"
        )


def budget(
    max_connections: int,
    limit: int,
    *,
    listeners: int,
    servers: int,
    asked: int = 0,
    control_ports: int = 0,
    has_dedicated: bool = False,
    has_streams: bool = False,
) -> Budget:
    """How many connections there may be, so that descriptors are left for whatever serves them.

    Args:
        max_connections: those that the configuration allows.
        limit: descriptors of the process.
        listeners: listening sockets.
        servers: each may be probed at any time.
        asked: descriptors of what the gateway asks about revocation, as `own_questions` has them.
        control_ports: on how many ports the control API is, or Azure Resource Manager.
        has_dedicated: whether connections to servers are kept for single clients.
        has_streams: whether a connection may have several requests under way: each beyond the first takes one, of a
            quarter that is kept for these.
    """
    questions = QUESTIONS + asked
    fixed = BASE + listeners + servers + CONTROL * control_ports
    per_client = 2 + (DEDICATED if has_dedicated else 0)
    left = max(limit - fixed - min(questions, limit // 8), per_client)
    kept = left // STREAMS if has_streams else 0
    room = min(max((left - kept) // per_client, 1), max_connections)
    needed = per_client * max_connections
    if has_streams:
        needed += needed // (STREAMS - 1)
    return Budget(
        room=room,
        needed=needed + fixed + questions,
        limit=limit,
        per_client=per_client,
        streams=left - per_client * room,
    )


def budget_of(plan: Plan, limit: int) -> Budget:
    """The budget of a configuration, in a process that may have so many descriptors."""
    config = plan.config
    pools = [pool for pool, _ in plan.routes] + [rule.backend_address_pool for rule in config.routing_rules]
    return budget(
        config.gateway.max_connections,
        limit,
        listeners=len(plan.addresses),
        control_ports=_control_ports(config.control),
        servers=sum(len(pool.backend_addresses) for pool in pools),
        has_streams=any(listener.http2 for listener in config.http_listeners),
        has_dedicated=any(settings.dedicated_backend_connection for _, settings in plan.routes),
        asked=own_questions(config),
    )


def own_questions(config: Config) -> int:
    """Descriptors of what the gateway asks about revocation, of clients' certificates and of its own."""
    profiles = [each.ssl_profile for each in config.served if each.ssl_profile is not None]
    sources = {source for profile in profiles for source in profile.verify_client_revocation}
    certificates = [each.ssl_certificate for each in config.served if each.ssl_certificate is not None]
    asked = RESPONDER_QUESTIONS if RevocationSource.OCSP in sources else 0
    asked += 3 * LIST_DOWNLOADS if RevocationSource.CRL in sources else 0
    asked += KEPT_CONNECTIONS if sources else 0
    if any(certificate.ocsp_stapling for certificate in certificates):
        asked += STAPLE_QUESTIONS if sources else 2 * STAPLE_QUESTIONS  # each may be kept
    return asked + (0 if config.gateway.revocation_store is None else STORE_CONNECTIONS)


def too_few(plan: Plan, found: Budget) -> tuple[Problem, ...]:
    """The warning that descriptors are short, where they are, with the line of `max_connections`."""
    message = found.warning(plan.gateway.max_connections)
    if not message:
        return ()
    place = plan.origins.place("gateway", "max_connections")
    return (Problem(place=place, section="gateway", message=message, severity=Severity.WARNING),)


def _control_ports(control: Control | None) -> int:
    return 0 if control is None else (control.port is not None) + control.arm
