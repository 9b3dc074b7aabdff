"""The ARM properties of backend pools, settings, probes and load distribution."""

from __future__ import annotations

from typing import Final

from agwtwisted.core.arm.properties import (
    BOOLEAN,
    INTEGER,
    OBJECT,
    TEXT,
    TEXTS,
    Collection,
    children,
    enum,
    note,
    reference,
    references,
    works,
)

_PICK_HOST_NAME = "Whether the server's own name or address in the pool is used."
_ROOTS = "What servers are verified against; absent: the system's roots."

BACKEND_ADDRESS_POOLS: Final = Collection(
    name="backendAddressPools",
    kind="backend_address_pool",
    remark="Servers that do the same work. The option `backend.POOL` replaces addresses that only Azure has.",
    properties=(
        works(
            "backendAddresses", children("backendAddresses"), "backend_addresses", "The servers.", may_be_unknown=True
        ),
        note(
            "backendIPConfigurations",
            "Network interfaces of Azure cannot be reached by their ids: `--backend` names servers in their place.",
        ),
    ),
)

BACKEND_ADDRESSES: Final = Collection(
    name="backendAddresses",
    within="backendAddressPools",
    is_resource=False,
    remark="One server each.",
    properties=(
        works("fqdn", TEXT, "backend_addresses", "Its name.", may_be_unknown=True),
        works(
            "ipAddress",
            TEXT,
            "backend_addresses",
            "Or its address; some tools write names here.",
            may_be_unknown=True,
        ),
    ),
)

BACKEND_HTTP_SETTINGS_COLLECTION: Final = Collection(
    name="backendHttpSettingsCollection",
    kind="backend_http_settings",
    remark="How requests go to servers.",
    properties=(
        works("port", INTEGER, "port", "The port of the servers."),
        works("protocol", enum("Http", "Https"), "protocol", "What is spoken to them."),
        works("requestTimeout", INTEGER, "request_timeout", "In seconds."),
        works("hostName", TEXT, "host_name", "The host that is sent."),
        works("pickHostNameFromBackendAddress", BOOLEAN, "pick_host_name_from_backend_address", _PICK_HOST_NAME),
        works(
            "cookieBasedAffinity",
            enum("Enabled", "Disabled"),
            "cookie_based_affinity",
            "Whether a cookie sends clients to the same server again.",
        ),
        works(
            "affinityCookieName",
            TEXT,
            "affinity_cookie_name",
            "The name of that cookie; it is left out where there is none.",
        ),
        works("path", TEXT, "path", "A path in place of what the path rule matched."),
        works("probe", reference("probes"), "probe", "Absent: the default probe."),
        works("trustedRootCertificates", references("trustedRootCertificates"), "trusted_root_certificates", _ROOTS),
        works(
            "authenticationCertificates",
            references("authenticationCertificates"),
            "",
            "Of v1: see there. They are added to `trusted_root_certificates`.",
        ),
        works(
            "validateCertChainAndExpiry",
            BOOLEAN,
            "validate_cert_chain_and_expiry",
            "Whether the server's chain is verified. Dropped with Http.",
        ),
        works("validateSNI", BOOLEAN, "validate_sni", "Whether its name is verified. Dropped with Http."),
        works("sniName", TEXT, "sni_name", "The name in the handshake, instead of the host."),
        works("connectionDraining", OBJECT, "", "Two settings."),
        works(
            "connectionDraining.enabled",
            BOOLEAN,
            "",
            "`false`: the time below does not count, and the default of 30 seconds applies.",
        ),
        works(
            "connectionDraining.drainTimeoutInSec", INTEGER, "connection_draining_timeout", "In seconds, where enabled."
        ),
        works(
            "dedicatedBackendConnection",
            BOOLEAN,
            "dedicated_backend_connection",
            "Whether each client connection has its own connection to a server.",
        ),
        note("probeEnabled", "The reference alone decides whether there is a probe.", silent=False),
    ),
)

BACKEND_SETTINGS_COLLECTION: Final = Collection(
    name="backendSettingsCollection",
    kind="backend_settings",
    remark="How the bytes of L4 listeners go to servers.",
    properties=(
        works("port", INTEGER, "port", "The port of the servers."),
        works("protocol", enum("Tcp", "Tls"), "protocol", "Whether TLS is spoken to them."),
        works("timeout", INTEGER, "timeout", "In seconds."),
        works("probe", reference("probes"), "probe", "Absent: a connection is enough."),
        works("trustedRootCertificates", references("trustedRootCertificates"), "trusted_root_certificates", _ROOTS),
        works("hostName", TEXT, "host_name", "The name in the handshake."),
        works("pickHostNameFromBackendAddress", BOOLEAN, "pick_host_name_from_backend_address", _PICK_HOST_NAME),
        works(
            "enableL4ClientIpPreservation",
            BOOLEAN,
            "enable_l4_client_ip_preservation",
            "Whether a PROXY protocol header comes first.",
        ),
    ),
)

PROBES: Final = Collection(
    name="probes",
    kind="probe",
    remark="How the health of servers is checked.",
    properties=(
        works("protocol", enum("Http", "Https", "Tcp", "Tls"), "protocol", "What is spoken."),
        works("host", TEXT, "host", "The Host of the request."),
        works("path", TEXT, "path", "The path of the request; left out of Tcp and Tls probes, with a note."),
        works("port", INTEGER, "port", "Instead of the server's own."),
        works("interval", INTEGER, "interval", "In seconds."),
        works("timeout", INTEGER, "timeout", "In seconds."),
        works("unhealthyThreshold", INTEGER, "unhealthy_threshold", "Failures in a row."),
        works(
            "pickHostNameFromBackendHttpSettings",
            BOOLEAN,
            "pick_host_name_from_backend_http_settings",
            "Whether the host of the settings is used.",
        ),
        works(
            "pickHostNameFromBackendSettings",
            BOOLEAN,
            "pick_host_name_from_backend_settings",
            "The same of L4 settings.",
        ),
        works("minServers", INTEGER, "min_servers", "Servers that always count as healthy."),
        works("match", OBJECT, "", "What a healthy server answers; left out of Tcp and Tls probes, with a note."),
        works("match.statusCodes", TEXTS, "match_status_codes", "Statuses, ranges as `200-399`."),
        works("match.body", TEXT, "match_body", "Text in the body."),
        works(
            "enableProbeProxyProtocolHeader",
            BOOLEAN,
            "enable_probe_proxy_protocol_header",
            "Whether a PROXY protocol header comes first; L4.",
        ),
    ),
)

COLLECTIONS: Final = (
    BACKEND_ADDRESS_POOLS,
    BACKEND_ADDRESSES,
    BACKEND_HTTP_SETTINGS_COLLECTION,
    BACKEND_SETTINGS_COLLECTION,
    PROBES,
)
