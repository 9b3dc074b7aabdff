"""Answers about refused clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agwtwisted.core.operations.live_clients import parsed_id
from agwtwisted.core.operations.questions import number_argument, text_argument
from agwtwisted.core.operations.refused_clients import MOST, USUAL
from agwtwisted.operations.refusals import Refusals


def refusals_of(refusals: Refusals, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members of `/refusals`: the last ones, the newest first.

    Args:
        refusals: of this process.
        arguments: `limit`; or the `id` of one, which has its certificates as PEM then, where they were kept.

    Raises:
        QuestionError: one of these is not what it has to be.
    """
    text, limit = text_argument(arguments, "id"), number_argument(arguments, "limit", USUAL, least=1, most=MOST)
    worker, memory = refusals.worker, refusals.memory
    if not text:
        return {"refusals": [each.members(worker, number) for number, each in memory.newest(limit)]}
    owner, number = parsed_id(text)
    found = memory.of(number) if owner == worker else None
    shown = [] if found is None else [{**found.members(worker, number), "certificate": found.pem or None}]
    return {"refusals": shown}
