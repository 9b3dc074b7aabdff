"""Checks across sections about revocation."""

from __future__ import annotations

from collections.abc import Iterator

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.configuration.coherence import Draft
from agwtwisted.core.sections.revocation_keys import SOURCES


def problems(draft: Draft) -> Iterator[Problem]:
    """A note for a store without anything to share."""
    checks = any(row.get(SOURCES) or SOURCES in row.refused for row in draft.rows.get("ssl_profile", ()))
    for row in draft.rows.get("gateway", ()):
        if row.get("revocation_store") is not None and not checks:
            message = f"revocation_store has no effect: no ssl_profile has {SOURCES}"
            yield row.note(message, key="revocation_store")
