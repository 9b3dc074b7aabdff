"""Lambdas, mostly by the examples of the product's page."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.lambdas import LAMBDA_FORMS
from tests.core.arm.evaluations import refusal_of, unknown, value

DOGS = [{"name": "Evie", "age": 5}, {"name": "Casper", "age": 3}, {"name": "Indy", "age": 2}]
ARGUMENT = "lambdaVariables('x')"
EXAMPLES: dict[str, object] = {
    f"map(variables('dogs'), lambda('x', {ARGUMENT}.name))": ["Evie", "Casper", "Indy"],
    "map(createArray('a', 'b'), lambda('x', 'i', concat(lambdaVariables('x'), lambdaVariables('i'))))": ["a0", "b1"],
    f"filter(variables('dogs'), lambda('x', greaterOrEquals({ARGUMENT}.age, 5)))": [DOGS[0]],
    "map(sort(variables('dogs'), lambda('a', 'b', less(lambdaVariables('a').age, lambdaVariables('b').age))),"
    f" lambda('x', {ARGUMENT}.age))": [2, 3, 5],
    "reduce(variables('dogs'), 0, lambda('cur', 'next', add(lambdaVariables('cur'), lambdaVariables('NEXT').age)))": 10,
    f"toObject(variables('dogs'), lambda('x', {ARGUMENT}.name), lambda('x', {ARGUMENT}.age))": {
        "Evie": 5,
        "Casper": 3,
        "Indy": 2,
    },
    f"toObject(createArray('a'), lambda('x', {ARGUMENT}))": {"a": "a"},
    f"mapValues(createObject('a', 1), lambda('x', add({ARGUMENT}, 1)))": {"a": 2},
    f"groupBy(createArray('ab', 'ac', 'b'), lambda('x', take({ARGUMENT}, 1)))": {"a": ["ab", "ac"], "b": ["b"]},
    f"map(createArray(1), lambda('x', map(createArray(2), lambda('y', add({ARGUMENT}, lambdaVariables('y'))))))": [[3]],
}


class ExampleTests(SynchronousTestCase):
    """Each function."""

    def test_examples(self) -> None:
        """Each has the value that the product's page says."""
        for expression, expected in EXAMPLES.items():
            self.assertEqual(value(expression, dogs=DOGS), expected, expression)

    def test_all_are_tried(self) -> None:
        """No function is without an example."""
        text = " ".join(EXAMPLES).lower()
        self.assertEqual([name for name in LAMBDA_FORMS if f"{name}(" not in text], [])

    def test_refusals(self) -> None:
        """What the product refuses is unknown, and says why."""
        for expression, message in {
            "map(createArray(1), 1)": "needs a lambda('x', …)",
            f"toObject(createArray('a', 'A'), lambda('x', {ARGUMENT}))": "makes an object with two members 'A'",
            "map('a', lambda('x', 1))": "needs an array, not a text",
            "map(createArray(1), lambda(concat('x'), 1))": "needs texts as the names of a lambda's arguments",
            "lambdaVariables('x')": "names 'x', which no lambda around it has",
        }.items():
            self.assertEqual(refusal_of(expression), message)


class UnknownTests(SynchronousTestCase):
    """Lambdas over what is not known."""

    def test_items(self) -> None:
        """An array with unknown items stays one; an unknown array, or an unknown decision, leaves nothing known."""
        self.assertEqual(value(f"length(map(createArray(reference('r')), lambda('x', {ARGUMENT}.a)))"), 1)
        for expression in (
            f"map(reference('r'), lambda('x', {ARGUMENT}))",
            f"filter(reference('r'), lambda('x', {ARGUMENT}))",
            "filter(createArray(1), lambda('x', reference('r')))",
            "sort(reference('r'), lambda('x', 'y', true()))",
            "sort(createArray(1, 2), lambda('x', 'y', reference('r')))",
            "reduce(reference('r'), 0, lambda('x', 'y', 1))",
            "toObject(reference('r'), lambda('x', 'y'))",
            "toObject(createArray(1), lambda('x', reference('r')))",
            "mapValues(reference('r'), lambda('x', 'y'))",
            "groupBy(reference('r'), lambda('x', 'y'))",
            "groupBy(createArray(1), lambda('x', reference('r')))",
        ):
            self.assertEqual(unknown(expression).expression, "reference('r')", expression)
