"""What a conversion finds."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.findings import MOST_FINDINGS, MOST_SUGGESTIONS, Findings
from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.base.errors import Place, Severity, UnacceptableError

PLACE = Place(file="a.json", line=3, path="properties.sku")


class FindingsTests(SynchronousTestCase):
    """Problems of every severity."""

    def test_severities(self) -> None:
        """Each is what it is called, in the order in which it was found."""
        findings = Findings()
        findings.note(PLACE, "one")
        findings.error(PLACE, "two", code="Code")
        findings.warning(PLACE, "three", name="name")
        self.assertEqual(
            [each.severity for each in findings.problems], [Severity.NOTE, Severity.ERROR, Severity.WARNING]
        )
        self.assertEqual(str(findings.problems[1]), "ERROR a.json:3 properties.sku two (Code)")

    def test_unknown_value(self) -> None:
        """An expression without a value is named, with what helps."""
        findings = Findings()
        findings.unknown(PLACE, "port", UnknownValue(expression="parameters('p')", hint="give --parameter p=VALUE"))
        self.assertEqual(findings.problems[0].message, "port is not known: parameters('p'): give --parameter p=VALUE")

    def test_bounds(self) -> None:
        """Of very many findings some are kept, and an error says that there are more; suggestions end, too."""
        findings = Findings()
        for number in range(MOST_FINDINGS + 10):
            findings.note(PLACE, str(number))
        self.assertEqual(len(findings.problems), MOST_FINDINGS + 1)
        self.assertIs(findings.problems[-1].severity, Severity.ERROR)
        found = [findings.suggestion("prot", ["port"]) for _ in range(MOST_SUGGESTIONS + 1)]
        self.assertEqual([bool(each) for each in found], [True] * MOST_SUGGESTIONS + [False])

    def test_unacceptable_value(self) -> None:
        """What is wrong with a value has its code."""
        findings = Findings()
        findings.unacceptable(PLACE, "port", UnacceptableError("must be a number", "Code"), section="a b", key="port")
        problem = findings.problems[0]
        self.assertEqual((problem.message, problem.code, problem.key), ("port must be a number", "Code", "port"))
