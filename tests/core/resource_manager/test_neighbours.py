"""Resources beside the gateway."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.calls import MAX_RECORDS
from agwtwisted.core.resource_manager.messages import Stored
from agwtwisted.core.resource_manager.neighbours import MAX_BYTES
from tests.control_planes import GROUP, SUBSCRIPTION, StandIn

NETWORK = f"{GROUP}/providers/Microsoft.Network"
VNET = f"{NETWORK}/virtualNetworks/v"
ADDRESS = f"{NETWORK}/publicIPAddresses/ip"


class NeighbourTests(SynchronousTestCase):
    """What is kept and given back."""

    def test_public_address(self) -> None:
        """All that was sent comes back, with an address of this machine, a state, an etag and a lasting guid."""
        plane = StandIn().with_group()
        sent = {"location": "local", "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
        made = plane.json("PUT", ADDRESS, sent, 201)
        self.assertEqual((made["id"], made["name"], made["sku"]), (ADDRESS, "ip", {"name": "Standard"}))
        self.assertEqual(made["type"], "Microsoft.Network/publicIPAddresses")
        properties = made["properties"]
        self.assertEqual(properties["publicIPAllocationMethod"], "Static")
        self.assertEqual((properties["ipAddress"], properties["provisioningState"]), ("127.0.0.1", "Succeeded"))
        again = plane.json("PUT", ADDRESS.upper().replace("MICROSOFT.NETWORK", "microsoft.network"), sent)
        self.assertEqual(again["id"], ADDRESS)
        self.assertEqual(again["properties"]["resourceGuid"], properties["resourceGuid"])
        self.assertNotEqual(again["etag"], made["etag"])
        self.assertEqual(plane.json("GET", ADDRESS), again)
        self.assertEqual(plane.json("PATCH", ADDRESS, {"tags": {"a": "b"}})["tags"], {"a": "b"})

    def test_secrets_are_not_kept(self) -> None:
        """A secret of a Key Vault and the key of a connection are in no answer and not in the state; the rest is."""
        plane = StandIn().with_group()
        vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v/secrets/s"
        sent = {"value": "topsecret", "contentType": "text/plain"}
        plane.json("PUT", vault, {"properties": sent}, 201)
        link = {"sharedKey": "topsecret", "routing": [{"radiusServerSecret": "topsecret", "value": "10"}]}
        plane.json("PUT", f"{NETWORK}/connections/c", {"properties": link}, 201)
        for each in (plane.works[-2], plane.works[-1]):
            self.assertNotIn(b"topsecret", each.answer.body)
        self.assertNotIn("topsecret", repr(plane.state.records))
        self.assertEqual(plane.json("GET", vault)["properties"]["contentType"], "text/plain")
        kept = plane.json("GET", f"{NETWORK}/connections/c")["properties"]
        self.assertEqual(kept["routing"], [{"value": "10"}])

    def test_life(self) -> None:
        """What is not there is not found; it is deleted with 200, and 204 once it is gone."""
        plane = StandIn().with_group()
        self.assertEqual(plane.ask("HEAD", ADDRESS).status, 404)
        error = plane.error("GET", ADDRESS, status=404)
        self.assertEqual(error["code"], "ResourceNotFound")
        self.assertIn("'Microsoft.Network/publicIPAddresses/ip' under resource group 'rg'", error["message"])
        plane.json("PUT", ADDRESS, {}, 201)
        self.assertEqual(plane.ask("HEAD", ADDRESS).status, 204)
        self.assertEqual([plane.ask("DELETE", ADDRESS).status for _ in range(2)], [200, 204])

    def test_subnets_of_a_network(self) -> None:
        """Subnets that come with their network have ids, and are resources of their own."""
        plane = StandIn().with_group()
        subnet = {"name": "a", "properties": {"addressPrefix": "10.0.0.0/24"}}
        made = plane.json("PUT", VNET, {"location": "local", "properties": {"subnets": [subnet]}}, 201)
        [shown] = made["properties"]["subnets"]
        self.assertEqual(
            (shown["id"], shown["type"]), (f"{VNET}/subnets/a", "Microsoft.Network/virtualNetworks/subnets")
        )
        found = plane.json("GET", f"{VNET}/subnets/A")
        self.assertEqual((found["id"], found["properties"]["addressPrefix"]), (shown["id"], "10.0.0.0/24"))
        self.assertEqual(plane.json("GET", f"{VNET}/subnets")["value"], [shown])

    def test_subnets_beside_a_network(self) -> None:
        """A subnet that is put by itself is in its network, and stays there when a PUT of that mentions no subnets."""
        plane = StandIn().with_group()
        self.assertEqual(plane.error("PUT", f"{VNET}/subnets/a", {}, 404)["code"], "ParentResourceNotFound")
        plane.json("PUT", VNET, {"location": "local"}, 201)
        plane.json("PUT", f"{VNET}/subnets/a", {"properties": {"addressPrefix": "10.0.0.0/24"}}, 201)
        plane.json("PUT", f"{VNET}/subnets/a", {"properties": {"addressPrefix": "10.0.1.0/24"}})
        plane.json("PUT", VNET, {"location": "local", "tags": {"a": "b"}})
        [subnet] = plane.json("GET", VNET)["properties"]["subnets"]
        self.assertEqual(subnet["properties"]["addressPrefix"], "10.0.1.0/24")
        self.assertEqual(plane.ask("DELETE", f"{VNET}/subnets/a").status, 200)
        self.assertEqual(plane.json("GET", VNET)["properties"]["subnets"], [])

    def test_lists(self) -> None:
        """Those of a kind, in a group and in the subscription; children are not among them."""
        plane = StandIn().with_group()
        plane.json("PUT", ADDRESS, {}, 201)
        zone = f"{NETWORK}/privateDnsZones/z"
        plane.json("PUT", zone, {}, 201)
        plane.json("PUT", f"{zone}/A/www", {}, 201)
        everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network"
        for scope in (NETWORK, everywhere):
            self.assertEqual([each["id"] for each in plane.json("GET", f"{scope}/privateDnsZones")["value"]], [zone])
        self.assertEqual([each["name"] for each in plane.json("GET", f"{zone}/A")["value"]], ["www"])
        plane.ask("DELETE", zone)
        self.assertEqual(plane.json("GET", f"{zone}/A"), {"value": []})

    def test_refuses(self) -> None:
        """An unknown namespace, an unknown group, a list as a target, and a body that is too large."""
        plane = StandIn().with_group()
        elsewhere = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/m"
        self.assertEqual(plane.error("PUT", elsewhere, {}, 404)["code"], "InvalidResourceNamespace")
        self.assertEqual(plane.error("PUT", f"{NETWORK}/natGateways", {})["code"], "InvalidResourceId")
        large = {"tags": {"a": "x" * MAX_BYTES}}
        self.assertEqual(plane.error("PUT", ADDRESS, large, 413)["code"], "RequestEntityTooLarge")
        nowhere = ADDRESS.replace("/rg/", "/none/")
        self.assertEqual(plane.error("PUT", nowhere, {}, 404)["code"], "ResourceGroupNotFound")

    def test_bounded(self) -> None:
        """The store is full at some time: what is there can be changed, and nothing can be added."""
        plane = StandIn().with_group()
        plane.json("PUT", ADDRESS, {}, 201)
        many = {str(number): Stored(id=str(number), body={}, etag="") for number in range(MAX_RECORDS)}
        plane.state = attrs.evolve(plane.state, records={**many, **plane.state.records})
        plane.json("PUT", ADDRESS, {})
        self.assertEqual(plane.error("PUT", VNET, {}, 409)["code"], "QuotaExceeded")
