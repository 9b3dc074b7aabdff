"""`agwtwisted.core.arm.writing`: the body of a gateway from the sections of a configuration."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.writing import Frontends, rows_by_kind
from tests import configurations
from tests.core.arm.written import child, properties, reference, rows

SECOND = """
[http_listener second]
address = 10.0.0.4
port = 8443
protocol = Http

[listener third]
address = 127.0.0.1
port = 8883
protocol = Tcp
"""

MAP = """
[url_path_map paths]
default_backend_address_pool = app
default_backend_http_settings = app

[path_rule paths/z]
paths = /z/*, /y
backend_address_pool = app
backend_http_settings = app

[path_rule paths/a]
paths = /a
redirect_configuration = there

[redirect_configuration there]
redirect_type = Found
target_url = https://example.com/
"""


class WritingTests(SynchronousTestCase):
    """Whole bodies."""

    def test_collections(self) -> None:
        """Every section is a child of its collection, with what the product needs around it."""
        found = properties(configurations.GOOD)
        self.assertEqual(
            list(found),
            [
                *("sku", "autoscaleConfiguration", "gatewayIPConfigurations", "frontendIPConfigurations"),
                *("frontendPorts", "sslCertificates", "trustedClientCertificates", "sslProfiles", "httpListeners"),
                *("backendAddressPools", "backendHttpSettingsCollection", "requestRoutingRules"),
            ],
        )
        self.assertEqual(found["sku"], {"name": "Standard_v2", "tier": "Standard_v2"})
        self.assertEqual(
            found["trustedClientCertificates"][0]["properties"]["data"], "trusted_client_certificate devices"
        )

    def test_rule(self) -> None:
        """A rule refers to what it names by ids."""
        self.assertEqual(
            child(configurations.GOOD, "requestRoutingRules"),
            {
                "ruleType": "Basic",
                "priority": 100,
                "httpListener": reference("httpListeners", "public"),
                "backendAddressPool": reference("backendAddressPools", "app"),
                "backendHttpSettings": reference("backendHttpSettingsCollection", "app"),
            },
        )

    def test_frontends(self) -> None:
        """Each address is a frontend and each port a frontend port, once; the second frontend is private."""
        text = configurations.GOOD + SECOND
        frontends = Frontends.of(rows_by_kind(rows(text)))
        self.assertEqual(frontends.addresses, {"127.0.0.1": "frontend-1", "10.0.0.4": "frontend-2"})
        self.assertEqual(frontends.ports, {8443: "port_8443", 8883: "port_8883"})
        found = properties(text)
        self.assertIn("publicIPAddress", found["frontendIPConfigurations"][0]["properties"])
        self.assertIn("subnet", found["frontendIPConfigurations"][1]["properties"])
        second = child(text, "httpListeners", "second")
        self.assertEqual(second["frontendIPConfiguration"], reference("frontendIPConfigurations", "frontend-2"))
        self.assertEqual(second["frontendPort"], reference("frontendPorts", "port_8443"))
        self.assertEqual(child(text, "listeners")["protocol"], "Tcp")

    def test_parts(self) -> None:
        """Path rules stand in their map, in the order of the file."""
        rules = child(MAP, "urlPathMaps")["pathRules"]
        self.assertEqual([each["name"] for each in rules], ["z", "a"])
        self.assertEqual(rules[0]["properties"]["paths"], ["/z/*", "/y"])
        self.assertEqual(rules[1]["properties"]["redirectConfiguration"], reference("redirectConfigurations", "there"))

    def test_policies(self) -> None:
        """So do the targets of a load distribution policy, with their weights."""
        text = (
            "[load_distribution_policy p]\nload_distribution_algorithm = IpHash\n\n"
            "[load_distribution_target p/a]\nbackend_address_pool = app\nweight_per_server = 3\n"
        )
        target = {"weightPerServer": 3, "backendAddressPool": reference("backendAddressPools", "app")}
        self.assertEqual(
            child(text, "loadDistributionPolicies"),
            {"loadDistributionAlgorithm": "IpHash", "loadDistributionTargets": [{"name": "a", "properties": target}]},
        )

    def test_rewrite_rule_sets(self) -> None:
        """A rewrite rule set exists by its rules, or by a section of its own."""
        text = "".join(f"[rewrite_rule {name}]\nurl_path = /x\n\n" for name in ("a/one", "b/two", "a/three"))
        sets = properties(text)["rewriteRuleSets"]
        names = {each["name"]: [rule["name"] for rule in each["properties"]["rewriteRules"]] for each in sets}
        self.assertEqual(names, {"a": ["one", "three"], "b": ["two"]})
        self.assertEqual(child("[rewrite_rule_set empty]\n", "rewriteRuleSets"), {"rewriteRules": []})
