"""Everything that belongs to one configuration in force: TLS contexts, ports, exchanges, backends, probes.

`service` makes one, whole, from a plan before any of it is used, so that another one can take its place by assignment:
a listening socket gets the port of the same address, and whatever has begun on an old port goes on there. Nothing that
outlives it (`shared.Shared`) keeps any of it: a generation that is stopped, closed and dropped is gone, private keys
included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import attrs
from twisted.logger import Logger

from agwtwisted.backends.health import Prober
from agwtwisted.backends.http_probe import http_watches
from agwtwisted.backends.operator_drains import PlacedPools, pools_in_force
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.shared_health import HealthFollower
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.plan.error_pages import ErrorPages
from agwtwisted.core.plan.plan import Address, Plan, PortPlan
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.resources.gateway import OddHeaderNames
from agwtwisted.exchange.exchange import HttpExchanges
from agwtwisted.http.port import HttpPort
from agwtwisted.listening.listener import display
from agwtwisted.listening.ports import Port, PortEnvironment
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.relay.probe import relay_watches
from agwtwisted.revocation.check import check_of
from agwtwisted.shared import Shared
from agwtwisted.tls.plan_contexts import make_contexts
from agwtwisted.tls.port_contexts import PortContexts

_log = Logger()


@attrs.frozen(kw_only=True, eq=False)
class Generation:
    """What is made from one plan."""

    plan: Plan
    contexts: Mapping[Address, PortContexts]
    """Of the ports with TLS."""
    ports: Mapping[Address, Port[Any]]
    backends: Backends
    relay_backends: RelayBackends
    prober: Prober

    @classmethod
    def make(
        cls,
        plan: Plan,
        shared: Shared,
        *,
        contexts: Mapping[Address, PortContexts] | None = None,
        previous: Generation | None = None,
    ) -> Generation:
        """Makes everything of a plan; nothing is begun: no timer runs, no byte is sent.

        Args:
            plan: what is made.
            shared: what it is made with.
            contexts: those of the ports with TLS, where they are made already.
            previous: the generation whose place it is to take, of which nothing is changed before `take_over`.

        Raises:
            OSError: the key of affinity cookies cannot be written or read.
            AgwError: OpenSSL does not take a certificate.
        """
        backends, relay_backends = _backends(plan, shared, previous)
        made = make_contexts(plan, shared.variables_of) if contexts is None else contexts
        ports = _Ports(plan, shared, made)
        return cls(
            plan=plan,
            contexts=made,
            ports=ports.of_http(backends) | ports.of_relays(relay_backends),
            backends=backends,
            relay_backends=relay_backends,
            prober=_prober(plan, shared, backends, relay_backends),
        )

    @property
    def pools(self) -> Mapping[str, PlacedPools]:
        """Every pool of servers, by the kind of the settings."""
        return pools_in_force(self.backends, self.relay_backends)

    @property
    def connections(self) -> int:
        """How many connections of clients there are."""
        return sum(port.clients for port in self.ports.values())

    def take_over(self, previous: Generation) -> None:
        """Takes the place of another one: what lives on there and still holds is this one's from now on.

        What fails here is logged, and the rest is done: there is no way back. A port that could not hand over its
        clients ends them, since nothing else judges them by what is in force now.
        """
        for address, old in previous.ports.items():
            port = self.ports.get(address)
            if port is not None and not attempted(partial(port.take_over, old)):
                attempted(old.abort)
                attempted(port.abort)  # which has none but those
        attempted(partial(self.backends.take_over, previous.backends))
        attempted(partial(self.relay_backends.take_over, previous.relay_backends))
        attempted(partial(self.prober.take_over, previous.prober))

    def drain(self) -> None:
        """What has reached the ports is served, and each session ends when it can; no port gets another connection."""
        for port in self.ports.values():
            port.drain()

    def abort(self) -> None:
        """Ends every connection at once."""
        for port in self.ports.values():
            port.abort()

    async def when_empty(self) -> None:
        """Fires once the last connection is gone, where the ports get no other."""
        for port in self.ports.values():
            await port.connections.when_empty()

    def close(self) -> None:
        """Closes the connections to backends that nothing uses, and leaves no timer behind."""
        self.backends.close_idle()
        self.relay_backends.stop()


class _Ports:
    """Makes the ports of a plan."""

    def __init__(self, plan: Plan, shared: Shared, contexts: Mapping[Address, PortContexts]) -> None:
        self._plan = plan
        self._shared = shared
        self._contexts = contexts
        self._environment = PortEnvironment(
            gateway=plan.gateway,
            limits=shared.limits,
            clock=shared.reactor,
            outbox=shared.outbox,
            wall=shared.wall,
            access_log=shared.access_log,
            limiter=shared.limiter,
            places=shared.places,
            resumption=shared.resumption,
            staple_of=shared.staples.staple,
            check_of=partial(check_of, shared.revocation),
            metrics=shared.metrics,
            refusals=shared.refusals,
            numbers=shared.numbers,
        )

    def of_http(self, backends: Backends) -> dict[Address, Port[Any]]:
        """Those whose clients speak HTTP."""
        plan, shared = self._plan, self._shared
        exchanges = HttpExchanges(
            plan.gateway,
            backends,
            shared.reactor,
            shared.access_log,
            shared.random,
            ErrorPages(plan.config.custom_errors),
            wall=shared.wall.seconds,
            metrics=shared.metrics,
            refusals=shared.refusals,
        )
        return {address: self._http_port(port, exchanges) for address, port in plan.http_ports.items()}

    def of_relays(self, backends: RelayBackends) -> dict[Address, Port[Any]]:
        """Those whose clients are relayed."""
        ports = self._plan.relay_ports.items()
        if not ports:
            return {}
        from agwtwisted.relay.port import RelayPort  # `loading` has imported it

        return {
            address: RelayPort(port, self._contexts.get(address), self._environment, backends=backends)
            for address, port in ports
        }

    def _http_port(self, port: PortPlan[Site], exchanges: HttpExchanges) -> HttpPort:
        names = HeaderNames(
            self._plan.identifying_headers,
            reject_odd=self._plan.gateway.header_names is OddHeaderNames.REJECT,
            tell_dropped=partial(_warn_of_dropped, display(*port.address)),
        )
        return HttpPort(port, self._contexts.get(port.address), self._environment, exchanges=exchanges, names=names)


def attempted(step: Callable[[], object]) -> bool:
    """Does something; what fails is a defect, and in the log. Returns whether it did not."""
    try:
        step()
    except Exception:
        _log.failure("Unexpected error while a generation takes the place of another")
        return False
    return True


def _backends(plan: Plan, shared: Shared, previous: Generation | None) -> tuple[Backends, RelayBackends]:
    """Those of HTTP and those of L4, with what the settings of each need."""
    has_cookies = any(settings.cookie_based_affinity for _, settings in plan.routes)
    key = shared.affinity_key.load() if has_cookies else b""
    backends = Backends(
        shared.reactor,
        shared.resolver,
        affinity_key=key,
        outbox=shared.outbox,
        previous=None if previous is None else previous.backends,
    )
    relay_backends = RelayBackends(
        shared.reactor,
        shared.resolver,
        shared.outbox,
        previous=None if previous is None else previous.relay_backends,
    )
    for _, settings in plan.routes:
        backends.prepare(settings)
    for policy, settings in plan.policy_routes:
        backends.policy(policy, settings)
    for _, relay_settings in plan.relay_routes:
        relay_backends.prepare(relay_settings)
    return backends, relay_backends


def _prober(plan: Plan, shared: Shared, backends: Backends, relay_backends: RelayBackends) -> Prober:
    """What probes the servers; in a worker, what has them as its parent has found them."""
    if shared.health is None:
        watches = [
            *http_watches(shared.reactor, backends, plan.routes),
            *relay_watches(shared.reactor, relay_backends, plan.relay_routes),
        ]
        return Prober(watches, shared.random, shared.events.moved)
    for pool, settings in plan.routes:
        backends.pool(pool, settings)
    for pool, relay_settings in plan.relay_routes:
        relay_backends.pool(pool, relay_settings)
    return HealthFollower(shared.health, (*backends.items(), *relay_backends.items()), shared.random)


def _warn_of_dropped(address: str, name: bytes, count: int) -> None:
    """Says that a request header does not reach the backends, which its sender may not know."""
    _log.warn(
        "{address}: request header {name!r} dropped ({count} times so far): a name may hold A-Z, a-z, 0-9, -",
        address=address,
        name=name,
        count=count,
    )
