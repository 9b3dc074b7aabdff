"""A gateway with a control plane, in a process of its own, and the clients of Azure that set it up."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import attrs
from azure.identity import ClientSecretCredential
from azure.mgmt.network import NetworkManagementClient
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.resource_manager.tokens import TENANT
from tests import arm_gateways, running
from tests.arm_gateways import Body, child, https, reference
from tests.end_to_end import clients
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway, assert_no_defect, certificates, prepared, shared

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
GATEWAY = f"{GROUP}/providers/Microsoft.Network/applicationGateways/edge"


@attrs.frozen(kw_only=True)
class AzureStage:
    """The gateway, the port of its control plane, the local port of its listener on 443, and a server."""

    gateway: Gateway
    plane: int
    site: int
    backend: Backend

    @property
    def url(self) -> str:
        """The control plane."""
        return f"https://localhost:{self.plane}"

    @property
    def ca_file(self) -> str:
        """What its clients trust."""
        return str(self.gateway.directory / "state" / "ca.pem")

    @property
    def secret(self) -> str:
        """What they know."""
        return (self.gateway.directory / "state" / "arm.secret").read_text().strip()

    def answers(self) -> list[int]:
        """What a device gets, one of another CA, and a client without a certificate."""
        calls = [self.gateway.call(self.site, each) for each in ("ecdsa", "stranger", "")]
        return [clients.by_python(call).status for call in calls]

    def client(self) -> NetworkManagementClient:
        """The SDK, as programs set it up."""
        credential = ClientSecretCredential(
            TENANT,
            "tests",
            self.secret,
            authority=self.url,
            disable_instance_discovery=True,
            connection_verify=self.ca_file,
        )
        return NetworkManagementClient(
            credential,
            SUBSCRIPTION,
            base_url=self.url,
            credential_scopes=[f"{self.url}/.default"],
            connection_verify=self.ca_file,
        )

    def body(self, **properties: Any) -> Body:
        """The gateway that asks for certificates of devices, as the value of a PUT."""
        devices = certificates()["devices-root"].pem + certificates()["devices"].pem
        server = base64.b64encode(arm_gateways.pfx("secret", certificates()["server"])).decode()
        profile: Body = {
            "trustedClientCertificates": [reference("trustedClientCertificates", "devices")],
            "clientAuthConfiguration": {"verifyClientAuthMode": "Strict"},
        }
        found = {
            "sslCertificates": [child("site", data=server, password="secret")],
            "backendHttpSettingsCollection": [
                child("plain", port=self.backend.port, protocol="Http", requestTimeout=20)
            ],
        }
        trusted = [child("devices", data=base64.b64encode(devices).decode())]
        return {"location": "local", **https(profile=profile, trusted=trusted, **found | properties)}


@contextmanager
def azure_stage() -> Iterator[AzureStage]:
    """A control plane without a gateway."""
    plane, site = running.free_ports(2)
    text = (
        "[gateway]\nstate_directory = state\naccess_log = access.log\n"
        f"[control]\narm = true\narm_port = {plane}\n[arm]\nports = 443={site}\n"
    )
    with prepared(text) as gateway, closing(Backend()) as backend:
        gateway.ports = [plane]
        gateway.start()
        yield AzureStage(gateway=gateway, plane=plane, site=site, backend=backend)
        gateway.stop()


class AzureCase(SynchronousTestCase):
    """Tests that share a control plane; each fails that has it complain of a defect."""

    def setUp(self) -> None:
        self.stage = shared(azure_stage)
        self.addCleanup(lambda: assert_no_defect(self.stage.gateway.output))
