"""Resources of templates."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.json_text import UnknownValue, read_json
from agwtwisted.core.arm.templates import is_template, text_of, without_expressions


class LiteralTests(SynchronousTestCase):
    """Documents as they are."""

    def test_expressions_are_unknown(self) -> None:
        """A text in brackets has no value; everything else is kept."""
        node = without_expressions(read_json(b'{"a": ["[b()]", "c", 1]}', "a.json"))
        first, second, third = node.member("a").items()
        self.assertIsInstance(first.value, UnknownValue)
        self.assertEqual((second.value, third.value), ("c", 1))
        self.assertEqual((text_of(first), text_of(second), text_of(third)), ("", "c", ""))

    def test_is_template(self) -> None:
        """A template says so, or has resources."""
        for document, expected in (
            ({"resources": {}}, True),
            ({"$schema": "x/deploymentTemplate.json#"}, True),
            ({}, False),
        ):
            self.assertEqual(is_template(read_json(json.dumps(document).encode(), "a")), expected)
