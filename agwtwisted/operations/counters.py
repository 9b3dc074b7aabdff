"""What is counted where it happens: integers and buckets, without labels, texts or locks.

One thread counts. An object stands for names of the configuration, is made once, and is found again by `metrics` when
another configuration has the same names. Code that counts holds it, and looks nothing up by a name.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import RevocationFinding
from agwtwisted.core.operations.metric_kinds import CODES, DURATIONS, LIFETIMES
from agwtwisted.core.operations.refusal_reasons import refusal
from agwtwisted.core.verification.handshake_failures import HandshakeFailure
from agwtwisted.core.verification.verdicts import Refusing, Verdict, log_word

NO_SOURCE: Final = "none"
"""Of a check in which no source has said anything."""

FIRST_DIGITS: Final = len(CODES)


class Histogram:
    """Observations by bucket.

    The bucket is found by bisection: for most values that costs less than comparing with one bound after the other.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = DURATIONS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def sample(self) -> tuple[float, ...]:
        """As `core.operations.measurements` has it."""
        return (*self.counts, self.total)


class RequestCounters:
    """Requests of one listener and rule."""

    __slots__ = ("by_class", "durations", "received_bytes", "sent_bytes")

    def __init__(self) -> None:
        self.by_class = [0] * FIRST_DIGITS
        self.received_bytes = 0
        self.sent_bytes = 0
        self.durations = Histogram()

    def ended(self, status: int, received: int, sent: int, seconds: float) -> int:
        """One has; its status is 0 where the client got none. Returns the bucket of its duration."""
        self.by_class[status // 100 if status < 600 else 5] += 1  # RFC 9110 section 15: a class that is unknown is 5xx
        self.received_bytes += received
        self.sent_bytes += sent
        durations, bucket = self.durations, bisect_left(DURATIONS, seconds)
        durations.counts[bucket] += 1  # as `observe`: a call less for each request
        durations.total += seconds
        return bucket


class SessionCounters:
    """L4 sessions of one listener and rule."""

    __slots__ = ("by_status", "durations", "received_bytes", "sent_bytes")

    def __init__(self) -> None:
        self.by_status: Counter[int] = Counter()
        self.received_bytes = 0
        self.sent_bytes = 0
        self.durations = Histogram(LIFETIMES)

    def ended(self, status: int, received: int, sent: int, seconds: float) -> None:
        """One has."""
        self.by_status[status] += 1
        self.received_bytes += received
        self.sent_bytes += sent
        self.durations.observe(seconds)


class ServerCounters:
    """One server of a pool under some settings."""

    __slots__ = ("by_class", "connect_failures")

    def __init__(self) -> None:
        self.by_class = [0] * FIRST_DIGITS
        self.connect_failures = 0


class BackendCounters:
    """A pool under some settings: what all its servers have in common, and each by its name, ``host:port``."""

    __slots__ = ("connects", "first_bytes", "last_bytes", "retries", "servers")

    def __init__(self) -> None:
        self.connects = Histogram()
        self.first_bytes = Histogram()
        self.last_bytes = Histogram()
        self.retries = 0
        self.servers: dict[bytes, ServerCounters] = {}

    def server(self, name: bytes) -> ServerCounters:
        """Those of one server."""
        found = self.servers.get(name)
        if found is None:
            found = self.servers[name] = ServerCounters()
        return found

    def responded(self, server: bytes, status: int, first_byte: float) -> None:
        """A server did: the first byte came so many seconds after the request."""
        counters = self.servers.get(server) or self.server(server)
        counters.by_class[status // 100 if status < 600 else 5] += 1
        durations = self.first_bytes  # as `Histogram.observe`: a call less for each request
        durations.counts[bisect_left(DURATIONS, first_byte)] += 1
        durations.total += first_byte


class AddressCounters:
    """Connections of one address that is listened on."""

    __slots__ = ("accepted", "closed", "rejected")

    def __init__(self) -> None:
        self.accepted = 0
        self.closed = 0
        self.rejected = 0


class ListenerCounters:
    """Handshakes and clients of one listener, and the errors of its requests."""

    __slots__ = ("errors", "failures", "handshakes", "misuses", "protocols", "refusals", "verdicts")

    def __init__(self) -> None:
        self.handshakes: Counter[tuple[str, str]] = Counter()  # by result and resumption
        self.failures: Counter[HandshakeFailure] = Counter()
        self.protocols: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()  # by stage and reason
        self.errors: Counter[ErrorInfo] = Counter()
        self.misuses: Counter[str] = Counter()  # of HTTP/2, by kind

    def shook_hands(self, protocol: str, *, resumed: bool) -> None:
        """A handshake was completed."""
        self.handshakes["completed", _yes(resumed)] += 1
        self.protocols[protocol] += 1

    def failed(self, kind: HandshakeFailure, *, resumed: bool = False) -> None:
        """One was not."""
        self.handshakes["failed", _yes(resumed)] += 1
        self.failures[kind] += 1

    def judged(self, verdict: Verdict) -> None:
        """There is a verdict on a client: the word of the access log, without a reason."""
        self.verdicts[log_word(verdict).partition(":")[0]] += 1

    def refused(self, stage: str, verdict: Refusing) -> None:
        """A client was refused at this stage, as the metric has it."""
        self.refusals[stage, refusal(verdict)] += 1


class RevocationCounters:
    """Checks of clients, and questions about certificates."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.durations = Histogram()
        self.cache_hits = 0
        self.checks: Counter[tuple[str, str]] = Counter()  # of clients, by source and status

    def found(self, finding: RevocationFinding) -> None:
        """A client was checked."""
        self.checks[finding.source.value or NO_SOURCE, finding.status.value] += 1

    def asked(self, outcome: str, seconds: float) -> None:
        """A question has its outcome."""
        self.outcomes[outcome] += 1
        self.durations.observe(seconds)


class ListCounters:
    """Downloads of lists of revoked certificates, by what became of them."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()

    def downloaded(self, outcome: str) -> None:
        """A download has its outcome."""
        self.outcomes[outcome] += 1


class SharedStoreCounters:
    """What was asked of the store that gateways share, and where answers came from since it is asked."""

    def __init__(self) -> None:
        self.commands: Counter[tuple[str, str]] = Counter()
        self.answers: Counter[str] = Counter()

    def asked(self, command: str, outcome: str) -> None:
        """A command has its outcome."""
        self.commands[command, outcome] += 1


def _yes(resumed: bool) -> str:
    return "yes" if resumed else "no"
