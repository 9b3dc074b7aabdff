"""What pytest does around the suite: a directory for what tests leave, and the programs that were not found."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from tests import programs


@pytest.fixture(scope="session", autouse=True)
def _scratch_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trial's `mktemp` works in the current directory; trial itself runs in one of its own, so here too."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("trial"))
    yield
    os.chdir(before)


_LONG = ("test_differential.py", "test_metrics.py", "test_admission.py", "test_worker_processes.py", "test_page.py")
"""Files whose tests take longest, or that have the longest tests."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first: one that begins last keeps one processor busy, and the other waits for it."""
    items.sort(key=lambda item: item.path.name not in _LONG)


def pytest_collection_finish() -> None:
    """What was collected stays: tests that collect garbage need not look through all modules and tests each time."""
    gc.collect()
    gc.freeze()


def _required() -> tuple[str, ...]:
    """The missing programs that this run may not do without."""
    return programs.not_found(programs.PROGRAMS) if os.environ.get("AGW_REQUIRE_PROGRAMS") == "1" else ()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that must be complete and is not has failed."""
    if _required():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The lines before pytest's own last one say what was left out."""
    for line in programs.report():
        terminalreporter.write_line(line)
    if missing := _required():
        terminalreporter.write_line(f"ERROR: AGW_REQUIRE_PROGRAMS=1, but not found: {', '.join(missing)}", red=True)
