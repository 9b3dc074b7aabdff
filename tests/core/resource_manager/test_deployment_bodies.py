"""The body of a deployment, read and evaluated."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.resource_manager.deployment_bodies import DeploymentBody, deployment_body
from agwtwisted.core.resource_manager.service_errors import ServiceError

CONTEXT = TemplateContext()
ADDRESS = {"type": "Microsoft.Network/publicIPAddresses", "name": "ip", "apiVersion": "2024-05-01", "location": "x"}


def read(template: dict[str, Any], **properties: Any) -> DeploymentBody:
    """A body that is taken."""
    found = deployment_body(json.dumps({"properties": {"template": template, **properties}}).encode(), CONTEXT)
    assert isinstance(found, DeploymentBody), found
    return found


def error(body: bytes) -> ServiceError:
    """Why one is not."""
    found = deployment_body(body, CONTEXT)
    assert isinstance(found, ServiceError)
    return found


class ReadTests(SynchronousTestCase):
    """What is taken."""

    def test_resources(self) -> None:
        """Type, name, version and body of each; deployments within are none."""
        nested = {"type": "Microsoft.Resources/deployments", "name": "d", "properties": {"template": {"resources": []}}}
        [found] = read({"resources": [ADDRESS, nested]}).resources
        self.assertEqual((found.type, found.name, found.version), (ADDRESS["type"], "ip", "2024-05-01"))
        self.assertEqual(
            (found.namespace, found.tail, found.is_named), ("Microsoft.Network", ("publicIPAddresses", "ip"), True)
        )
        self.assertEqual(found.body["location"], "x")

    def test_unquoted_template(self) -> None:
        """The body that azure-cli sends is no JSON: the template stands in it as it is in the user's file."""
        body = b'{"properties": {"parameters": {}, "mode": "Incremental", template: {"resources": [] /* none */}}}'
        found = deployment_body(body, CONTEXT)
        assert isinstance(found, DeploymentBody)
        self.assertEqual((found.mode, found.resources), ("Incremental", ()))

    def test_children(self) -> None:
        """Kinds and names of a child come in turn; a name that does not fit its type is found out."""
        subnet = {"type": "Microsoft.Network/virtualNetworks/subnets", "name": "v/a"}
        [found, odd] = read({"resources": [subnet, {**subnet, "name": "a"}]}).resources
        self.assertEqual(found.tail, ("virtualNetworks", "v", "subnets", "a"))
        self.assertEqual((found.is_named, odd.is_named), (True, False))

    def test_parameters_as_shown(self) -> None:
        """Answers have types and values, of those that were left out the default; secure ones have no value."""
        declared = {
            "a": {"type": "string"},
            "b": {"type": "int", "defaultValue": 5},
            "c": {"type": "secureString"},
        }
        given = {"A": {"value": "x"}, "c": {"value": "secret"}}
        shown = read({"parameters": declared, "resources": []}, parameters=given).parameters
        expected = {
            "a": {"type": "String", "value": "x"},
            "b": {"type": "Int", "value": 5},
            "c": {"type": "SecureString"},
        }
        self.assertEqual(shown, expected)


class RefusedTests(SynchronousTestCase):
    """What is not taken."""

    def test_codes(self) -> None:
        """No JSON, no template, and links to templates elsewhere are invalid templates."""
        bodies = (b"{", b"{}", b'{"properties": {"templateLink": {"uri": "https://x.example"}}}', b'{"a":' * 500)
        for body in bodies:
            self.assertEqual(error(body).code, "InvalidTemplate")

    def test_parameters_without_values(self) -> None:
        """Each that has neither a value nor a default, and is not nullable, is named."""
        declared = {
            "a": {"type": "string"},
            "b": {"type": "string"},
            "c": {"type": "string", "defaultValue": ""},
            "d": {"type": "string", "nullable": True},
        }
        template = {"parameters": declared, "resources": []}
        found = error(json.dumps({"properties": {"template": template, "parameters": {"B": {"value": 1}}}}).encode())
        self.assertEqual((found.code, found.target), ("InvalidTemplate", "template.parameters.a"))
        self.assertIn("template parameter 'a' is not provided", found.message)
