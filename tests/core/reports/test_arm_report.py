"""What an import found, as one table."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Problem, Severity
from agwtwisted.core.reports.arm_report import arm_findings, arm_table


def problem(severity: Severity, path: str, message: str, section: str = "probe p", **more: str) -> Problem:
    """A finding of a document."""
    place = Place(file="a.json", line=7, path=path)
    return Problem(place=place, message=message, severity=severity, section=section, **more)


NOTES = [
    problem(Severity.NOTE, f"properties.probes[{number}].properties.x", "x has no effect", f"probe {number}")
    for number in (1, 2)
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

    def test_places(self) -> None:
        """A place is the line and the section; the property is the path within it, empty for the whole of it."""
        inner = problem(Severity.NOTE, "resources[3].properties.probes[0].properties.match.body", "no effect")
        found = [(each.place, each.property) for each in arm_findings([ERROR, WARNING, inner])]
        expected = [("line 7: probe p", ""), ("line 7: gateway", "firewallPolicy"), ("line 7: probe p", "match.body")]
        self.assertEqual(found, expected)
        (bare,) = arm_findings([Problem(place=Place(file="certificates/a.pem"), message="is empty", key="file")])
        self.assertEqual((bare.place, bare.property), ("certificates/a.pem", "file"))

    def test_table(self) -> None:
        """For people they are a table, on whose lines no control character of the document stands."""
        text = arm_table("gateway.json", [*NOTES, ERROR, problem(Severity.NOTE, "a", "\x1b[31m")])
        self.assertTrue(text.startswith("gateway.json\n") and text.endswith("\n"))
        self.assertIn("port is missing (Code)", text)
        self.assertIn("(and 1 more)", " ".join(text.split()))
        self.assertNotIn("\x1b", text)

    def test_nothing_found(self) -> None:
        """A document of which all works is called so."""
        self.assertIn("Every property of the document works here.", arm_table("gateway.json", ()))
