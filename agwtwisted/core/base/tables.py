"""Plain-text tables: columns under a title, no wider than a terminal; and those of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

WIDTH: Final = 100
"""Characters of a line at most, as long as a table has no more than nine columns."""

_MARGIN: Final = "  "
_NARROWEST: Final = 8
_PIECE: Final = re.compile(r"[^ ,]*[ ,]|[^ ,]+")


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A title, the heads of the columns, and the rows; a newline in a cell begins another line of it.

    Columns are as wide as what they hold. Where that is too much for `WIDTH`, the widest are narrowed and their cells
    continued on further lines: after a space or a comma. Words such as fingerprints stay whole, so that they can be
    copied, unless there is no other way: then they are continued after a dot or anywhere.
    """
    lines = [[cell.split("\n") for cell in row] for row in (heads, *rows)]
    widths = _widths(
        [max(len(line) for cell in column for line in cell) for column in zip(*lines, strict=True)],
        [max(_longest_word(line) for cell in column for line in cell) for column in zip(*lines, strict=True)],
    )
    body = [line for row in lines for line in _row(row, widths)]
    return "\n".join([title, *body, ""])


def table_if_any(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same; empty where it would have no rows."""
    return table(title, heads, rows) if rows else ""


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, without a newline at its end."""
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def wrapped(text: str, width: int, *, whole_words: bool = False) -> Iterator[str]:
    """The text in lines of at most `width` characters; an empty text is one empty line.

    With `whole_words` those that are longer stay whole, and their lines longer than `width`.
    """
    line = ""
    for piece in _PIECE.findall(text):
        if line and len(line) + len(piece.rstrip(" ")) > width:
            yield line.rstrip(" ")
            line = ""
        line += piece
        while not whole_words and len(line.rstrip(" ")) > width:
            end = line.rfind(".", 0, width) + 1 or width
            yield line[:end]
            line = line[end:]
    yield line.rstrip(" ")


def beside(label: str, text: str) -> Iterator[str]:
    """A label and a text to the right of it, in lines of at most `WIDTH` characters; words and paths stay whole."""
    for index, line in enumerate(wrapped(text, WIDTH - len(label), whole_words=True)):
        yield (" " * len(label) if index else label) + line


def _longest_word(text: str) -> int:
    return max((len(piece.rstrip(" ")) for piece in _PIECE.findall(text)), default=0)


def _widths(natural: Sequence[int], words: Sequence[int]) -> list[int]:
    """Of each column, from the widths of its cells and of the longest words in them."""
    widths = list(natural)
    for least in (words, [0] * len(widths)):
        while sum(widths) + len(_MARGIN) * len(widths) > WIDTH:
            wide = [at for at, width in enumerate(widths) if width > max(least[at], _NARROWEST)]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _row(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """The lines of one row."""
    columns = [
        [part for line in cell for part in wrapped(line, width)] for cell, width in zip(cells, widths, strict=True)
    ]
    for index in range(max(map(len, columns))):
        parts = (
            (column[index] if index < len(column) else "").ljust(width)
            for column, width in zip(columns, widths, strict=True)
        )
        yield (_MARGIN + _MARGIN.join(parts)).rstrip()
