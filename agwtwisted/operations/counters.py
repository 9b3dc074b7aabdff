"""What is counted where it happens: integers and buckets, without labels, texts or locks.

One thread counts. An object stands for names of the configuration, is made once, and is found again by `metrics` when
another configuration has the same names. Code that counts holds it, and looks nothing up by a name.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final, Protocol

from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import RevocationFinding
from agwtwisted.core.operations.metric_kinds import CODES, DURATIONS, LIFETIMES
from agwtwisted.core.operations.refusal_reasons import refusal
from agwtwisted.core.verification.handshake_failures import HandshakeFailure
from agwtwisted.core.verification.verdicts import Refusing, Verdict, log_word

NO_SOURCE: Final = "none"
"""Of a check in which no source has said anything."""

FIRST_DIGITS: Final = len(CODES)

_NO_ERROR: Final = ErrorInfo.NO_ERROR  # before Python 3.12 each look at a member of an Enum costs a call


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


class CountedExchange(Protocol):
    """What is counted of an exchange once it is over."""

    status: int  # that the client got; 0: none
    received_bytes: int
    sent_bytes: int
    time_taken: float  # seconds
    error_info: ErrorInfo
    server_name: bytes  # of the server that has responded
    server_status: int | None  # None: none has
    server_response_latency: float | None  # seconds from the request to the first byte


class RouteCounters:
    """Those of all exchanges with one action.

    Args:
        requests: of the listener and the rule.
        listener: of the listener.
        backend: of the pool and the settings; of an action without a pool its own, where nothing is counted.
    """

    __slots__ = ("backend", "listener", "requests")

    def __init__(self, requests: RequestCounters, listener: ListenerCounters, backend: BackendCounters) -> None:
        self.requests = requests
        self.listener = listener
        self.backend = backend

    def count(self, exchange: CountedExchange) -> None:
        """One is over: all that is counted of it, in one call."""
        requests, status, seconds, error = self.requests, exchange.status, exchange.time_taken, exchange.error_info
        requests.by_class[status // 100 if status < 600 else 5] += 1  # RFC 9110 section 15: an unknown class is 5xx
        requests.received_bytes += exchange.received_bytes
        requests.sent_bytes += exchange.sent_bytes
        durations, bucket = requests.durations, bisect_left(DURATIONS, seconds)
        durations.counts[bucket] += 1  # as `Histogram.observe`
        durations.total += seconds
        if error is not _NO_ERROR:
            self.listener.errors[error] += 1
        server_status, first_byte = exchange.server_status, exchange.server_response_latency
        if server_status is None or first_byte is None:
            return
        backend, name = self.backend, exchange.server_name
        server = backend.servers.get(name) or backend.server(name)
        server.by_class[server_status // 100 if server_status < 600 else 5] += 1
        durations = backend.first_bytes
        durations.counts[bisect_left(DURATIONS, first_byte)] += 1
        durations.total += first_byte
        if error is _NO_ERROR and status != 101:
            durations = backend.last_bytes
            durations.counts[bucket] += 1
            durations.total += seconds


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
