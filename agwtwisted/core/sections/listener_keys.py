"""The sections about what clients connect to: `gateway`, `http_listener`, `listener`.

One table for each kind: its keys, what each means, and what must fit together within one section.
"""

from __future__ import annotations

from collections.abc import Iterator

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem, UnacceptableError, shown
from agwtwisted.core.http.destinations import network
from agwtwisted.core.http.host_names import listener_address, listener_host_name
from agwtwisted.core.resources.gateway import Gateway, OddHeaderNames
from agwtwisted.core.resources.resources import (
    HttpListener,
    Listener,
    Protocol,
    StreamProtocol,
)
from agwtwisted.core.sections.revocation_keys import GATEWAY_KEYS, gateway_problems
from agwtwisted.core.sections.settings import (
    Empty,
    Key,
    Kind,
    Row,
    boolean,
    choice,
    listed,
    path,
    reference,
    seconds,
    whole,
    whole_or,
)
from agwtwisted.core.sections.tls_keys import POLICY, ssl_policy_problems
from agwtwisted.core.tls.extensions import alpn_protocol

_ADDRESS = Key(listener_address, "The address to listen on; `::` is all of IPv6.")
_PORT = Key(whole(limits.PORT), "The port to listen on.", required=True)
_HOST_NAMES = Key(
    listed(listener_host_name, limits.HOST_NAMES_PER_LISTENER),
    "At most five names, `*` and `?` allowed. Without them the listener takes every name.",
)
_CERTIFICATE = Key(reference("ssl_certificate"), "The `ssl_certificate` shown to clients; needed with TLS.")
_PROFILE = Key(
    reference("ssl_profile"),
    "The `ssl_profile`; without one the listener asks for no certificate.",
    empty=Empty.REFUSED,
)
_PROXIES = Key(
    listed(network, limits.NETWORKS),
    "Networks of load balancers that begin each connection with a PROXY protocol header (v1 or v2), which is then "
    "mandatory; connections from other networks are closed.",
    empty=Empty.REFUSED,
)


def header_value(text: str) -> str:
    """What may stand in a header of ours: printable ASCII."""
    if not all(" " <= each <= "~" for each in text):
        raise UnacceptableError(f"is {shown(text)}, but must be printable ASCII")
    return text


def _gateway(row: Row) -> Iterator[Problem]:
    key = "http2_max_header_field"
    field, fields = row.get(key), row.get("http2_max_header_list")
    if field > fields and not row.unset(key):
        yield row.note(f"{key} has no effect: it is above http2_max_header_list, {fields}", key=key)
    yield from gateway_problems(row)
    yield from ssl_policy_problems(row)


