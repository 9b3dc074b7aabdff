"""Functions on arrays and objects, mostly by the examples of the product's pages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.functions_collections import COLLECTION_FUNCTIONS
from agwtwisted.core.arm.json_text import UnknownValue
from tests.core.arm.evaluations import refusal_of, unknown, value

EXAMPLES: dict[str, object] = {
    "array('a')": ["a"],
    "array(createArray(1))": [1],
    "coalesce(null(), null(), 'a', 'b')": "a",
    "coalesce(null())": None,
    "contains('OneTwoThree', 'e')": True,
    "contains('OneTwoThree', 'z')": False,
    "contains(createObject('one', 'a'), 'ONE')": True,
    "contains(createArray('one', 'two'), 'three')": False,
    "createArray()": [],
    "createObject('a', 1, 'b', createArray(2))": {"a": 1, "b": [2]},
    "empty('')": True,
    "empty(createArray())": True,
    "empty(createObject('a', 1))": False,
    "empty(null())": True,
    "first(createArray('one', 'two'))": "one",
    "first('One')": "O",
    "first(createArray())": None,
    "flatten(createArray(createArray(1, 2), createArray(3)))": [1, 2, 3],
    "indexFromEnd(createArray('a', 'b'), 1)": "b",
    "tryIndexFromEnd(createArray('a', 'b'), 2)": "a",
    "tryIndexFromEnd(createArray('a'), 2)": None,
    "tryIndexFromEnd(null(), 1)": None,
    "intersection(createArray('one', 'two'), createArray('two', 'three'))": ["two"],
    "intersection(createObject('one', 'a', 'two', 'b'), createObject('one', 'a', 'two', 'c'))": {"one": "a"},
    "items(createObject('b', 2, 'a', 1))": [{"key": "a", "value": 1}, {"key": "b", "value": 2}],
    "last(createArray('one', 'two'))": "two",
    "last('')": "",
    "length(createArray(1, 2))": 2,
    "length('abc')": 3,
    "length(createObject('a', 1))": 1,
    "objectKeys(createObject('b', 2, 'a', 1))": ["a", "b"],
    "range(5, 3)": [5, 6, 7],
    "shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2))))": {
        "a": {"y": 2}
    },
    "skip(createArray('one', 'two', 'three'), 2)": ["three"],
    "skip('one two three', 4)": "two three",
    "take(createArray('one', 'two', 'three'), 2)": ["one", "two"],
    "take('one two three', 2)": "on",
    "take('a', -1)": "",
    "union(createObject('one', 'a', 'n', createObject('x', 1)), createObject('ONE', 'b', 'n', createObject('y', 2)))": {
        "one": "b",
        "n": {"x": 1, "y": 2},
    },
    "union(createArray('one', 'two'), createArray('two', createObject()), createArray(createObject()))": [
        "one",
        "two",
        {},
    ],
}

REFUSED = {
    "createObject('a')": "needs a value for each name",
    "createObject('a', 1, 'A', 2)": "makes an object with two members 'A'",
    "empty(1)": "needs a text, an array or an object, not an integer",
    "indexFromEnd(createArray('a'), 2)": "has no item 2 from the end: there are 1",
    "length(null())": "needs a text, an array or an object, not null",
    "first(createObject())": "needs a text or an array, not an object",
    "range(0, 1000000000)": "makes up to 10000 integers",
    "union('a', 'b')": "needs an object, not a text",
    "items('a')": "needs an object, not a text",
}


class ExampleTests(SynchronousTestCase):
    """Each function."""

    def test_examples(self) -> None:
        """Each has the value that the product's page says."""
        for expression, expected in EXAMPLES.items():
            self.assertEqual(value(expression), expected, expression)

    def test_refusals(self) -> None:
        """What the product refuses is unknown, and says why."""
        for expression, expected in REFUSED.items():
            self.assertEqual(refusal_of(expression), expected, expression)

    def test_all_are_tried(self) -> None:
        """No function is without an example."""
        text = " ".join(EXAMPLES).lower()
        self.assertEqual([name for name in COLLECTION_FUNCTIONS if f"{name}(" not in text], [])


class UnknownTests(SynchronousTestCase):
    """Arrays and objects with something unknown in them."""

    def test_others_are_kept(self) -> None:
        """An array or object with an unknown part keeps the others."""
        found = value("union(createObject('a', reference('x').y), createObject('b', 2))")
        assert isinstance(found, dict)
        self.assertIsInstance(found["a"], UnknownValue)
        self.assertEqual(found["b"], 2)
        self.assertEqual(value("length(createArray(reference('x'), 1))"), 2)
        self.assertEqual(value("empty(createArray(reference('x')))"), False)
        self.assertEqual(value("last(union(createArray(reference('x')), createArray(1)))"), 1)

    def test_a_whole_is_unknown(self) -> None:
        """What cannot be known without it is unknown."""
        for expression in (
            "contains(createArray(reference('x')), 1)",
            "contains(reference('x'), 1)",
            "contains('a', reference('x'))",
            "createObject(reference('x'), 1)",
            "flatten(createArray(reference('x')))",
            "shallowMerge(createArray(reference('x')))",
            "union(createObject('a', 1), reference('x'))",
            "coalesce(reference('x'), 1)",
            "length(reference('x'))",
        ):
            self.assertEqual(unknown(expression).expression, "reference('x')", expression)

    def test_found_all_the_same(self) -> None:
        """An array that has an item has it, whatever else may be in it."""
        self.assertEqual(value("contains(createArray(reference('x'), 1), 1)"), True)
