"""The configuration as frozen values, named as the product names its resources.

`core.configuration.parsing` makes them from a file. A value that exists is valid: references are resolved, numbers in
range, certificates read.
"""

from __future__ import annotations

from enum import Enum

import attrs

from agwtwisted.core.backends.affinity import DEFAULT_NAME
from agwtwisted.core.backends.health import HEALTHY_STATUSES, StatusRange
from agwtwisted.core.base.errors import Problem
from agwtwisted.core.http.destinations import Network, PortRange
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.backend_pools import (
    BackendAddressPool,
    LoadDistributionAlgorithm,
    LoadDistributionPolicy,
)
from agwtwisted.core.resources.certificates import (
    CrlFile,
    SslCertificate,
    TrustedClientCertificate,
    TrustedRootCertificate,
)
from agwtwisted.core.resources.gateway import Control, Gateway
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.rewriting import RewriteRuleSet
from agwtwisted.core.tls.policies import TlsPolicy


class ClientAuth(Enum):
    """What a listener does about client certificates (`verify_client_auth_mode`); NONE: the profile does not ask."""

    NONE = "None"
    PASSTHROUGH = "Passthrough"
    STRICT = "Strict"


class Refusal(Enum):
    """How a Strict listener turns a client away: an alert in the handshake, or an HTTP answer after it."""

    HANDSHAKE = "Handshake"
    HTTP400 = "Http400"


def sources_text(sources: tuple[RevocationSource, ...]) -> str:
    """Sources of revocation status as `verify_client_revocation` has them: ``OCSP, CRL``, or ``None``."""
    return ", ".join(each.value for each in sources) or "None"


class RevocationScope(Enum):
    """About which certificates of a client's chain a source of revocation status is asked; about its root never."""

    LEAF = "Leaf"
    CHAIN = "Chain"


class MissingClientAuthEku(Enum):
    """What becomes of a client whose extendedKeyUsage has no clientAuth."""

    REFUSE = "Refuse"
    ALLOW = "Allow"


class RevocationUnavailable(Enum):
    """What becomes of a client whose status a source does not give."""

    REFUSE = "Refuse"
    ALLOW = "Allow"


class WithoutNocheck(Enum):
    """Whether a delegated responder counts whose certificate lacks id-pkix-ocsp-nocheck."""

    REFUSE = "Refuse"
    ALLOW = "Allow"


class OcspRequestMethod(Enum):
    """By which method responders are asked; AUTO: GET where the URL stays short (RFC 5019 section 5), else POST."""

    AUTO = "Auto"
    POST = "POST"


class Protocol(Enum):
    """What is spoken on a port."""

    HTTP = "Http"
    HTTPS = "Https"


class StreamProtocol(Enum):
    """What is spoken on the port of an L4 listener, or towards its backends."""

    TCP = "Tcp"
    TLS = "Tls"


class RuleType(Enum):
    """How a rule finds the backend of a request: all go to one, or a URL path map selects it."""

    BASIC = "Basic"
    PATH_BASED_ROUTING = "PathBasedRouting"


class RedirectType(Enum):
    """The redirects that there are; `status` is what they answer with."""

    PERMANENT = "Permanent"
    FOUND = "Found"
    SEE_OTHER = "SeeOther"
    TEMPORARY = "Temporary"

    @property
    def status(self) -> int:
        """301, 302, 303 or 307."""
        return {"Permanent": 301, "Found": 302, "SeeOther": 303, "Temporary": 307}[self.value]


class PathCertificate(Enum):
    """What a path of a Passthrough listener does about client certificates (`client_certificate`)."""

    NONE = "None"  # as the rest of the listener
    REQUIRE = "Require"  # the path is Strict, by an answer of HTTP
    IGNORE = "Ignore"  # backends get no information about the certificate on this path


class CertificateHeaders(Enum):
    """Ready-made request headers that carry the client certificate (`client_certificate_headers`)."""

    ON = "on"
    ALL = "all"
    RFC9440 = "rfc9440"
    XFCC = "xfcc"

    @property
    def is_built_in(self) -> bool:
        """Whether these are the gateway's own headers; others are formats that go with them, or alone."""
        return self in (CertificateHeaders.ON, CertificateHeaders.ALL)


