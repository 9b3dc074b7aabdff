"""What a template is evaluated with."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import FoundResource, TemplateContext
from agwtwisted.core.arm.json_text import JsonNode
from agwtwisted.core.base.errors import Place

PLACE = Place(file="a.json", line=1)


class ContextTests(SynchronousTestCase):
    """The values around a document."""

    def test_secrets(self) -> None:
        """Values that the user gives are not in the repr."""
        given = {"password": JsonNode(value="hunter2", place=PLACE)}
        context = TemplateContext(parameters=given, texts={"other": "hunter3"}, values=given)
        self.assertNotIn("hunter", repr(context))


class FoundResourceTests(SynchronousTestCase):
    """A resource of a document."""

    def test_gateways(self) -> None:
        """A type is compared without case, as in the product."""
        body = JsonNode(value={}, place=PLACE)
        for kind, expected in (("microsoft.network/applicationgateways", True), ("Microsoft.Network/other", False)):
            self.assertEqual(FoundResource(type=kind, body=body, place=PLACE).is_gateway, expected)
