"""Children of a gateway and what they refer to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.children import TOP_LEVEL, all_children, references_of
from tests.control_planes import child, reference

MAP = child(
    "m",
    defaultBackendAddressPool=reference("backendAddressPools", "p"),
    pathRules=[
        child(
            "r",
            paths=["/a"],
            backendAddressPool={"id": "/BackendAddressPools/P"},
            firewallPolicy={"id": "/subscriptions/x"},
        )
    ],
)


class ChildrenTests(SynchronousTestCase):
    """Walking through the properties of a gateway."""

    def test_all_children(self) -> None:
        """Children within children are found, with both names and the path of each."""
        found = list(all_children({"urlPathMaps": [MAP], "backendAddressPools": [child("p")]}))
        self.assertEqual({each.name for each in found}, {"m", "r", "p"})
        [rule] = [each for each in found if each.collection == "pathRules"]
        self.assertEqual(rule.key, ("urlpathmaps", "m", "pathrules", "r"))
        self.assertEqual(rule.where, "properties.urlPathMaps[0].properties.pathRules[0]")

    def test_references(self) -> None:
        """A child has its own references alone, and only those within the gateway."""
        by_name = {each.name: list(references_of(each)) for each in all_children({"urlPathMaps": [MAP]})}
        [[of_map], [of_rule]] = by_name["m"], by_name["r"]
        self.assertEqual(of_map.key, ("backendaddresspools", "p"))
        self.assertEqual(of_map.where, "properties.urlPathMaps[0].properties.defaultBackendAddressPool")
        self.assertEqual((of_rule.key, of_rule.text), (("backendaddresspools", "p"), "/BackendAddressPools/P"))

    def test_collections(self) -> None:
        """Collections whose members have no ids are not among those of children."""
        self.assertIn("gatewayIPConfigurations", TOP_LEVEL)
        self.assertFalse({"pathRules", "rewriteRules", "customErrorConfigurations", "properties"} & set(TOP_LEVEL))
        self.assertEqual(len(set(TOP_LEVEL)), len(TOP_LEVEL))
