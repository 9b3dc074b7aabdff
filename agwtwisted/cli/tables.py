"""Tables and lists of values as lines of text: whole in a pipe, and within the width of a terminal.

A table that is too wide has its columns of long text cut off, with an ellipsis; where that does not suffice,
each row becomes a list of its values. All text is escaped here (`errors.printable`): much of it is from clients.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from agwtwisted.cli.output import Output, Style
from agwtwisted.core.base.errors import printable

GAP: Final = "  "
"""Between two columns."""

NARROW: Final = 8
"""Columns of a terminal that a value keeps at least where it is cut off."""

WHOLE: Final = 21
"""Columns up to which none is cut off: addresses with their ports, times and names say nothing by their beginning."""

NONE: Final = "-"
"""In place of a value that there is not."""


@attrs.frozen
class Cell:
    """A value, and how it stands out."""

    text: str
    style: Style = Style.PLAIN


Value: TypeAlias = Cell | str | int | float | None


def table(heads: Sequence[str], rows: Iterable[Sequence[Value]], output: Output, empty: str = "none") -> str:
    """A table with a head.

    Args:
        heads: of the columns.
        rows: their values, as many as there are heads.
        output: has the width, and color.
        empty: what stands for a table without rows.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return empty
    natural = [max(map(_width, (head, *(row[at].text for row in cells)))) for at, head in enumerate(heads)]
    widths = _fitted(natural, [_width(head) for head in heads], output.width)
    if widths is None:
        return "\n\n".join(pairs(list(zip(heads, row, strict=True)), output) for row in cells)
    head = [Cell(each, Style.HEAD) for each in heads]
    return "\n".join(_line(row, widths, output) for row in [head, *cells])


def pairs(rows: Sequence[tuple[str, Value]], output: Output) -> str:
    """Names and values, a line each; a value that is too long for the terminal goes on below itself."""
    width = max(_width(printable(name)) for name, _ in rows)
    room = None if output.width is None else max(NARROW, output.width - width - len(GAP))
    return "\n".join(line for name, value in rows for line in _pair(printable(name), _cell(value), width, room, output))


def _pair(name: str, value: Cell, width: int, room: int | None, output: Output) -> Iterator[str]:
    lines = [value.text] if room is None or _width(value.text) <= room else textwrap.wrap(value.text, room) or [""]
    for line in lines:
        yield f"{name}{_padding(name, width)}{GAP}{output.paint(line, value.style)}".rstrip()
        name = ""


def _cell(value: Value) -> Cell:
    if isinstance(value, Cell):
        return Cell(printable(value.text) or NONE, value.style)
    return Cell(NONE if value is None or value == "" else printable(str(value)))


def _fitted(natural: Sequence[int], heads: Sequence[int], width: int | None) -> Sequence[int] | None:
    """The widths of the columns; None where they cannot be read in this width."""
    if width is None:
        return natural
    room = width - len(GAP) * (len(natural) - 1)
    kept = [wanted if wanted <= WHOLE else max(head, NARROW) for wanted, head in zip(natural, heads, strict=True)]
    if sum(kept) > room:
        return None
    # The highest limit with which all fit: narrow columns keep what they need.
    limits = range(max(min(max(natural), room), NARROW), NARROW - 1, -1)
    cut = ([max(least, min(wanted, limit)) for wanted, least in zip(natural, kept, strict=True)] for limit in limits)
    return next(widths for widths in cut if sum(widths) <= room)


def _line(row: Sequence[Cell], widths: Sequence[int], output: Output) -> str:
    """One row. Nothing is padded behind the last value."""
    cut = [(_cut(cell.text, width), cell.style, width) for cell, width in zip(row, widths, strict=True)]
    return GAP.join(output.paint(text, style) + _padding(text, width) for text, style, width in cut).rstrip()


def _cut(text: str, width: int) -> str:
    if _width(text) <= width:
        return text
    text = text[: width - 1]
    while _width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _padding(text: str, width: int) -> str:
    return " " * (width - _width(text))


def _width(text: str) -> int:
    """The columns of a terminal that a text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "FW" else 1


# Words of values


def count(number: int, what: str) -> str:
    """`1 connection`, `2 connections`."""
    return f"{number} {what}{'' if number == 1 or what.endswith('settings') else 's'}"


def endpoint(members: Mapping[str, Any]) -> str:
    """Address and port of an object that has both, an IPv6 address in brackets."""
    address = str(members["address"])
    return f"[{address}]:{members['port']}" if ":" in address else f"{address}:{members['port']}"


def listed(values: Iterable[object]) -> str:
    """Values behind each other, with commas."""
    return ", ".join(map(str, values))


def duration(seconds: float) -> str:
    """`3 d 4 h`, `2 min 5 s`: the two greatest units."""
    rest = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, rest = divmod(rest, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def size(number: int) -> str:
    """Bytes, in the greatest unit of which there is one: `512 B`, `1.5 MiB`."""
    amount, unit = float(number), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{int(amount)} B" if unit == "B" else f"{amount:.1f} {unit}"
