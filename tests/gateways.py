"""A gateway without TLS and without files: everything between a client's connection and its backends is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any
from weakref import WeakSet

import attrs

from agwtwisted.backends.pools import Backends
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.identity.clients import Admitted
from agwtwisted.core.plan.plan import PortPlan
from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    ClientAuth,
    HttpListener,
    PathRule,
    Protocol,
    RequestRoutingRule,
    RuleType,
    SslProfile,
    UrlPathMap,
)
from agwtwisted.core.tls.policies import TlsPolicy, predefined
from agwtwisted.core.verification.verdicts import Verdict
from agwtwisted.exchange.exchange import HttpExchange, HttpExchanges
from agwtwisted.http.port import HttpPort
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.ports import PortEnvironment
from agwtwisted.transport.connection import Connection
from tests import identities
from tests.clocks import SettableClock

TIMEOUT = 20.0
"""Seconds that a backend may be silent."""


class Log:
    """An access log that keeps its lines."""

    def __init__(self) -> None:
        self.enabled = True
        self.lines: list[bytes] = []

    def timestamp(self) -> bytes:
        """Always the same."""
        return b"2026-01-01T00:00:00+00:00"

    def write(self, line: bytes) -> None:
        """Takes a line."""
        self.lines.append(line)

    def write_later(self, line: Callable[[], bytes]) -> None:
        """The same."""
        if made := line():
            self.lines.append(made)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The properties of all records."""
        return [json.loads(line)["properties"] for line in self.lines]

    @property
    def last(self) -> dict[str, Any]:
        """Those of the last one."""
        return self.records[-1]


def policy() -> TlsPolicy:
    """Some TLS policy."""
    found = predefined("AppGwSslPolicy20220101")
    assert isinstance(found, TlsPolicy)
    return found


def gateway(**limits: Any) -> Gateway:
    """The section [gateway]."""
    return Gateway(ssl_policy=policy(), **limits)


def profile(name: str) -> SslProfile:
    """A profile that asks for certificates."""
    return SslProfile(name=name, client_auth=ClientAuth.STRICT, ssl_policy=policy())


def site(
    *host_names: str, ports: tuple[int, ...] = (9000,), profile: SslProfile | None = None, **settings: Any
) -> Site:
    """A site with servers on these ports; without host names the basic one."""
    name = ",".join(host_names) or "basic"
    listener = HttpListener(name=name, port=8443, protocol=Protocol.HTTPS, host_names=host_names, ssl_profile=profile)
    addresses = tuple(BackendAddress(host="127.0.0.1", port=port) for port in ports)
    rule = RequestRoutingRule(
        name=name,
        priority=1,
        http_listener=listener,
        backend_address_pool=BackendAddressPool(name=name, backend_addresses=addresses),
        backend_http_settings=BackendHttpSettings(name=name, request_timeout=TIMEOUT, **settings),
    )
    return Site(listener=listener, rule=rule)


def mapped(default: Site, *path_rules: PathRule) -> Site:
    """The site with path rules: those without a pool have the site's own."""
    rule = default.rule
    pool, settings = rule.backend_address_pool, rule.backend_http_settings
    url_path_map = UrlPathMap(
        name="map",
        path_rules=tuple(
            attrs.evolve(
                each,
                backend_address_pool=each.backend_address_pool or (None if each.redirect_configuration else pool),
                backend_http_settings=each.backend_http_settings or (None if each.redirect_configuration else settings),
            )
            for each in path_rules
        ),
        default_backend_address_pool=pool,
        default_backend_http_settings=settings,
    )
    changed = attrs.evolve(
        rule,
        rule_type=RuleType.PATH_BASED_ROUTING,
        url_path_map=url_path_map,
        backend_address_pool=None,
        backend_http_settings=None,
    )
    return Site(listener=default.listener, rule=changed)


class Exchanges(HttpExchanges):
    """Those of a gateway, which can be asked which of them are not over."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._made: WeakSet[HttpExchange] = WeakSet()

    def exchange(self, request: Any, writer: Any, session: Any) -> HttpExchange:
        """Remembers each, as long as something else does."""
        exchange = super().exchange(request, writer, session)
        self._made.add(exchange)
        return exchange

    @property
    def running(self) -> list[HttpExchange]:
        """Those that are not over."""
        return [exchange for exchange in self._made if not exchange.is_over]


class Stand:
    """A port of a gateway on any reactor; `connect` gives a connection its session."""

    def __init__(self, reactor: Any, *sites: Site, **limits: Any) -> None:
        self.log = Log()
        self.wall = SettableClock(reactor)
        self.sites = sites or (site(),)
        self.backends = Backends(reactor)
        limits_of_gateway = gateway(**limits)
        log: Any = self.log
        self.exchanges = Exchanges(limits_of_gateway, self.backends, reactor, log, Random(1), wall=self.wall.seconds)
        self.port = HttpPort(
            PortPlan(
                address=("127.0.0.1", 8443), sites=Sites.of(self.sites), encrypted=False, fingerprint="", handshake=""
            ),
            None,
            PortEnvironment(
                gateway=limits_of_gateway,
                limits=Limits(limits_of_gateway, reactor),
                clock=reactor,
                wall=self.wall,
                access_log=log,
                limiter=LogRateLimiter(reactor.seconds),
            ),
            exchanges=self.exchanges,
            names=HeaderNames(),
        )

    def begin(
        self, connection: Connection, verdict: Verdict | None = None, chosen: Site | None = None, **peer: Any
    ) -> None:
        """Reads requests from a connection whose client was judged so, and selected that site."""
        fields = {"address": "192.0.2.1", "port": 7, "gateway_port": 8443, "tls_version": "TLSv1.3"} | peer
        judged = identities.client(verdict, **fields)
        if isinstance(judged, Admitted):
            self.port.begin(connection, judged, chosen or self.sites[0])
        else:
            self.port.turned_away(connection, judged, chosen or self.sites[0])
