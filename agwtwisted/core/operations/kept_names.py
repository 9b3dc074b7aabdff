"""Which names of the configuration metrics are about: those in force, and for a while those that were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

KEPT: Final = 600.0
"""Seconds for which a name is kept after its removal: scrapes a minute or more apart see what was counted last."""

MOST: Final = 10_000
"""Removed names that are kept at most, those removed last."""


class KeptNames:
    """Pairs of a label and a value that the configuration in force has, or had."""

    def __init__(self) -> None:
        self._in_force: frozenset[tuple[str, str]] = frozenset()
        self._removed: dict[tuple[str, str], float] = {}  # when; the first one first
        self._labels: frozenset[str] = frozenset()  # those whose values are names of the configuration

    def use(self, names: Iterable[tuple[str, str]], now: float) -> None:
        """These are in force from now on."""
        before, self._in_force = self._in_force, frozenset(names)
        self._labels |= {label for label, _ in self._in_force}
        for name in before - self._in_force:
            self._removed[name] = now
        for name in [each for each in self._removed if each in self._in_force]:
            del self._removed[name]
        for name in list(self._removed)[: max(len(self._removed) - MOST, 0)]:
            del self._removed[name]

    def keeps(self, label: str, value: str, *, now: float) -> bool:
        """Whether a sample with this label is shown; one without a name (empty) is, and one of no configured name."""
        if not value or label not in self._labels or (label, value) in self._in_force:
            return True
        removed = self._removed.get((label, value))
        return removed is not None and now - removed < KEPT