GATEWAY = Kind(
    name="gateway",
    meaning="Settings of the whole gateway; optional.",
    resource=Gateway,
    named=False,
    keys={
        "access_log": Key(
            path,
            "The file of the access log, or `-` for standard output; reopened on SIGUSR1. A new file is readable "
            "by its owner and group only; after a rotation it has the permissions of the previous one. Unset: no "
            "log.",
        ),
        "drain_timeout": Key(
            seconds(limits.DRAIN_TIMEOUT),
            "Seconds for requests and sessions in progress when the gateway stops, or when a reload removes their"
            " listener or refuses their client.",
        ),
        "workers": Key(
            whole_or(limits.WORKERS, "auto"),
            "Processes that serve clients, or `auto`: as many as there are processors for the gateway. With 1, one"
            " process does everything.",
        ),
        "watch_files": Key(
            boolean,
            "Whether certificates, keys and other files that the configuration names are taken, by a reload, when they"
            " were replaced.",
        ),
        "state_directory": Key(
            path, ("Directory that keeps OCSP responses, CRLs and the key of affinity cookies over a restart.")
        ),
        "reuse_port": Key(
            boolean,
            "Whether another gateway of the same user, which has it too, may listen on the same ports: for an upgrade "
            "without an interruption.",
        ),
        "max_connections": Key(
            whole(limits.CONNECTIONS),
            "Connections of all listeners; beyond that a silent or idle one is closed for a new one.",
        ),
        "max_connections_per_address": Key(
            whole(limits.CONNECTIONS_PER_ADDRESS), "Connections of one client address (IPv6: of a /64); 0: no limit."
        ),
        "max_handshakes": Key(
            whole(limits.CONNECTIONS), "TLS handshakes in progress at once, counted from the complete ClientHello."
        ),
        "silent_timeout": Key(
            seconds(limits.TIMEOUT),
            (
                "Seconds for a new connection's first byte; at a limit, connections that wait longer in a handshake or"
                " head are closed for others."
            ),
        ),
        "handshake_timeout": Key(seconds(limits.TIMEOUT), "Seconds for a TLS handshake."),
        "header_timeout": Key(seconds(limits.TIMEOUT), "Seconds for a whole request head."),
        "body_timeout": Key(
            seconds(limits.TIMEOUT),
            (
                "Seconds without a byte of a body, and the longest time by which a client may fall behind the rates "
                "below."
            ),
        ),
        "min_body_rate": Key(
            whole(limits.RATE), ("The lowest rate of a request's body, in bytes a second; 0: no limit.")
        ),
        "min_response_rate": Key(
            whole(limits.RATE), "The lowest rate at which a client reads a response, in bytes a second; 0: no limit."
        ),
        "idle_timeout": Key(seconds(limits.TIMEOUT), "Seconds between two requests of a connection."),
        "max_header_bytes": Key(whole(limits.HEADER_BYTES), "Bytes of a request's or a response's header lines."),
        "max_header_lines": Key(
            whole(limits.HEADER_LINES), "Header lines of a request or a response, and trailers of either."
        ),
        "max_body_bytes": Key(whole(limits.BODY_BYTES), "Bytes of a request's body."),
        "enable_http2": Key(
            boolean,
            "Whether clients of `Https` listeners may speak HTTP/2, which is agreed on by ALPN. Servers are asked in"
            " HTTP/1.1 in any case.",
        ),
        "http2_max_concurrent_streams": Key(
            whole(limits.STREAMS), "Requests of one connection of HTTP/2 that may be under way at once."
        ),
        "http2_max_requests": Key(
            whole(limits.REQUESTS), "Requests of one connection of HTTP/2, which ends with the last of them."
        ),
        "http2_max_header_list": Key(
            whole(limits.HEADER_BYTES),
            "Bytes of all header fields of a request of HTTP/2, with 32 for each (RFC 9113 section 6.5.2).",
        ),
        "http2_max_header_field": Key(
            whole(limits.HEADER_BYTES), "Bytes of one header field of a request of HTTP/2: its name, its value, and 32."
        ),
        "http2_idle_timeout": Key(
            seconds(limits.TIMEOUT), "Seconds without a request under way on a connection of HTTP/2."
        ),
        "max_client_chain_bytes": Key(
            whole(limits.CLIENT_CHAIN_BYTES), "Bytes of the certificates that a client sends."
        ),
        "max_client_chain_depth": Key(whole(limits.CLIENT_CHAIN_DEPTH), "CAs above a client's own certificate."),
        "header_names": Key(
            choice(*OddHeaderNames),
            "Request header names outside `A-Z a-z 0-9 -`: `Drop` them, or `Reject` the request (400).",
        ),
        "log_query": Key(boolean, "Whether the access log contains query strings."),
        "log_refused_certificates": Key(
            boolean,
            "Whether a line about a refused client has the subject, serial number and SHA-256 of its certificate. "
            "SHA-1 and issuer are always logged. Without it the control API shows no certificate of a refused client "
            "either, and none is kept in memory.",
        ),
        "server_header": Key(
            header_value,
            "The name in the gateway's own pages and their Server header; empty: none.",
            empty=Empty.CONVERTED,
            literal=True,
        ),
        "allow_demo": Key(
            boolean, "Whether the demo's certificates, whose keys are public, may be used beyond this machine."
        ),
        **GATEWAY_KEYS,
        **POLICY,
    },
    check=_gateway,
)


