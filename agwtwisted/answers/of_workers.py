"""The metrics of a gateway with workers: what each of them reports, and what the parent knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs
from twisted.internet.interfaces import IReactorTime

from agwtwisted.answers.of_metrics import parent_measurements
from agwtwisted.backends.pools import Backends
from agwtwisted.core.operations.certificates_in_force import CertificateInForce
from agwtwisted.core.operations.measurements import Collected, Measurements, merged
from agwtwisted.core.operations.names import names_of
from agwtwisted.core.operations.status import WorkerStatus
from agwtwisted.core.operations.worker_counts import WorkerCounts
from agwtwisted.core.plan.plan import Plan
from agwtwisted.probes import SharedProbes
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.reload import Reloads
from agwtwisted.revocation.held_staples import HeldStaples


@attrs.frozen(kw_only=True, eq=False)
class _Probed:
    """The servers that the parent probes, as `of_metrics.Served` has them."""

    plan: Plan
    backends: Backends
    relay_backends: RelayBackends


class WorkersMeasurements:
    """Measures a gateway with workers.

    Args:
        reactor: of the parent.
        reloads: that have the configuration in force.
        probes: of its servers.
        certificates: returns those in use.
        workers: returns each.
        counts: what they have reported.
        started: when the parent was, in seconds since 1970.
        staples: of the parent.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        reloads: Reloads,
        probes: SharedProbes,
        certificates: Callable[[], Iterable[CertificateInForce]],
        workers: Callable[[], Sequence[WorkerStatus]],
        counts: WorkerCounts,
        started: float,
        staples: HeldStaples,
    ) -> None:
        self._staples = staples
        self._reactor = reactor
        self._reloads = reloads
        self._probes = probes
        self._certificates = certificates
        self._workers = workers
        self._counts = counts
        self._started = started
        self._fingerprint = ""  # of the plan whose names are in force

    def all_together(self, answered: Iterable[int]) -> Measurements:
        """Those of the gateway, where the workers with these indexes have just reported."""
        reactor, plan, fresh = self._reactor, self._reloads.in_force.plan, frozenset(answered)
        now = reactor.seconds()
        if self._fingerprint != plan.fingerprint:
            self._fingerprint = plan.fingerprint
            self._counts.use(names_of(plan), now)
        servers = self._probes.servers
        served = _Probed(plan=plan, backends=servers.backends, relay_backends=servers.relay_backends)
        own = parent_measurements(
            reactor, served, self._reloads, self._certificates(), self._staples, started=self._started
        )
        return merged([own, self._of_workers(fresh), self._counts.all_together(fresh, now)])

    def _of_workers(self, answered: frozenset[int]) -> Measurements:
        into, workers = Collected(), self._workers()
        into.add("agw_workers", (), sum(each.pid > 0 for each in workers))
        into.add("agw_workers_missing", (), sum(each.index not in answered for each in workers))
        for each in workers:
            into.add("agw_worker_restarts", (str(each.index),), each.restarts)
        return Measurements(into)
