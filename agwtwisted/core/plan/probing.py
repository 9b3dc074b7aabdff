"""How a server is probed: compiled from the probe of its backend settings, or from the default one.

Callers: the prober of each kind of server, and the report of `--check`.
"""

from __future__ import annotations

from typing import Final

import attrs

from agwtwisted.core.backends.health import ProbeMatch
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.resources.resources import BackendHttpSettings, BackendSettings, Probe

DEFAULT_HOST: Final = "127.0.0.1"
"""The Host of a probe that names none: the product requests ``<protocol>://127.0.0.1:<port>/``."""

_DEFAULT: Final = Probe()


@attrs.frozen(kw_only=True)
class HttpProbe:
    """The HTTP request that probes one server under one settings, and how often."""

    port: int
    host: str  # sent as Host
    server_name: str = ""  # for TLS, where the probe names it; empty: the name that requests verify
    path: str
    interval: float
    timeout: float
    unhealthy_threshold: int
    match: ProbeMatch

    def request(self) -> bytes:
        """The bytes of the request."""
        lines = (
            f"GET {self.path} HTTP/1.1",
            f"Host: {self.host}",
            "User-Agent: agwtwisted (probe)",
            "Accept: */*",
        )
        return "\r\n".join([*lines, "", ""]).encode()


def http_probe(settings: BackendHttpSettings, host: str, port: int) -> HttpProbe:
    """How the server at `host` and `port` is probed.

    The Host is that of the probe, else of the settings, else the default; for a default probe always the default.
    """
    probe = settings.probe or _DEFAULT
    own = DEFAULT_HOST if settings.probe is None else probe.host
    return HttpProbe(
        port=port if probe.port is None else probe.port,
        host=bracketed(own) or _host_of(settings, host) or DEFAULT_HOST,
        server_name=probe.host,
        path=probe.path,
        interval=probe.interval,
        timeout=probe.timeout,
        unhealthy_threshold=probe.unhealthy_threshold,
        match=ProbeMatch(statuses=probe.match_status_codes, body=probe.match_body.encode()),
    )


@attrs.frozen(kw_only=True)
class RelayProbe:
    """The connection that probes one server behind an L4 listener, by TLS or without, and how often."""

    port: int
    server_name: str = ""  # for TLS, where the probe names it; empty: the name that clients' connections verify
    with_header: bool = False  # whether a PROXY protocol header comes first
    interval: float
    timeout: float
    unhealthy_threshold: int


def relay_probe(settings: BackendSettings, port: int) -> RelayProbe:
    """How the server at `port` is probed.

    A default probe sends a header where clients' connections begin with one: a server that waits for it would not speak
    TLS before.
    """
    probe = settings.probe or _DEFAULT
    header = probe.enable_probe_proxy_protocol_header
    return RelayProbe(
        port=port if probe.port is None else probe.port,
        server_name=probe.host,
        with_header=settings.enable_l4_client_ip_preservation if settings.probe is None else header,
        interval=probe.interval,
        timeout=probe.timeout,
        unhealthy_threshold=probe.unhealthy_threshold,
    )


def _host_of(settings: BackendHttpSettings, host: str) -> str:
    """The host name that the settings give to requests, empty where that is the client's."""
    if settings.pick_host_name_from_backend_address:
        return bracketed(host)
    return settings.host_name
