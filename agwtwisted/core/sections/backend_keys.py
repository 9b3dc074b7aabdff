"""The sections about servers: `backend_address_pool`, `probe`, `backend_http_settings`, `backend_settings`.

One table for each kind: its keys, what each means, and what must fit together within one section.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from agwtwisted.core.backends.affinity import cookie_name
from agwtwisted.core.backends.health import match_body, status_range
from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem, UnacceptableError, shown
from agwtwisted.core.base.texts import one_line
from agwtwisted.core.http.host_names import backend_host, host_and_port, host_header, server_name
from agwtwisted.core.resources.backend_pools import (
    BackendAddress,
    BackendAddressPool,
    LoadDistributionAlgorithm,
    LoadDistributionPolicy,
    LoadDistributionTarget,
)
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    BackendSettings,
    CertificateHeaders,
    Probe,
    Protocol,
    StreamProtocol,
)
from agwtwisted.core.rules.path_patterns import url_path
from agwtwisted.core.sections.settings import (
    Empty,
    Key,
    Kind,
    Row,
    boolean,
    choice,
    listed,
    reference,
    seconds,
    whole,
)

_PICK_HOST_NAME = Key(boolean, "Whether to use the server's own name or address in the pool instead.")
_ROOTS = Key(
    listed(reference("trusted_root_certificate"), limits.ROOT_CAS_PER_SETTINGS),
    "The `trusted_root_certificate` sections that servers are verified against; none: the system's roots.",
    empty=Empty.REFUSED,
)

_HEADER_WORDS: dict[str, frozenset[CertificateHeaders]] = {
    "off": frozenset(),
    **{member.value: frozenset({member}) for member in CertificateHeaders},
}

_EXCLUSIVE_WORDS = ("off", *(member.value for member in CertificateHeaders if member.is_built_in))
_FORMATS = tuple(member.value for member in CertificateHeaders if not member.is_built_in)


def certificate_headers(text: str) -> frozenset[CertificateHeaders]:
    """``on``, ``off`` or ``all``, and/or formats as ``rfc9440``; ``off`` is the empty set and stands alone."""
    words = listed(one_line, limits.Range(1, len(_HEADER_WORDS)))(text)
    unknown = [word for word in words if word not in _HEADER_WORDS]
    if unknown:
        raise UnacceptableError(
            f"has {shown(unknown[0])}, but must be one of on, off, all, and/or {', '.join(_FORMATS)}"
        )
    if sum(word in _EXCLUSIVE_WORDS for word in words) > 1 or ("off" in words and len(words) > 1):
        raise UnacceptableError(f"is {shown(text)}: {' and '.join(words)} contradict each other")
    return frozenset().union(*(_HEADER_WORDS[word] for word in words))


def backend_address(text: str) -> BackendAddress:
    """A server of a pool."""
    host, port = host_and_port(text)
    return BackendAddress(host=host, port=port)


def probe_path(text: str) -> str:
    """The target of a probe's request: a path, with a query if it likes."""
    if not text.startswith("/") or not all("!" <= each <= "~" and each != "#" for each in text):
        raise UnacceptableError(f"is {shown(text)}, but must be a path: printable ASCII that begins with /")
    return text


def text_to_match(text: str) -> str:
    """What a healthy server's answer must have in its body."""
    return match_body(one_line(text))


def _backend_address_pool(row: Row) -> Iterator[Problem]:
    if row.unset("backend_addresses"):
        yield row.warning("has no backend_addresses: its requests get 502")


BACKEND_ADDRESS_POOL = Kind(
    name="backend_address_pool",
    meaning="Servers that do the same work.",
    resource=BackendAddressPool,
    keys={
        "backend_addresses": Key(
            listed(backend_address, limits.TARGETS_PER_POOL),
            "`host` or `host:port`; the port is that of the settings otherwise.",
        ),
    },
    check=_backend_address_pool,
)


LOAD_DISTRIBUTION_TARGET = Kind(
    name="load_distribution_target",
    meaning="A pool of a load distribution policy: `[load_distribution_target POLICY/NAME]`.",
    resource=LoadDistributionTarget,
    keys={
        "backend_address_pool": Key(reference("backend_address_pool"), "The pool.", required=True),
        "weight_per_server": Key(
            whole(limits.WEIGHT_PER_SERVER), "1 to 100: how much each server of the pool gets, compared with others."
        ),
    },
)

LOAD_DISTRIBUTION_POLICY = Kind(
    name="load_distribution_policy",
    meaning="Distributes requests over the servers of several pools; it stands where a pool may stand.",
    resource=LoadDistributionPolicy,
    keys={
        "load_distribution_algorithm": Key(
            choice(*LoadDistributionAlgorithm),
            "`RoundRobin`, `LeastConnections` or `IpHash` (by the client's address), each by the weights of the"
            " targets; instead of that of the backend settings.",
        ),
    },
)


HTTP_PROBE_KEYS: Final = ("path", "match_status_codes", "match_body", "pick_host_name_from_backend_http_settings")
"""What a probe without HTTP may have, as the product's portal sends it, without any effect."""


