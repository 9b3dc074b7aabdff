"""The reference page of the control API."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.answer_members import documented
from agwtwisted.core.operations.answers import ANSWERS
from agwtwisted.core.operations.routes import ROUTES
from agwtwisted.core.reports.control_reference import EVENT_KINDS, control_page
from agwtwisted.operations.events import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "control-api.md"


class PageTests(SynchronousTestCase):
    """What stands there."""

    def test_is_of_the_code(self) -> None:
        """The page in docs/reference is the one that `make reference` makes."""
        self.assertEqual(PAGE.read_text(), control_page())

    def test_every_route(self) -> None:
        """Each route has a part with its arguments and members, and the overview leads there."""
        page = control_page()
        anchors = {
            re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"(?m)^## (.+)$", page)
        }
        for route in ROUTES:
            part = page.partition(f"\n## {route.method} {route.path}\n")[2].partition("\n## ")[0]
            self.assertTrue(part, route.path)
            names = [*route.query, *route.body, *(path for path, _ in documented(ANSWERS.get(route.asks, {})))]
            self.assertEqual([name for name in names if f"| `{name}` | " not in part], [], route.path)
        self.assertLessEqual(set(re.findall(r"\]\(#([^)]+)\)", page)), anchors)

    def test_kinds(self) -> None:
        """Every kind of event stands there."""
        self.assertEqual(tuple(EVENT_KINDS), KINDS)

    def test_examples(self) -> None:
        """Every example is JSON, and every row of a table has as many cells as its head."""
        page = control_page()
        for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL):
            self.assertIsInstance(json.loads(block), dict)
        for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
            self.assertEqual(len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}), 1, table)
