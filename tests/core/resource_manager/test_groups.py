"""Resource groups and lists of resources."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.messages import NoTask, ServeNothing
from tests.control_planes import GATEWAY, GROUP, SUBSCRIPTION, StandIn, child

GROUPS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
ADDRESS = f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/ip"


class GroupTests(SynchronousTestCase):
    """One group."""

    def test_life(self) -> None:
        """It is made with 201, changed with 200, found in any case with the name that it was made with, and deleted."""
        plane = StandIn()
        self.assertEqual(plane.ask("HEAD", GROUP).status, 404)
        self.assertEqual(plane.error("GET", GROUP, status=404)["code"], "ResourceGroupNotFound")
        made = plane.json("PUT", GROUP, {"location": "local"}, 201)
        self.assertEqual((made["name"], made["type"]), ("rg", "Microsoft.Resources/resourceGroups"))
        self.assertEqual(made["properties"], {"provisioningState": "Succeeded"})
        changed = plane.json("PUT", GROUP.replace("/rg", "/RG"), {"location": "Local", "tags": {"a": "b"}})
        self.assertEqual((changed["name"], changed["tags"], changed["location"]), ("rg", {"a": "b"}, "local"))
        self.assertEqual(plane.json("PATCH", GROUP, {"tags": {"c": "d"}})["tags"], {"c": "d"})
        self.assertEqual(plane.ask("HEAD", GROUP.upper().replace("RESOURCEGROUPS", "resourcegroups")).status, 204)
        self.assertEqual(plane.ask("DELETE", GROUP).status, 200)
        self.assertEqual(plane.json("GET", GROUPS), {"value": []})

    def test_refuses(self) -> None:
        """No location, another one later, and a name that groups cannot have."""
        plane = StandIn().with_group()
        self.assertEqual(plane.error("PUT", GROUP, {})["code"], "LocationRequired")
        moved = plane.error("PUT", GROUP, {"location": "elsewhere"}, 409)
        self.assertEqual(moved["code"], "InvalidResourceGroupLocation")
        self.assertEqual(plane.error("PUT", f"{GROUPS}/a!", {"location": "x"})["code"], "InvalidResourceGroup")

    def test_delete_takes_all(self) -> None:
        """What is in the group is deleted with it, and a gateway serves no more; other groups stay."""
        plane = StandIn().with_gateway(sslCertificates=[child("web", data="eA==", password="x")])
        self.assertEqual(set(plane.state.secrets), {"web"})
        plane.json("PUT", ADDRESS, {"location": "local"}, 201)
        plane.json("PUT", f"{GROUPS}/rg2", {"location": "local"}, 201)
        plane.ask("DELETE", GROUP)
        self.assertEqual((plane.works[-1].task, plane.state.secrets), (ServeNothing(), {}))
        self.assertEqual(set(plane.state.records), {f"{GROUPS}/rg2".lower()})
        plane.ask("DELETE", f"{GROUPS}/rg2")
        self.assertEqual(plane.works[-1].task, NoTask())


class ListTests(SynchronousTestCase):
    """Groups and resources by `$filter`."""

    def names(self, path: str, text: str = "") -> list[str]:
        """The names in a list."""
        plane = StandIn().with_gateway()
        plane.json("PUT", ADDRESS, {"location": "local", "tags": {"env": "it's"}}, 201)
        return [each["name"] for each in plane.json("GET", path, query={"$filter": text})["value"]]

    def test_filters(self) -> None:
        """Terms compare without case, quotes are doubled in them, and all of them have to hold."""
        resources = f"/subscriptions/{SUBSCRIPTION}/resources"
        self.assertEqual(set(self.names(resources)), {"gw", "ip"})
        kind = "resourceType eq 'microsoft.network/publicipaddresses'"
        self.assertEqual(self.names(resources, kind), ["ip"])
        self.assertEqual(self.names(resources, f"{kind} and name eq 'gw'"), [])
        self.assertEqual(self.names(resources, "tagName eq 'env' and tagValue eq 'it''s'"), ["ip"])
        self.assertEqual(set(self.names(f"{GROUP}/resources", "resourceGroup eq 'RG'")), {"gw", "ip"})
        self.assertEqual(self.names(GROUPS, "tagName eq 'none'"), [])

    def test_refuses(self) -> None:
        """What it does not understand is an error, not a list of everything."""
        plane = StandIn().with_group()
        for text in ("name ne 'x'", "substringof('x', name)", "name eq 'a' or name eq 'b'"):
            error = plane.error("GET", f"{GROUP}/resources", query={"$filter": text})
            self.assertEqual(error["code"], "InvalidFilterInQueryString")

    def test_no_properties(self) -> None:
        """A list over kinds says what a resource is, and nothing of its properties."""
        plane = StandIn().with_gateway()
        [shown] = plane.json("GET", f"{GROUP}/resources")["value"]
        self.assertEqual(set(shown), {"id", "name", "type", "resourceGroup", "location", "tags"})
        self.assertEqual(shown["id"], GATEWAY)
