"""Evaluating documents: expressions within them, loops, and places."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.frames import ArmFrame
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.arm.scopes import root_scope
from agwtwisted.core.arm.trees import evaluated, with_own_ids
from tests.core.arm.evaluations import evaluated_in, node_of

PORTS = {"name": "ports", "count": 2, "input": {"port": "[add(80, copyIndex('ports'))]"}}


def tree(document: object, template: object | None = None) -> JsonNode:
    """A document, evaluated in a template."""
    frame = ArmFrame(names=root_scope(node_of(template or {}), TemplateContext()))
    return evaluated(node_of(document), frame)


def problem(document: object) -> str:
    """Why a document is unknown."""
    value = tree(document).value
    assert isinstance(value, UnknownValue)
    return value.hint


class TreeTests(SynchronousTestCase):
    """Documents with expressions."""

    def test_texts(self) -> None:
        """A text in brackets becomes its value, one with a doubled bracket loses that, others stay."""
        self.assertEqual(evaluated_in({}, ["[add(1, 2)]", "[[a]", "[a", 5]), [3, "[a]", "[a", 5])

    def test_names(self) -> None:
        """The name of a member may be an expression, too."""
        self.assertEqual(evaluated_in({}, {"[concat('a', 'b')]": 1, "[": 3, "[[x]": 4}), {"ab": 1, "[": 3, "[x]": 4})

    def test_unknown_names(self) -> None:
        """Where a name is unknown, or stands twice, all of the object is: the name may be that of any member."""
        loop = {"name": "A", "count": 1, "input": 1}
        for document, hint in (
            ({"a": 1, "[reference('x')]": 2}, "only a deployment has its value"),
            ({"a": 1, "[x y]": 2}, "this is no expression"),
            ({"a": 1, "[concat('A')]": 2}, "the object has two members 'A'"),
            ({"a": 1, "copy": [loop]}, "the object has two members 'A'"),
            ({"[add(1, 1)]": 1}, "the name of a member is no text"),
            ({"copy": [{**loop, "name": "[reference('x')]"}]}, "only a deployment has its value"),
            ({"copy": [{**loop, "name": 1}]}, "the name of a copy loop is no text"),
        ):
            self.assertIn(hint, problem(document))

    def test_places(self) -> None:
        """A value stands where its expression does, what is within it at a path below."""
        node = tree({"a": "[createObject('b', createArray(1))]"})
        self.assertEqual(str(node.member("a").member("b").items()[0].place), "a.json:1 a.b[0]")

    def test_refusals(self) -> None:
        """What is no expression, or what the product refuses, is unknown and says why."""
        self.assertEqual(
            problem("[0-9]"),
            "this is no expression, it expected the end of the expression, found '-9'; "
            "a text that begins with [ is written [[",
        )
        self.assertEqual(problem("[div(1, 0)]"), "the expression divides by zero")
        kept = evaluated_in({}, {"a": "[x()]", "b": 1})
        assert isinstance(kept, dict)
        self.assertEqual(kept["b"], 1)


class LoopTests(SynchronousTestCase):
    """Copy loops that make members."""

    def test_members(self) -> None:
        """A loop makes an array beside the other members; its items have places of their own."""
        node = tree({"copy": [PORTS, {"name": "none", "count": 0, "input": 1}], "other": 1})
        self.assertEqual([each.member("port").value for each in node.member("ports").items()], [80, 81])
        self.assertEqual((node.member("none").value, node.member("other").value), ((), 1))
        self.assertEqual(str(node.member("ports").items()[1].member("port").place), "a.json:1 ports[1].port")

    def test_within_each_other(self) -> None:
        """A loop within another one has both indices; without a name the innermost is meant."""
        inner = {"name": "inner", "count": 2, "input": "[concat(copyIndex('outer'), '-', copyIndex(1))]"}
        outer = {"name": "outer", "count": 2, "input": {"copy": [inner]}}
        self.assertEqual(
            evaluated_in({}, {"copy": [outer]}), {"outer": [{"inner": ["0-1", "0-2"]}, {"inner": ["1-1", "1-2"]}]}
        )
        offset = {"name": "n", "count": 1, "input": "[copyIndex('n', 10)]"}
        self.assertEqual(evaluated_in({}, {"copy": [offset]}), {"n": [10]})

    def test_no_loop(self) -> None:
        """A member of this name that makes nothing stays a member."""
        self.assertEqual(evaluated_in({}, {"copy": ["a"]}), {"copy": ["a"]})

    def test_counts(self) -> None:
        """A count that is unknown, or is none that the product takes, leaves the array unknown."""
        for count, hint in (
            ("[reference('x')]", "--value"),
            (801, "is a loop of 801 turns"),
            ("a", "needs an integer"),
        ):
            value = tree({"copy": [{**PORTS, "count": count}]}).member("ports").value
            assert isinstance(value, UnknownValue)
            self.assertIn(hint, value.hint)


class IdTests(SynchronousTestCase):
    """Ids of parts of a gateway."""

    def test_known_end(self) -> None:
        """An id whose last two segments are known is a text, whatever the name of the gateway; others are unknown."""
        node = with_own_ids(
            tree(
                [
                    {"Id": "[concat(reference('x').id, '/httpListeners/a')]"},
                    {"id": "[reference('x').id]"},
                    {"id": "[concat(reference('x').id, '/a')]"},
                    {"other": "[concat(reference('x').id, '/httpListeners/a')]"},
                ]
            )
        )
        first, *others = node.items()
        self.assertEqual(first.member("id").value, "{reference('x').id}/httpListeners/a")
        for each in others:
            (member,) = each.members().values()
            self.assertIsInstance(member.value, UnknownValue)
