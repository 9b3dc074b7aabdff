"""What tests do where system programs are missing, and what a run of the suite says about it."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import programs

ROOT = Path(__file__).parent.parent
THERE = Path(sys.executable).name
QUICK = f"{__file__}::NeedsTests::test_runs_what_has_its_programs"
LACKING = f"""
import sys
import pytest
class Lacking:
    def pytest_sessionstart(self):
        from tests import programs
        programs.PROGRAMS = ("no-such-program",)
sys.exit(pytest.main(["-p", "no:cacheprovider", {QUICK!r}], plugins=[Lacking()]))
"""
"""One quick test, where a program is missing."""


class RunTests(SynchronousTestCase):
    """What a run of the suite does where system programs are missing."""

    def run_lacking(self, required: str) -> subprocess.CompletedProcess[str]:
        """A run of pytest that lacks a program."""
        environment = {**os.environ, "AGW_REQUIRE_PROGRAMS": required}
        command = [sys.executable, "-c", LACKING]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    def test_names_what_it_did_not_find(self) -> None:
        """The run passes, names the missing program, and ends with the usual count."""
        done = self.run_lacking(required="")
        self.assertEqual(done.returncode, 0, done.stdout)
        *_, last = done.stdout.splitlines()
        self.assertIn("no-such-program not found", done.stdout)
        self.assertIn("1 passed", last)

    def test_fails_where_all_are_required(self) -> None:
        """With AGW_REQUIRE_PROGRAMS=1 the same run fails, says why, and still ends with the count."""
        done = self.run_lacking(required="1")
        self.assertEqual(done.returncode, 1, done.stdout)
        *_, last = done.stdout.splitlines()
        self.assertIn("but not found: no-such-program", done.stdout)
        self.assertIn("1 passed", last)


class NeedsTests(SynchronousTestCase):
    """The decorator."""

    def setUp(self) -> None:
        self.patch(programs, "PROGRAMS", ("no-such-program", THERE))
        self.patch(os, "environ", {**os.environ, "PATH": str(Path(sys.executable).parent)})

    def test_skips_what_lacks_a_program(self) -> None:
        """A test that needs a missing program is skipped, and the reason names it."""
        with self.assertRaisesRegex(unittest.SkipTest, "^no-such-program not found$"):
            programs.needs(THERE, "no-such-program")(lambda: "ran")()

    def test_runs_what_has_its_programs(self) -> None:
        """A test whose programs are there is left as it is."""
        self.assertEqual(programs.needs(THERE)(lambda: "ran")(), "ran")

    def test_knows_only_names_that_are_reported(self) -> None:
        """A program that the summary would not name is a mistake in the test."""
        with self.assertRaises(AssertionError):
            programs.needs("some-program")
