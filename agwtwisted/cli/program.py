"""A call of `agw` from its arguments to its exit status: whatever was asked for, one message and no traceback."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agwtwisted.cli.command import FAILED, NO, OK
from agwtwisted.cli.output import complain
from agwtwisted.cli.parser import parse
from agwtwisted.core.base.errors import AgwError

BROKEN_PIPE: Final = 141
"""The exit status where the reader of standard output has gone: a shell's for a program that SIGPIPE has ended."""

INTERRUPTED: Final = 130
"""The exit status after Ctrl-C: a shell's for a program that SIGINT has ended."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command that the arguments name; returns the exit status."""
    _have_streams()
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # of `agw status | head -1`
        _print_no_more()
        return BROKEN_PIPE
    except OSError as error:  # of a file, or of standard output, as on a full disk
        _print_no_more()
        complain(f"agw: {error.filename or 'standard output'}: {error.strerror or error}")
        return FAILED
    except KeyboardInterrupt:  # where no reactor has taken over the signals
        _print_no_more()
        return INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    try:
        options = parse(arguments)
        try:
            return int(options.command.run(options))
        except AgwError as error:
            print(error, file=sys.stderr)
            return int(options.command.failure)
    except SystemExit as end:
        return _status(end.code)


def _status(code: str | int | None) -> int:
    """The exit status that sys.exit was called with; a text, which it is called with in place of one, is printed."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return NO
    return OK if code is None else code


def _have_streams() -> None:
    """Has the standard streams take everything: a closed one is empty, and characters that it cannot write are escaped.

    Python has None for a stream that was closed before the start (`agw status >&-`).
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_no_more() -> None:
    """What is left for standard output, and cannot be written, would be flushed at the exit."""
    with suppress(OSError, io.UnsupportedOperation), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
