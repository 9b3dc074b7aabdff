"""Every metric of the gateway: its name, kind, labels and meaning, and the product's metric that says the same.

What counts (`operations.metrics`), what is exposed (`exposition`) and the page docs/reference/metrics.md have them from
this table. Values of labels come from the configuration, or are words of a closed set: never what a client has sent.
Names follow the conventions of Prometheus (page "Metric and label naming"): base units, `_total` for counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import attrs


class FamilyKind(Enum):
    """How the values of a family move."""

    COUNTER = "counter"  # only up, as long as its labels stay in force
    GAUGE = "gauge"  # up and down
    HISTOGRAM = "histogram"  # how many observations there were up to each bound, and their sum


class Merging(Enum):
    """What the values of several processes are together."""

    SUM = "sum"
    MAX = "max"


@attrs.frozen(kw_only=True)
class MetricFamily:
    """One metric, with all its combinations of labels."""

    name: str  # of a counter without its ending _total
    kind: FamilyKind
    meaning: str
    labels: tuple[str, ...] = ()
    unit: str = ""  # the name's ending: seconds, bytes
    product: str = ""  # the product's metric
    bounds: tuple[float, ...] = ()  # of a histogram, upper ones; the last one, infinity, is not among them
    merging: Merging = Merging.SUM
    of_gateway: bool = False  # whether only the process counts that was started, and no worker

    @property
    def shown_name(self) -> str:
        """The name that queries use; of a histogram with `_bucket`, `_sum` or `_count` behind it."""
        return f"{self.name}_total" if self.kind is FamilyKind.COUNTER else self.name


DURATIONS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bounds of what takes milliseconds to a minute: requests, backends, responders."""

