"""The counters of one process, found by names of the configuration, and what they say at one moment.

A counter never goes back while its names are in force. Once a configuration does not have them any more it is kept for
`kept_names.KEPT` seconds: scrapes see what it counted last, what drains is counted, and names that come back go on from
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Generic, TypeVar

from agwtwisted.core.operations.kept_names import KeptNames
from agwtwisted.core.operations.measurements import Collected, Sample
from agwtwisted.core.operations.metric_kinds import CODES
from agwtwisted.operations.counters import (
    AddressCounters,
    BackendCounters,
    ListCounters,
    ListenerCounters,
    RequestCounters,
    RevocationCounters,
    SessionCounters,
    SharedStoreCounters,
)

T = TypeVar("T")

Add = Callable[[str, tuple[str, ...], Sample], None]
"""Adds a sample to a family."""


class ByNames(dict[tuple[str, ...], T], Generic[T]):
    """Counters by the values of their labels, made when they are asked for.

    Args:
        labels: their names.
        make: makes one.
    """

    def __init__(self, labels: tuple[str, ...], make: Callable[[], T]) -> None:
        super().__init__()
        self._labels = labels
        self._make = make

    def __missing__(self, names: tuple[str, ...]) -> T:
        made = self[names] = self._make()
        return made

    def keep(self, keeps: Callable[[str, str], bool]) -> None:
        """Forgets those one of whose names is not kept."""
        for names in [each for each in self if not all(map(keeps, self._labels, each))]:
            del self[names]


class Metrics:
    """All counters of a process."""

    def __init__(self) -> None:
        route = ("listener", "rule")
        self.requests: ByNames[RequestCounters] = ByNames(route, RequestCounters)
        self.sessions: ByNames[SessionCounters] = ByNames(route, SessionCounters)
        self.listeners: ByNames[ListenerCounters] = ByNames(("listener",), ListenerCounters)
        self.addresses: ByNames[AddressCounters] = ByNames(("address",), AddressCounters)
        self.backends: ByNames[BackendCounters] = ByNames(("backend_pool", "backend_settings"), BackendCounters)
        self.revocation = RevocationCounters()
        self.lists = ListCounters()
        self.shared_store = SharedStoreCounters()
        self.names = KeptNames()

    def use(self, names: Iterable[tuple[str, str]], now: float) -> None:
        """These names are in force from now on: pairs of a label and a value; `now` on a monotonic clock."""
        self.names.use(names, now)

    def collect(self, into: Collected, now: float) -> None:
        """Adds what was counted until now, the time on the clock of `use`."""
        keeps = partial(self.names.keeps, now=now)
        for each in (self.requests, self.sessions, self.listeners, self.addresses, self.backends):
            each.keep(keeps)
        add = into.add
        for route, requests in self.requests.items():
            _add_requests(add, route, requests)
        for route, sessions in self.sessions.items():
            _add_sessions(add, route, sessions)
        for names, listener in self.listeners.items():
            _add_listener(add, names, listener)
        for names, address in self.addresses.items():
            _add_address(add, names, address)
        for names, backend in self.backends.items():
            _add_backend(into, names, backend, keeps)
        _add_revocation(add, self.revocation)
        for outcome, count in self.lists.outcomes.items():
            add("agw_crl_downloads", (outcome,), count)
        _add_shared_store(add, self.shared_store)


def _add_requests(add: Add, route: tuple[str, ...], counters: RequestCounters) -> None:
    for code, count in zip(CODES, counters.by_class, strict=True):
        if count or code != CODES[0]:
            add("agw_http_requests", (*route, code), count)
    add("agw_http_request_duration_seconds", route, counters.durations.sample)
    add("agw_received_bytes", route, counters.received_bytes)
    add("agw_sent_bytes", route, counters.sent_bytes)


def _add_sessions(add: Add, route: tuple[str, ...], counters: SessionCounters) -> None:
    for status, count in counters.by_status.items():
        add("agw_l4_sessions", (*route, str(int(status))), count)
    add("agw_l4_session_duration_seconds", route, counters.durations.sample)
    add("agw_received_bytes", route, counters.received_bytes)
    add("agw_sent_bytes", route, counters.sent_bytes)


def _add_listener(add: Add, names: tuple[str, ...], counters: ListenerCounters) -> None:
    for handshake, count in counters.handshakes.items():
        add("agw_tls_handshakes", (*names, *handshake), count)
    for failure, count in counters.failures.items():
        add("agw_tls_handshake_failures", (*names, failure.value), count)
    for protocol, count in counters.protocols.items():
        add("agw_tls_connections", (*names, protocol), count)
    for verdict, count in counters.verdicts.items():
        add("agw_client_certificates", (*names, verdict), count)
    for refusal, count in counters.refusals.items():
        add("agw_client_certificate_refusals", (*names, *refusal), count)
    for kind, count in counters.misuses.items():
        add("agw_http2_connections_cut", (*names, kind), count)
    for error, count in counters.errors.items():
        add("agw_http_errors", (*names, error.value), count)


def _add_address(add: Add, names: tuple[str, ...], counters: AddressCounters) -> None:
    add("agw_connections_accepted", names, counters.accepted)
    add("agw_connections_closed", names, counters.closed)
    add("agw_connections_rejected", names, counters.rejected)
    add("agw_connections", names, counters.accepted - counters.closed)


def _add_backend(
    into: Collected, names: tuple[str, ...], counters: BackendCounters, keeps: Callable[[str, str], bool]
) -> None:
    add = into.add
    add("agw_backend_connect_duration_seconds", names, counters.connects.sample)
    add("agw_backend_first_byte_seconds", names, counters.first_bytes.sample)
    add("agw_backend_last_byte_seconds", names, counters.last_bytes.sample)
    add("agw_backend_retries", names, counters.retries)
    servers = counters.servers
    for server in [each for each in servers if not keeps("server", each.decode())]:
        del servers[server]
    # There may be thousands, each of which is only here: they are put where `add` would put them.
    failures, responses = into.of("agw_backend_connect_failures"), into.of("agw_backend_responses")
    for server, its in servers.items():
        labels = (*names, server.decode())
        failures[labels] = its.connect_failures
        for code, count in zip(CODES, its.by_class, strict=True):
            if count:
                responses[(*labels, code)] = count


def _add_revocation(add: Add, counters: RevocationCounters) -> None:
    for outcome, count in counters.outcomes.items():
        add("agw_ocsp_requests", (outcome,), count)
    add("agw_ocsp_request_duration_seconds", (), counters.durations.sample)
    for labels, checks in counters.checks.items():
        add("agw_revocation_checks", labels, checks)
    add("agw_ocsp_cache_hits", (), counters.cache_hits)


def _add_shared_store(add: Add, counters: SharedStoreCounters) -> None:
    for origin, count in counters.answers.items():
        add("agw_revocation_store_answers", (origin,), count)
    for (command, outcome), count in counters.commands.items():
        add("agw_revocation_store_commands", (command, outcome), count)
