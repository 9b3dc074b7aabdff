"""The configuration as frozen values, named as the product names its resources; `core.config` makes them from a file.

A value that exists is valid: references are resolved, numbers in range, certificates read.
"""

from __future__ import annotations

from enum import Enum

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from agwtwisted.core.affinity import DEFAULT_NAME
from agwtwisted.core.chains import TrustedChain
from agwtwisted.core.destinations import Network, PortRange
from agwtwisted.core.errors import Problem
from agwtwisted.core.health import HEALTHY_STATUSES, StatusRange
from agwtwisted.core.policies import TlsPolicy


class ClientAuth(Enum):
    """What a listener does about client certificates (`verify_client_auth_mode`); NONE: the profile does not ask."""

    NONE = "None"
    PASSTHROUGH = "Passthrough"
    STRICT = "Strict"


class Refusal(Enum):
    """How a Strict listener turns a client away: an alert in the handshake, or an HTTP answer after it."""

    HANDSHAKE = "Handshake"
    HTTP400 = "Http400"


class ClientRevocation(Enum):
    """Whether a Strict listener asks if a certificate was revoked (`verify_client_revocation`)."""

    NONE = "None"
    OCSP = "OCSP"


class OcspScope(Enum):
    """Which certificates of a client's chain are asked about; its root never is."""

    LEAF = "Leaf"
    CHAIN = "Chain"


class OcspUnavailable(Enum):
    """What becomes of a client whose status is not to be had."""

    REFUSE = "Refuse"
    ALLOW = "Allow"


class Protocol(Enum):
    """What is spoken on a port."""

    HTTP = "Http"
    HTTPS = "Https"
    TCP = "Tcp"
    TLS = "Tls"


class LoadDistributionAlgorithm(Enum):
    """Whose turn it is among the healthy servers of a pool (`load_distribution_algorithm`)."""

    ROUND_ROBIN = "RoundRobin"
    LEAST_CONNECTIONS = "LeastConnections"


class HeaderNames(Enum):
    """What happens to request header names outside ``[A-Za-z0-9-]``."""

    DROP = "Drop"
    REJECT = "Reject"


class CertificateHeaders(Enum):
    """Ready-made request headers that carry the client certificate (`client_certificate_headers`)."""

    ON = "on"
    ALL = "all"
    RFC9440 = "rfc9440"
    XFCC = "xfcc"


@attrs.frozen(kw_only=True)
class Gateway:
    """The section ``[gateway]``; durations are seconds, sizes bytes."""

    access_log: str | None = None  # "-" is standard output, None: no access log
    drain_timeout: float = 30.0
    state_directory: str | None = None  # None: what is learnt lives in memory only
    ssl_policy: TlsPolicy
    max_connections: int = 20000
    max_connections_per_address: int = 0
    max_handshakes: int = 256
    handshake_timeout: float = 10.0
    header_timeout: float = 60.0
    body_timeout: float = 60.0
    idle_timeout: float = 75.0
    max_header_bytes: int = 32768
    max_body_bytes: int = 4294967296
    max_client_chain_bytes: int = 32768
    max_client_chain_depth: int = 8
    header_names: HeaderNames = HeaderNames.DROP
    log_query: bool = True
    server_header: str = "agwtwisted"
    allow_demo: bool = False


@attrs.frozen(kw_only=True, eq=False)
class SslCertificate:
    """A server certificate: the leaf first, then its intermediates, and the private key, which is never shown."""

    name: str
    certificates: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes = attrs.field(repr=False)


@attrs.frozen(kw_only=True, eq=False)
class TrustedClientCertificate:
    """A file of CA certificates against which clients are verified."""

    name: str
    chain: TrustedChain