@attrs.frozen(kw_only=True, eq=False)
class SslProfile:
    """How a listener verifies its TLS clients."""

    name: str
    client_auth: ClientAuth = ClientAuth.NONE
    trusted_client_certificates: tuple[TrustedClientCertificate, ...] = ()
    verify_client_cert_issuer_dn: bool = False
    allow_weak: bool = False  # keys and digests of clients and their CAs do not count
    missing_client_auth_eku: MissingClientAuthEku = MissingClientAuthEku.REFUSE
    advertise_ca_names: bool = True  # whether a Strict listener sends the names of its CAs
    tls_groups: tuple[str, ...] = ()  # for key exchange, the preferred one first; none: the default ones
    refusal: Refusal = Refusal.HANDSHAKE
    session_resumption: bool = True  # whether TLS sessions are resumed, where the port allows it
    ssl_policy: TlsPolicy
    verify_client_revocation: tuple[RevocationSource, ...] = ()  # the preferred one first; none: nothing is asked
    ocsp_responder_url: str = ""  # instead of those that certificates name
    ocsp_scope: RevocationScope = RevocationScope.LEAF
    ocsp_unavailable: RevocationUnavailable = RevocationUnavailable.REFUSE
    ocsp_timeout: float = 5.0
    ocsp_clock_skew: float = 300.0
    ocsp_max_age: float = 864000.0  # as long as a public CA's answer may hold (Baseline Requirements 4.9.10)
    ocsp_default_age: float = 300.0
    ocsp_allowed_networks: tuple[Network, ...] = ()
    ocsp_allowed_ports: tuple[PortRange, ...] = (PortRange(lowest=80, highest=80), PortRange(lowest=443, highest=443))
    ocsp_responder_without_nocheck: WithoutNocheck = WithoutNocheck.REFUSE
    ocsp_request_method: OcspRequestMethod = OcspRequestMethod.AUTO
    crl_files: tuple[CrlFile, ...] = ()  # besides those that certificates name
    crl_scope: RevocationScope = RevocationScope.LEAF
    crl_unavailable: RevocationUnavailable = RevocationUnavailable.REFUSE
    crl_max_bytes: int = 20_000_000  # of one list
    crl_timeout: float = 30.0  # of a whole download

    @property
    def asks(self) -> bool:
        """Whether clients are asked for certificates."""
        return self.client_auth is not ClientAuth.NONE


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
    enable_http2: bool | None = None  # None: as the gateway says
    http2: bool = False  # whether clients may speak HTTP/2, which is never so on plain HTTP
    accept_proxy_protocol: tuple[Network, ...] = ()  # connections from these begin with a PROXY protocol header


@attrs.frozen(kw_only=True, eq=False)
class Listener:
    """An L4 listener, whose connections are relayed; without host names it takes every connection of its port."""

    name: str
    address: str = "0.0.0.0"  # noqa: S104 - as HttpListener
    port: int
    protocol: StreamProtocol
    host_names: tuple[str, ...] = ()  # lower case; SNI, so on Tls alone
    ssl_certificate: SslCertificate | None = None
    ssl_profile: SslProfile | None = None
    ssl_policy: TlsPolicy | None = None  # of the profile where there is one, else the gateway's; None on Tcp
    alpn_protocols: tuple[bytes, ...] = ()  # that the servers behind it speak, the preferred one first
    accept_proxy_protocol: tuple[Network, ...] = ()  # connections from these begin with a PROXY protocol header


@attrs.frozen(kw_only=True)
class Probe:
    """How it is found out whether a server is well; by default as the product does it where settings name no probe."""

    name: str = ""
    protocol: Protocol | StreamProtocol = Protocol.HTTP
    host: str = ""  # sent as Host
    pick_host_name_from_backend_http_settings: bool = False
    path: str = "/"
    port: int | None = None  # instead of the server's own
    interval: float = 30.0  # from one probe to the next
    timeout: float = 30.0
    unhealthy_threshold: int = 3
    match_status_codes: tuple[StatusRange, ...] = HEALTHY_STATUSES
    match_body: str = ""
    min_servers: int = 0  # of a pool, that always count as healthy
    # Tcp and Tls only.
    pick_host_name_from_backend_settings: bool = False
    enable_probe_proxy_protocol_header: bool = False


@attrs.frozen(kw_only=True)
class BackendHttpSettings:
    """How the gateway speaks to the servers of a pool."""

    name: str
    port: int = 80
    protocol: Protocol = Protocol.HTTP
    request_timeout: float = 20.0
    host_name: str = ""
    pick_host_name_from_backend_address: bool = False
    path: str = ""  # of the request to the backend, in place of what a path rule matched
    # None: `on` wherever the listener's profile asks for a certificate; an empty set: off.
    client_certificate_headers: frozenset[CertificateHeaders] | None = None
    probe: Probe | None = None  # None: the product's default probe
    load_distribution_algorithm: LoadDistributionAlgorithm = LoadDistributionAlgorithm.ROUND_ROBIN
    cookie_based_affinity: bool = False
    affinity_cookie_name: str = DEFAULT_NAME
    connection_draining_timeout: float = 30.0
    dedicated_backend_connection: bool = False  # connections to servers have one client each
    # Https only.
    trusted_root_certificates: tuple[TrustedRootCertificate, ...] = ()  # none: the system's
    validate_cert_chain_and_expiry: bool = True
    validate_sni: bool = True
    sni_name: str = ""  # sent and looked for in the certificate, instead of the host name
    client_ssl_certificate: SslCertificate | None = None  # the gateway's own, for servers that ask


