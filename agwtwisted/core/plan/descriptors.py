"""How many connections the file descriptors of a process allow for."""

from __future__ import annotations

from typing import Final

import attrs

from agwtwisted.core.base.errors import Problem, Severity
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import ClientRevocation

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


@attrs.frozen(kw_only=True)
class Budget:
    """What `budget` found."""

    room: int
    """Client connections that there may be, each with one to a server."""
    needed: int
    """Descriptors that `max_connections` of them would take."""
    limit: int
    """Those that the system gives."""

    def warning(self, max_connections: int) -> str:
        """What is too little, and what to do; empty where nothing is."""
        if self.room >= max_connections:
            return ""
        return (
            f"max_connections = {max_connections} takes {self.needed} file descriptors, because each connection may"
            f" need one to a server; the system's limit is {self.limit} (LimitNOFILE, ulimit -n), so only {self.room}"
            f" connections are accepted; raise that limit, or set max_connections = {self.room}"
        )


def budget(
    max_connections: int,
    limit: int,
    *,
    listeners: int,
    servers: int,
    asks_responders: bool,
    has_control_port: bool = False,
) -> Budget:
    """How many connections there may be, so that descriptors are left for whatever serves them.

    Args:
        max_connections: those that the configuration allows.
        limit: descriptors of the process.
        listeners: listening sockets.
        servers: each may be probed at any time.
        asks_responders: whether OCSP is used.
        has_control_port: whether the control API is on TCP, too.
    """
    questions = QUESTIONS + (RESPONDER_QUESTIONS if asks_responders else 0)
    fixed = BASE + listeners + servers + (CONTROL if has_control_port else 0)
    room = (limit - fixed - min(questions, limit // 8)) // 2
    return Budget(
        room=min(max(room, 1), max_connections),
        needed=2 * max_connections + fixed + questions,
        limit=limit,
    )


def budget_of(plan: Plan, limit: int) -> Budget:
    """The budget of a configuration, in a process that may have so many descriptors."""
    config = plan.config
    pools = [pool for pool, _ in plan.routes] + [rule.backend_address_pool for rule in config.routing_rules]
    profiles = [each.ssl_profile for each in config.served]
    return budget(
        config.gateway.max_connections,
        limit,
        listeners=len(plan.addresses),
        has_control_port=config.control is not None and config.control.port is not None,
        servers=sum(len(pool.backend_addresses) for pool in pools),
        asks_responders=any(
            profile is not None and profile.verify_client_revocation is ClientRevocation.OCSP for profile in profiles
        ),
    )


def too_few(plan: Plan, found: Budget) -> tuple[Problem, ...]:
    """The warning that descriptors are short, where they are, with the line of `max_connections`."""
    message = found.warning(plan.gateway.max_connections)
    if not message:
        return ()
    place = plan.origins.place("gateway", "max_connections")
    return (Problem(place=place, section="gateway", message=message, severity=Severity.WARNING),)
