"""What pytest does around the suite: it names the system programs that were not there."""

from __future__ import annotations

import os

import pytest

from tests import programs


def _required() -> tuple[str, ...]:
    """The missing programs that this run may not do without."""
    return programs.not_found(programs.PROGRAMS) if os.environ.get("AGW_REQUIRE_PROGRAMS") == "1" else ()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that was told to be complete and is not has failed."""
    if _required():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The lines before pytest's own last one say what was left out."""
    for line in programs.report():
        terminalreporter.write_line(line)
    if missing := _required():
        terminalreporter.write_line(f"ERROR: AGW_REQUIRE_PROGRAMS=1, but not found: {', '.join(missing)}", red=True)
