"""`agwtwisted.core.reports.check_report`: what a check comes to."""

from __future__ import annotations

import json

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Problem, Severity
from agwtwisted.core.reports.check_report import CheckReport, CheckStatus

ERROR = Problem(place=Place(file="gw.ini", line=7), section="gateway", key="workers", message="no", code="C")
WARNING = Problem(place=Place(file="gw.ini"), message="hm", severity=Severity.WARNING, name="weak-key")


class CheckReportTests(SynchronousTestCase):
    """Exit status and JSON."""

    def test_status(self) -> None:
        """Warnings count where they are asked for, and a file that was not read is another thing."""
        for found, plain, strict in (
            ([], CheckStatus.VALID, CheckStatus.VALID),
            ([WARNING], CheckStatus.VALID, CheckStatus.NOT_VALID),
            ([WARNING, ERROR], CheckStatus.NOT_VALID, CheckStatus.NOT_VALID),
        ):
            report = CheckReport.of("gw.ini", found)
            self.assertEqual((report.status(), report.status(strict=True)), (plain, strict))
        unread = CheckReport.of("gw.ini", [ERROR], is_read=False)
        self.assertEqual(unread.status(), CheckStatus.UNREADABLE)
        self.assertEqual([each.value for each in CheckStatus], [0, 1, 2])

    def test_lines(self) -> None:
        """Notes come first, and once in the same words; errors come last, with their number."""
        notes = [attrs.evolve(WARNING, severity=Severity.NOTE, place=Place(file="gw.ini", line=at)) for at in (9, 3, 5)]
        report = CheckReport.of("gw.ini", [ERROR, WARNING, *notes])
        self.assertEqual(report.lines(has_notes=False), report.lines()[1:])
        self.assertEqual(
            report.lines(),
            (
                "NOTE gw.ini:3 hm (and 2 more)",
                str(WARNING),
                str(ERROR),
                "gw.ini: not valid: 1 error, 1 warning, 3 notes",
            ),
        )
        self.assertEqual(CheckReport.of("gw.ini", [ERROR]).lines(), (str(ERROR),))
        self.assertEqual(CheckReport.of("gw.ini", [WARNING]).lines(), (str(WARNING),))

    def test_members(self) -> None:
        """Each finding with its place, section, key and message; what there is none of is null."""
        members = json.loads(json.dumps(CheckReport.of("gw.ini", [WARNING, ERROR]).members()))
        self.assertEqual(list(members), ["file", "valid", "problems", "warnings", "notes", "configuration", "report"])
        self.assertEqual((members["valid"], members["configuration"], members["report"]), (False, None, None))
        [error], [warning] = members["problems"], members["warnings"]
        self.assertEqual(
            error,
            {
                "severity": "error",
                "file": "gw.ini",
                "line": 7,
                "path": None,
                "section": "gateway",
                "key": "workers",
                "name": None,
                "code": "C",
                "message": "no",
            },
        )
        self.assertEqual((warning["name"], warning["line"], warning["section"]), ("weak-key", None, None))
