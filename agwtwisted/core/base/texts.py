"""Texts that people write, in a configuration, a rule or a command: single lines, and suggestions for misspelt names.

Any module of the core may call it; it knows nothing of what the texts are about.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from agwtwisted.core.base.errors import UnacceptableError, shown


def nearest(name: str, names: Iterable[str], likeness: float = 0.6) -> str:
    """The most similar name, compared without case; empty where none comes near.

    Args:
        likeness: what is near: 1 is the same. A letter too many or too few in a word of ten is about 0.9.
    """
    by_folded = {each.casefold(): each for each in names}
    found = difflib.get_close_matches(name.casefold()[:100], by_folded, n=1, cutoff=likeness)
    return by_folded.get(next(iter(found), ""), "")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name."""
    near = nearest(name, names)
    return f"; did you mean {shown(near)}?" if near else ""


def one_line(text: str) -> str:
    """Any text without a newline: an indented key would otherwise vanish in the value above it."""
    if "\n" in text:
        raise UnacceptableError("has more than one line (an indented line continues the value above it)")
    return text
