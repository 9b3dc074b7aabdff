"""Deployments of templates."""

from __future__ import annotations

import json
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.json_text import JsonNode
from agwtwisted.core.base.errors import Place, Problem
from agwtwisted.core.resource_manager.answering import answer, refusal
from agwtwisted.core.resource_manager.calls import MAX_RECORDS
from agwtwisted.core.resource_manager.deployments import MAX_KEPT
from agwtwisted.core.resource_manager.messages import NoTask, Serve, Stored, Work
from tests.control_planes import GATEWAY, GROUP, StandIn, child, gateway_body, reference

DEPLOYMENTS = f"{GROUP}/providers/Microsoft.Resources/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/d"
NETWORK = f"{GROUP}/providers/Microsoft.Network"


def resource(kind: str, name: str, version: str = "2024-05-01", **members: Any) -> dict[str, Any]:
    """A resource of a template."""
    return {"type": f"Microsoft.Network/{kind}", "name": name, "apiVersion": version, "location": "local", **members}


def gateway(version: str = "2024-05-01", **properties: Any) -> dict[str, Any]:
    """The gateway as a resource of a template."""
    return resource("applicationGateways", "gw", version, properties=gateway_body(**properties)["properties"])


def body(*resources: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """The body of a deployment."""
    return {"properties": {"mode": "Incremental", "template": {"resources": [*resources]}, **properties}}


SUBNET = resource("virtualNetworks/subnets", "v/a", properties={"addressPrefix": "10.0.0.0/24"})
ALL = (SUBNET, gateway(), resource("virtualNetworks", "v"), resource("publicIPAddresses", "ip"))


class DeployTests(SynchronousTestCase):
    """PUT of a deployment."""

    def test_all_at_once(self) -> None:
        """The gateway and its neighbours, whatever their order in the template, are one piece of work."""
        plane = StandIn().with_group()
        made = plane.json("PUT", DEPLOYMENT, body(*ALL), 201)
        self.assertEqual((made["id"], made["type"]), (DEPLOYMENT, "Microsoft.Resources/deployments"))
        self.assertEqual(made["properties"]["provisioningState"], "Succeeded")
        ids = {each["id"] for each in made["properties"]["outputResources"]}
        network = f"{NETWORK}/virtualNetworks/v"
        self.assertEqual(ids, {GATEWAY, network, f"{network}/subnets/a", f"{NETWORK}/publicIPAddresses/ip"})
        self.assertEqual(len(plane.works), 2)
        self.assertIsInstance(plane.works[-1].task, Serve)
        for each in ids:
            self.assertEqual(plane.json("GET", each)["properties"]["provisioningState"], "Succeeded")
        [subnet] = plane.json("GET", network)["properties"]["subnets"]
        self.assertEqual(subnet["properties"]["addressPrefix"], "10.0.0.0/24")

    def test_again(self) -> None:
        """A deployment of the same name takes the place of the first, and changes what is there."""
        plane = StandIn().with_group()
        plane.json("PUT", DEPLOYMENT, body(gateway()), 201)
        plane.json("PUT", DEPLOYMENT, body(gateway(probes=[child("p", protocol="Http", path="/")])))
        self.assertEqual(len(plane.json("GET", GATEWAY)["properties"]["probes"]), 1)
        self.assertEqual(len(plane.json("GET", DEPLOYMENTS)["value"]), 1)

    def test_stopped(self) -> None:
        """A deployment does not start a stopped gateway."""
        plane = StandIn().with_gateway()
        plane.ask("POST", f"{GATEWAY}/stop")
        plane.json("PUT", DEPLOYMENT, body(gateway()), 201)
        task = plane.works[-1].task
        assert isinstance(task, Serve)
        self.assertEqual((task.only_judged, plane.state.running), (True, False))

    def test_without_gateway(self) -> None:
        """Neighbours alone are kept, and nothing else is done."""
        plane = StandIn().with_group()
        plane.json("PUT", DEPLOYMENT, body(resource("publicIPAddresses", "ip")), 201)
        self.assertEqual(plane.works[-1].task, NoTask())

    def test_references(self) -> None:
        """Expressions of the gateway refer to what the same template makes, and outputs to all of it."""
        plane = StandIn().with_group()
        made = resource("publicIPAddresses", "ip")
        address = "[reference(resourceId('Microsoft.Network/publicIPAddresses', 'ip')).ipAddress]"
        pools = [child("servers", backendAddresses=[{"ipAddress": address}])]
        sent = body(gateway(backendAddressPools=pools), made)
        sent["properties"]["template"]["outputs"] = {
            "address": {"type": "string", "value": address},
            "gateway": {"type": "object", "value": "[reference('gw')]"},
            "nothing": {"type": "string", "value": "[reference('elsewhere').x]"},
            "secret": {"type": "securestring", "value": "secret words"},
        }
        outputs = plane.json("PUT", DEPLOYMENT, sent, 201)["properties"]["outputs"]
        self.assertEqual(outputs["address"], {"type": "String", "value": "127.0.0.1"})
        self.assertEqual(outputs["gateway"]["value"]["operationalState"], "Running")
        self.assertEqual((outputs["nothing"], outputs["secret"]), ({"type": "String"}, {"type": "SecureString"}))
        [pool] = plane.json("GET", GATEWAY)["properties"]["backendAddressPools"]
        self.assertEqual(pool["properties"]["backendAddresses"], [{"ipAddress": "127.0.0.1"}])
        later = body(gateway(backendAddressPools=[child("servers", backendAddresses=[{"fqdn": address}])]))
        plane.json("PUT", DEPLOYMENT, later)

    def test_skipped(self) -> None:
        """What is of no use here is skipped, and the deployment says so."""
        plane = StandIn().with_group()
        machine = {"type": "Microsoft.Compute/virtualMachines", "name": "m", "apiVersion": "2024-03-01"}
        made = plane.json("PUT", DEPLOYMENT, body(machine), 201)["properties"]
        self.assertEqual(made["outputResources"], [])
        [diagnostic] = made["diagnostics"]
        self.assertIn("Microsoft.Compute/virtualMachines 'm' was skipped", diagnostic["message"])


class RefusedTests(SynchronousTestCase):
    """What a deployment is refused for; nothing is changed then."""

    def error(self, *resources: dict[str, Any], status: int = 400, **properties: Any) -> Any:
        """The error of a deployment to a group with nothing in it."""
        plane = StandIn().with_group()
        before = plane.state
        error = plane.error("PUT", DEPLOYMENT, body(*resources, **properties), status)
        self.assertEqual(plane.state, before)
        return error

    def test_inner_errors(self) -> None:
        """What a PUT of a resource would be refused for is in the details, all of it."""
        rule = child("all", ruleType="Basic", httpListener=reference("httpListeners", "none"))
        error = self.error(resource("publicIPAddresses", "ip"), gateway(requestRoutingRules=[rule]))
        self.assertEqual(error["code"], "InvalidTemplateDeployment")
        self.assertIn("The template deployment 'd' is not valid", error["message"])
        codes = {each["code"] for each in error["details"]}
        priority = "ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty"
        self.assertEqual(codes, {"InvalidResourceReference", priority})

    def test_gateway_that_cannot_be_made(self) -> None:
        """Problems of the configuration are wrapped in the same way."""
        plane = StandIn().with_group()
        request = plane.request("PUT", DEPLOYMENT, body(gateway()))
        work = answer(request, plane.state)
        assert isinstance(work, Work)
        given = refusal(request, work, [Problem(place=Place(file="x"), message="no", code="C")])
        error = json.loads(given.body)["error"]
        self.assertEqual((error["code"], error["details"][0]["code"]), ("InvalidTemplateDeployment", "C"))

    def test_unknown_values(self) -> None:
        """What only Azure would know is refused where it matters, with the path, and kept elsewhere."""
        port = child("p8080", port="[reference('x').port]")
        error = self.error(gateway(frontendPorts=[port]))
        self.assertEqual(error["code"], "InvalidTemplate")
        self.assertIn("reference('x').port is not known", error["message"])
        self.assertIn("give it by value.1 = reference('x').port=VALUE in [arm]", error["message"])
        self.assertEqual(error["target"], "properties.frontendPorts[0].properties.port")
        subnet = child("s", subnet={"id": "[reference('x').id]"})
        plane = StandIn().with_group()
        plane.json("PUT", DEPLOYMENT, body(gateway(gatewayIPConfigurations=[subnet])), 201)

    def test_given_values(self) -> None:
        """What `[arm]` of the control plane's file says in place of Azure is known."""
        plane = StandIn().with_group()
        port = JsonNode(value=8080, place=Place(file="gateway.ini"))
        plane.state = attrs.evolve(plane.state, values={"reference('x').port": port})
        ports = [child("p8080", port="[reference('x').port]")]
        plane.json("PUT", DEPLOYMENT, body(gateway(frontendPorts=ports)), 201)
        [kept] = plane.json("GET", GATEWAY)["properties"]["frontendPorts"]
        self.assertEqual(kept["properties"]["port"], 8080)

    def test_names(self) -> None:
        """A name that is not known is no id."""
        error = self.error(resource("publicIPAddresses", "[reference('x').name]"))
        self.assertEqual(error["code"], "InvalidTemplate")

    def test_versions(self) -> None:
        """A version that gateways do not have."""
        error = self.error(gateway("2024-01-02"))
        self.assertEqual(error["details"][0]["code"], "NoRegisteredProviderFound")

    def test_two_gateways(self) -> None:
        """The second one of a template is a conflict."""
        error = self.error(gateway(), {**gateway(), "name": "gw2"}, status=409)
        self.assertEqual(error["details"][0]["code"], "AnotherGatewayIsServed")

    def test_complete(self) -> None:
        """The mode that deletes everything else is refused."""
        self.assertEqual(self.error(mode="Complete")["details"][0]["code"], "DeploymentModeNotSupported")

    def test_parents(self) -> None:
        """A subnet needs its network, in the template or before."""
        error = self.error(SUBNET, status=404)
        self.assertEqual(error["details"][0]["code"], "ParentResourceNotFound")

    def test_bounded(self) -> None:
        """A template cannot make more resources than are kept."""
        plane = StandIn().with_group()
        many = {str(number): Stored(id=str(number), body={}, etag="") for number in range(MAX_RECORDS - 1)}
        plane.state = attrs.evolve(plane.state, records={**many, **plane.state.records})
        error = plane.error("PUT", DEPLOYMENT, body(resource("publicIPAddresses", "ip")), 409)
        self.assertEqual(error["details"][0]["code"], "QuotaExceeded")

    def test_group(self) -> None:
        """The group has to be there."""
        self.assertEqual(StandIn().error("PUT", DEPLOYMENT, body(), 404)["code"], "ResourceGroupNotFound")


class ValidateTests(SynchronousTestCase):
    """Judging without changing."""

    def test_good(self) -> None:
        """The answer says what would be made; the gateway is judged alone, and nothing is kept."""
        plane = StandIn().with_group()
        before = plane.state
        shown = plane.json("POST", f"{DEPLOYMENT}/validate", body(*ALL))
        self.assertEqual(len(shown["properties"]["validatedResources"]), 4)
        task = plane.works[-1].task
        assert isinstance(task, Serve)
        self.assertEqual((task.only_judged, plane.state), (True, before))

    def test_bad(self) -> None:
        """The errors are those of the deployment."""
        plane = StandIn().with_group()
        error = plane.error("POST", f"{DEPLOYMENT}/validate", body(gateway(frontendPorts=[])))
        self.assertEqual(error["code"], "InvalidTemplateDeployment")

    def test_what_if(self) -> None:
        """It is refused in words."""
        plane = StandIn().with_group()
        self.assertEqual(plane.error("POST", f"{DEPLOYMENT}/whatIf", body())["code"], "WhatIfNotSupported")


class LaterTests(SynchronousTestCase):
    """What is known of deployments afterwards."""

    def test_questions(self) -> None:
        """The deployment itself, its state and its steps."""
        plane = StandIn().with_group()
        made = plane.json("PUT", DEPLOYMENT, body(*ALL), 201)
        self.assertEqual(plane.json("GET", DEPLOYMENT), made)
        self.assertEqual(plane.ask("HEAD", DEPLOYMENT).status, 204)
        self.assertEqual(plane.json("GET", f"{DEPLOYMENT}/operationStatuses/1"), {"status": "Succeeded"})
        steps = plane.json("GET", f"{DEPLOYMENT}/operations")["value"]
        targets = {each["properties"]["targetResource"]["resourceType"] for each in steps}
        self.assertIn("Microsoft.Network/virtualNetworks/subnets", targets)

    def test_forgetting(self) -> None:
        """A deployment can be deleted, without its resources; of many the oldest are forgotten."""
        plane = StandIn().with_group()
        plane.json("PUT", DEPLOYMENT, body(resource("publicIPAddresses", "ip")), 201)
        self.assertEqual([plane.ask("DELETE", DEPLOYMENT).status for _ in range(2)], [204, 204])
        self.assertEqual(plane.error("GET", DEPLOYMENT, status=404)["code"], "DeploymentNotFound")
        plane.json("GET", f"{NETWORK}/publicIPAddresses/ip")
        for number in range(MAX_KEPT + 2):
            plane.json("PUT", f"{DEPLOYMENTS}/d{number}", body(), 201)
        names = [each["name"] for each in plane.json("GET", DEPLOYMENTS)["value"]]
        self.assertEqual((len(names), names[0]), (MAX_KEPT, "d2"))
