"""docs/operate.md: its commands, keys and log lines are those of the gateway."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.parser import COMMANDS
from agwtwisted.core.operations.routes import ROUTES
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.tap import Options
from tests.end_to_end.changes import REJECTED, RELOADED

PAGE = (Path(__file__).parent.parent / "docs" / "operate.md").read_text()


class OperatePageTests(SynchronousTestCase):
    """The page against the code."""

    def test_options(self) -> None:
        """Every option behind `twistd … agwgateway` is one of the gateway's."""
        words = [word for tail in re.findall(r"agwgateway ([^`\n#]*)", PAGE) for word in tail.split()]
        used = {word.removeprefix("--") for word in words if word.startswith("--")}
        known = {name for name, *_ in (*Options.optParameters, *Options.optFlags)}
        self.assertLessEqual({"config", "check"}, used)
        self.assertEqual(used - known, set())

    def test_routes(self) -> None:
        """Every question of the control API that is no action is in its table, and every one there exists."""
        asked = re.findall(r"`GET (/\w+)`", PAGE)
        self.assertEqual(set(asked), {route.path for route in ROUTES if route.method == "GET"})
        acted = re.findall(r"`POST (/\w+)", PAGE)
        self.assertEqual(set(acted), {f"/{route.segments[0]}" for route in ROUTES if route.method == "POST"})

    def test_commands(self) -> None:
        """Every command of `agw` and of `python -m agwtwisted` exists."""
        used = set(re.findall(r"(?:`agw|/agw|-m agwtwisted) ([a-z][\w-]+)\b(?! \d)", PAGE))
        self.assertLessEqual({"reload", "status", "explain"}, used)
        processes = {"worker"}  # `agw worker 1` is how ps shows one
        self.assertEqual(used - processes - {command.name for command in COMMANDS}, set())

    def test_keys(self) -> None:
        """Every key of an example is one of its section."""
        sections = 0
        for block in re.findall(r"(?s)```ini\n(.*?)```", PAGE):
            for title, body in re.findall(r"(?m)^\[(.*)\]\n((?:(?!\[).*\n)*)", block):
                sections += 1
                kind = KINDS[title.split()[0]]
                for key in re.findall(r"(?m)^(\w+) *=", body):
                    self.assertIsNotNone(kind.key(key), f"[{title}] {key}")
        self.assertTrue(sections)

    def test_log_lines(self) -> None:
        """The log lines that are shown are as the gateway writes them."""
        for pattern in (RELOADED, REJECTED):
            self.assertRegex(PAGE, re.compile(f"(?m)^    {pattern.pattern}"))
