"""Limits that the product has and this gateway has not: notes for a configuration that is to be deployed there, too.

Limits that hold here as well are errors of the checks about their topics. Source: the product's page "Application
Gateway limits", and for ports its page "Application Gateway infrastructure configuration".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem
from agwtwisted.core.configuration.coherence import LISTENERS, Draft
from agwtwisted.core.sections.settings import Row, in_file_order

_LISTENERS_AND_RULES: Final = (
    (LISTENERS, limits.PRODUCT_LISTENERS),
    (("request_routing_rule", "routing_rule"), limits.PRODUCT_RULES),
)


def problems(draft: Draft) -> Iterator[Problem]:
    """Notes alone."""
    for check in _CHECKS:
        yield from check(draft)


def _crowds(draft: Draft) -> Iterator[Problem]:
    single = (((kind,), limits.PRODUCT_RESOURCES) for kind in limits.LIMITED_KINDS)
    for kinds, most in (*_LISTENERS_AND_RULES, *single):
        rows = in_file_order(row for kind in kinds for row in draft.rows.get(kind, ()))
        if len(rows) > most.highest:
            yield rows[most.highest].note(f"is one of {len(rows)}: the product has at most {most.highest} of them")


def _ports(draft: Draft) -> Iterator[Problem]:
    """Ports that the product keeps for itself; at servers any may be used."""
    for row in draft.listening("port"):
        if row.get("port") not in limits.PRODUCT_PORT:
            yield _port(row)


def _port(row: Row) -> Problem:
    return row.note(f"port {row.get('port')}: a listener of the product has one from {limits.PRODUCT_PORT}", key="port")


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (_crowds, _ports)
