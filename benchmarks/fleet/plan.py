"""What a simulated fleet is made of, and what happens to it. All times are seconds."""

from __future__ import annotations

from enum import Enum
from math import inf

import attrs

from agwtwisted.core.revocation.memory import MAX_ANSWERS


class Sharing(Enum):
    """Who else profits from what one worker has learnt."""

    ALONE = "each worker by itself"
    WORKERS = "between the workers of a gateway"
    FLEET = "between all gateways, over Redis"


@attrs.frozen(kw_only=True)
class Responder:
    """The OCSP responder of all devices."""

    lifetime: float = 3600.0  # from thisUpdate to nextUpdate
    signed_every: float = 0.0  # ahead, each answer at a time of its own; 0: when it is asked for
    latency: float = 0.02  # until the response is there, if no other one is made
    capacity: float = inf  # responses in a second; what comes faster waits


@attrs.frozen(kw_only=True)
class Outage:
    """A time in which the responder is not there."""

    begin: float
    end: float
    refuses: bool = False  # connections; else requests are never answered

    def holds(self, now: float) -> bool:
        """Whether it is now."""
        return self.begin <= now < self.end


@attrs.frozen(kw_only=True)
class Restart:
    """One gateway ends and starts anew at once: all its connections end."""

    at: float
    keeps_answers: bool  # in a state directory
    gateway: int = 0


@attrs.frozen(kw_only=True)
class NetworkOutage:
    """The devices lose their network: all connections end, and come back within `spread` after it."""

    begin: float
    end: float
    spread: float = 60.0


@attrs.frozen(kw_only=True)
class Devices:
    """Devices, each with a certificate of its own. One that is refused comes again, after 1 to 60 s."""

    count: int
    arrive_within: float = 60.0  # of the beginning
    session: float = inf  # mean time for which a connection lasts
    absence: float = 1.0  # mean time between two connections
    patience: float = 30.0  # that a device waits for its first answer
    revoked_share: float = 0.0  # of them are revoked,
    revoked_at: float = inf  # at this time


@attrs.frozen(kw_only=True)
class Gateways:
    """Gateways of several workers each. A connection goes to any worker, unless devices stay with theirs."""

    count: int = 1
    workers: int = 1
    sticky: bool = False  # a device comes to the same worker each time
    sharing: Sharing = Sharing.WORKERS
    max_answers: int = MAX_ANSWERS  # of each worker
    allow: bool = False  # ocsp_unavailable
    timeout: float = 5.0  # ocsp_timeout
    clock_skew: float = 300.0  # ocsp_clock_skew
    handshake_cpu: float = 0.0  # of a worker's processor, for a connection
    question_cpu: float = 0.0  # the same for a question


@attrs.frozen(kw_only=True)
class Plan:
    """One simulation."""

    name: str
    seconds: float
    devices: Devices
    gateways: Gateways = attrs.field(factory=Gateways)
    responder: Responder = attrs.field(factory=Responder)
    outages: tuple[Outage, ...] = ()
    restarts: tuple[Restart, ...] = ()
    network_outages: tuple[NetworkOutage, ...] = ()
    counted_from: float = 0.0  # what happens before is not in the figures
