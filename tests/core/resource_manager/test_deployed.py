"""What expressions of a template can refer to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.deployed import DeployedResources
from tests.control_planes import GATEWAY, GROUP, StandIn

ADDRESS = f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip"
DEPLOYMENT = f"{GROUP}/providers/Microsoft.Resources/deployments/d"


class DeployedTests(SynchronousTestCase):
    """The resources of a group."""

    def test_resources(self) -> None:
        """They are those of the group, as they are answered, without its deployments and without secrets."""
        plane = StandIn().with_gateway()
        plane.json("PUT", ADDRESS, {}, 201)
        plane.json("PUT", DEPLOYMENT, {"properties": {"template": {"resources": []}}}, 201)
        found = DeployedResources(plane.state, GROUP)
        self.assertEqual(set(found), {GATEWAY.lower(), ADDRESS.lower()})
        self.assertEqual(len(found), 2)
        properties = found[ADDRESS.lower()].member("properties")
        self.assertEqual(properties.member("ipAddress").value, "127.0.0.1")
        state = found[GATEWAY.lower()].member("properties").member("operationalState")
        self.assertEqual(state.value, "Running")
        self.assertEqual(list(DeployedResources(plane.state, f"{GROUP}2")), [])
