"""Bodies as plain JSON."""

from __future__ import annotations

import json

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.json_text import DEEPEST, UnknownValue, read_json
from agwtwisted.core.resource_manager.plain_json import UnknownText, object_in, plain
from agwtwisted.core.resource_manager.service_errors import ServiceError
from tests.control_planes import GATEWAY, StandIn, gateway_body


class BodyTests(SynchronousTestCase):
    """JSON objects."""

    def test_reads(self) -> None:
        """An object is a dictionary; line ends in strings and comments are taken, as Azure takes them."""
        self.assertEqual(object_in(b'{"a": [1, null, true, 1.5]} // x'), {"a": [1, None, True, 1.5]})

    def test_refuses(self) -> None:
        """What is no JSON, no object, has a name twice in whatever case, or is nested too deep, with the reason."""
        bad = (b"", b"[]", b'{"a": 1, "A": 2}', b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b'{"a":' * 100_000)
        for body in bad:
            found = object_in(body)
            assert isinstance(found, ServiceError)
            self.assertEqual(found.code, "InvalidRequestFormat")
            self.assertTrue(found.details[0].message.startswith("The body "), found.details)

    def test_as_deep_as_it_may_be(self) -> None:
        """What is taken can be kept, answered and served, however deep it is."""
        deep: object = 1
        for _ in range(DEEPEST - 10):
            deep = {"a": [deep]} if isinstance(deep, int) else {"a": deep}
        plane = StandIn().with_gateway(fromTheFuture=deep)
        self.assertEqual(plane.json("GET", GATEWAY)["properties"]["fromTheFuture"], deep)
        plane.json("PUT", GATEWAY, gateway_body(fromTheFuture=deep))


class PlainTests(SynchronousTestCase):
    """Nodes as JSON."""

    def test_values(self) -> None:
        """Objects, arrays and values are what they were."""
        value = {"a": [1, True, None, "x", 1.5]}
        self.assertEqual(plain(read_json(json.dumps(value).encode(), "x")), value)

    def test_unknown(self) -> None:
        """What is not known is a text with its expression, and remembers why."""
        node = attrs.evolve(read_json(b"1", "x"), value=UnknownValue(expression="reference('x').y", hint="why"))
        found = plain(node)
        assert isinstance(found, UnknownText)
        self.assertEqual((found, found.hint), ("[reference('x').y]", "why"))
