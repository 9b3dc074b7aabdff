"""deploy/prometheus: what promtool says of it, and that every metric and label in it exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.exposition import render
from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.metric_kinds import FamilyKind, MetricFamily
from tests.core.operations.test_exposition import EVERY
from tests.programs import needs

FILES = Path(__file__).parent.parent / "deploy" / "prometheus"
RULES = FILES / "agwtwisted.rules.yml"
DASHBOARD = FILES / "grafana-dashboard.json"
OF_PROMETHEUS = {"instance", "job", "le"}
SHOWN = {
    shown: family
    for family in FAMILIES.values()
    for shown in (
        [f"{family.name}_{ending}" for ending in ("bucket", "sum", "count")]
        if family.kind is FamilyKind.HISTOGRAM
        else [family.shown_name]
    )
}
"""Each name that queries may use, with its family."""


def expressions() -> Iterator[str]:
    """The queries of the dashboard, and of the rules."""
    yield from re.findall(r"(?m)^ +expr: (?:>\n)?((?:.+\n)(?: {10}.+\n)*)", RULES.read_text())
    yield from _values(json.loads(DASHBOARD.read_text()), "expr")


def _values(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (each for key, each in value.items() if key == name)
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _values(each, name)


class NameTests(SynchronousTestCase):
    """Queries ask for what there is."""

    def test_metrics(self) -> None:
        """Every metric of a query is one of the table."""
        named = {name for each in expressions() for name in re.findall(r"\b(?:agw|process)_\w+", each)}
        self.assertGreater(len(named), 30)
        self.assertEqual(named - {*SHOWN}, set())

    def test_labels(self) -> None:
        """Every label by which a query selects or groups is one of its metric."""
        for each in expressions():
            families = [SHOWN[name] for name in re.findall(r"\b(?:agw|process)_\w+", each)]
            self.assertEqual(_labels(each) - OF_PROMETHEUS - _common(families), set(), each)

    def test_dashboard_shows_all(self) -> None:
        """No metric is without a place in the dashboard, but for those that others say as well."""
        text = "".join(_values(json.loads(DASHBOARD.read_text()), "expr"))
        missing = {name for name in FAMILIES if name not in text}
        said_otherwise = {"agw_workers", "agw_reload_last_successful", "agw_reload_last_success_timestamp_seconds"}
        self.assertEqual(missing - said_otherwise, {"process_max_fds", "process_start_time_seconds"})

    def test_panels(self) -> None:
        """Panels have ids of their own, and do not overlap."""
        panels = json.loads(DASHBOARD.read_text())["panels"]
        self.assertEqual(len({each["id"] for each in panels}), len(panels))
        places = [
            (x, y)
            for each in panels
            for x in range(each["gridPos"]["x"], each["gridPos"]["x"] + each["gridPos"]["w"])
            for y in range(each["gridPos"]["y"], each["gridPos"]["y"] + each["gridPos"]["h"])
        ]
        self.assertEqual(len(places), len({*places}))
        self.assertLessEqual(max(x for x, _ in places), 23)


@needs("promtool")
class PromtoolTests(SynchronousTestCase):
    """Prometheus takes the files."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        shutil.copytree(FILES, self.directory)

    def promtool(self, *arguments: str) -> None:
        """Runs it, which is to find nothing."""
        run = subprocess.run(
            ["promtool", *arguments], cwd=self.directory, capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_rules(self) -> None:
        """The alerts are rules, and the configuration is one."""
        self.promtool("check", "rules", RULES.name)
        self.promtool("check", "config", "--syntax-only", "prometheus.yml")

    def test_exposition(self) -> None:
        """Every metric has a name, a unit and a help text as Prometheus wants them."""
        _, text = render(EVERY)
        run = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"", b""))

    def test_alerts(self) -> None:
        """They fire when they should, and not before."""
        self.promtool("test", "rules", "agwtwisted.rules.test.yml")

    def test_queries_of_the_dashboard(self) -> None:
        """Each query of the dashboard is one, once Grafana has put its variables in."""
        rules = [
            f"  - record: a:b:c{number}\n    expr: {json.dumps(_filled(each))}\n"
            for number, each in enumerate(_values(json.loads(DASHBOARD.read_text()), "expr"))
        ]
        (self.directory / "queries.yml").write_text("groups:\n- name: a\n  rules:\n" + "".join(rules))
        self.promtool("check", "rules", "queries.yml")


def _filled(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$job", "agwtwisted")


def _labels(expression: str) -> set[str]:
    selected = {name for each in re.findall(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)\s*[=!]", each)}
    grouped = {name for each in re.findall(r"\bby \(([^)]*)\)", expression) for name in re.findall(r"\w+", each)}
    return selected | grouped


def _common(families: list[MetricFamily]) -> set[str]:
    """Labels of any of the metrics of one query."""
    return {label for family in families for label in family.labels}
