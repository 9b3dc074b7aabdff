"""Where an expression stands."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.frames import ArmFrame, deployment_hint, of_deployments
from agwtwisted.core.arm.scopes import root_scope
from tests.core.arm.evaluations import node_of, refusal_of


class FrameTests(SynchronousTestCase):
    """Loops and lambdas around it."""

    def test_loops(self) -> None:
        """A loop has its index by its name without case; the innermost is the last."""
        frame = ArmFrame(names=root_scope(node_of({}), TemplateContext()))
        inner = frame.in_loop("Outer", 1).in_loop("inner", 2)
        self.assertEqual(list(inner.loops.items()), [("outer", 1), ("inner", 2)])
        self.assertEqual(list(inner.in_loop("outer", 3).loops), ["inner", "outer"])
        self.assertEqual(inner.with_locals({"x": 1}).with_locals({"y": 2}).locals, {"x": 1, "y": 2})

    def test_arguments(self) -> None:
        """A call with too few or too many arguments says how many there are."""
        for expression, message in {
            "if(true(), 1)": "has 2 arguments, and if takes 3",
            "tryGet(1)": "has 1 arguments, and tryget takes at least 2",
            "copyIndex(1, 2, 3)": "has 3 arguments, and copyindex takes 0 to 2",
        }.items():
            self.assertEqual(refusal_of(expression), message)

    def test_hints(self) -> None:
        """What only a deployment has says how it is given."""
        found = of_deployments("reference('x')")
        self.assertEqual(found.hint, deployment_hint("reference('x')"))
        self.assertIn("--value \"reference('x')=VALUE\"", found.hint)
