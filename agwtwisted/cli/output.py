"""Standard output as commands write to it: whether it is a terminal, how wide, and whether in color."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Final, TextIO

import attrs

from agwtwisted.core.base.errors import printable


class Style(Enum):
    """How text stands out, where there is color: parameters of SGR (ECMA-48 8.3.117)."""

    PLAIN = ""
    HEAD = "1"  # bold
    GOOD = "32"  # green
    WARNING = "33"  # yellow
    BAD = "31"  # red
    FAINT = "2"


NARROWEST: Final = 20
"""Columns of a terminal that says it has fewer."""


@attrs.frozen(kw_only=True)
class Output:
    """Where answers go. A pipe or a file has no width: its lines are whole, and without color."""

    stream: TextIO
    width: int | None = None  # columns of the terminal
    color: bool = False
    quiet: bool = False

    def show(self, text: str, *, at_once: bool = True) -> None:
        """Prints lines, without their last newline; what is not wanted at once is written with what follows."""
        if not self.quiet:
            print(text, file=self.stream, flush=at_once)

    def flush(self) -> None:
        """Writes what was printed."""
        self.stream.flush()

    def show_json(self, members: Mapping[str, Any]) -> None:
        """Prints a JSON object; what is not ASCII in it is escaped, so that no terminal obeys it."""
        self.show(json.dumps(members, indent=2))

    def paint(self, text: str, style: Style) -> str:
        """The text in its style, where there is color."""
        return f"\x1b[{style.value}m{text}\x1b[0m" if self.color and style is not Style.PLAIN and text else text


def output_of(options: argparse.Namespace) -> Output:
    """Standard output, as the options and the environment want it."""
    stream = sys.stdout
    terminal = stream.isatty()
    wanted = not getattr(options, "no_color", False) and not os.environ.get("NO_COLOR")  # https://no-color.org
    return Output(
        stream=stream,
        width=max(NARROWEST, shutil.get_terminal_size().columns) if terminal else None,
        color=terminal and wanted and os.environ.get("TERM") != "dumb",
        quiet=getattr(options, "quiet", False),
    )


def complain(text: str) -> None:
    """Prints one line on standard error, as far as that takes it."""
    with suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)
