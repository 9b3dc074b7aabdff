"""A gateway as it is answered."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.control_planes import GATEWAY, StandIn, child, contains, gateway_body, reference

URL_PATH_MAP = child(
    "m",
    defaultBackendAddressPool=reference("backendAddressPools", "servers"),
    defaultBackendHttpSettings=reference("backendHttpSettingsCollection", "plain"),
    pathRules=[child("r", paths=["/a/*"], rewriteRuleSet=reference("rewriteRuleSets", "s"))],
)
SET = child("s", rewriteRules=[{"name": "Set X", "ruleSequence": 1, "actionSet": {}}])


class ShownTests(SynchronousTestCase):
    """The whole resource."""

    def setUp(self) -> None:
        self.sent = gateway_body(urlPathMaps=[URL_PATH_MAP], rewriteRuleSets=[SET], enableHttp2=True, fromTheFuture=[1])
        self.plane = StandIn().with_group()
        self.shown = self.plane.json("PUT", GATEWAY, self.sent, 201)
        self.properties = self.shown["properties"]

    def test_everything_sent_comes_back(self) -> None:
        """Also what means nothing here: plans of Terraform depend on it."""
        self.assertTrue(contains(self.shown, self.sent))
        self.assertEqual(self.plane.json("GET", GATEWAY), self.shown)

    def test_ids_types_and_etags(self) -> None:
        """Every child has its id, type, etag and state, children within children too."""
        [rule] = self.properties["urlPathMaps"][0]["properties"]["pathRules"]
        self.assertEqual(rule["id"], f"{GATEWAY}/urlPathMaps/m/pathRules/r")
        self.assertEqual(rule["type"], "Microsoft.Network/applicationGateways/urlPathMaps/pathRules")
        for each in (rule, self.properties["frontendPorts"][0], self.properties["gatewayIPConfigurations"][0]):
            self.assertEqual(each["etag"], self.shown["etag"])
            self.assertEqual(each["properties"]["provisioningState"], "Succeeded")

    def test_of_the_gateway(self) -> None:
        """Its state, a guid that stays, the default policy, and every collection, empty or not."""
        self.assertEqual((self.shown["name"], self.shown["type"]), ("gw", "Microsoft.Network/applicationGateways"))
        self.assertEqual(self.properties["operationalState"], "Running")
        self.assertEqual(self.properties["defaultPredefinedSslPolicy"], "AppGwSslPolicy20220101")
        self.assertEqual(self.properties["probes"], [])
        self.assertNotIn("apiVersion", self.shown)
        again = self.plane.json("PUT", GATEWAY, self.sent)
        self.assertEqual(again["properties"]["resourceGuid"], self.properties["resourceGuid"])
        self.assertNotEqual(again["etag"], self.shown["etag"])

    def test_back_references(self) -> None:
        """A child says who refers to it."""
        [pool], [settings] = self.properties["backendAddressPools"], self.properties["backendHttpSettingsCollection"]
        [rewrites], [port] = self.properties["rewriteRuleSets"], self.properties["frontendPorts"]
        self.assertEqual(pool["properties"]["requestRoutingRules"], [reference("requestRoutingRules", "all")])
        self.assertEqual(pool["properties"]["urlPathMaps"], [reference("urlPathMaps", "m")])
        self.assertEqual(settings["properties"]["urlPathMaps"], [reference("urlPathMaps", "m")])
        self.assertEqual(rewrites["properties"]["pathRules"], [reference("urlPathMaps", "m", "pathRules", "r")])
        self.assertEqual(port["properties"]["httpListeners"], [reference("httpListeners", "web")])

    def test_no_other_back_references(self) -> None:
        """What the service does not say of a child is not said: sent back, it would be a property of its own."""
        target = child("t", weightPerServer=1, backendAddressPool=reference("backendAddressPools", "servers"))
        policy = child("p", loadDistributionAlgorithm="RoundRobin", loadDistributionTargets=[target])
        shown = self.plane.json("PUT", GATEWAY, gateway_body(loadDistributionPolicies=[policy]))
        [pool] = shown["properties"]["backendAddressPools"]
        self.assertNotIn("loadDistributionTargets", pool["properties"])

    def test_what_the_service_adds(self) -> None:
        """Each frontend has its allocation method; settings and listeners have what they did not say."""
        [frontend], [listener] = self.properties["frontendIPConfigurations"], self.properties["httpListeners"]
        self.assertEqual(frontend["properties"]["privateIPAllocationMethod"], "Dynamic")
        self.assertEqual(listener["properties"]["hostNames"], [])

    def test_sent_back(self) -> None:
        """What was answered can be sent, and changes nothing but the etag."""
        again = self.plane.json("PUT", GATEWAY, self.shown)
        text = json.dumps(again).replace(json.dumps(again["etag"]), json.dumps(self.shown["etag"]))
        self.assertEqual(json.loads(text), self.shown)


class ChildrenTests(SynchronousTestCase):
    """Children by themselves."""

    def test_one_and_lists(self) -> None:
        """A child, a list, and children within a child; case does not count."""
        plane = StandIn().with_gateway(urlPathMaps=[URL_PATH_MAP], rewriteRuleSets=[SET])
        port = plane.json("GET", f"{GATEWAY}/FrontendPorts/P8080")
        self.assertEqual(plane.json("GET", f"{GATEWAY}/frontendPorts"), {"value": [port]})
        rule = plane.json("GET", f"{GATEWAY}/urlPathMaps/m/pathRules/r")
        self.assertEqual(plane.json("GET", f"{GATEWAY}/urlPathMaps/m/pathRules"), {"value": [rule]})
        self.assertEqual(plane.json("GET", f"{GATEWAY}/privateEndpointConnections"), {"value": []})

    def test_what_there_is_not(self) -> None:
        """A child that is not there, and a member that is no collection, are not found."""
        plane = StandIn().with_gateway()
        for tail in ("frontendPorts/none", "sku", "sku/name", "frontendPorts/p8080/x/y"):
            self.assertEqual(plane.error("GET", f"{GATEWAY}/{tail}", status=404)["code"], "ResourceNotFound")
