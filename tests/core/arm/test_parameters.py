"""Values of parameters."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.arm.parameters import parameters_of, read_parameters
from agwtwisted.core.arm.values import plain
from agwtwisted.core.base.errors import ConfigError
from tests.core.arm.evaluations import node_of

VALUES = {"port": {"value": 443}, "secret": {"reference": {"keyVault": {"id": "/x"}, "secretName": "tls"}}}


class FileTests(SynchronousTestCase):
    """Files of parameters."""

    def test_values(self) -> None:
        """A file has values by name, in the product's form or as the object alone."""
        for document in ({"$schema": "x/deploymentParameters.json#", "parameters": VALUES}, VALUES):
            found = read_parameters(json.dumps(document).encode(), "p.json")
            self.assertEqual((set(found), plain(found["port"])), ({"port", "secret"}, 443))
        self.assertEqual(found["port"].place.path, "port.value")

    def test_secrets_of_key_vaults(self) -> None:
        """A secret of a key vault is unknown, and says which one it is."""
        value = read_parameters(json.dumps(VALUES).encode(), "p.json")["secret"].value
        assert isinstance(value, UnknownValue)
        self.assertIn("it is the secret tls of a key vault; give it by another --parameters FILE", value.hint)

    def test_left_out(self) -> None:
        """An empty object is no value; an unknown one is one that is unknown."""
        unknown = UnknownValue(expression="f()", hint="")
        node = node_of({"a": {}, "b": {"value": None}})
        whole = JsonNode(value={**node.members(), "c": JsonNode(value=unknown, place=node.place)}, place=node.place)
        found = parameters_of(whole)
        self.assertEqual({name: plain(each) for name, each in found.items()}, {"b": None, "c": unknown})

    def test_refusals(self) -> None:
        """Another document is an error."""
        for text, message in {
            '{"port": 443}': 'p.json:1 port expected an object with the value of a parameter: {"value": …}',
            "[]": 'p.json:1 expected an object of parameters: {"name": {"value": …}}',
        }.items():
            error = self.assertRaises(ConfigError, read_parameters, text.encode(), "p.json")
            self.assertEqual(str(error), f"ERROR {message}")
