"""Gateways in each form in which they come, and what is said about other documents."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import FoundResource, TemplateContext
from agwtwisted.core.arm.documents import gateways, outputs, resources
from agwtwisted.core.arm.json_text import UnknownValue, read_json
from agwtwisted.core.base.errors import ConfigError

TYPE = "Microsoft.Network/applicationGateways"
PREFIX = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/"
PROPERTIES = {"httpListeners": [{"name": "l", "properties": {"protocol": "Http"}}]}
RESOURCE = {"type": TYPE, "apiVersion": "2025-03-01", "name": "edge", "properties": PROPERTIES}
ANSWER = {"name": "edge", "id": f"{PREFIX}edge", "etag": "W/1", "type": TYPE, "properties": PROPERTIES}
FLAT = {"name": "edge", "id": f"{PREFIX}edge", "type": TYPE, "httpListeners": [{"name": "l", "protocol": "Http"}]}
VNET = {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-04-01", "name": "v", "properties": {}}
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
LINK = {"templateLink": {"uri": "https://x/gateway.json"}}
LINKED = {"type": "Microsoft.Resources/deployments", "name": "l", "properties": LINK}
TEMPLATE = {"$schema": SCHEMA, "resources": [VNET, RESOURCE]}


def found(document: object, name: str = "") -> tuple[FoundResource, ...]:
    """The gateways of a document."""
    return gateways(json.dumps(document).encode(), "a.json", TemplateContext(name=name))


def problem(document: object, name: str = "") -> str:
    """What is said about a document that is refused."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    try:
        gateways(data, "a.json", TemplateContext(name=name))
    except ConfigError as error:
        (only,) = error.problems
        return str(only).removeprefix("ERROR ")
    raise AssertionError("it was taken")


class FormTests(SynchronousTestCase):
    """The five forms, and what holds one."""

    def one(self, document: object) -> FoundResource:
        """The gateway of a document, which is alike in every form."""
        (gateway,) = found(document)
        self.assertEqual((gateway.type.lower(), gateway.name), (TYPE.lower(), "edge"))
        holder = gateway.body.member("properties")
        listeners = (holder if holder.members() else gateway.body).member("httpListeners")
        self.assertEqual(len(listeners.items()), 1)
        return gateway

    def test_template(self) -> None:
        """A template has it among its resources, in an array or under symbolic names."""
        gateway = self.one(TEMPLATE)
        self.assertEqual((gateway.api_version, str(gateway.place)), ("2025-03-01", "a.json:1 resources[1]"))
        self.one({"languageVersion": "2.0", "resources": {"vnet": VNET, "gateway": RESOURCE}})

    def test_nested_deployments(self) -> None:
        """A deployment within a template has a template of its own."""
        nested = {"type": "Microsoft.Resources/deployments", "name": "n", "properties": {"template": TEMPLATE}}
        self.assertIn("template.resources[1]", self.one({"resources": [nested]}).place.path)
        self.one({"properties": {"mode": "Incremental", "template": TEMPLATE}})

    def test_resource(self) -> None:
        """A resource that is cut out of a template, its type in whatever case."""
        self.assertEqual(self.one(RESOURCE).api_version, "2025-03-01")
        self.one({**RESOURCE, "type": TYPE.lower()})
        self.one({**RESOURCE, "resources": []})

    def test_bodies(self) -> None:
        """What the REST API answers, and what it is sent, which may have no name and no type."""
        self.one(ANSWER)
        self.one({"id": f"{PREFIX}edge", "properties": PROPERTIES})
        (gateway,) = found({"location": "x", "properties": PROPERTIES})
        self.assertEqual((gateway.type, gateway.name, gateway.api_version), (TYPE, "", ""))

    def test_flat(self) -> None:
        """What azure-cli shows has no `properties` anywhere."""
        self.one(FLAT)

    def test_lists(self) -> None:
        """A list answer, and the list that azure-cli prints; one gateway of them is chosen by its name."""
        other = {**ANSWER, "name": "other"}
        for document in ({"value": [ANSWER, other]}, [{**FLAT, "name": "Edge"}, other]):
            self.assertEqual([each.name.lower() for each in found(document)], ["edge", "other"])
            self.assertEqual([each.name for each in found(document, "OTHER")], ["other"])

    def test_brackets(self) -> None:
        """A text in brackets is an expression only where a template may hold it, not in the service's answers."""
        rewrite = {"httpListeners": [{"name": "[concat('a')]"}]}
        (answered,) = found({**ANSWER, "properties": rewrite})
        (listener,) = answered.body.member("properties").member("httpListeners").items()
        self.assertEqual(listener.member("name").value, "[concat('a')]")
        (cut,) = found({**RESOURCE, "properties": {"httpListeners": [{"name": "[parameters('a')]"}]}})
        (listener,) = cut.body.member("properties").member("httpListeners").items()
        value = listener.member("name").value
        assert isinstance(value, UnknownValue)
        self.assertEqual(value.expression, "parameters('a')")


class ResourcesTests(SynchronousTestCase):
    """All resources of a template."""

    def test_all(self) -> None:
        """Every resource is found, in the template's order."""
        listed = resources(read_json(json.dumps(TEMPLATE).encode(), "a.json"), TemplateContext())
        self.assertEqual([each.name for each in listed], ["v", "edge"])

    def test_outputs(self) -> None:
        """So are its outputs."""
        template = {**TEMPLATE, "outputs": {"o": {"type": "string", "value": "x"}}}
        found = outputs(read_json(json.dumps(template).encode(), "a.json"), TemplateContext())
        self.assertEqual(found["o"].member("value").value, "x")


class RefusalTests(SynchronousTestCase):
    """Documents without a gateway."""

    def test_what_it_is(self) -> None:
        """The error says what the document is instead."""
        forms = "a template, a resource, a body of the REST API"
        for document, kind in {
            json.dumps({"resources": [VNET]}): "it is a template of Microsoft.Network/virtualNetworks",
            json.dumps({"$schema": SCHEMA}): "it is a template of no resources",
            json.dumps({"resources": [{**RESOURCE, "condition": False}]}): (
                "with these parameters its conditions and loops leave out that of resources[0]"
            ),
            json.dumps({"resources": [{**RESOURCE, "existing": True}, LINKED]}): (
                "it links to the template of resources[1], which is not read: give that file"
            ),
            json.dumps(VNET): "it is a Microsoft.Network/virtualNetworks",
            json.dumps({"a": 1}): "it is an object of other members",
            "1": "it is no object",
            "[]": "it is a list of 0 documents",
            json.dumps({"$schema": "https://x/deploymentParameters.json#", "parameters": {}}): (
                "it is a file of parameters: give the template, and this file by --parameters"
            ),
        }.items():
            said = problem(document.encode())
            self.assertIn(f"has no application gateway ({kind}): expected {forms}", said)

    def test_no_such_name(self) -> None:
        """The error lists the names that there are."""
        self.assertEqual(problem(TEMPLATE, "x"), "a.json has no application gateway named 'x', but 'edge'")
        said = problem({"properties": PROPERTIES}, "x")
        self.assertEqual(said, "a.json has no application gateway named 'x', but one whose name is not known")

    def test_bicep(self) -> None:
        """Bicep is recognized: a command of its own makes JSON of it."""
        said = problem(b"// mine\nparam name string\n")
        self.assertEqual(said, "a.json:2 is Bicep, not JSON: `bicep build` (or `bicep build-params`) makes JSON of it")
        self.assertIn("expected a value", problem(b"listener = 1"))
