"""Values of expressions, and the budget of an evaluation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm import values
from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.arm.values import (
    ArmValue,
    EvaluationError,
    Expense,
    array,
    as_json,
    as_text,
    boolean,
    bounded,
    first_unknown,
    integer,
    joined,
    kind_of,
    member_name,
    members,
    object_of,
    placed,
    plain,
    shallow_size,
    text,
)
from agwtwisted.core.base.errors import ConfigError, Place
from tests.core.arm.evaluations import node_of

PLACE = Place(file="a.json", line=3, path="x")
UNKNOWN = UnknownValue(expression="f()", hint="")


class KindTests(SynchronousTestCase):
    """What a value is taken for."""

    def test_conversions(self) -> None:
        """An integer may be a number without fraction, a boolean a text; nothing else is converted."""
        self.assertEqual(
            (text("a"), integer(2), integer(2.0), boolean("True"), boolean(False)), ("a", 2, 2, True, False)
        )
        self.assertEqual((array((1,)), members({"a": 1})), ((1,), {"a": 1}))
        conversions = (text, integer, boolean, array, members)
        wrong: tuple[ArmValue, ...] = (1, True, "x", None, ())
        for convert, value in zip(conversions, wrong, strict=True):
            self.assertRaises(EvaluationError, convert, value)

    def test_kinds(self) -> None:
        """A message has the kind of a value, never the value."""
        found = [kind_of(each) for each in (None, True, 1, 1.5, "a", (), {}, UNKNOWN)]
        expected = "null/a boolean/an integer/a number/a text/an array/an object/unknown"
        self.assertEqual("/".join(found), expected)

    def test_texts(self) -> None:
        """Booleans are capitalized, null is empty, objects are JSON."""
        self.assertEqual(
            [as_text(each) for each in (True, None, 3, "a", {"a": (1, "é")})], ["True", "", "3", "a", '{"a":[1,"é"]}']
        )
        self.assertEqual(as_json((None, True)), "[null,true]")

    def test_members_without_case(self) -> None:
        """A name is found as it is written, or in another case."""
        self.assertEqual([member_name({"Ab": 1, "ab": 2}, name) for name in ("ab", "AB", "c")], ["ab", "Ab", None])


class ObjectTests(SynchronousTestCase):
    """Objects that are made."""

    def test_names_once(self) -> None:
        """Two names that differ in case alone would be one for the product."""
        self.assertEqual(object_of([("a", 1), ("b", 2)]), {"a": 1, "b": 2})
        self.assertRaises(EvaluationError, object_of, [("a", 1), ("A", 2)])


class UnknownTests(SynchronousTestCase):
    """Values that are not known."""

    def test_found(self) -> None:
        """An unknown value is found among others and, where that is asked for, within them."""
        self.assertEqual(first_unknown([1, (UNKNOWN,)], deep=False), None)
        self.assertEqual(first_unknown([1, {"a": (UNKNOWN,)}], deep=True), UNKNOWN)

    def test_joined(self) -> None:
        """Of a text with an unknown part, the end behind that is known."""
        self.assertEqual(joined(["a", "b"]), "ab")
        found = joined(["a", UNKNOWN, "/b", "/c"])
        assert isinstance(found, UnknownValue)
        self.assertEqual((found.expression, found.end), ("f()", "/b/c"))
        more = joined([found, "/d"])
        assert isinstance(more, UnknownValue)
        self.assertEqual(more.end, "/b/c/d")


class NodeTests(SynchronousTestCase):
    """From and to nodes."""

    def test_places(self) -> None:
        """A value that is placed has a path for everything in it, and comes back as it was."""
        node = placed({"a": (1, {"b": None})}, PLACE)
        self.assertEqual(str(node.member("a").items()[1].member("b").place), "a.json:3 x.a[1].b")
        self.assertEqual(plain(node), {"a": (1, {"b": None})})
        self.assertEqual(plain(node_of([1])), (1,))


class ExpenseTests(SynchronousTestCase):
    """What an evaluation may cost."""

    def test_steps(self) -> None:
        """More steps than there may be stop the evaluation, at the place where it is."""
        expense = Expense(place=PLACE)
        expense.spend(values.MOST_STEPS)
        error = self.assertRaises(ConfigError, expense.spend, 1)
        self.assertIn("a.json:3 x makes the evaluation of the template longer", str(error))

    def test_depth(self) -> None:
        """So does more depth."""
        expense = Expense(place=PLACE)
        for _ in range(values.DEEPEST_EVALUATION):
            expense.enter()
        self.assertIn("deep", str(self.assertRaises(ConfigError, expense.enter)))

    def test_parsed_once(self) -> None:
        """An expression costs by its length where it is first parsed."""
        expense = Expense(place=PLACE)
        first = expense.parsed("f('" + "x" * 1600 + "')")
        self.assertEqual(expense.steps, 101)
        self.assertIs(expense.parsed(first.source), first)
        self.assertEqual(expense.steps, 101)

    def test_shared_parts_count_each_time(self) -> None:
        """A value that holds another one twice is twice as large, though it takes no more memory."""
        expense = Expense(place=PLACE)
        value: ArmValue = ("a",)
        for _ in range(10):
            value = (value, value)
        self.assertEqual(expense.measure(value), (3 * 2**10 - 1, 11))
        expense.make(value)
        self.assertGreater(expense.steps, 3000)
        for _ in range(100):
            value = (value,)
        self.assertRaises(ConfigError, expense.make, value)

    def test_sizes(self) -> None:
        """A text costs by its length, a container by its items."""
        self.assertEqual([shallow_size(each) for each in ("a" * 32, (1, (2, 3)), {"a": 1}, 5)], [3, 3, 2, 1])
        bounded(values.LONGEST_TEXT)
        self.assertRaises(EvaluationError, bounded, values.LONGEST_TEXT + 1)