@attrs.frozen(kw_only=True, eq=False)
class BackendSettings:
    """How the gateway connects an L4 listener's clients to the servers of a pool."""

    name: str
    port: int
    protocol: StreamProtocol = StreamProtocol.TCP
    timeout: float = 60.0  # seconds without a byte in either direction, and for finding a server that answers
    # Tls only.
    trusted_root_certificates: tuple[TrustedRootCertificate, ...] = ()  # none: the system's
    host_name: str = ""  # sent as server name and looked for in the certificate, instead of the pool's host
    pick_host_name_from_backend_address: bool = False
    enable_l4_client_ip_preservation: bool = False  # a PROXY protocol header comes first
    proxy_protocol_tls: bool = False  # and describes the client's TLS and certificate
    probe: Probe | None = None  # None: whether a server can be connected to


@attrs.frozen(kw_only=True, eq=False)
class RedirectConfiguration:
    """Sends clients elsewhere: either to another listener of the gateway or to a URL."""

    name: str
    redirect_type: RedirectType
    target_listener: HttpListener | None = None
    target_url: str = ""
    include_path: bool = False
    include_query_string: bool = False


@attrs.frozen(kw_only=True, eq=False)
class PathRule:
    """What becomes of the requests for some paths: either they go to a pool or they are redirected."""

    name: str  # within its map
    paths: tuple[str, ...]  # as they were written: `core.rules.path_patterns`
    backend_address_pool: BackendAddressPool | None = None
    load_distribution_policy: LoadDistributionPolicy | None = None  # instead of the pool
    backend_http_settings: BackendHttpSettings | None = None
    redirect_configuration: RedirectConfiguration | None = None
    rewrite_rule_set: RewriteRuleSet | None = None
    deny_unless: tuple[Condition, ...] = ()  # as those of the rule, and besides them
    client_certificate: PathCertificate = PathCertificate.NONE


@attrs.frozen(kw_only=True, eq=False)
class UrlPathMap:
    """Path rules in the order of the file, the first that fits being the one; the defaults are for all other paths."""

    name: str
    path_rules: tuple[PathRule, ...] = ()
    default_backend_address_pool: BackendAddressPool | None = None
    default_load_distribution_policy: LoadDistributionPolicy | None = None  # instead of the pool
    default_backend_http_settings: BackendHttpSettings | None = None
    default_redirect_configuration: RedirectConfiguration | None = None
    default_rewrite_rule_set: RewriteRuleSet | None = None
    default_deny_unless: tuple[Condition, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class RequestRoutingRule:
    """Binds a listener to a pool, a redirect or a URL path map; a smaller priority is looked at first."""

    name: str
    priority: int
    http_listener: HttpListener
    rule_type: RuleType = RuleType.BASIC
    backend_address_pool: BackendAddressPool | None = None
    load_distribution_policy: LoadDistributionPolicy | None = None  # instead of the pool
    backend_http_settings: BackendHttpSettings | None = None
    redirect_configuration: RedirectConfiguration | None = None
    url_path_map: UrlPathMap | None = None
    rewrite_rule_set: RewriteRuleSet | None = None
    deny_unless: tuple[Condition, ...] = ()  # all must hold of a request, or it is answered 403


@attrs.frozen(kw_only=True, eq=False)
class CustomError:
    """The page that stands for one of ours, on a listener or, with "", on the whole gateway."""

    listener: str = ""
    status: int
    page: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True, eq=False)
class RoutingRule:
    """Binds an L4 listener to a pool."""

    name: str
    priority: int
    listener: Listener
    backend_address_pool: BackendAddressPool
    backend_settings: BackendSettings


@attrs.frozen(kw_only=True, eq=False)
class Config:
    """A whole configuration, valid as it stands."""

    gateway: Gateway
    control: Control | None = None
    http_listeners: tuple[HttpListener, ...] = ()
    request_routing_rules: tuple[RequestRoutingRule, ...] = ()
    rewrite_rule_sets: tuple[RewriteRuleSet, ...] = ()
    listeners: tuple[Listener, ...] = ()
    routing_rules: tuple[RoutingRule, ...] = ()
    custom_errors: tuple[CustomError, ...] = ()
    warnings: tuple[Problem, ...] = ()  # what is legal but unwise
    notes: tuple[Problem, ...] = ()  # what has no effect here

    @property
    def served(self) -> tuple[HttpListener | Listener, ...]:
        """The listeners that a rule names, those of HTTP first: no other is bound."""
        used = self._used()
        return tuple(each for each in self._every() if each in used)

    @property
    def unserved(self) -> tuple[HttpListener | Listener, ...]:
        """The others."""
        used = self._used()
        return tuple(each for each in self._every() if each not in used)

    def _every(self) -> tuple[HttpListener | Listener, ...]:
        return (*self.http_listeners, *self.listeners)

    def _used(self) -> set[HttpListener | Listener]:
        used: set[HttpListener | Listener] = {rule.http_listener for rule in self.request_routing_rules}
        return used | {rule.listener for rule in self.routing_rules}
