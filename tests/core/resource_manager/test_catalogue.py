"""What depends on no resource."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.rules.server_variables import SERVER_VARIABLES
from agwtwisted.core.tls.policies import predefined_names
from tests.control_planes import SUBSCRIPTION, TENANT, StandIn

ONE = f"/subscriptions/{SUBSCRIPTION}"
OPTIONS = f"{ONE}/providers/Microsoft.Network/applicationGatewayAvailable"


class CatalogueTests(SynchronousTestCase):
    """Lists that clients ask for before anything else."""

    def test_tenant_and_subscription(self) -> None:
        """There is one of each; another subscription is not found."""
        plane = StandIn()
        self.assertEqual(plane.json("GET", "/tenants")["value"][0]["tenantId"], TENANT)
        self.assertEqual(plane.json("GET", "/subscriptions")["value"], [plane.json("GET", ONE.upper())])
        self.assertEqual(plane.json("GET", ONE)["state"], "Enabled")
        error = plane.error("GET", "/subscriptions/other/resourceGroups", status=404)
        self.assertEqual(error["code"], "SubscriptionNotFound")

    def test_locations(self) -> None:
        """There is one."""
        self.assertEqual([each["name"] for each in StandIn().json("GET", f"{ONE}/locations")["value"]], ["local"])

    def test_providers(self) -> None:
        """All are registered, with kinds and versions, also right after they were registered; others are refused."""
        plane = StandIn()
        network = plane.json("GET", f"{ONE}/providers/microsoft.network")
        self.assertEqual((network["namespace"], network["registrationState"]), ("Microsoft.Network", "Registered"))
        self.assertIn("applicationGateways", [each["resourceType"] for each in network["resourceTypes"]])
        self.assertIn(network, plane.json("GET", f"{ONE}/providers")["value"])
        self.assertEqual(plane.json("POST", f"{ONE}/providers/Microsoft.Network/register"), network)
        self.assertEqual(plane.error("GET", f"{ONE}/providers/X", status=404)["code"], "InvalidResourceNamespace")

    def test_ssl_options(self) -> None:
        """Policies, suites and protocols are those of the gateway's own tables."""
        plane = StandIn()
        options = plane.json("GET", f"{OPTIONS}SslOptions/default")["properties"]
        names = [each["id"].rsplit("/", 1)[1] for each in options["predefinedPolicies"]]
        self.assertEqual(names, list(predefined_names()))
        self.assertEqual(options["defaultPolicy"], "AppGwSslPolicy20220101")
        self.assertEqual(options["availableProtocols"], ["TLSv1_2", "TLSv1_3"])
        policies = plane.json("GET", f"{OPTIONS}SslOptions/default/predefinedPolicies")["value"]
        self.assertEqual([each["name"] for each in policies], names)
        one = plane.json("GET", f"{OPTIONS}SslOptions/default/predefinedPolicies/appgwsslpolicy20220101s")
        self.assertIn(one, policies)
        self.assertLessEqual(set(one["properties"]["cipherSuites"]), set(options["availableCipherSuites"]))

    def test_retired_policies(self) -> None:
        """A retired policy is not found, and the message says why."""
        path = f"{OPTIONS}SslOptions/default/predefinedPolicies/AppGwSslPolicy20150501"
        self.assertIn("retired", StandIn().error("GET", path, status=404)["message"])

    def test_names_for_rules(self) -> None:
        """Server variables are all that rules can have; headers are lists of names."""
        plane = StandIn()
        self.assertEqual(plane.json("GET", f"{OPTIONS}ServerVariables"), sorted(SERVER_VARIABLES))
        self.assertIn("Cookie", plane.json("GET", f"{OPTIONS}RequestHeaders"))
        self.assertIn("Set-Cookie", plane.json("GET", f"{OPTIONS}ResponseHeaders"))