def _probe(row: Row) -> Iterator[Problem]:
    if row.get("host") and row.get("pick_host_name_from_backend_http_settings"):
        yield row.problem("host and pick_host_name_from_backend_http_settings exclude each other", key="host")
    if isinstance(row.get("protocol"), StreamProtocol):
        for key in HTTP_PROBE_KEYS:
            if key in row.values:
                yield row.note(f"{key} has no effect in a probe without HTTP", key=key)
        yield from _relay_probe(row)
    elif "protocol" not in row.refused:
        for key in ("pick_host_name_from_backend_settings", "enable_probe_proxy_protocol_header"):
            if row.get(key):
                yield row.problem(f"{key} is not allowed in a probe with HTTP", key=key)


_NAME_KEYS: Final = ("host", "pick_host_name_from_backend_settings")


def _relay_probe(row: Row) -> Iterator[Problem]:
    picks = "pick_host_name_from_backend_settings"
    if row.get("host") and row.get(picks):
        yield row.problem(f"host and {picks} exclude each other", key="host")
    for key in _NAME_KEYS:
        if row.get(key) and row.get("protocol") is StreamProtocol.TCP:
            yield row.note(f"{key} has no effect in a probe without TLS", key=key)


def probe_fields(row: Row) -> dict[str, Any]:
    """The values of a probe that have an effect with its protocol."""
    fields = row.fields()
    if isinstance(row.get("protocol"), StreamProtocol):
        fields = {key: value for key, value in fields.items() if key not in HTTP_PROBE_KEYS}
    if row.get("protocol") is StreamProtocol.TCP:
        fields = {key: value for key, value in fields.items() if key not in _NAME_KEYS}
    return fields


PROBE = Kind(
    name="probe",
    meaning="How the gateway checks the health of servers.",
    resource=Probe,
    keys={
        "protocol": Key(choice(*Protocol, *StreamProtocol), "`Http` or `Https`; `Tcp` or `Tls` for L4.", required=True),
        "host": Key(backend_host, "The Host of the probe; for `Tls`, the name that the server must prove."),
        "pick_host_name_from_backend_http_settings": Key(
            boolean, ("Whether to use the host of the backend settings instead.")
        ),
        "pick_host_name_from_backend_settings": Key(boolean, "The same for L4 settings with `Tls`."),
        "path": Key(probe_path, "The path of the request."),
        "port": Key(whole(limits.PORT), "The port to probe; by default the server's own."),
        "interval": Key(seconds(limits.TIMEOUT), "Seconds between two probes."),
        "timeout": Key(seconds(limits.TIMEOUT), "Seconds for the response."),
        "unhealthy_threshold": Key(
            whole(limits.UNHEALTHY_THRESHOLD), "Failures in a row after which a server is down."
        ),
        "min_servers": Key(
            whole(limits.MIN_SERVERS),
            "So many servers of a pool always count as healthy, whatever their probes find: those of which the least"
            " bad is known.",
        ),
        "match_status_codes": Key(
            listed(status_range, limits.STATUS_RANGES), "Statuses of a healthy response, ranges as `200-399`."
        ),
        "match_body": Key(text_to_match, "Text in the first 4090 bytes of a healthy response.", literal=True),
        "enable_probe_proxy_protocol_header": Key(
            boolean, "Whether a PROXY protocol header (v2, `LOCAL`) comes first; L4."
        ),
    },
    check=_probe,
)

_BACKEND_TLS_KEYS = (
    "trusted_root_certificates",
    "validate_cert_chain_and_expiry",
    "validate_sni",
    "sni_name",
    "client_ssl_certificate",
)


def backend_port(row: Row) -> int:
    """The port of backend settings: where it is absent, the one that their protocol has by itself."""
    port: int = row.get("port")
    return 443 if row.unset("port") and row.get("protocol") is Protocol.HTTPS else port


def _backend_http_settings(row: Row) -> Iterator[Problem]:
    if row.get("host_name") and row.get("pick_host_name_from_backend_address"):
        yield row.problem("host_name and pick_host_name_from_backend_address exclude each other", key="host_name")
    yield from _affinity(row)
    yield from _backend_tls(row)


def _affinity(row: Row) -> Iterator[Problem]:
    key = "affinity_cookie_name"
    if key in row.values and not row.get("cookie_based_affinity") and "cookie_based_affinity" not in row.refused:
        yield row.warning(f"{key} has no effect without cookie_based_affinity", key=key)


def _backend_tls(row: Row) -> Iterator[Problem]:
    if "protocol" in row.refused:
        return
    if row.get("protocol") is Protocol.HTTP:
        for key in _BACKEND_TLS_KEYS:
            if row.get(key) != row.kind.default(key):
                yield row.problem(f"{key} needs protocol = Https", key=key)
        return
    if not row.get("validate_cert_chain_and_expiry"):
        key = "validate_cert_chain_and_expiry"
        yield row.warning(f"{key} = false: an attacker on the network can impersonate the servers", key=key)
        if not row.unset("trusted_root_certificates"):
            yield row.warning(f"trusted_root_certificates have no effect with {key} = false", key=key)
    elif not row.get("validate_sni"):
        key = "validate_sni"
        yield row.warning(f"{key} = false: any certificate of a trusted CA is accepted", key=key)


