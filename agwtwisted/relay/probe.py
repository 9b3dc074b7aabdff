"""Probes the servers behind L4 listeners: whether they can be connected to, by TLS where clients' connections are.

Caller: the generation, which builds the gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from agwtwisted.backends.health import Probing, Watch, connection_problem, watches
from agwtwisted.core.backends.health import CONNECTED, ProbeFinding
from agwtwisted.core.listening.proxy_protocol import LOCAL
from agwtwisted.core.plan.probing import RelayProbe, relay_probe
from agwtwisted.core.resources.backend_pools import BackendAddressPool
from agwtwisted.core.resources.resources import BackendSettings
from agwtwisted.relay.backends import RelayBackends, RelayServer
from agwtwisted.transport.connection import Connection


def relay_watches(
    clock: IReactorTime, backends: RelayBackends, routes: Iterable[tuple[BackendAddressPool, BackendSettings]]
) -> list[Watch]:
    """A watch for every server that a route leads to, under the settings of the route."""
    servers = ((server, settings) for pool, settings in routes for server in backends.pool(pool, settings).servers)
    return watches(clock, servers, partial(_probing, backends))


def _probing(backends: RelayBackends, server: RelayServer, settings: BackendSettings) -> Probing:
    probe = relay_probe(settings, server.port)
    at = backends.server(server.host, probe.port, settings)
    return Probing(
        name=f"{server.name} ({settings.name})",
        ask=lambda: ask(at, probe),
        interval=probe.interval,
        threshold=probe.unhealthy_threshold,
        probe=probe,
    )


def ask(server: RelayServer, probe: RelayProbe) -> Deferred[str]:
    """Connects once; fires with the server's problem, empty when there is none. May be cancelled."""
    dialed = server.dial(probe.timeout, LOCAL if probe.with_header else b"", server_name=probe.server_name)
    return dialed.addCallbacks(_connected, connection_problem)


def _connected(connection: Connection) -> str:
    connection.close()
    return ProbeFinding("", CONNECTED)
