"""The ranges of the values in a configuration.

Sources: the product's limits page ("Application Gateway limits"), its REST specification, "multiple-site-overview" for
host names; keys that only this gateway has are bounded to detect mistakes (for example a size in the wrong unit).
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Range:
    """From `lowest` to `highest`, both allowed; `code` is the product's error code where it has one."""

    lowest: int
    highest: int
    code: str = ""

    def __contains__(self, number: float) -> bool:
        return self.lowest <= number <= self.highest

    def __str__(self) -> str:
        return f"{self.lowest} to {self.highest}"


# Numbers: durations in seconds, sizes in bytes.
PORT = Range(1, 65535)
PRIORITY = Range(1, 20_000)
TIMEOUT = Range(1, 86_400)
DRAIN_TIMEOUT = Range(0, 86_400)
CONNECTION_DRAINING_TIMEOUT = Range(1, 3600)
UNHEALTHY_THRESHOLD = Range(1, 20)
WEIGHT_PER_SERVER = Range(1, 100)
CONNECTIONS = Range(1, 10_000_000)
WORKERS = Range(1, 64)
CONNECTIONS_PER_ADDRESS = Range(0, 10_000_000)
RATE = Range(0, 1_000_000_000)  # bytes a second
HEADER_BYTES = Range(1024, 1_048_576)
HEADER_LINES = Range(10, 10_000)
BODY_BYTES = Range(0, 1 << 50)
STREAMS = Range(1, 1000)  # of one connection of HTTP/2 at once
REQUESTS = Range(1, 1_000_000_000)  # on one connection of HTTP/2, whose streams have 31 bits (RFC 9113 section 5.1.1)
CLIENT_CHAIN_BYTES = Range(1024, 102_400)  # OpenSSL accepts no more, and has no setting for it
CLIENT_CHAIN_DEPTH = Range(1, 100)

RULE_SEQUENCE = Range(0, 2_147_483_647)

CRL_BYTES = Range(1024, 1_000_000_000)
CRL_TIMEOUT = Range(1, 3600)
STORE_PREFIX = Range(0, 64)
OCSP_TIMEOUT = Range(1, 60)
STORE_TIMEOUT = Range(0, 10)
OCSP_CLOCK_SKEW = Range(0, 86_400)
OCSP_AGE = Range(1, 31_536_000)

# How many a list may hold, or a gateway.
HOST_NAMES_PER_LISTENER = Range(1, 5)
TARGETS_PER_POOL = Range(1, 1200)
MIN_SERVERS = Range(0, TARGETS_PER_POOL.highest)
STATUS_RANGES = Range(1, 100)
PATHS_PER_RULE = Range(1, 100)
PATH_RULES_PER_MAP = Range(0, 100, "ApplicationGatewayPathRuleLimitReached")
CIPHER_SUITES = Range(1, 100)
TLS_GROUPS = Range(1, 20)
ALPN_PROTOCOLS = Range(1, 20)
CRL_FILES = Range(1, 100)
REVOCATION_SOURCES = Range(1, 2)
NETWORKS = Range(1, 100)
PORT_RANGES = Range(1, 100)
CLIENT_CAS_PER_PROFILE = Range(1, 100)
CA_NAMES_BYTES = Range(0, 65_000)
"""Of the names of CAs in a CertificateRequest, each with its two octets of length.

OpenSSL 4.0 sends 65,535 in TLS 1.2 and 65,481 in TLS 1.3, whose extensions share that room (RFC 8446 section 4.3.2).
"""
CA_NAMES_IN_ONE_RECORD = Range(0, 16_000)
"""More of them make a message longer than a record: small clients, with room for one record, end the handshake."""

ROOT_CAS_PER_SETTINGS = Range(1, 100)
CLIENT_CAS_PER_GATEWAY = Range(0, 200, "ApplicationGatewayTrustedClientCertificateLimitReached")

REWRITE_RULE_SETS = Range(0, 400, "ApplicationGatewayRewriteRuleSetLimitReached")
ACTIONS_PER_SET = Range(0, 40)
CONDITIONS_PER_SET = Range(0, 40)

# What the product takes, and this gateway takes more of.
PRODUCT_PORT = Range(1, 65_199)
PRODUCT_LISTENERS = Range(0, 200)
PRODUCT_RULES = Range(0, 400)
PRODUCT_RESOURCES = Range(0, 100)
LIMITED_KINDS = (
    "backend_address_pool",
    "backend_http_settings",
    "backend_settings",
    "probe",
    "redirect_configuration",
    "ssl_certificate",
    "ssl_profile",
    "trusted_root_certificate",
)
"""The kinds of sections of which the product has at most PRODUCT_RESOURCES each."""

# The size of a file.
TRUSTED_ROOT_BYTES = Range(0, 1_048_576)
SSL_CERTIFICATE_BYTES = Range(0, 16_384, "ApplicationGatewaySslCertificateDataTooBig")
ERROR_PAGE_BYTES = Range(0, 1_048_575)

# Host names, "multiple-site-overview"; the lengths are those of RFC 1035 section 2.3.4.
HOST_NAME_LENGTH = Range(1, 253)
LABEL_LENGTH = Range(1, 63)
WILDCARDS_PER_HOST_NAME = Range(0, 4)
STARS_PER_HOST_NAME = Range(0, 2)
STARS_PER_LABEL = Range(0, 1)
