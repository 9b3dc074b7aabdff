"""The ARM properties of the gateway itself, and of what belongs to its place in Azure.

Source: the product's REST specification, and the models of azure-mgmt-network for API version 2026-03-01.
"""

from __future__ import annotations

from typing import Final

from agwtwisted.core.arm.findings import WAF
from agwtwisted.core.arm.properties import (
    BOOLEAN,
    INTEGER,
    OBJECT,
    TEXT,
    Collection,
    children,
    enum,
    enums,
    error,
    note,
    read_only,
    warn,
    works,
)
from agwtwisted.core.tls.policies import SUITES

WAF_IGNORED: Final = WAF.name

POLICY_NAMES: Final = (
    "AppGwSslPolicy20150501",
    "AppGwSslPolicy20170401",
    "AppGwSslPolicy20170401S",
    "AppGwSslPolicy20220101",
    "AppGwSslPolicy20220101S",
)
PROTOCOL_VERSIONS: Final = ("TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3")

SSL_POLICY: Final = (
    works("sslPolicy", OBJECT, "", "The TLS policy; absent: AppGwSslPolicy20220101, or that of the gateway."),
    works(
        "sslPolicy.policyType",
        enum("Predefined", "Custom", "CustomV2"),
        "policy_type",
        "Absent: `Predefined`. `Predefined` is not written: `ssl_policy` says it.",
    ),
    works(
        "sslPolicy.policyName",
        enum(*POLICY_NAMES),
        "ssl_policy",
        "A predefined policy. AppGwSslPolicy20150501 and 20170401 were retired with TLS 1.0 and 1.1 and are refused;"
        " the option `tls_policy` replaces them.",
    ),
    works(
        "sslPolicy.minProtocolVersion",
        enum(*PROTOCOL_VERSIONS),
        "min_protocol_version",
        "`TLSv1_2` or `TLSv1_3`, of a custom policy.",
    ),
    works("sslPolicy.cipherSuites", enums(*SUITES), "cipher_suites", "Of a custom policy, the preferred first."),
    works(
        "sslPolicy.disabledSslProtocols",
        enums(*PROTOCOL_VERSIONS),
        "",
        "Of v1. TLS 1.0 and 1.1 are off anyway; to disable a later version is refused: use `minProtocolVersion`.",
    ),
)
"""The TLS policy of the gateway and of its SSL profiles."""

RESOURCE: Final = Collection(
    name="applicationGateways",
    remark="The resource itself, beside its `properties`.",
    properties=(
        works("name", TEXT, "", "The name of the gateway, in ids and messages."),
        works("properties", OBJECT, "", "What follows below; answers of azure-cli have its members without it."),
        works("apiVersion", TEXT, "", "Rules need a priority from 2021-08-01 on."),
        note("location", "One machine has no region."),
        note("tags", "Kept by the control plane, without an effect."),
        note("zones", "One machine has no zones."),
        note("identity", "Needed for Key Vault alone.", "type", "userAssignedIdentities"),
        read_only("id"),
        read_only("type"),
        read_only("etag"),
        read_only("resourceGroup", "Written by azure-cli."),
        read_only("systemData"),
        *(
            read_only(name, "Of templates: evaluated, or for people.")
            for name in (
                "dependsOn",
                "condition",
                "copy",
                "scope",
                "comments",
                "metadata",
                "existing",
                "import",
                "asserts",
            )
        ),
    ),
)

