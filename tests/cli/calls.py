"""Calls of `agw` in this process."""

from __future__ import annotations

import contextlib
import io

import attrs

from agwtwisted.cli.program import main


@attrs.frozen
class Called:
    """What came of a call."""

    status: int
    out: str
    err: str


def call(*words: str) -> Called:
    """Runs `agw` with these arguments; what it prints is no terminal's."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main(words)
    return Called(status, out.getvalue(), err.getvalue())
