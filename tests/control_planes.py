"""A control plane without a gateway: its state, requests to it, and the body of a gateway that they are about."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

from agwtwisted.core.resource_manager.answering import answer
from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest, ArmState, Work
from tests.pki import Credential

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-000000000002"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
GATEWAY = f"{GROUP}/providers/Microsoft.Network/applicationGateways/gw"
VERSION = "2025-05-01"


def base64_of(data: bytes) -> str:
    """Bytes as JSON has them."""
    return base64.b64encode(data).decode()


def pfx(credential: Credential, password: str = "") -> str:
    """A certificate with its key and chain, as ARM takes it."""
    protection = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    key: Any = credential.key
    chain = [each.certificate for each in credential.issuers]
    return base64_of(pkcs12.serialize_key_and_certificates(b"x", key, credential.certificate, chain, protection))


def child(name: str, **properties: Any) -> dict[str, Any]:
    """A child of a gateway."""
    return {"name": name, "properties": properties}


def reference(*path: str) -> dict[str, str]:
    """A reference to a child of the gateway."""
    return {"id": "/".join((GATEWAY, *path))}


def gateway_body(**properties: Any) -> dict[str, Any]:
    """The body of a gateway that answers on port 8080 over HTTP; `properties` take the place of its own."""
    own: dict[str, Any] = {
        "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
        "gatewayIPConfigurations": [child("subnet", subnet={"id": f"{GROUP}/providers/x/y/z"})],
        "frontendIPConfigurations": [child("public", publicIPAddress={"id": f"{GROUP}/providers/x/y/ip"})],
        "frontendPorts": [child("p8080", port=8080)],
        "backendAddressPools": [child("servers", backendAddresses=[{"ipAddress": "127.0.0.1"}])],
        "backendHttpSettingsCollection": [child("plain", port=9000, protocol="Http", requestTimeout=30)],
        "httpListeners": [
            child(
                "web",
                frontendIPConfiguration=reference("frontendIPConfigurations", "public"),
                frontendPort=reference("frontendPorts", "p8080"),
                protocol="Http",
            )
        ],
        "requestRoutingRules": [
            child(
                "all",
                ruleType="Basic",
                priority=10,
                httpListener=reference("httpListeners", "web"),
                backendAddressPool=reference("backendAddressPools", "servers"),
                backendHttpSettings=reference("backendHttpSettingsCollection", "plain"),
            )
        ],
    }
    return {"location": "local", "tags": {"stage": "test"}, "properties": {**own, **properties}}


def contains(shown: Any, sent: Any) -> bool:
    """Whether everything that was sent is in what is shown."""
    if isinstance(sent, dict):
        return all(name in shown and contains(shown[name], value) for name, value in sent.items())
    if isinstance(sent, list):
        return len(shown) == len(sent) and all(map(contains, shown, sent))
    return bool(shown == sent)


class StandIn:
    """A control plane whose gateway takes everything."""

    def __init__(self) -> None:
        self.state = ArmState(tenant=TENANT, subscription=SUBSCRIPTION)
        self.works: list[Work] = []

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        version: str = VERSION,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ArmRequest:
        """A request of a client that is known."""
        return ArmRequest(
            method=method,
            path=path,
            query={**({"api-version": version} if version else {}), **(query or {})},
            headers=headers or {},
            body=body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode(),
            base_url="https://localhost:8902",
            request_id=str(uuid.uuid4()),
            moment=datetime(2026, 1, 1, tzinfo=UTC),
        )

    def ask(self, method: str, path: str, body: object = None, **options: Any) -> ArmAnswer:
        """The answer to a request once its work is done."""
        outcome = answer(self.request(method, path, body, **options), self.state)
        if isinstance(outcome, Work):
            self.works.append(outcome)
            self.state = self.state.after(outcome)
            return outcome.answer
        return outcome

    def json(self, method: str, path: str, body: object = None, status: int = 200, **options: Any) -> Any:
        """The value in the answer, which has this status."""
        given = self.ask(method, path, body, **options)
        assert given.status == status, (given.status, given.body)
        return json.loads(given.body) if given.body else None

    def error(self, method: str, path: str, body: object = None, status: int = 400, **options: Any) -> Any:
        """The error in the answer."""
        return self.json(method, path, body, status, **options)["error"]

    def with_group(self) -> StandIn:
        """It, with the group that everything is in."""
        self.json("PUT", GROUP, {"location": "local"}, 201)
        return self

    def with_gateway(self, **properties: Any) -> StandIn:
        """It, with a gateway in the group."""
        self.with_group().json("PUT", GATEWAY, gateway_body(**properties), 201)
        return self
