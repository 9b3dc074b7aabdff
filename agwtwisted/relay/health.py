"""Probes of the servers behind L4 listeners: whether they can be connected to, with TLS where clients are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import is_shortage
from agwtwisted.backends.health import Watch
from agwtwisted.core.backends.health import ConnectionRefused, Shortage
from agwtwisted.core.listening.proxy_protocol import LOCAL
from agwtwisted.core.plan.probing import RelayQuestion, relay_question
from agwtwisted.core.resources.resources import BackendSettings, RoutingRule
from agwtwisted.relay.backends import RelayBackends, RelayServer
from agwtwisted.tls.relay_wires import RelayWire


def relay_watches(clock: IReactorTime, backends: RelayBackends, rules: Iterable[RoutingRule]) -> Iterator[Watch]:
    """A watch for every server that some rule leads to."""
    watched = set()
    for rule in rules:
        settings = rule.backend_settings
        for server in backends.pool(rule.backend_address_pool, settings).servers:
            if server not in watched:  # some of which may be in other pools, too
                watched.add(server)
                yield _watch(clock, backends, server, settings)


def _watch(clock: IReactorTime, backends: RelayBackends, server: RelayServer, settings: BackendSettings) -> Watch:
    asked = relay_question(settings, server.port)
    at = backends.server(server.host, asked.port, settings)
    return Watch(
        clock,
        server,
        f"{server.name} ({settings.name})",
        lambda: ask(at, asked),
        interval=asked.interval,
        threshold=asked.unhealthy_threshold,
    )


def ask(server: RelayServer, asked: RelayQuestion) -> Deferred[str]:
    """Connects once; fires with what is wrong with the server, empty when nothing is. May be cancelled."""
    dialed = server.dial(asked.timeout, LOCAL if asked.with_header else b"", server_name=asked.server_name)
    return dialed.addCallbacks(_well, _unreachable)


def _well(wire: RelayWire) -> str:
    wire.close()
    return ""


def _unreachable(failure: Failure) -> str:
    failure.trap(ConnectError, DNSLookupError)
    message = failure.getErrorMessage()
    if is_shortage(failure):
        return Shortage(message)
    return ConnectionRefused(message) if failure.check(ConnectionRefusedError) else message
