"""What depends on no resource: tenant, subscription, locations, providers, and the values that are available."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agwtwisted.core.resource_manager.api_versions import OF_GATEWAYS
from agwtwisted.core.resource_manager.calls import Call, Reply
from agwtwisted.core.resource_manager.messages import JsonValue
from agwtwisted.core.resource_manager.service_errors import ServiceError
from agwtwisted.core.resource_manager.writing import json_answer
from agwtwisted.core.rules.server_variables import SERVER_VARIABLES
from agwtwisted.core.tls.policies import (
    DEFAULT,
    TLS_1_2,
    TLS_1_3,
    TlsPolicy,
    available_cipher_suites,
    predefined,
    predefined_names,
)

NETWORK: Final = "Microsoft.Network"
RESOURCES: Final = "Microsoft.Resources"

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    NETWORK: (
        "applicationGateways",
        "applicationGatewayWebApplicationFirewallPolicies",
        "applicationSecurityGroups",
        "authenticationPolicies",
        "dnsZones",
        "loadBalancers",
        "natGateways",
        "networkInterfaces",
        "networkSecurityGroups",
        "privateDnsZones",
        "privateEndpoints",
        "publicIPAddresses",
        "publicIPPrefixes",
        "routeTables",
        "virtualNetworks",
    ),
    RESOURCES: ("deployments", "resourceGroups"),
    "Microsoft.Insights": ("diagnosticSettings",),
    "Microsoft.KeyVault": ("vaults",),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities",),
    "Microsoft.OperationalInsights": ("workspaces",),
}
"""The namespaces of resources that are kept, with the kinds that their provider lists."""

_NAMES: Final[Mapping[str, str]] = {namespace.lower(): namespace for namespace in KINDS}

# Registered field names (RFC 9110, RFC 6265, RFC 9111) that rules of a gateway are usually about.
_REQUEST_HEADERS: Final = [
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "Forwarded",
    "From",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Max-Forwards",
    "Origin",
    "Pragma",
    "Range",
    "Referer",
    "User-Agent",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
]

_RESPONSE_HEADERS: Final = [
    "Accept-Ranges",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin",
    "Access-Control-Max-Age",
    "Age",
    "Allow",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-Range",
    "Content-Security-Policy",
    "Content-Type",
    "Date",
    "ETag",
    "Expires",
    "Last-Modified",
    "Link",
    "Location",
    "Pragma",
    "Referrer-Policy",
    "Retry-After",
    "Server",
    "Set-Cookie",
    "Strict-Transport-Security",
    "Vary",
    "Via",
    "WWW-Authenticate",
    "X-Content-Type-Options",
    "X-Frame-Options",
]


def known_namespace(name: str) -> str:
    """The namespace as it is spelled; empty: its resources are not kept here."""
    return _NAMES.get(name.lower(), "")


def tenants(call: Call) -> Reply:
    """The one tenant."""
    tenant = call.state.tenant
    member: dict[str, JsonValue] = {
        "id": f"/tenants/{tenant}",
        "tenantId": tenant,
        "displayName": "agwtwisted",
        "tenantCategory": "Home",
    }
    return json_answer(200, {"value": [member]})


def subscriptions(call: Call) -> Reply:
    """The one subscription, as a list."""
    return json_answer(200, {"value": [_subscription(call)], "count": {"type": "Total", "value": 1}})


def subscription(call: Call) -> Reply:
    """The one subscription."""
    return json_answer(200, _subscription(call))


def _subscription(call: Call) -> dict[str, JsonValue]:
    return {
        "id": f"/subscriptions/{call.subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": call.subscription,
        "tenantId": call.state.tenant,
        "displayName": "agwtwisted",
        "state": "Enabled",
        "subscriptionPolicies": {"locationPlacementId": "local", "quotaId": "local", "spendingLimit": "Off"},
    }


def locations(call: Call) -> Reply:
    """The one location; resources may say any."""
    location = call.state.location
    member: dict[str, JsonValue] = {
        "id": f"/subscriptions/{call.subscription}/locations/{location}",
        "name": location,
        "type": "Region",
        "displayName": location,
        "regionalDisplayName": location,
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
    }
    return json_answer(200, {"value": [member]})


def providers(call: Call) -> Reply:
    """All providers, registered."""
    return json_answer(200, {"value": [_provider(call, namespace) for namespace in KINDS]})


def provider(call: Call) -> Reply:
    """One provider, registered; so it is after it was registered."""
    namespace = known_namespace(call.arguments["namespace"])
    if not namespace:
        return unknown_namespace(call.arguments["namespace"])
    return json_answer(200, _provider(call, namespace))


def unknown_namespace(name: str) -> ServiceError:
    """A namespace whose resources are not kept here."""
    known = ", ".join(KINDS)
    message = f"The resource namespace '{name[:80]}' is invalid: this control plane knows {known}."
    return ServiceError(code="InvalidResourceNamespace", message=message, status=404)


def _provider(call: Call, namespace: str) -> dict[str, JsonValue]:
    kinds: list[JsonValue] = [
        {
            "resourceType": kind,
            "locations": [call.state.location],
            "apiVersions": list(OF_GATEWAYS),
            "defaultApiVersion": OF_GATEWAYS[0],
            "capabilities": "SupportsTags, SupportsLocation",
        }
        for kind in KINDS[namespace]
    ]
    return {
        "id": f"/subscriptions/{call.subscription}/providers/{namespace}",
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": kinds,
    }


def ssl_options(call: Call) -> Reply:
    """The TLS policies, protocols and cipher suites of this gateway."""
    base = _ssl_options_id(call)
    policies: list[JsonValue] = [
        {"id": f"{base}/ApplicationGatewaySslPredefinedPolicy/{n}"} for n in predefined_names()
    ]
    properties: dict[str, JsonValue] = {
        "predefinedPolicies": policies,
        "defaultPolicy": DEFAULT,
        "availableCipherSuites": list(available_cipher_suites()),
        "availableProtocols": [TLS_1_2, TLS_1_3],
    }
    kind = f"{NETWORK}/ApplicationGatewayAvailableSslOptions"
    return json_answer(200, {"name": "default", "id": base, "type": kind, "properties": properties})


def predefined_policies(call: Call) -> Reply:
    """All predefined TLS policies that are not retired."""
    found = (predefined(name) for name in predefined_names())
    return json_answer(200, {"value": [_policy(call, each) for each in found if isinstance(each, TlsPolicy)]})


def predefined_policy(call: Call) -> Reply:
    """One of them."""
    by_name = {name.lower(): name for name in predefined_names()}
    wanted = call.arguments["policy"]
    found = predefined(by_name.get(wanted.lower(), wanted))
    if isinstance(found, str):
        message = f"The Resource '{NETWORK}/ApplicationGatewaySslPredefinedPolicy/{wanted}' was not found: {found}."
        return ServiceError(code="ResourceNotFound", message=message, status=404)
    return json_answer(200, _policy(call, found))


def _policy(call: Call, policy: TlsPolicy) -> dict[str, JsonValue]:
    suites: list[JsonValue] = [*policy.tls13_cipher_suites, *policy.tls12_cipher_suites]
    return {
        "name": policy.name,
        "id": f"{_ssl_options_id(call)}/ApplicationGatewaySslPredefinedPolicy/{policy.name}",
        "properties": {"minProtocolVersion": policy.min_version, "cipherSuites": suites},
    }


def _ssl_options_id(call: Call) -> str:
    return f"/subscriptions/{call.subscription}/providers/{NETWORK}/ApplicationGatewayAvailableSslOptions/default"


def server_variables(call: Call) -> Reply:
    """The names of the server variables that conditions and values can have."""
    return json_answer(200, sorted(SERVER_VARIABLES))


def request_headers(call: Call) -> Reply:
    """Names of request headers that rules are usually about; any other can be set as well."""
    return json_answer(200, list(_REQUEST_HEADERS))


def response_headers(call: Call) -> Reply:
    """The same of responses."""
    return json_answer(200, list(_RESPONSE_HEADERS))
