"""What an import found, as one table."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Problem, Severity
from agwtwisted.core.reports.arm_report import arm_findings, arm_table


def problem(severity: Severity, path: str, message: str, section: str = "probe p", **more: str) -> Problem:
    """A finding of a document."""
    place = Place(file="a.json", line=7, path=path)
    return Problem(place=place, message=message, severity=severity, section=section, **more)


NOTES = [
    problem(Severity.NOTE, f"properties.probes[{n}].properties.x", "x has no effect", f"probe {n}") for n in (1, 2)
]
WARNING = problem(Severity.WARNING, "properties.firewallPolicy", "no firewall", "gateway", name="waf-ignored")
ERROR = problem(Severity.ERROR, "properties.httpListeners[0]", "port is missing", code="Code")


class ArmFindingTests(SynchronousTestCase):
    """Findings of an import."""

    def test_order_and_counts(self) -> None:
        """Errors come first, and the same note about several children is one."""
        found = arm_findings([*NOTES, WARNING, ERROR])
        self.assertEqual([each.problem for each in found], [ERROR, WARNING, NOTES[0]])
        self.assertEqual([each.further for each in found], [0, 0, 1])

    def test_errors_stay_apart(self) -> None:
        """Two errors in the same words have two places."""
        other = problem(Severity.ERROR, "properties.httpListeners[1]", "port is missing", code="Code")
        self.assertEqual(len(arm_findings([ERROR, other])), 2)

    def test_members(self) -> None:
        """For programs each is a JSON object with the property and the count."""
        members = json.loads(json.dumps(arm_findings(NOTES)[0].members()))
        self.assertEqual(
            (members["severity"], members["property"], members["count"], members["path"]),
            ("note", "x", 2, "properties.probes[1].properties.x"),
        )

    def test_table(self) -> None:
        """For people they are a table."""
        text = arm_table("gateway.json", arm_findings([*NOTES, ERROR]))
        self.assertEqual(text.splitlines()[:2], ["gateway.json", text.splitlines()[1]])
        self.assertIn("port is missing (Code)", text)
        self.assertIn("(and 1 more)", " ".join(text.split()))

    def test_nothing_found(self) -> None:
        """A document of which all works is called so."""
        self.assertIn("Every property of the document works here.", arm_table("gateway.json", ()))
