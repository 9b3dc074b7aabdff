"""Values of parameters: files of them, and as they are typed."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.arm.parameters import read_parameters, typed_parameter, typed_value
from agwtwisted.core.arm.values import plain
from agwtwisted.core.base.errors import ConfigError, UnacceptableError

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
        self.assertIn("it is the secret tls of a key vault; give it by --parameter secret=VALUE", value.hint)

    def test_refusals(self) -> None:
        """Another document is an error."""
        for text, message in {
            '{"port": 443}': 'p.json:1 port expected an object with the value of a parameter: {"value": …}',
            "[]": 'p.json:1 expected an object of parameters: {"name": {"value": …}}',
        }.items():
            error = self.assertRaises(ConfigError, read_parameters, text.encode(), "p.json")
            self.assertEqual(str(error), f"ERROR {message}")


class TypedTests(SynchronousTestCase):
    """Values as they are typed."""

    def test_parameters(self) -> None:
        """A name, and a value that may hold anything."""
        self.assertEqual(typed_parameter("name=a=b"), ("name", "a=b"))
        for written in ("name", "=x", ""):
            self.assertRaises(UnacceptableError, typed_parameter, written)

    def test_values(self) -> None:
        """The first = outside of texts and brackets is between the expression and its value, text or JSON."""
        for written, expression, value in (
            (
                "reference('a=b', x(1))['='].host = 127.0.0.1:8000",
                "reference('a=b', x(1))['='].host",
                " 127.0.0.1:8000",
            ),
            ("reference('x')={\"a\": [1]}", "reference('x')", {"a": (1,)}),
            ("a=", "a", ""),
        ):
            found, node = typed_value(written)
            self.assertEqual((found, plain(node)), (expression, value))
        for written in ("reference('x=1')", "a={", "=x"):
            self.assertRaises(UnacceptableError, typed_value, written)

    @given(st.text(alphabet="a='()[]{} ", max_size=20))
    def test_any_text(self, text: str) -> None:
        """Any text is one or is refused."""
        try:
            expression, _ = typed_value(text)
            self.assertTrue(text.startswith(text[: len(expression)]))
        except UnacceptableError as error:
            self.assertTrue(error.message)