LIFETIMES: Final = (0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Bounds of L4 sessions."""

TURNS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Bounds of turns of the event loop."""

CODES: Final = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
"""Classes of statuses, by their first digit; `none`: the client got no status."""

_ROUTE: Final = ("listener", "rule")
_SETTINGS: Final = ("backend_pool", "backend_settings")
_SERVER: Final = (*_SETTINGS, "server")
_DOWNLOADS: Final = "Downloads of CRLs: `new`, `not_modified`, `unusable`, `unreachable`, `could_not_ask`, `cancelled`"


def _counter(
    name: str, labels: tuple[str, ...], meaning: str, *, product: str = "", of_gateway: bool = False
) -> MetricFamily:
    unit = next((each for each in ("seconds", "bytes") if name.endswith(f"_{each}")), "")
    return MetricFamily(
        name=name,
        kind=FamilyKind.COUNTER,
        meaning=meaning,
        labels=labels,
        unit=unit,
        product=product,
        of_gateway=of_gateway,
    )


def _gauge(
    name: str,
    labels: tuple[str, ...],
    meaning: str,
    *,
    product: str = "",
    of_gateway: bool = False,
    merging: Merging = Merging.SUM,
) -> MetricFamily:
    made = _counter(name, labels, meaning, product=product, of_gateway=of_gateway)
    return attrs.evolve(made, kind=FamilyKind.GAUGE, merging=merging)


def _histogram(
    name: str, labels: tuple[str, ...], meaning: str, bounds: tuple[float, ...] = DURATIONS, *, product: str = ""
) -> MetricFamily:
    made = _counter(name, labels, meaning, product=product)
    return attrs.evolve(made, kind=FamilyKind.HISTOGRAM, bounds=bounds)


_TABLE: Final = (
    # Requests
    _counter(
        "agw_http_requests",
        (*_ROUTE, "code"),
        "Requests that have ended, each with one line of the access log, by the class of the status that the client"
        " got; `rule` is empty where none was reached",
        product="TotalRequests, FailedRequests, ResponseStatus",
    ),
    _histogram(
        "agw_http_request_duration_seconds",
        _ROUTE,
        "Time from the head of a request to the last byte of its response; of an upgraded connection, to its end",
        product="ApplicationGatewayTotalTime",
    ),
    _counter(
        "agw_http_errors",
        ("listener", "error_info"),
        "Requests that the gateway itself answered, cut or gave up, by `error_info` of the access log",
    ),
    _counter(
        "agw_received_bytes",
        _ROUTE,
        "Bytes of clients without TLS: requests, heads and bodies, and L4 sessions, counted at their end",
        product="BytesReceived",
    ),
    _counter(
        "agw_sent_bytes",
        _ROUTE,
        "Bytes to clients without TLS: responses, heads and bodies, and L4 sessions, counted at their end",
        product="BytesSent, Throughput",
    ),
    _counter(
        "agw_l4_sessions",
        (*_ROUTE, "status"),
        "L4 sessions that have ended, by `serverStatus` of the access log",
    ),
    _counter(
        "agw_http2_connections_cut",
        ("listener", "reason"),
        "Connections of HTTP/2 that were ended for what their client did. `reason`: what it sent too much of (`resets`,"
        " `stream_errors`, `refused_streams`, `continuations`, `settings`, `pings`, `priorities`, `unknown_frames`,"
        " `window_updates`, `small_data`), `unread_answers` (to its PING, SETTINGS and streams), `late_head` (its"
        " preface or a header block has not come), `limit` (of a frame or a header block), `protocol` (everything else"
        " that RFC 9113 does not allow)",
    ),
    _histogram(
        "agw_l4_session_duration_seconds",
        _ROUTE,
        "How long L4 sessions lasted",
        LIFETIMES,
        product="Connection Lifetime, Backend Session Duration",
    ),
    # Connections and TLS
    _counter(
        "agw_connections_accepted",
        ("address",),
        "Connections of clients that were accepted, by the address that is listened on",
        product="NewConnectionsPerSecond",
    ),
    _counter("agw_connections_closed", ("address",), "Connections of clients that have ended"),
    _counter(
        "agw_connections_rejected",
        ("address",),
        "Connections that were closed at once: `max_connections_per_address`, `accept_proxy_protocol`",
    ),
    _counter("agw_connections_evicted", (), "Connections that were closed for new ones, at `max_connections`"),
    _gauge("agw_connections", ("address",), "Connections of clients that there are", product="CurrentConnections"),
    _gauge(
        "agw_listener_connections",
        ("listener",),
        "Connections of clients that there are, by the listener that they have selected",
    ),
    _gauge(
        "agw_connections_limit",
        (),
        "`max_connections`, or less where there are too few file descriptors",
        merging=Merging.MAX,
    ),
    _gauge(
        "agw_http2_places_taken",
        (),
        "Places for further requests of connections of HTTP/2: the first request of a connection needs none",
    ),
    _gauge(
        "agw_http2_connections_waiting",
        (),
        "Connections of HTTP/2 with requests that wait for such a place: file descriptors are short",
    ),
    _counter(
        "agw_tls_handshakes",
        ("listener", "result", "resumed"),
        "TLS handshakes of clients: `completed` or `failed`; `resumed` is `yes` or `no`",
    ),
    _counter(
        "agw_tls_handshake_failures",
        ("listener", "reason"),
        "TLS handshakes that failed: `certificate`, `no_certificate`, `server_name`, `plain_text`, `timeout`,"
        " `client_closed`, `capacity`, `size`, `client_alert`, `protocol` (everything else that OpenSSL does not take),"
        " `reload`, `stopping`; a connection that ends without a byte is none",
    ),
    _counter(
        "agw_tls_connections",
        ("listener", "protocol"),
        "TLS handshakes that were completed, by version",
        product="TlsProtocol",
    ),
    _gauge("agw_tls_handshakes_in_progress", (), "TLS handshakes that have a slot (`max_handshakes`)"),
    _gauge("agw_tls_handshakes_waiting", (), "TLS handshakes that wait for a slot"),
    _counter(
        "agw_client_certificates",
        ("listener", "verify"),
        "Clients by the verdict on their certificate, as `sslClientVerify` has it: `SUCCESS`, `PASSTHROUGH`, `NONE`,"
        " `FAILED`; counted once for each connection, when its handshake is over and revocation was checked",
    ),
    _counter(
        "agw_client_certificate_refusals",
        ("listener", "stage", "reason"),
        "Clients that were refused for their certificate, or for having sent none. `stage`: `handshake` (with an"
        " alert), `verdict` (after the handshake), `revalidation` (of an open connection), `path` (each request to a"
        " path that requires a certificate). `reason`: that of `FAILED:` in the access log, as far as it is one of"
        " the texts of OpenSSL, nginx or the gateway, else `other`; or `no certificate`",
    ),
    # Backends
    _gauge(
        "agw_backend_servers",
        (*_SETTINGS, "health"),
        "Servers of a pool by health: `Up`, `Down`, `Unknown`, `Draining` (by an operator)",
        product="HealthyHostCount, UnhealthyHostCount",
        of_gateway=True,
    ),
    _gauge(
        "agw_backend_server_up",
        _SERVER,
        "1: the server is healthy, by its probes and requests; else 0",
        of_gateway=True,
    ),
    _counter(
        "agw_backend_responses",
        (*_SERVER, "code"),
        "Responses of servers by the class of their status, whatever the client got",
        product="BackendResponseStatus",
    ),
    _counter(
        "agw_backend_connect_failures",
        _SERVER,
        "Connections to a server that could not be opened, TLS included",
    ),
    _gauge(
        "agw_backend_connections",
        (*_SERVER, "state"),
        "Connections to a server: `in_use` or `idle`",
    ),
    _counter(
        "agw_backend_retries",
        _SETTINGS,
        "Further attempts to get a request or an L4 session to a server, after one that failed",
    ),
    _histogram(
        "agw_backend_connect_duration_seconds",
        _SETTINGS,
        "Time that it took to open a connection to a server: name, address, TLS",
        product="BackendConnectTime",
    ),
    _histogram(
        "agw_backend_first_byte_seconds",
        _SETTINGS,
        "Time from the head of a request to the head of its response, as `serverResponseLatency` of the access log",
        product="BackendFirstByteResponseTime",
    ),
    _histogram(
        "agw_backend_last_byte_seconds",
        _SETTINGS,
        "Time from the head of a request to the end of its response, where that was complete",
        product="BackendLastByteResponseTime",
    ),
    # Revocation
    _counter(
        "agw_revocation_checks",
        ("source", "status"),
        "Checks of clients' certificates, by what has decided (`OCSP`, `CRL`, `none`) and by `revocationStatus` of the"
        " access log; a connection is checked again when a verdict ends",
    ),
    _counter(
        "agw_ocsp_requests",
        ("outcome",),
        "Questions to OCSP responders: `good`, `revoked`, `unknown`, `unusable` (a response that proves nothing),"
        " `unreachable` (no response), `could_not_ask` (the gateway lacked something), `cancelled`",
    ),
    _histogram(
        "agw_ocsp_request_duration_seconds",
        (),
        "Time from a question about a certificate to its outcome, with the wait for a slot",
    ),
    _counter("agw_ocsp_cache_hits", (), "Times that the status of a certificate was known, and no responder was asked"),
    _counter(
        "agw_ocsp_fail_open",
        (),
        "Clients that were accepted without a status of their certificate"
        " (`ocsp_unavailable`, `crl_unavailable = Allow`)",
    ),
    _counter("agw_crl_downloads", ("outcome",), _DOWNLOADS),
    _gauge("agw_crl_lists", ("worker",), "CRLs in force"),
    _gauge("agw_crl_entries", ("worker",), "Certificates in all of them"),
    _gauge("agw_crl_bytes", ("worker",), "Memory that they take"),
    _gauge("agw_crl_next_update_timestamp_seconds", ("worker",), "When the first of them ends, since 1970; 0: none"),
    _gauge("agw_ocsp_requests_waiting", (), "Questions that wait for their turn at a responder"),
    _gauge(
        "agw_ocsp_staple_next_update_timestamp_seconds",
        ("name",),
        "Until when an OCSP response is stapled to a certificate, in seconds since 1970; 0: none is",
        of_gateway=True,
    ),
    _counter(
        "agw_ocsp_staple_requests",
        ("outcome",),
        "Questions about the gateway's own certificates: `good`, `revoked`, `unusable`, `unreachable`, `could_not_ask`",
        of_gateway=True,
    ),
    # The gateway
    _gauge(
        "agw_certificate_not_after_timestamp_seconds",
        ("kind", "name"),
        "When the certificate of a section ends, in seconds since 1970; of several the first one",
        of_gateway=True,
    ),
    _counter(
        "agw_reloads",
        ("outcome",),
        "Reloads of the configuration: `in_force`, `unchanged`, `rejected`",
        of_gateway=True,
    ),
    _gauge(
        "agw_reload_last_successful",
        (),
        "1: the last reload was taken, or there was none; 0: it was rejected",
        of_gateway=True,
    ),
    _gauge(
        "agw_reload_last_success_timestamp_seconds",
        (),
        "When the configuration in force was taken, in seconds since 1970",
        of_gateway=True,
    ),
    _gauge(
        "agw_configuration_generation",
        (),
        "The number of the configuration in force; 1 is that of the start",
        of_gateway=True,
    ),
    _counter(
        "agw_access_log_lines_lost", (), "Lines of the access log that are not in it: its buffer or its disk was full"
    ),
    _gauge("agw_access_log_buffer_bytes", (), "Bytes of the access log that were not written yet"),
    _gauge("agw_workers", (), "Worker processes that serve; 0: the gateway is one process", of_gateway=True),
    _gauge(
        "agw_workers_missing",
        (),
        "Workers whose part is missing in this answer but for what was known",
        of_gateway=True,
    ),
    _counter("agw_worker_restarts", ("worker",), "Workers that have ended and were replaced", of_gateway=True),
    _histogram(
        "agw_event_loop_turn_duration_seconds",
        ("worker",),
        "How long a turn of the event loop took: meanwhile everything else waits; `worker` is 0 in the process that"
        " was started",
        TURNS,
    ),
    _gauge(
        "agw_event_loop_longest_turn_seconds",
        ("worker",),
        "The longest turn of the event loop in the last one to two minutes; 0: all were shorter than a millisecond",
    ),
    _gauge(
        "agw_build_info",
        ("version", "python", "twisted", "openssl"),
        "1; its labels are the versions",
        of_gateway=True,
    ),
    _counter(
        "process_cpu_seconds",
        ("worker",),
        "CPU time, of the user and of the system",
        product="CpuUtilization, ComputeUnits",
    ),
    _gauge("process_resident_memory_bytes", ("worker",), "Memory in use; what processes share counts in each"),
    _gauge("process_open_fds", ("worker",), "File descriptors in use"),
    _gauge("process_max_fds", ("worker",), "File descriptors that there may be"),
    _gauge("process_start_time_seconds", ("worker",), "When the process was started, in seconds since 1970"),
)

FAMILIES: Final[Mapping[str, MetricFamily]] = {family.name: family for family in _TABLE}
"""Each by its name."""