@attrs.frozen(kw_only=True, eq=False)
class SslProfile:
    """What a listener asks of its TLS clients."""

    name: str
    client_auth: ClientAuth = ClientAuth.NONE
    trusted_client_certificates: tuple[TrustedClientCertificate, ...] = ()
    verify_client_cert_issuer_dn: bool = False
    allow_weak: bool = False  # keys and digests of clients and their CAs do not count
    refusal: Refusal = Refusal.HANDSHAKE
    ssl_policy: TlsPolicy
    verify_client_revocation: ClientRevocation = ClientRevocation.NONE
    ocsp_responder_url: str = ""  # instead of those that certificates name
    ocsp_scope: OcspScope = OcspScope.LEAF
    ocsp_unavailable: OcspUnavailable = OcspUnavailable.REFUSE
    ocsp_timeout: float = 5.0
    ocsp_clock_skew: float = 300.0
    ocsp_max_age: float = 604800.0
    ocsp_default_age: float = 300.0
    ocsp_allowed_networks: tuple[Network, ...] = ()
    ocsp_allowed_ports: tuple[PortRange, ...] = (PortRange(lowest=80, highest=80), PortRange(lowest=443, highest=443))


@attrs.frozen(kw_only=True, eq=False)
class HttpListener:
    """An HTTP or HTTPS listener; without host names it is the port's basic listener and takes any host."""

    name: str
    address: str = "0.0.0.0"  # noqa: S104 - the product listens on its frontend addresses; ours are all by default
    port: int
    protocol: Protocol
    host_names: tuple[str, ...] = ()  # lower case
    ssl_certificate: SslCertificate | None = None
    ssl_profile: SslProfile | None = None
    require_server_name_indication: bool = False
    # Of the profile where there is one, else the gateway's; None on plain HTTP.
    ssl_policy: TlsPolicy | None = None


@attrs.frozen(kw_only=True)
class BackendAddress:
    """A backend server; a port of its own overrides the one of the backend settings."""

    host: str
    port: int | None = None


@attrs.frozen(kw_only=True)
class BackendAddressPool:
    """Servers that do the same work."""

    name: str
    backend_addresses: tuple[BackendAddress, ...] = ()


@attrs.frozen(kw_only=True)
class Probe:
    """How it is found out whether a server is well; by default as the product does it where settings name no probe."""

    name: str = ""
    protocol: Protocol = Protocol.HTTP
    host: str = ""  # sent as Host
    pick_host_name_from_backend_http_settings: bool = False
    path: str = "/"
    port: int | None = None  # instead of the server's own
    interval: float = 30.0  # from one probe to the next
    timeout: float = 30.0
    unhealthy_threshold: int = 3
    match_status_codes: tuple[StatusRange, ...] = HEALTHY_STATUSES
    match_body: str = ""


@attrs.frozen(kw_only=True)
class BackendHttpSettings:
    """How the gateway speaks to the servers of a pool."""

    name: str
    port: int = 80
    protocol: Protocol = Protocol.HTTP
    request_timeout: float = 20.0
    host_name: str = ""
    pick_host_name_from_backend_address: bool = False
    # None: `on` wherever the listener's profile asks for a certificate; an empty set: off.
    client_certificate_headers: frozenset[CertificateHeaders] | None = None
    probe: Probe | None = None  # None: the product's default probe
    load_distribution_algorithm: LoadDistributionAlgorithm = LoadDistributionAlgorithm.ROUND_ROBIN
    cookie_based_affinity: bool = False
    affinity_cookie_name: str = DEFAULT_NAME
    connection_draining_timeout: float = 30.0


@attrs.frozen(kw_only=True, eq=False)
class RequestRoutingRule:
    """Binds a listener to a pool; a smaller priority is looked at first."""

    name: str
    priority: int
    http_listener: HttpListener
    backend_address_pool: BackendAddressPool
    backend_http_settings: BackendHttpSettings


@attrs.frozen(kw_only=True, eq=False)
class Config:
    """A whole configuration, valid as it stands."""

    gateway: Gateway
    http_listeners: tuple[HttpListener, ...] = ()
    request_routing_rules: tuple[RequestRoutingRule, ...] = ()
    warnings: tuple[Problem, ...] = ()  # what is legal but unwise
