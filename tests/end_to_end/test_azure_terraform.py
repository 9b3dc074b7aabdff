"""The requests of Terraform's provider azurerm, replayed: it plans by what it reads back.

Source: the sources of the provider and of its SDK for Go; the provider itself is not at hand in tests.
"""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

from agwtwisted.resource_manager.tokens import TENANT
from tests.arm_gateways import child
from tests.control_planes import contains
from tests.end_to_end.azure import GATEWAY, GROUP, SUBSCRIPTION, AzureCase

NETWORK = f"{GROUP}/providers/Microsoft.Network"
VNET = f"{NETWORK}/virtualNetworks/net"
SUBNET = f"{VNET}/subnets/gateways"
ADDRESS = f"{NETWORK}/publicIPAddresses/ip"


class TerraformTests(AzureCase):
    """apply, plan, apply again, destroy."""

    def setUp(self) -> None:
        super().setUp()
        self.token = ""
        self.signed_in()
        self.asked("DELETE", GROUP, "2023-07-01")  # of tests before

    def asked(self, method: str, path: str, version: str = "", body: Any = None, form: Any = None) -> tuple[int, Any]:
        """The status and the value of an answer."""
        context = ssl.create_default_context(cafile=self.stage.ca_file)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
        data = urlencode(form) if form else None if body is None else json.dumps(body)
        target = f"{path}?api-version={version}" if version else path
        with closing(
            http.client.HTTPSConnection("localhost", self.stage.plane, timeout=60, context=context)
        ) as connection:
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text else None

    def signed_in(self) -> None:
        """As the provider begins: metadata, OpenID configuration, token, subscription, providers."""
        status, metadata = self.asked("GET", "/metadata/endpoints", "2022-09-01")
        self.assertEqual((status, metadata["resourceManager"]), (200, self.stage.url))
        login = metadata["authentication"]["loginEndpoint"].removeprefix(self.stage.url)
        self.assertEqual(self.asked("GET", f"{login}/{TENANT}/v2.0/.well-known/openid-configuration")[0], 200)
        scope = f"{metadata['authentication']['audiences'][0]}/.default"
        form = {
            "grant_type": "client_credentials",
            "client_id": "terraform",
            "client_secret": self.stage.secret,
            "scope": scope,
        }
        status, granted = self.asked("POST", f"{login}/{TENANT}/oauth2/v2.0/token", form=form)
        self.assertEqual(status, 200)
        self.token = granted["access_token"]
        self.assertEqual(self.asked("GET", f"/subscriptions/{SUBSCRIPTION}", "2022-12-01")[1]["state"], "Enabled")
        self.assertEqual(self.asked("GET", f"/subscriptions/{SUBSCRIPTION}/providers", "2022-09-01")[0], 200)

    def made(self, path: str, version: str, body: Any) -> Any:
        """A resource that is created: it must not be there, and is read back after the PUT."""
        status, missing = self.asked("GET", path, version)
        self.assertEqual(status, 404)
        self.assertIn(missing["error"]["code"], ("ResourceNotFound", "ResourceGroupNotFound"))
        status, created = self.asked("PUT", path, version, body)
        self.assertEqual((status, created["properties"]["provisioningState"]), (201, "Succeeded"), created)
        return self.planned(path, version, body)

    def planned(self, path: str, version: str, body: Any) -> Any:
        """What a plan reads: all that was sent is there."""
        status, found = self.asked("GET", path, version)
        self.assertEqual(status, 200)
        public = json.loads(json.dumps(body))
        for certificate in public["properties"].get("sslCertificates", []) if "properties" in public else ():
            certificate["properties"] = {}
        self.assertTrue(contains(found, {**public, "id": path}), path)
        return found

    def test_whole_module(self) -> None:
        """Group, network, subnet, address and gateway: applied, planned without a difference, changed, destroyed."""
        self.made(GROUP, "2023-07-01", {"location": "local", "tags": {}})
        network = {"location": "local", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
        self.made(VNET, "2024-05-01", network)
        self.made(SUBNET, "2024-05-01", {"properties": {"addressPrefix": "10.0.1.0/24"}})
        address = {
            "location": "local",
            "sku": {"name": "Standard"},
            "properties": {"publicIPAllocationMethod": "Static"},
        }
        self.assertEqual(self.made(ADDRESS, "2024-05-01", address)["properties"]["ipAddress"], "127.0.0.1")
        frontend = child("public", publicIPAddress={"id": ADDRESS}, privateIPAllocationMethod="Dynamic")
        body = self.stage.body(
            frontendIPConfigurations=[frontend],
            gatewayIPConfigurations=[child("subnet", subnet={"id": SUBNET})],
            sku={"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
        )
        text = json.dumps(body).replace(body["id"], GATEWAY)
        gateway = self.made(GATEWAY, "2024-05-01", json.loads(text))
        self.assertEqual(self.stage.answers(), [200, 400, 400])
        [shown] = gateway["properties"]["frontendIPConfigurations"]
        self.assertEqual(shown["properties"]["privateIPAllocationMethod"], "Dynamic")
        gateway["properties"]["probes"] = [child("p", protocol="Http", host="a", path="/", interval=30, timeout=30)]
        self.assertEqual(self.asked("PUT", GATEWAY, "2024-05-01", gateway)[0], 200)
        self.assertEqual(self.stage.answers(), [200, 400, 400])
        for path in (GATEWAY, ADDRESS, SUBNET, VNET):
            self.assertEqual(self.asked("DELETE", path, "2024-05-01")[0], 200)
            self.assertEqual(self.asked("GET", path, "2024-05-01")[0], 404)
        self.assertEqual(self.asked("GET", f"{GROUP}/resources", "2023-07-01")[1], {"value": []})
        self.assertEqual(self.asked("DELETE", GROUP, "2023-07-01")[0], 200)
        self.assertEqual(self.asked("HEAD", GROUP, "2023-07-01")[0], 404)
