"""What actions on a running gateway have in common: one request, and one line about what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli.asking import show
from agwtwisted.cli.command import Statuses
from agwtwisted.cli.output import Output, Style
from agwtwisted.core.base.errors import printable

STATUSES: Final = Statuses(
    ok="done, or it was so already",
    no="refused: there is no such thing, or it cannot be now",
    failed="no gateway was reached, or wrong usage",
)
"""What the exit status of an action says."""


APART: Final = ("outcome", "missing_workers")
"""Members that are not among the numbers of an outcome."""


def act(options: argparse.Namespace, what: str, target: str, body: Mapping[str, Any] | None = None) -> int:
    """Asks for the action, and prints what came of it; returns the exit status.

    Args:
        options: those of the command.
        what: it is done to, for people.
        target: the path of the request.
        body: the members of the JSON object in its body; None: it has none.

    Raises:
        NoGatewayError: no gateway was reached.
    """

    def text(members: Mapping[str, Any], output: Output) -> str:
        return f"{printable(what)}: {output.paint(_outcome(members), Style.GOOD)}"

    return show(options, target, text, method="POST", body=body)


def _outcome(members: Mapping[str, Any]) -> str:
    """The outcome, and the numbers that belong to it; of workers that have not answered `asking.show` warns."""
    further = [f"{name.replace('_', ' ')} {value}" for name, value in members.items() if name not in APART]
    return printable(", ".join([str(members.get("outcome", "done")).replace("_", " "), *further]))
