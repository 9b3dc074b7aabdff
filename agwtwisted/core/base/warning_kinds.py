"""Warnings that programs know by a name."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class WarningKind:
    """A kind of warning, for the reference page."""

    name: str
    meaning: str  # a sentence
    remedy: str  # a sentence