BACKEND_HTTP_SETTINGS = Kind(
    name="backend_http_settings",
    meaning="How requests go to the servers of a pool.",
    resource=BackendHttpSettings,
    keys={
        "port": Key(whole(limits.PORT), "The port of servers without one of their own."),
        "protocol": Key(choice(Protocol.HTTP, Protocol.HTTPS), "`Http` or `Https`."),
        "request_timeout": Key(
            seconds(limits.TIMEOUT),
            "Seconds for connecting, and for each pause of the server; also for upgraded connections.",
        ),
        "host_name": Key(
            host_header,
            "The host that is sent, and that a server must prove; empty: the client's or the server's own.",
        ),
        "pick_host_name_from_backend_address": _PICK_HOST_NAME,
        "client_certificate_headers": Key(
            certificate_headers,
            "Headers about the client's certificate: `on`, `off` or `all`, and/or "
            f"{', '.join(f'`{word}`' for word in _FORMATS)}; unset: `on` wherever a certificate is asked for.",
        ),
        "cookie_based_affinity": Key(boolean, "Whether a cookie sends clients to the same server again."),
        "affinity_cookie_name": Key(cookie_name, "The name of that cookie."),
        "path": Key(url_path, "A path that replaces the part that the path rule matched."),
        "probe": Key(reference("probe"), "The `probe`; unset: the default probe."),
        "load_distribution_algorithm": Key(
            choice(*LoadDistributionAlgorithm),
            "`RoundRobin`, `LeastConnections` or `IpHash` (by the client's address), for requests that go to a pool; a"
            " `load_distribution_policy` has its own.",
        ),
        "connection_draining_timeout": Key(
            seconds(limits.CONNECTION_DRAINING_TIMEOUT),
            "Seconds for requests in progress at a server that goes down.",
        ),
        "dedicated_backend_connection": Key(
            boolean,
            "Whether a connection to a server has the requests of one client connection alone, and ends with it: for"
            " logins that belong to a connection (NTLM).",
        ),
        "trusted_root_certificates": _ROOTS,
        "validate_cert_chain_and_expiry": Key(
            boolean, "Whether the chain of the server's certificate is verified (`Https`).", empty=Empty.REFUSED
        ),
        "validate_sni": Key(boolean, "Whether the name in the server's certificate is (`Https`).", empty=Empty.REFUSED),
        "sni_name": Key(server_name, "The name that is sent and verified, instead of the host (`Https`)."),
        "client_ssl_certificate": Key(
            reference("ssl_certificate"),
            "The `ssl_certificate` that the gateway sends to servers that ask for one (`Https`).",
            empty=Empty.REFUSED,
        ),
    },
    check=_backend_http_settings,
)


def _backend_settings(row: Row) -> Iterator[Problem]:
    if row.get("host_name") and row.get("pick_host_name_from_backend_address"):
        yield row.problem("host_name and pick_host_name_from_backend_address exclude each other", key="host_name")
    if row.get("protocol") is StreamProtocol.TCP and "protocol" not in row.refused:
        for name in ("trusted_root_certificates", "host_name", "pick_host_name_from_backend_address"):
            if row.get(name):
                yield row.problem(f"{name} needs protocol = Tls", key=name)
    key = "proxy_protocol_tls"
    preserving = "enable_l4_client_ip_preservation"
    if row.get(key) and not row.get(preserving) and preserving not in row.refused:
        yield row.problem(f"{key} needs {preserving} = true: that header has the TLS values", key=key)


BACKEND_SETTINGS = Kind(
    name="backend_settings",
    meaning="How the bytes of L4 listeners go to the servers of a pool.",
    resource=BackendSettings,
    keys={
        "port": Key(whole(limits.PORT), "The port of servers without one of their own.", required=True),
        "protocol": Key(choice(*StreamProtocol), "`Tcp` or `Tls`."),
        "timeout": Key(seconds(limits.TIMEOUT), "Seconds for connecting, and without a byte in either direction."),
        "trusted_root_certificates": _ROOTS,
        "host_name": Key(
            server_name,
            "The host that is sent, and that a server must prove; empty: the client's or the server's own.",
        ),
        "pick_host_name_from_backend_address": _PICK_HOST_NAME,
        "enable_l4_client_ip_preservation": Key(boolean, "Whether the server gets a PROXY protocol header (v2) first."),
        "proxy_protocol_tls": Key(boolean, "Whether that header describes the client's TLS and certificate."),
        "probe": Key(reference("probe"), "The `probe`, `Tcp` or `Tls`; unset: a connection is enough."),
    },
    check=_backend_settings,
)