def _http_listener(row: Row) -> Iterator[Problem]:
    protocol = row.get("protocol")
    if protocol is Protocol.HTTPS and row.unset("ssl_certificate"):
        yield row.problem("an Https listener needs ssl_certificate")
    if protocol is Protocol.HTTP:
        for key in ("ssl_certificate", "ssl_profile"):
            if row.get(key):
                yield row.problem(f"{key} is not allowed on an Http listener", key=key)
        if not row.unset("enable_http2"):
            message = "enable_http2 is not allowed on an Http listener: clients agree on HTTP/2 in the TLS handshake"
            yield row.problem(message, key="enable_http2")
    key = "require_server_name_indication"
    if row.get(key) and protocol is Protocol.HTTP:
        yield row.note(f"{key} has no effect on an Http listener", key=key)
    elif row.get(key) and row.unset("host_names"):
        yield row.note(f"{key} has no effect without host_names to compare the client's with", key=key)
    yield from _proxies(row)


def _listener(row: Row) -> Iterator[Problem]:
    protocol = row.get("protocol")
    if protocol is StreamProtocol.TLS and row.unset("ssl_certificate"):
        yield row.problem("a Tls listener needs ssl_certificate")
    if protocol is StreamProtocol.TCP:
        for key in ("ssl_certificate", "ssl_profile", "host_names", "alpn_protocols"):
            if row.get(key):
                yield row.problem(f"{key} is not allowed on a Tcp listener", key=key)
    yield from _proxies(row)


def _proxies(row: Row) -> Iterator[Problem]:
    key = "accept_proxy_protocol"
    for each in row.get(key):
        if not each.prefixlen:
            yield row.warning(f"{key} has {each}: any client could forge its address", key=key)


HTTP_LISTENER = Kind(
    name="http_listener",
    meaning="A port, or some host names on it, for HTTP.",
    resource=HttpListener,
    keys={
        "address": _ADDRESS,
        "port": _PORT,
        "protocol": Key(choice(Protocol.HTTP, Protocol.HTTPS), "`Http` or `Https`.", required=True),
        "host_names": _HOST_NAMES,
        "ssl_certificate": _CERTIFICATE,
        "ssl_profile": _PROFILE,
        "require_server_name_indication": Key(
            boolean,
            "Whether clients must send the host name in the handshake (SNI). A client without SNI, or with an "
            "address in it, gets the port's listener without `host_names`, else the first one, by the rules' "
            "priority, with `false`; if there is none, the handshake fails. A request of such a client for the "
            "host of a listener with `true` gets 421.",
        ),
        "enable_http2": Key(
            boolean,
            "Whether clients of the listener may speak HTTP/2; `Https` only. Unset: as `[gateway]` says. With `false`, "
            "requests for its hosts get 421 on connections of HTTP/2 to other listeners.",
        ),
        "accept_proxy_protocol": _PROXIES,
    },
    check=_http_listener,
)

LISTENER = Kind(
    name="listener",
    meaning="A port, or some host names on it, whose bytes are relayed (L4).",
    resource=Listener,
    keys={
        "address": _ADDRESS,
        "port": _PORT,
        "protocol": Key(choice(*StreamProtocol), "`Tcp` or `Tls`.", required=True),
        "host_names": _HOST_NAMES,
        "ssl_certificate": _CERTIFICATE,
        "ssl_profile": _PROFILE,
        "alpn_protocols": Key(
            listed(alpn_protocol, limits.ALPN_PROTOCOLS),
            "The protocols of the servers (ALPN: `h2`, `mqtt`), the preferred one first; `Tls` only. A client that"
            " offers only others is refused; without the key the gateway ignores ALPN.",
            empty=Empty.REFUSED,
        ),
        "accept_proxy_protocol": _PROXIES,
    },
    check=_listener,
)
