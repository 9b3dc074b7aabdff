"""Where the clients of an L4 site go, and what the log says of it."""

from __future__ import annotations

import attrs

from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.operations.records import RecordFrame
from agwtwisted.core.plan.routing import RelaySite
from agwtwisted.core.relay.announcing import ServerNames, server_names
from agwtwisted.operations.counters import BackendCounters, SessionCounters
from agwtwisted.operations.metrics import Metrics
from agwtwisted.relay.backends import RelayBackends, RelayServer


@attrs.frozen(kw_only=True, eq=False)
class RelayTarget:
    """Where the clients of one site go, and what is the same for all of them."""

    site: RelaySite
    servers: Pool[RelayServer]
    frame: RecordFrame
    sessions: SessionCounters
    counters: BackendCounters
    names: ServerNames | None  # of the server certificate; None if PROXY headers do not describe TLS

    @classmethod
    def of(cls, site: RelaySite, backends: RelayBackends, metrics: Metrics) -> RelayTarget:
        """The target of a site's clients, which the metrics count."""
        rule = site.rule
        certificate = site.listener.ssl_certificate
        describes_tls = rule.backend_settings.proxy_protocol_tls and certificate is not None
        return cls(
            site=site,
            servers=backends.pool(*site.route),
            frame=RecordFrame.from_names(
                listener=site.listener.name,
                rule=rule.name,
                backend_pool=rule.backend_address_pool.name,
                backend_setting=rule.backend_settings.name,
            ),
            sessions=metrics.sessions[site.listener.name, rule.name],
            counters=metrics.backends[rule.backend_address_pool.name, rule.backend_settings.name],
            names=server_names(certificate.certificates[0]) if describes_tls and certificate else None,
        )
