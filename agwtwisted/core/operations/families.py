"""Every metric of the gateway: its name, kind, labels and meaning, and the product's metric that says the same.

What counts (`operations.metrics`), what is exposed (`exposition`) and the page docs/reference/metrics.md have them from
this table. Values of labels come from the configuration, or are words of a closed set: never what a client has sent.
Names follow the conventions of Prometheus (page "Metric and label naming"): base units, `_total` for counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agwtwisted.core.operations.metric_kinds import LIFETIMES, TURNS, Merging, MetricFamily, counter, gauge, histogram
from agwtwisted.core.operations.revocation_families import REVOCATION

_ROUTE: Final = ("listener", "rule")
_SETTINGS: Final = ("backend_pool", "backend_settings")
_SERVER: Final = (*_SETTINGS, "server")
_TABLE: Final = (
    # Requests
    counter(
        "agw_http_requests",
        (*_ROUTE, "code"),
        "Requests that have ended, each with one line of the access log, by the class of the status that the client"
        " got; `rule` is empty where none was reached",
        product="TotalRequests, FailedRequests, ResponseStatus",
    ),
    histogram(
        "agw_http_request_duration_seconds",
        _ROUTE,
        "Time from the head of a request to the last byte of its response; of an upgraded connection, to its end",
        product="ApplicationGatewayTotalTime",
    ),
    counter(
        "agw_http_errors",
        ("listener", "error_info"),
        "Requests that the gateway itself answered, cut or gave up, by `error_info` of the access log",
    ),
    counter(
        "agw_received_bytes",
        _ROUTE,
        "Bytes of clients without TLS: requests, heads and bodies, and L4 sessions, counted at their end",
        product="BytesReceived",
    ),
    counter(
        "agw_sent_bytes",
        _ROUTE,
        "Bytes to clients without TLS: responses, heads and bodies, and L4 sessions, counted at their end",
        product="BytesSent, Throughput",
    ),
    counter(
        "agw_l4_sessions",
        (*_ROUTE, "status"),
        "L4 sessions that have ended, by `serverStatus` of the access log",
    ),
    counter(
        "agw_http2_connections_cut",
        ("listener", "reason"),
        "Connections of HTTP/2 that were ended for what their client did. `reason`: what it sent too much of (`resets`,"
        " `stream_errors`, `refused_streams`, `continuations`, `settings`, `pings`, `priorities`, `unknown_frames`,"
        " `window_updates`, `small_data`), `unread_answers` (to its PING, SETTINGS and streams), `late_head` (its"
        " preface or a header block has not come), `limit` (of a frame or a header block), `protocol` (everything else"
        " that RFC 9113 does not allow)",
    ),
    histogram(
        "agw_l4_session_duration_seconds",
        _ROUTE,
        "How long L4 sessions lasted",
        LIFETIMES,
        product="Connection Lifetime, Backend Session Duration",
    ),
    # Connections and TLS
    counter(
        "agw_connections_accepted",
        ("address",),
        "Connections of clients that were accepted, by the address that is listened on",
        product="NewConnectionsPerSecond",
    ),
    counter("agw_connections_closed", ("address",), "Connections of clients that have ended"),
    counter(
        "agw_connections_rejected",
        ("address",),
        "Connections that were closed at once: `max_connections_per_address`, `accept_proxy_protocol`",
    ),
    counter("agw_connections_evicted", (), "Connections that were closed for new ones, at `max_connections`"),
    gauge("agw_connections", ("address",), "Connections of clients that there are", product="CurrentConnections"),
    gauge(
        "agw_listener_connections",
        ("listener",),
        "Connections of clients that there are, by the listener that they have selected",
    ),
    gauge(
        "agw_connections_limit",
        (),
        "`max_connections`, or less where there are too few file descriptors",
        merging=Merging.MAX,
    ),
    gauge(
        "agw_http2_places_taken",
        (),
        "Places for further requests of connections of HTTP/2: the first request of a connection needs none",
    ),
    gauge(
        "agw_http2_connections_waiting",
        (),
        "Connections of HTTP/2 with requests that wait for such a place: file descriptors are short",
    ),
    counter(
        "agw_tls_handshakes",
        ("listener", "result", "resumed"),
        "TLS handshakes of clients: `completed` or `failed`; `resumed` is `yes` or `no`",
    ),
    counter(
        "agw_tls_handshake_failures",
        ("listener", "reason"),
        "TLS handshakes that failed: `certificate`, `no_certificate`, `server_name`, `plain_text`, `timeout`,"
        " `client_closed`, `capacity`, `size`, `client_alert`, `protocol` (everything else that OpenSSL does not take),"
        " `reload`, `stopping`; a connection that ends without a byte is none",
    ),
    counter(
        "agw_tls_connections",
        ("listener", "protocol"),
        "TLS handshakes that were completed, by version",
        product="TlsProtocol",
    ),
    gauge("agw_tls_handshakes_in_progress", (), "TLS handshakes that have a slot (`max_handshakes`)"),
    gauge("agw_tls_handshakes_waiting", (), "TLS handshakes that wait for a slot"),
    counter(
        "agw_client_certificates",
        ("listener", "verify"),
        "Clients by the verdict on their certificate, as `sslClientVerify` has it: `SUCCESS`, `PASSTHROUGH`, `NONE`,"
        " `FAILED`; counted once for each connection, when its handshake is over and revocation was checked",
    ),
    counter(
        "agw_client_certificate_refusals",
        ("listener", "stage", "reason"),
        "Clients that were refused for their certificate, or for having sent none. `stage`: `handshake` (with an"
        " alert), `verdict` (after the handshake), `revalidation` (of an open connection), `path` (each request to a"
        " path that requires a certificate). `reason`: that of `FAILED:` in the access log, as far as it is one of"
        " the texts of OpenSSL, nginx or the gateway, else `other`; or `no certificate`",
    ),
    # Backends
    gauge(
        "agw_backend_servers",
        (*_SETTINGS, "health"),
        "Servers of a pool by health: `Up`, `Down`, `Unknown`, `Draining` (by an operator)",
        product="HealthyHostCount, UnhealthyHostCount",
        of_gateway=True,
    ),
    gauge(
        "agw_backend_server_up",
        _SERVER,
        "1: the server is healthy, by its probes and requests; else 0",
        of_gateway=True,
    ),
    counter(
        "agw_backend_responses",
        (*_SERVER, "code"),
        "Responses of servers by the class of their status, whatever the client got",
        product="BackendResponseStatus",
    ),
    counter(
        "agw_backend_connect_failures",
        _SERVER,
        "Connections to a server that could not be opened, TLS included",
    ),
    gauge(
        "agw_backend_connections",
        (*_SERVER, "state"),
        "Connections to a server: `in_use` or `idle`",
    ),
    counter(
        "agw_backend_retries",
        _SETTINGS,
        "Further attempts to get a request or an L4 session to a server, after one that failed",
    ),
    histogram(
        "agw_backend_connect_duration_seconds",
        _SETTINGS,
        "Time that it took to open a connection to a server: name, address, TLS",
        product="BackendConnectTime",
    ),
    histogram(
        "agw_backend_first_byte_seconds",
        _SETTINGS,
        "Time from the head of a request to the head of its response, as `serverResponseLatency` of the access log",
        product="BackendFirstByteResponseTime",
    ),
    histogram(
        "agw_backend_last_byte_seconds",
        _SETTINGS,
        "Time from the head of a request to the end of its response, where that was complete",
        product="BackendLastByteResponseTime",
    ),
    *REVOCATION,
    # The gateway
    gauge(
        "agw_certificate_not_after_timestamp_seconds",
        ("kind", "name"),
        "When the certificate of a section ends, in seconds since 1970; of several the first one",
        of_gateway=True,
    ),
    counter(
        "agw_reloads",
        ("outcome",),
        "Reloads of the configuration: `in_force`, `unchanged`, `rejected`",
        of_gateway=True,
    ),
    gauge(
        "agw_reload_last_successful",
        (),
        "1: the last reload was taken, or there was none; 0: it was rejected",
        of_gateway=True,
    ),
    gauge(
        "agw_reload_last_success_timestamp_seconds",
        (),
        "When the configuration in force was taken, in seconds since 1970",
        of_gateway=True,
    ),
    gauge(
        "agw_configuration_generation",
        (),
        "The number of the configuration in force; 1 is that of the start",
        of_gateway=True,
    ),
    counter(
        "agw_access_log_lines_lost", (), "Lines of the access log that are not in it: its buffer or its disk was full"
    ),
    gauge("agw_access_log_buffer_bytes", (), "Bytes of the access log that were not written yet"),
    gauge("agw_workers", (), "Worker processes that serve; 0: the gateway is one process", of_gateway=True),
    gauge(
        "agw_workers_missing",
        (),
        "Workers whose part is missing in this answer but for what was known",
        of_gateway=True,
    ),
    counter("agw_worker_restarts", ("worker",), "Workers that have ended and were replaced", of_gateway=True),
    histogram(
        "agw_event_loop_turn_duration_seconds",
        ("worker",),
        "How long a turn of the event loop took: meanwhile everything else waits; `worker` is 0 in the process that"
        " was started",
        TURNS,
    ),
    gauge(
        "agw_event_loop_longest_turn_seconds",
        ("worker",),
        "The longest turn of the event loop in the last one to two minutes; 0: all were shorter than a millisecond",
    ),
    gauge(
        "agw_build_info",
        ("version", "python", "twisted", "openssl"),
        "1; its labels are the versions",
        of_gateway=True,
    ),
    counter(
        "process_cpu_seconds",
        ("worker",),
        "CPU time, of the user and of the system",
        product="CpuUtilization, ComputeUnits",
    ),
    gauge("process_resident_memory_bytes", ("worker",), "Memory in use; what processes share counts in each"),
    gauge("process_open_fds", ("worker",), "File descriptors in use"),
    gauge("process_max_fds", ("worker",), "File descriptors that there may be"),
    gauge("process_start_time_seconds", ("worker",), "When the process was started, in seconds since 1970"),
)

FAMILIES: Final[Mapping[str, MetricFamily]] = {family.name: family for family in _TABLE}
"""Each by its name."""
