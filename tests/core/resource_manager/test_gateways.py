"""Requests about application gateways."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.answering import stored_gateway
from agwtwisted.core.resource_manager.messages import NoTask, Serve, ServeNothing
from tests.control_planes import GATEWAY, GROUP, SUBSCRIPTION, StandIn, child, gateway_body

GATEWAYS = "providers/Microsoft.Network/applicationGateways"


class PutTests(SynchronousTestCase):
    """Making and changing it."""

    def test_new_and_known(self) -> None:
        """201 for a new one, 200 for one that is there; what serves is made of the body with its id and version."""
        plane = StandIn().with_group()
        plane.json("PUT", GATEWAY, gateway_body(), 201)
        task = plane.works[-1].task
        assert isinstance(task, Serve)
        self.assertEqual((task.body["id"], task.body["apiVersion"], task.only_judged), (GATEWAY, "2025-05-01", False))
        self.assertEqual(stored_gateway(plane.state), task.body)
        plane.json("PUT", GATEWAY.replace("/gw", "/GW"), gateway_body(), 200, version="2024-05-01")
        self.assertEqual(plane.json("GET", GATEWAY)["name"], "gw")

    def test_group_and_location(self) -> None:
        """A group has to be there, and a location has to be said once."""
        plane = StandIn()
        self.assertEqual(plane.error("PUT", GATEWAY, gateway_body(), 404)["code"], "ResourceGroupNotFound")
        bare = {"properties": gateway_body()["properties"]}
        self.assertEqual(plane.with_group().error("PUT", GATEWAY, bare)["code"], "LocationRequired")
        plane.json("PUT", GATEWAY, gateway_body(), 201)
        self.assertEqual(plane.json("PUT", GATEWAY, bare)["location"], "local")

    def test_second_gateway(self) -> None:
        """There is one; a second one is a conflict that says what to do, until the first is deleted."""
        plane = StandIn().with_gateway()
        other = GATEWAY.replace("/gw", "/gw2")
        error = plane.error("PUT", other, gateway_body(), 409)
        self.assertEqual(error["code"], "AnotherGatewayIsServed")
        self.assertIn(GATEWAY, error["message"])
        plane.ask("DELETE", GATEWAY)
        plane.json("PUT", other, gateway_body(httpListeners=[], requestRoutingRules=[]), 201)

    def test_removed_collections(self) -> None:
        """The work names the collections that were not empty before: clients of old versions lose them unseen."""
        plane = StandIn().with_gateway(probes=[child("p", protocol="Http", path="/")])
        plane.json("PUT", GATEWAY, gateway_body())
        self.assertEqual(plane.works[-1].removed, ("probes",))
        self.assertEqual(plane.works[-1].summary, "PUT applicationGateways/gw")

    def test_unreadable(self) -> None:
        """No JSON and wrong types are errors of the format, all of them at once."""
        plane = StandIn().with_group()
        self.assertEqual(plane.error("PUT", GATEWAY, b"{")["code"], "InvalidRequestFormat")
        ports = [child("a", port="x"), child("b", port="y")]
        error = plane.error("PUT", GATEWAY, gateway_body(frontendPorts=ports))
        self.assertEqual((error["code"], len(error["details"])), ("InvalidRequestFormat", 2))


class LifeTests(SynchronousTestCase):
    """Stopping, starting, tags, deleting."""

    def test_stop_and_start(self) -> None:
        """A stopped gateway keeps its configuration, also through a PUT, which is judged alone, until it is started."""
        plane = StandIn().with_gateway()
        self.assertEqual(plane.ask("POST", f"{GATEWAY}/stop", version="2023-11-01").status, 200)
        self.assertEqual(plane.works[-1].task, ServeNothing())
        changed = plane.json("PUT", GATEWAY, gateway_body())
        self.assertEqual(changed["properties"]["operationalState"], "Stopped")
        task = plane.works[-1].task
        assert isinstance(task, Serve)
        self.assertTrue(task.only_judged)
        self.assertEqual(plane.ask("POST", f"{GATEWAY}/start").status, 200)
        self.assertEqual(plane.works[-1].task, Serve(body=task.body))
        self.assertEqual(plane.json("GET", GATEWAY)["properties"]["operationalState"], "Running")

    def test_once(self) -> None:
        """What runs is not started, and what is stopped is not stopped, once more."""
        plane = StandIn().with_gateway()
        works = len(plane.works)
        plane.ask("POST", f"{GATEWAY}/start")
        self.assertEqual(len(plane.works), works)
        for _ in range(2):
            plane.ask("POST", f"{GATEWAY}/stop")
        self.assertEqual(len(plane.works), works + 1)

    def test_tags(self) -> None:
        """PATCH replaces the tags as a whole, and nothing else, whatever else it has; what serves stays."""
        plane = StandIn().with_gateway()
        before = plane.json("GET", GATEWAY)
        after = plane.json("PATCH", GATEWAY, {"tags": {"a": "b"}, "properties": {"probes": [child("p")]}})
        self.assertEqual(after["tags"], {"a": "b"})
        self.assertNotEqual(after["etag"], before["etag"])
        self.assertEqual(after["properties"]["probes"], [])
        self.assertEqual(plane.works[-1].task, NoTask())
        self.assertEqual(plane.json("PATCH", GATEWAY, {})["tags"], {"a": "b"})
        self.assertEqual(plane.error("PATCH", GATEWAY, {"tags": []})["code"], "InvalidRequestFormat")

    def test_delete(self) -> None:
        """Nothing serves then, secrets included, a later one is not stopped, and a second DELETE finds nothing."""
        plane = StandIn().with_gateway()
        plane.ask("POST", f"{GATEWAY}/stop")
        self.assertEqual(plane.ask("DELETE", GATEWAY).status, 200)
        self.assertEqual(plane.works[-1].task, ServeNothing())
        self.assertEqual((plane.state.running, plane.state.secrets, stored_gateway(plane.state)), (True, {}, None))
        self.assertEqual(plane.ask("DELETE", GATEWAY).status, 204)
        self.assertEqual(plane.ask("HEAD", GATEWAY).status, 404)

    def test_unknown(self) -> None:
        """Every other request about what is not there gets the service's error."""
        plane = StandIn().with_group()
        requests = (("GET", ""), ("PATCH", ""), ("POST", "/start"), ("POST", "/stop"), ("POST", "/backendhealth"))
        for method, tail in requests:
            error = plane.error(method, f"{GATEWAY}{tail}", {}, 404)
            self.assertEqual(error["code"], "ResourceNotFound")
            self.assertIn("'Microsoft.Network/applicationGateways/gw' under resource group 'rg'", error["message"])


class ListTests(SynchronousTestCase):
    """Gateways of groups and of the subscription."""

    def test_scopes(self) -> None:
        """The gateway is in the lists of its group and of the subscription, and in no other."""
        plane = StandIn().with_gateway()
        gateway = plane.json("GET", GATEWAY)
        for scope in (GROUP, f"/subscriptions/{SUBSCRIPTION}"):
            self.assertEqual(plane.json("GET", f"{scope}/{GATEWAYS}"), {"value": [gateway]})
        other = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg2"
        plane.json("PUT", other, {"location": "local"}, 201)
        self.assertEqual(plane.json("GET", f"{other}/{GATEWAYS}"), {"value": []})
        self.assertEqual(plane.error("GET", f"{GROUP}3/{GATEWAYS}", status=404)["code"], "ResourceGroupNotFound")
