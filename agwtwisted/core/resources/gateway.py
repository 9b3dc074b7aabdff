"""The settings of the whole gateway, as frozen values."""

from __future__ import annotations

from enum import Enum
from typing import Literal

import attrs

from agwtwisted.core.http.service_urls import ProxyAddress, StoreAddress
from agwtwisted.core.tls.policies import TlsPolicy


class OddHeaderNames(Enum):
    """What happens to request header names outside ``[A-Za-z0-9-]``."""

    DROP = "Drop"
    REJECT = "Reject"


@attrs.frozen(kw_only=True)
class Control:
    """The section ``[control]``."""

    socket: str | None = None  # "off": none; None: in the state directory, or the runtime directory
    address: str = "127.0.0.1"  # of the port, on loopback
    port: int | None = None  # of TCP; None: there is none
    token_file: str | None = None  # None: in the state directory
    arm: bool = False  # whether clients of Azure Resource Manager are served
    arm_port: int = 8902
    arm_subscription: str = "00000000-0000-0000-0000-000000000000"


@attrs.frozen(kw_only=True)
class Gateway:
    """The section ``[gateway]``; durations are seconds, sizes bytes."""

    access_log: str | None = None  # "-" is standard output, None: no access log
    drain_timeout: float = 30.0
    workers: int | Literal["auto"] = 1  # "auto": as many as the process may use processors
    watch_files: bool = False
    state_directory: str | None = None  # None: what is learnt lives in memory only
    outbound_proxy: ProxyAddress | None = None  # for the gateway's own requests; None: they go without one
    revocation_store: StoreAddress | None = None  # None: what is learnt is shared by the workers alone
    revocation_store_password_file: str | None = None  # paths
    revocation_store_trusted_file: str | None = None  # None: the system's CAs
    revocation_store_certificate_file: str | None = None
    revocation_store_key_file: str | None = None
    revocation_store_prefix: str = "agwtwisted:"
    revocation_store_timeout: float = 0.2
    ssl_policy: TlsPolicy
    reuse_port: bool = False
    max_connections: int = 20000
    max_connections_per_address: int = 0
    max_handshakes: int = 1024
    silent_timeout: float = 3.0
    handshake_timeout: float = 10.0
    header_timeout: float = 60.0
    body_timeout: float = 60.0
    min_body_rate: int = 240
    min_response_rate: int = 240
    idle_timeout: float = 75.0
    max_header_bytes: int = 32768
    max_header_lines: int = 100
    max_body_bytes: int = 4294967296
    enable_http2: bool = False  # on listeners with TLS that do not say otherwise
    http2_max_concurrent_streams: int = 100
    http2_max_requests: int = 1000
    http2_max_header_list: int = 16384
    http2_max_header_field: int = 8192
    http2_idle_timeout: float = 180.0
    max_client_chain_bytes: int = 32768
    max_client_chain_depth: int = 8
    header_names: OddHeaderNames = OddHeaderNames.DROP
    log_query: bool = True
    log_refused_certificates: bool = True
    server_header: str = "agwtwisted"
    allow_demo: bool = False


@attrs.frozen(kw_only=True)
class ArmSettings:
    """The section ``[arm]``: how a gateway in ARM JSON is run here. Its families of keys are read by name."""

    name: str | None = None  # None: the only one of the document
    address: str | None = None  # None: 127.0.0.1, and others of 127.0.0.0/8 where one is not enough
    ports: tuple[tuple[int, int], ...] = ()  # of the document, and here
    port_offset: int = 0
    tls_policy: str | None = None
    parameters: tuple[str, ...] = ()  # paths
    subscription: str | None = None
    resource_group: str | None = None
    location: str | None = None
