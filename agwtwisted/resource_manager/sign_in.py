"""What clients ask before they have a token: the metadata of the cloud, OpenID Connect's, and a token for the secret.

Answers have the shapes of the public cloud's, as far as clients read them: azure-cli and MSAL, the SDKs, Terraform. All
addresses in them are the control plane's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest
from agwtwisted.resource_manager.tokens import LIFETIME, TENANT, Tokens

METADATA: Final = "/metadata/endpoints"

_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}

_CLIENT_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@:/")
_LONGEST_CLIENT: Final = 128
_MOST_FIELDS: Final = 20

_SUFFIXES: Final = (
    "acrLoginServer",
    "attestationEndpoint",
    "azureDataLakeAnalyticsCatalogAndJob",
    "azureDataLakeStoreFileSystem",
    "azureFrontDoorEndpointSuffix",
    "keyVaultDns",
    "mariadbServer",
    "mhsmDns",
    "mysqlServer",
    "postgresqlServer",
    "sqlServerHostname",
    "storage",
    "storageSyncEndpointSuffix",
    "synapseAnalytics",
)

_ENDPOINTS: Final = (
    "activeDirectoryDataLake",
    "appInsightsResourceId",
    "appInsightsTelemetryChannelResourceId",
    "attestationResourceId",
    "batch",
    "gallery",
    "graph",
    "graphAudience",
    "logAnalyticsResourceId",
    "media",
    "microsoftGraphResourceId",
    "ossrDbmsResourceId",
    "portal",
    "resourceManager",
    "sqlManagement",
    "synapseAnalyticsResourceId",
    "vmImageAliasDoc",
)


class SignIn:
    """The answers.

    Args:
        tokens: which it gives out.
        wrong: called for each wrong secret; false: there are too many, and the answer is 429.
    """

    def __init__(self, tokens: Tokens, wrong: Callable[[], bool]) -> None:
        self._tokens = tokens
        self._wrong = wrong

    def answer(self, request: ArmRequest) -> ArmAnswer | None:
        """The answer; None: the request is none of these, and needs a token."""
        path = request.path.rstrip("/").lower()
        if path == METADATA:
            return _get(request, lambda: _metadata(request))
        if path in _OPENID:
            return _get(request, lambda: _openid(request.base_url))
        if path in _KEYS:
            return _get(request, self._tokens.keys)
        if path.endswith(("/oauth2/token", "/oauth2/v2.0/token")):
            return self._token(request, path)
        return None

    def _token(self, request: ArmRequest, path: str) -> ArmAnswer:
        tenant = path.split("/")[1]
        if request.method != "POST":
            return _not_allowed("POST")
        if tenant != TENANT:
            return _failed(request, 400, "invalid_request", 90002, f"Tenant '{tenant[:64]}' not found: it is {TENANT}.")
        form = _form(request)
        if form is None:
            return _failed(request, 400, "invalid_request", 900144, "The body has to be a form (urlencoded).")
        if form.get("grant_type") != "client_credentials":
            text = "Only the grant client_credentials is served: sign in as a service principal."
            return _failed(request, 400, "unsupported_grant_type", 70003, text)
        client = form.get("client_id", "")
        if not client or len(client) > _LONGEST_CLIENT or not _CLIENT_CHARACTERS.issuperset(client):
            return _failed(request, 400, "invalid_request", 900144, "The form has no client_id.")
        if not self._tokens.is_secret(form.get("client_secret", "")):
            return self._wrong_secret(request)
        return _json(200, self._granted(request, form, client, is_first_version="v2.0" not in path))

    def _wrong_secret(self, request: ArmRequest) -> ArmAnswer:
        if not self._wrong():
            return _failed(request, 429, "temporarily_unavailable", 90055, "Too many wrong secrets: wait 10 seconds.")
        text = "Invalid client secret provided. It is the one in the file arm.secret of the state directory."
        return _failed(request, 401, "invalid_client", 7000215, text)

    def _granted(
        self, request: ArmRequest, form: Mapping[str, str], client: str, *, is_first_version: bool
    ) -> Mapping[str, Any]:
        seconds = int(LIFETIME.total_seconds()) - 1
        if not is_first_version:
            audience = form.get("scope", "").removesuffix("/.default")
            token = self._tokens.issue(client, audience, f"{request.base_url}/{TENANT}/v2.0")
            return {
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": token,
            }
        resource, now = form.get("resource", ""), int(request.moment.timestamp())
        return {
            "token_type": "Bearer",
            "expires_in": str(seconds),
            "ext_expires_in": str(seconds),
            "expires_on": str(now + seconds),
            "not_before": str(now),
            "resource": resource,
            "access_token": self._tokens.issue(client, resource, f"{request.base_url}/{TENANT}/"),
        }


_OPENID: Final = frozenset(
    f"/{tenant}{version}/.well-known/openid-configuration"
    for tenant in (TENANT, "common", "organizations")
    for version in ("", "/v2.0")
)
_KEYS: Final = frozenset(
    f"/{tenant}/discovery/{name}" for tenant in (TENANT, "common") for name in ("keys", "v2.0/keys")
)


def _openid(base: str) -> Mapping[str, Any]:
    tenant = f"{base}/{TENANT}"
    return {
        "issuer": f"{tenant}/v2.0",
        "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
        "token_endpoint": f"{tenant}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{tenant}/oauth2/v2.0/devicecode",
        "end_session_endpoint": f"{tenant}/oauth2/v2.0/logout",
        "jwks_uri": f"{tenant}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "tenant_region_scope": None,
        "cloud_instance_name": base.removeprefix("https://"),
    }


def _metadata(request: ArmRequest) -> Any:
    """In the shape of its api-version: an object from 2022 on, before that a list of them, in 2015 a flat one."""
    base, version = request.base_url, request.query.get("api-version", "")
    sign_in = {"loginEndpoint": base, "audiences": [base, f"{base}/"]}
    if version < "2018":
        names = ("galleryEndpoint", "graphEndpoint", "portalEndpoint")
        return {**dict.fromkeys(names, base), "authentication": sign_in}
    found = {
        "name": "agwtwisted",
        "authentication": {**sign_in, "tenant": TENANT, "identityProvider": "AAD"},
        **dict.fromkeys(_ENDPOINTS, base),
        "suffixes": dict.fromkeys(_SUFFIXES, base.removeprefix("https://")),
    }
    return found if version >= "2022" else [found]


def _form(request: ArmRequest) -> Mapping[str, str] | None:
    """The fields of a form; None: the body is none."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        return None
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return None


def _failed(request: ArmRequest, status: int, error: str, number: int, text: str) -> ArmAnswer:
    """An error in the shape that MSAL reads."""
    members = {
        "error": error,
        "error_description": f"AADSTS{number}: {text}",
        "error_codes": [number],
        "timestamp": f"{request.moment:%Y-%m-%d %H:%M:%SZ}",
        "trace_id": request.request_id,
        "correlation_id": request.headers.get("client-request-id", request.request_id)[:64],
    }
    return _json(status, members, {"Retry-After": "10"} if status == 429 else {})


def _get(request: ArmRequest, members: Callable[[], Any]) -> ArmAnswer:
    return _json(200, members()) if request.method in ("GET", "HEAD") else _not_allowed("GET, HEAD")


def _not_allowed(allowed: str) -> ArmAnswer:
    error = {"code": "MethodNotAllowed", "message": f"Only {allowed} is served here."}
    return _json(405, {"error": error}, {"Allow": allowed})


def _json(status: int, members: Any, headers: Mapping[str, str] | None = None) -> ArmAnswer:
    return ArmAnswer(status=status, headers={**_HEADERS, **(headers or {})}, body=json.dumps(members).encode())
