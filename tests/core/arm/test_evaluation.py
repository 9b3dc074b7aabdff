"""Evaluating expressions: names, choices, selections, and what is not known."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.base.errors import Place
from tests.core.arm.evaluations import evaluated_in, refusal_of, unknown, value

VARIABLES = {"o": {"Key": [10, {"x": None}]}, "n": None}


class SelectionTests(SynchronousTestCase):
    """Members and items."""

    def test_found(self) -> None:
        """Members are found without case, items by their index, which may be an expression."""
        for expression, expected in {
            "variables('O').key[0]": 10,
            "variables('o')['KEY'][sub(2, 1)].x": None,
            "variables('o').?missing": None,
            "variables('o').key[?5]": None,
            "variables('n').?x": None,
            "tryGet(variables('o'), 'key', 1, 'x')": None,
            "tryGet(variables('o'), 'key', 0)": 10,
            "tryGet(variables('o'), 'missing', 'x', 0)": None,
        }.items():
            self.assertEqual(value(expression, **VARIABLES), expected, expression)

    def test_refusals(self) -> None:
        """What is not there is an error that does not show the value."""
        for expression, message in {
            "variables('o').missing": "has no member 'missing'",
            "variables('o').key[2]": "has no item 2: there are 2",
            "variables('o').key['a']": "needs an integer, not a text",
            "variables('n').x": "is null, which has no members",
            "'secret'.x": "is a text, which has no members",
            "tryGet('secret', 'x')": "is a text, which has no members",
        }.items():
            self.assertEqual(refusal_of(expression, **VARIABLES), message, expression)


class ChoiceTests(SynchronousTestCase):
    """What is evaluated, and what is not."""

    def test_if(self) -> None:
        """Of two branches one is evaluated."""
        self.assertEqual(value("if(true(), 1, fail('no'))"), 1)
        self.assertEqual(value("if(equals('a', 'b'), fail('no'), 2)"), 2)
        self.assertEqual(unknown("if(reference('x').y, 1, 2)").expression, "reference('x').y")
        self.assertEqual(refusal_of("if(1, 2, 3)"), "needs a boolean, not an integer")

    def test_decisive_arguments(self) -> None:
        """One argument decides, whatever is unknown of the others."""
        self.assertEqual(value("and(reference('x'), false())"), False)
        self.assertEqual(value("or(reference('x'), true())"), True)
        self.assertEqual(value("and(true(), true())"), True)
        self.assertEqual(value("or(false(), false(), true())"), True)
        for expression in ("and(true(), reference('x'))", "or(reference('x'), false())"):
            self.assertEqual(unknown(expression).expression, "reference('x')")


class NameTests(SynchronousTestCase):
    """Functions by their names."""

    def test_without_case(self) -> None:
        """Names are compared without case."""
        self.assertEqual(value("TOUPPER(toLOWER('A'))"), "A")

    def test_no_such_function(self) -> None:
        """A function that there is not is an error with the nearest one."""
        self.assertEqual(refusal_of("toUper('a')"), "calls 'touper', which is no function: toupper?")
        self.assertEqual(refusal_of("x()"), "calls 'x', which is no function")
        self.assertEqual(unknown("concat('a', x())").expression, "x()")

    def test_copy_index(self) -> None:
        """Outside of a loop there is no index."""
        self.assertEqual(refusal_of("copyIndex()"), "stands in no copy loop")
        self.assertEqual(refusal_of("copyIndex('a')"), "stands in no copy loop named 'a'")


class UnknownTests(SynchronousTestCase):
    """What only a deployment has."""

    def test_names_of_parts(self) -> None:
        """A part of something unknown is named as it is written, through variables, too."""
        expression = "reference('x').a[0].b"
        self.assertEqual(unknown(expression).expression, expression)
        self.assertIn(f'--value "{expression}=VALUE"', unknown(expression).hint)
        self.assertEqual(unknown("variables('v').b", v="[reference('x').a]").expression, "reference('x').a.b")
        self.assertEqual(unknown("if(reference('x').a, 1, 2).b").expression, "reference('x').a")
        self.assertEqual(unknown("first(reference('x').a).b").expression, "reference('x').a")
        self.assertEqual(unknown("createObject('a', 1)[reference('x')]").expression, "reference('x')")
        self.assertEqual(unknown("tryGet(createObject('a', 1), reference('x'))").expression, "reference('x')")
        self.assertEqual(unknown("toLower(concat(reference('x'), '/a/b'))").end, "")

    def given(self, expression: str, given: str, value: object = "backend") -> object:
        """The value of an expression where one is given for another."""
        place = Place(file="--value")
        node = JsonNode(value=value, place=place)  # type: ignore[arg-type]
        return evaluated_in(
            {"variables": {"v": "[reference('x').host]", "w": "[#]"}, "parameters": {"p": {"type": "object"}}},
            f"[{expression}]",
            TemplateContext(values={given: node}),
        )

    def test_given_values(self) -> None:
        """A value that is given stands for an expression without regard to white space and case."""
        self.assertEqual(self.given("concat(reference('x').host, ':80')", "Reference( 'X' ).HOST"), "backend:80")
        self.assertEqual(self.given("variables('v')", "reference('x').host"), "backend")
        self.assertEqual(self.given("variables('v')", "variables('v')"), "backend")
        self.assertEqual(self.given("parameters('p').a", "parameters('p').a"), "backend")
        self.assertIsInstance(self.given("concat(variables('w'))", "reference('x').host"), UnknownValue)
        whole = {"host": JsonNode(value="h", place=Place(file="--value"))}
        self.assertEqual(self.given("reference('x').host", "reference('x')", whole), "h")
