"""One question of a command to a running gateway, from its options to what is printed."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import quote, urlencode

from agwtwisted.cli.command import NO, OK
from agwtwisted.cli.options import config_of
from agwtwisted.cli.output import Output, complain, output_of
from agwtwisted.core.base.errors import AgwError

if TYPE_CHECKING:  # they take their time
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.cli.control import ControlAnswer, ControlPlace

INTERRUPTED: Final = 130
"""The exit status where a signal came before the answer."""

Rendering: TypeAlias = Callable[[Mapping[str, Any], Output], str]
"""The text for people, of the members of an answer."""

GatewayTask: TypeAlias = "Callable[[PosixReactorBase, ControlPlace], Coroutine[Any, Any, Result]]"

Result = TypeVar("Result")


def show(
    options: argparse.Namespace,
    target: str,
    rendering: Rendering,
    *,
    method: str = "GET",
    body: Mapping[str, Any] | None = None,
) -> int:
    """Asks the gateway, and prints what it answered; returns the exit status: 1 where it refused.

    Args:
        options: those of the command, with `options.add_control` and `options.add_output`.
        target: path and query of the request, percent-encoded.
        rendering: what makes a text of the answer.
        method: of the request.
        body: the members of the JSON object in its body; None: it has none.

    Raises:
        NoGatewayError: no gateway was reached.
    """
    answer = ask(options, target, method=method, body=body)
    if answer is None:
        return INTERRUPTED
    show_answer(options, answer, rendering)
    missing = answer.members.get("missing_workers")
    if missing:
        complain(f"WARNING without worker {', '.join(map(str, missing))}, which has not answered in time")
    return OK if answer.status == 200 else NO


def show_answer(options: argparse.Namespace, answer: ControlAnswer, rendering: Rendering) -> None:
    """Prints what the gateway answered, or why it refused."""
    output = output_of(options)
    if options.json:
        output.show_json(answer.members)
    elif answer.status == 200:
        output.show(rendering(answer.members, output))
    else:
        complain(refusal(answer))


def ask(
    options: argparse.Namespace, target: str, *, method: str = "GET", body: Mapping[str, Any] | None = None
) -> ControlAnswer | None:
    """The answer; None: a signal came first.

    Raises:
        NoGatewayError: no gateway was reached.
    """
    from agwtwisted.cli import control

    return reached(options, lambda reactor, place: control.ask(reactor, place, method, target, body))


def post_each(
    options: argparse.Namespace, target: str, bodies: Iterable[Mapping[str, Any]]
) -> list[ControlAnswer] | None:
    """The answers to several requests, one after the other; None: a signal came first.

    Args:
        options: those of the command.
        target: path and query of each request, percent-encoded.
        bodies: the members of the JSON object in the body of each.

    Raises:
        NoGatewayError: no gateway was reached.
    """
    from agwtwisted.cli import control

    async def post(reactor: PosixReactorBase, place: ControlPlace) -> list[ControlAnswer]:
        return [await control.ask(reactor, place, "POST", target, body) for body in bodies]

    return reached(options, post)


def reached(options: argparse.Namespace, asking: GatewayTask[Result]) -> Result | None:
    """What `asking` comes to with the gateway that the options name; None: a signal came first.

    Raises:
        AgwError: what it raises; no gateway was reached.
    """
    from twisted.internet.defer import Deferred
    from twisted.internet.task import react

    from agwtwisted.cli import control

    place = control.place_of(options.control, options.token_file, config_of(options))
    found: list[Result | AgwError | OSError] = []
    stopping: list[bool] = []

    async def main(reactor: PosixReactorBase) -> None:
        reactor.addSystemEventTrigger("before", "shutdown", stopping.append, True)
        try:
            result = await asking(reactor, place)
            if not stopping:  # else the connection has ended because of the signal
                found.append(result)
        except (AgwError, OSError) as error:  # the latter of standard output
            found.extend([error] if not stopping else [])

    with contextlib.suppress(SystemExit):  # its exit status is the reactor's
        react(lambda reactor: Deferred.fromCoroutine(main(cast("PosixReactorBase", reactor))))
    if not found:
        return None
    if isinstance(found[0], (AgwError, OSError)):
        raise found[0]
    return found[0]


def refusal(answer: ControlAnswer) -> str:
    """What a gateway says that does not do what it was asked for."""
    return str(answer.members.get("error", f"the gateway answers with status {answer.status}"))


def path(*segments: str) -> str:
    """A path of these segments, whatever is in them."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


def query(**arguments: object) -> str:
    """The arguments as a query, with its question mark; those that are None are left out."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
