"""One question of a command to a running gateway, from its options to what is printed."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, cast

from agwtwisted.cli.output import output_of
from agwtwisted.core.base.errors import AgwError

if TYPE_CHECKING:  # they take their time
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.cli.control import ControlAnswer

Rendering: TypeAlias = "Callable[[ControlAnswer], tuple[int, str]]"
"""Exit status and text for people, of an answer."""


def show(options: argparse.Namespace, method: str, target: str, rendering: Rendering) -> int:
    """Asks the gateway, and prints what it answered; returns the exit status.

    Args:
        options: those of the command, with `options.add_control` and `options.add_output`.
        method: of the request.
        target: its path and query.
        rendering: what makes a text of the answer.

    Raises:
        NoGatewayError: no gateway was reached.
    """
    answer = ask(options, method, target)
    if answer is None:
        return 130
    status, text = rendering(answer)
    output = output_of(options)
    if options.json:
        output.show_json(answer.members)
    else:
        output.show(text)
    return status


def ask(options: argparse.Namespace, method: str, target: str) -> ControlAnswer | None:
    """The answer; None: a signal came first.

    Raises:
        NoGatewayError: no gateway was reached.
    """
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from agwtwisted.cli import control
    from agwtwisted.cli.options import config_of

    path = control.socket_of(options.control, config_of(options))
    found: list[ControlAnswer | AgwError] = []

    async def asking(reactor: PosixReactorBase) -> None:
        try:
            found.append(await control.ask(reactor, path, method, target))
        except AgwError as error:
            found.append(error)

    with contextlib.suppress(SystemExit):  # its exit status is the reactor's
        react(lambda reactor: Deferred.fromCoroutine(asking(cast("PosixReactorBase", reactor))))
    if not found:
        return None
    if isinstance(found[0], AgwError):
        raise found[0]
    return found[0]