GATEWAY: Final = Collection(
    name="properties",
    kind="gateway",
    within="applicationGateways",
    remark="The `properties` of the gateway. Its collections are described below.",
    is_resource=False,
    properties=(
        note(
            "sku",
            "There are no sizes here. With a v1 SKU rules need no priority.",
            "name",
            "tier",
            "capacity",
            "family",
        ),
        note("autoscaleConfiguration", "There are no instances here: see `workers`.", "minCapacity", "maxCapacity"),
        note("reservedCapacity", "There are no instances here."),
        *SSL_POLICY,
        works("enableHttp2", BOOLEAN, "enable_http2", "Absent: `false`. Listeners without TLS speak HTTP/1.1 alone."),
        warn("enableFips", "Whether OpenSSL runs in FIPS mode is a matter of the machine.", silent=False),
        warn(
            "firewallPolicy",
            "There is no web application firewall here: requests reach the servers unfiltered.",
            "id",
            warning=WAF_IGNORED,
        ),
        warn(
            "webApplicationFirewallConfiguration",
            "There is no web application firewall here: requests reach the servers unfiltered.",
            "enabled",
            "firewallMode",
            "ruleSetType",
            "ruleSetVersion",
            "disabledRuleGroups",
            "requestBodyCheck",
            "requestBodyInspectLimitInKB",
            "maxRequestBodySize",
            "maxRequestBodySizeInKb",
            "fileUploadLimitInMb",
            "exclusions",
            warning=WAF_IGNORED,
        ),
        warn(
            "forceFirewallPolicyAssociation",
            "There is no web application firewall here.",
            silent=False,
            warning=WAF_IGNORED,
        ),
        works("globalConfiguration", OBJECT, "", "Three settings."),
        note(
            "globalConfiguration.enableRequestBuffering",
            "Requests are passed on as they arrive, as with `false`.",
            silent=False,
        ),
        note(
            "globalConfiguration.enableResponseBuffering",
            "Responses are passed on as they arrive, as with `false`.",
            silent=False,
        ),
        works(
            "globalConfiguration.disableDefaultServerHeaderInResponse",
            BOOLEAN,
            "server_header",
            "`true`: the gateway's own pages have no Server header.",
        ),
        *(
            works(name, children(name), "", "A collection: see below.")
            for name in (
                "frontendIPConfigurations",
                "frontendPorts",
                "sslCertificates",
                "trustedClientCertificates",
                "trustedRootCertificates",
                "authenticationCertificates",
                "sslProfiles",
                "httpListeners",
                "listeners",
                "backendAddressPools",
                "backendHttpSettingsCollection",
                "backendSettingsCollection",
                "probes",
                "loadDistributionPolicies",
                "requestRoutingRules",
                "routingRules",
                "urlPathMaps",
                "redirectConfigurations",
                "rewriteRuleSets",
                "customErrorConfigurations",
            )
        ),
        note("gatewayIPConfigurations", "The gateway's subnet: one machine has none.", "name", "properties.subnet"),
        note(
            "privateLinkConfigurations",
            "There is no private link on one machine.",
            "name",
            *(
                f"properties.ipConfigurations[].{name}"
                for name in (
                    "name",
                    "properties.privateIPAddress",
                    "properties.privateIPAllocationMethod",
                    "properties.subnet",
                    "properties.primary",
                )
            ),
        ),
        error(
            "entraJWTValidationConfigs",
            "Tokens are not validated yet, and without it the backends were open.",
            "name",
            "properties.unAuthorizedRequestAction",
            "properties.tenantId",
            "properties.clientId",
            "properties.audiences",
        ),
        error(
            "advancedRoutingMaps",
            "Not supported yet: requests would reach other servers.",
            "name",
            "properties.defaultBackendAddressPool",
            "properties.defaultBackendHttpSettings",
            "properties.defaultRedirectConfiguration",
            "properties.defaultRewriteRuleSet",
            "properties.defaultAuthConfigs",
            "properties.advancedRoutingRules",
        ),
        error(
            "advancedRoutingConditionSets",
            "Not supported yet: requests would reach other servers.",
            "name",
            "properties.routingConditions",
        ),
        read_only("privateEndpointConnections"),
        read_only("operationalState"),
        read_only("resourceGuid"),
        read_only("provisioningState"),
        read_only("defaultPredefinedSslPolicy"),
    ),
)

FRONTEND_IP_CONFIGURATIONS: Final = Collection(
    name="frontendIPConfigurations",
    remark="Where listeners listen. Their addresses are Azure's; here it is 127.0.0.1, or what the options say.",
    properties=(
        works(
            "privateIPAddress",
            TEXT,
            "",
            "The `address` of the frontend's listeners, where this machine has it and no option says another.",
            may_be_unknown=True,
        ),
        note("privateIPAllocationMethod", "There is no virtual network here."),
        note("subnet", "There is no virtual network here.", "id"),
        note("publicIPAddress", "The address is Azure's: `--address` gives one to be reached at.", "id"),
        note("privateLinkConfiguration", "There is no private link on one machine.", "id"),
    ),
)

FRONTEND_PORTS: Final = Collection(
    name="frontendPorts",
    remark="The ports of listeners; one that no listener uses is ignored.",
    properties=(works("port", INTEGER, "", "The `port` of the listeners, moved by `ports` and `port_offset`."),),
)

CUSTOM_ERROR_CONFIGURATIONS: Final = Collection(
    name="customErrorConfigurations",
    kind="custom_error",
    is_resource=False,
    remark="Pages in place of the gateway's own, of the gateway and of HTTP listeners.",
    properties=(
        works(
            "statusCode",
            enum(*(f"HttpStatus{status}" for status in (400, 403, 404, 405, 408, 500, 502, 503, 504))),
            "",
            "The status in the section's name: `[custom_error gateway/502]`, `[custom_error LISTENER/502]`.",
        ),
        works(
            "customErrorPageUrl",
            TEXT,
            "custom_error_page_url",
            "Pages are never fetched: the option `page` gives the `file` of a URL. Without it there is a warning, and"
            " the gateway's own page is sent.",
        ),
    ),
)

COLLECTIONS: Final = (
    FRONTEND_IP_CONFIGURATIONS,
    FRONTEND_PORTS,
    CUSTOM_ERROR_CONFIGURATIONS,
)
