"""`agwtwisted.core.arm.forms`: the body of a request, and a template."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm import forms
from agwtwisted.core.arm.forms import GatewayIdentity, PfxText
from agwtwisted.core.arm.writing import gateway_properties, rows_by_kind
from tests import configurations
from tests.core.arm.written import rows

IDENTITY = GatewayIdentity(name="edge", location="westeurope", tags={"team": "[a]"})
PFX = {"site": PfxText(data="MII=", password="hunter2")}
PROPERTIES = gateway_properties(rows_by_kind(rows(configurations.GOOD)), {"trusted_client_certificate devices": "LS0="})


class ResourceTests(SynchronousTestCase):
    """The body of a request."""

    def test_identity(self) -> None:
        """Name, place and tags stand beside the properties, and ids are made of them."""
        found = forms.resource(IDENTITY, PROPERTIES, {})
        self.assertEqual((found["name"], found["location"], found["tags"]), ("edge", "westeurope", {"team": "[a]"}))
        self.assertTrue(
            found["id"].endswith("/resourceGroups/local/providers/Microsoft.Network/applicationGateways/edge")
        )
        listener = found["properties"]["httpListeners"][0]["properties"]
        self.assertTrue(listener["sslProfile"]["id"].endswith("/applicationGateways/edge/sslProfiles/strict"))

    def test_secrets(self) -> None:
        """Secrets stand there only where they are given; without them their members are left out."""
        [without] = forms.resource(IDENTITY, PROPERTIES, {})["properties"]["sslCertificates"]
        self.assertEqual(without, {"name": "site", "properties": {}})
        [found] = forms.resource(IDENTITY, PROPERTIES, PFX)["properties"]["sslCertificates"]
        self.assertEqual(found["properties"], {"data": "MII=", "password": "hunter2"})
        self.assertNotIn("hunter2", repr(PFX))


class TemplateTests(SynchronousTestCase):
    """A template."""

    def setUp(self) -> None:
        self.template = forms.template(IDENTITY, PROPERTIES, PFX)
        [self.resource] = self.template.body["resources"]

    def test_secrets(self) -> None:
        """Secrets are parameters that nobody sees, without a default; their values are apart."""
        parameters = self.template.body["parameters"]
        self.assertEqual(parameters["sslCertificate_site_password"]["type"], "securestring")
        self.assertNotIn("defaultValue", parameters["sslCertificate_site_data"])
        self.assertNotIn("hunter2", json.dumps(self.template.body))
        self.assertEqual(
            self.template.secrets, {"sslCertificate_site_data": "MII=", "sslCertificate_site_password": "hunter2"}
        )
        values = forms.parameters_file(self.template.secrets)["parameters"]
        self.assertEqual(values["sslCertificate_site_data"], {"value": "MII="})

    def test_ids(self) -> None:
        """What is beside the gateway is a parameter, and its children are found by functions."""
        parameters = self.template.body["parameters"]
        self.assertNotIn("defaultValue", parameters["subnetId"])
        self.assertNotIn("defaultValue", parameters["publicIPAddressId_frontend_1"])
        listener = self.resource["properties"]["httpListeners"][0]["properties"]
        self.assertEqual(
            listener["sslProfile"]["id"],
            "[resourceId('Microsoft.Network/applicationGateways/sslProfiles', parameters('applicationGatewayName'),"
            " 'strict')]",
        )

    def test_texts(self) -> None:
        """A text that would be an expression is escaped."""
        self.assertEqual(self.resource["tags"], {"team": "[[a]"})
        self.assertEqual(self.resource["name"], "[parameters('applicationGatewayName')]")

    def test_names(self) -> None:
        """Parameters have names of letters, digits and underscores, and no two have one, whatever its case."""
        text = configurations.GOOD + "".join(
            f"[ssl_certificate {name}]\ncertificate_file = a.pfx\n\n" for name in ("a.b", "a-b", "A_B")
        )
        properties = gateway_properties(rows_by_kind(rows(text)), {"trusted_client_certificate devices": ""})
        names = forms.template(IDENTITY, properties, {}).body["parameters"]
        self.assertEqual(len({each.lower() for each in names}), len(names))
        self.assertTrue(all(each.replace("_", "").isalnum() for each in names))
        self.assertEqual(sum(each.lower().startswith("sslcertificate_a_b") for each in names), 6)
