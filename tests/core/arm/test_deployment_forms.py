"""Ids of resources, and what surrounds a deployment."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.deployment_forms import DEPLOYMENT_FORMS
from agwtwisted.core.arm.json_text import UnknownValue
from tests.core.arm.evaluations import evaluated_in, node_of, refusal_of, unknown, value

CONTEXT = TemplateContext(
    subscription="S", tenant="T", resource_group="G", location="here", deployment="d", moment="2020-04-07T14:53:14Z"
)
TYPE = "Microsoft.Network/applicationGateways"
EXAMPLES: dict[str, object] = {
    f"resourceId('{TYPE}', 'gw')": f"/subscriptions/S/resourceGroups/G/providers/{TYPE}/gw",
    f"resourceId('{TYPE}/httpListeners', 'gw', 'x')": (
        f"/subscriptions/S/resourceGroups/G/providers/{TYPE}/gw/httpListeners/x"
    ),
    f"resourceId('other', '{TYPE}', 'gw')": f"/subscriptions/S/resourceGroups/other/providers/{TYPE}/gw",
    f"resourceId('s2', 'g2', '{TYPE}', 'gw')": f"/subscriptions/s2/resourceGroups/g2/providers/{TYPE}/gw",
    "subscriptionResourceId('Microsoft.A/b', 'c')": "/subscriptions/S/providers/Microsoft.A/b/c",
    "subscriptionResourceId('s2', 'Microsoft.A/b', 'c')": "/subscriptions/s2/providers/Microsoft.A/b/c",
    "tenantResourceId('Microsoft.A/b', 'c')": "/providers/Microsoft.A/b/c",
    "extensionResourceId('/x/y', 'Microsoft.A/b', 'c')": "/x/y/providers/Microsoft.A/b/c",
    "managementGroupResourceId('m', 'Microsoft.A/b', 'c')": (
        "/providers/Microsoft.Management/managementGroups/m/providers/Microsoft.A/b/c"
    ),
    "resourceGroup().id": "/subscriptions/S/resourceGroups/G",
    "resourceGroup().location": "here",
    "subscription().subscriptionId": "S",
    "tenant().tenantId": "T",
    "managementGroup().name": "T",
    "deployment().name": "d",
    "deployer().tenantId": "T",
    "environment().suffixes.storage": "core.windows.net",
    "utcNow()": "20200407T145314Z",
    "utcNow('yyyy')": "2020",
}
UNKNOWN = (
    "reference('x')",
    "references('x')",
    "listKeys('x', '2020-01-01')",
    "pickZones('a', 'b', 'c')",
    "providers('a')",
    "getSecret('a')",
    "externalInput('a')",
    "resourceInfo('a')",
    "toLogicalZone('a')",
    "toLogicalZones('a')",
    "toPhysicalZone('a')",
    "toPhysicalZones('a')",
    "deployer().objectId",
)


class ExampleTests(SynchronousTestCase):
    """Each function."""

    def test_examples(self) -> None:
        """Each has the value that the product's page says."""
        for expression, expected in EXAMPLES.items():
            self.assertEqual(evaluated_in({}, f"[{expression}]", CONTEXT), expected, expression)

    def test_of_deployments(self) -> None:
        """What only a deployment has is unknown."""
        for expression in UNKNOWN:
            self.assertEqual(unknown(expression).expression, expression)
        link = unknown("deployment().properties.templateLink.uri")
        self.assertEqual(link.expression, "deployment().properties.templateLink.uri")
        self.assertEqual(unknown("utcNow('d')").expression, "utcNow('d')")

    def test_all_are_tried(self) -> None:
        """No function is without an example."""
        text = " ".join([*EXAMPLES, *UNKNOWN, "newGuid("]).lower()
        self.assertEqual([name for name in DEPLOYMENT_FORMS if f"{name}(" not in text], [])

    def test_new_guid(self) -> None:
        """A new GUID is always the same: two evaluations of a template are equal."""
        self.assertEqual(value("newGuid()"), value("newGuid()"))

    def test_refusals(self) -> None:
        """What the product refuses is unknown, and says why."""
        for expression, message in {
            "resourceId('x')": "needs a resource type such as Microsoft.Network/applicationGateways",
            f"resourceId('{TYPE}/httpListeners', 'x')": f"has 1 names for the type '{TYPE}/httpListeners'",
            f"resourceId('{TYPE}', 1)": "needs a text, not an integer",
        }.items():
            self.assertEqual(refusal_of(expression), message)


class DeployedTests(SynchronousTestCase):
    """References to what is deployed already."""

    ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/Ip"

    def referred(self, expression: str, **others: object) -> object:
        """The value of a reference where an address is deployed."""
        resource = {"name": "Ip", "location": "here", "properties": {"ipAddress": "127.0.0.1"}}
        deployed = {self.ID.lower(): node_of(resource), **{name: node_of(each) for name, each in others.items()}}
        return evaluated_in({}, f"[{expression}]", TemplateContext(resources=deployed))

    def test_found(self) -> None:
        """By its id or its name its properties are found, or all of it."""
        self.assertEqual(self.referred(f"reference('{self.ID}', '2023-01-01').ipAddress"), "127.0.0.1")
        self.assertEqual(self.referred("reference('ip').ipAddress"), "127.0.0.1")
        self.assertEqual(self.referred("reference('IP', '2023-01-01', 'Full').location"), "here")
        self.assertEqual(self.referred("reference('flat').a", flat={"a": 1}), 1)

    def test_not_found(self) -> None:
        """One that is not there, or a name that two have, is unknown."""
        for expression in ("reference('other')", f"reference('{self.ID}x')"):
            self.assertIsInstance(self.referred(expression), UnknownValue)
        self.assertIsInstance(self.referred("reference('ip')", **{"/x/ip": {}}), UnknownValue)


class UnknownNameTests(SynchronousTestCase):
    """Ids in which something is unknown."""

    def test_end(self) -> None:
        """The end behind what is unknown is known: a gateway's own parts are found by it."""
        found = unknown(f"resourceId('{TYPE}/httpListeners', reference('x').name, 'public')")
        self.assertEqual((found.expression, found.end), ("reference('x').name", "/httpListeners/public"))
        found = unknown(f"concat(resourceId('{TYPE}', reference('x').name), '/httpListeners/public')")
        self.assertEqual(found.end, "/httpListeners/public")
        self.assertIsInstance(value("resourceId(reference('x'), 'y')"), UnknownValue)
        self.assertEqual(unknown(f"resourceId(reference('x').group, '{TYPE}', 'gw')").end, f"/providers/{TYPE}/gw")
