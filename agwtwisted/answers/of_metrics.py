"""The metrics at this moment: what was counted, and what is read of the gateway's state when it is asked for.

All of it is taken at once, in a few milliseconds where there are a thousand servers. The text is made in a thread.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime
from twisted.internet.posixbase import PosixReactorBase

import twisted
from agwtwisted._version import VERSION
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.operations.backend_servers import DRAINING
from agwtwisted.core.operations.certificates_in_force import CertificateInForce
from agwtwisted.core.operations.measurements import Collected, Measurements
from agwtwisted.core.operations.staples_in_force import staple_subjects, staples_in_force
from agwtwisted.core.plan.plan import Plan
from agwtwisted.generation import Generation
from agwtwisted.operations.process_usage import ProcessUsage
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.reload import Reloads
from agwtwisted.revocation.held_staples import HeldStaples
from agwtwisted.shared import Shared
from agwtwisted.transport.threads import considerate, in_thread
from agwtwisted.transport.turn_times import TurnTimes, turn_times_of


class Served(Protocol):
    """The servers of a configuration in force: those of `generation.Generation`, or those that a parent probes."""

    @property
    def plan(self) -> Plan:
        """Its plan."""

    @property
    def backends(self) -> Backends:
        """Of HTTP."""

    @property
    def relay_backends(self) -> RelayBackends:
        """Of L4."""


def process_measurements(
    shared: Shared,
    served: Generation,
    reloads: Reloads,
    certificates: Iterable[CertificateInForce],
    retired: Iterable[Mapping[str, int]] = (),
) -> Measurements:
    """Those of a process that serves: of the whole gateway, or of a worker, which leaves out what its parent has.

    Args:
        shared: of this process.
        served: what is in force.
        reloads: of this process.
        certificates: of the configuration in force.
        retired: clients by their listener, of each address that no listener has any more.
    """
    into, now, place = Collected(), shared.reactor.seconds(), shared.place
    shared.access_log.make_lines()  # requests are counted with their lines
    shared.metrics.collect(into, now)
    _add_limits(into, shared)
    _add_lists(into, shared)
    for counted in (*(port.by_listener() for port in served.ports.values()), *retired):
        for listener, count in counted.items():
            into.add("agw_listener_connections", (listener,), count)
    connections: dict[tuple[str, ...], int] = {}  # of servers; there may be thousands
    for (pool, settings), servers in _servers(served):
        for name, server in servers:
            in_use, idle = (pool, settings, name, "in_use"), (pool, settings, name, "idle")
            connections[in_use] = connections.get(in_use, 0) + server.connections
            connections[idle] = connections.get(idle, 0) + server.idle_connections
    into.of("agw_backend_connections").update(connections)
    _add_process(into, str(place.index), turn_times_of(shared.reactor), now, shared.started)
    if place.is_alone:
        _add_gateway(into, served, reloads, certificates)
        _add_staples(into, served.plan, shared.staples)
        into.add("agw_workers", (), 0)
        into.add("agw_workers_missing", (), 0)
    return Measurements(into)


def parent_measurements(
    reactor: IReactorTime,
    served: Served,
    reloads: Reloads,
    certificates: Iterable[CertificateInForce],
    staples: HeldStaples,
    *,
    started: float,
) -> Measurements:
    """Those of the parent of workers: what it knows of the whole gateway, and of itself.

    Args:
        reactor: its own.
        served: the servers that it probes.
        reloads: of all processes.
        certificates: of the configuration in force.
        staples: that it asks for.
        started: when, in seconds since 1970.
    """
    into = Collected()
    _add_process(into, "0", turn_times_of(reactor), reactor.seconds(), started)
    _add_gateway(into, served, reloads, certificates)
    _add_staples(into, served.plan, staples)
    return Measurements(into)


async def exposition(reactor: PosixReactorBase, members: Mapping[str, Any], accept: str) -> tuple[str, bytes]:
    """The media type and the text of the answer to METRICS, in the format that the header Accept prefers."""

    def rendered() -> tuple[str, bytes]:
        from agwtwisted.core.operations.exposition import render  # in the thread, and not before the first question

        return render(Measurements.of_members(members), accept)

    with considerate():
        return await in_thread(reactor, rendered, "metrics")


def _servers(served: Served) -> Iterator[tuple[tuple[str, str], list[tuple[str, Target]]]]:
    """Every pool with its settings, and its servers with their names."""
    for pool, settings in served.plan.routes:
        servers = served.backends.pool(pool, settings).servers
        yield (pool.name, settings.name), [(each.name.decode(), each) for each in servers]
    for pool, relay_settings in served.plan.relay_routes:
        relay_servers = served.relay_backends.pool(pool, relay_settings).servers
        yield (pool.name, relay_settings.name), [(each.name, each) for each in relay_servers]


def _add_limits(into: Collected, shared: Shared) -> None:
    limits, log, revocation = shared.limits, shared.access_log, shared.revocation
    numbers = {
        "agw_connections_evicted": limits.evicted,
        "agw_connections_limit": limits.room,
        "agw_http2_places_taken": shared.places.taken,
        "agw_http2_connections_waiting": shared.places.waiting,
        "agw_tls_handshakes_in_progress": len(limits.handshakes),
        "agw_tls_handshakes_waiting": limits.handshakes.waiting,
        "agw_ocsp_fail_open": revocation.fail_open_count,
        "agw_ocsp_requests_waiting": shared.ocsp_client.waiting,
        "agw_revocation_store_connected": int(shared.knowledge.is_usable),
        "agw_access_log_lines_lost": log.lost_lines,
        "agw_access_log_buffer_bytes": log.held_bytes,
    }
    for name, number in numbers.items():
        into.add(name, (), number)


def _add_lists(into: Collected, shared: Shared) -> None:
    lists = [held.crl for held in shared.crl_lists.knowledge.lists]
    numbers = {
        "agw_crl_lists": len(lists),
        "agw_crl_entries": sum(len(each.table) for each in lists),
        "agw_crl_bytes": sum(each.size + each.table.size for each in lists),
        "agw_crl_next_update_timestamp_seconds": min((each.next_update for each in lists), default=0.0),
    }
    for name, number in numbers.items():
        into.add(name, (str(shared.place.index),), number)


def _add_process(into: Collected, worker: str, turns: TurnTimes, now: float, started: float) -> None:
    usage = ProcessUsage.now()
    into.add("agw_event_loop_turn_duration_seconds", (worker,), turns.sample)
    into.add("agw_event_loop_longest_turn_seconds", (worker,), turns.longest(now))
    into.add("process_cpu_seconds", (worker,), usage.cpu_seconds)
    into.add("process_resident_memory_bytes", (worker,), usage.resident_bytes)
    into.add("process_open_fds", (worker,), usage.open_descriptors)
    into.add("process_max_fds", (worker,), usage.max_descriptors)
    into.add("process_start_time_seconds", (worker,), started)


def _add_gateway(into: Collected, served: Served, reloads: Reloads, certificates: Iterable[CertificateInForce]) -> None:
    """What one process of a gateway says for all."""
    for names, servers in _servers(served):
        _add_health(into, names, servers)
    ends: dict[tuple[str, str], float] = {}
    for each in certificates:
        section, end = (each.kind, each.name), each.not_after.timestamp()
        ends[section] = min(ends.get(section, end), end)
    for section, end in ends.items():
        into.add("agw_certificate_not_after_timestamp_seconds", section, end)
    for outcome in ("in_force", "unchanged", "rejected"):
        into.add("agw_reloads", (outcome,), reloads.outcomes[outcome])
    last = reloads.last
    into.add("agw_reload_last_successful", (), int(last is None or not last.rejected))
    into.add("agw_reload_last_success_timestamp_seconds", (), reloads.since)
    into.add("agw_configuration_generation", (), reloads.generation)
    into.add("agw_build_info", _versions(), 1)


def _add_staples(into: Collected, plan: Plan, staples: HeldStaples) -> None:
    """What is stapled to the certificates that can have it, and what became of the requests about them."""
    known = staples_in_force(plan, staples.states())
    for each in staple_subjects(plan):
        for name in each.names:
            into.add("agw_ocsp_staple_next_update_timestamp_seconds", (name,), known[name].next_update or 0)
    for outcome, count in staples.outcomes.items():
        into.add("agw_ocsp_staple_requests", (outcome,), count)


def _add_health(into: Collected, names: tuple[str, str], servers: Iterable[tuple[str, Target]]) -> None:
    states: Counter[str] = Counter()
    for name, server in servers:
        state = server.health.state
        states[DRAINING if server.drained_by_operator and state is not HealthState.DOWN else state.value] += 1
        into.add("agw_backend_server_up", (*names, name), int(state is HealthState.UP))
    for word in (*(each.value for each in HealthState), DRAINING):
        into.add("agw_backend_servers", (*names, word), states[word])


@cache
def _versions() -> tuple[str, ...]:
    openssl = SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode()
    return VERSION, platform.python_version(), twisted.__version__, openssl
