"""`agw events`: what happens in a running gateway, as it happens."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from agwtwisted.cli.asking import query, reached, refusal
from agwtwisted.cli.command import FAILED, NO, OK, Command, Example, Statuses
from agwtwisted.cli.event_stream import EventReader, StreamEvent
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style, complain, output_of
from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.moments import utc_text

if TYPE_CHECKING:  # they take their time
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.cli.control import ControlAnswer, ControlPlace

KINDS: Final = ("refusal", "health", "reload", "worker", "certificate")

DETAILS: Final = frozenset(("verify", "issuer", "serial", "fingerprint", "fingerprint_sha256", "has_certificate"))
"""What the text leaves out: it says the same as another member, or is for programs."""

STYLES: Final = {"Up": Style.GOOD, "in_force": Style.GOOD, "Down": Style.BAD, "rejected": Style.BAD}
"""Values that stand out, wherever they are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw events` takes."""
    parser.add_argument("--kinds", metavar="KINDS", type=kinds, help=f"only these, with commas: {', '.join(KINDS)}")
    add_control(parser)
    add_output(parser)


def kinds(text: str) -> str:
    """Names of kinds; raises ArgumentTypeError."""
    unknown = [each for each in text.split(",") if each not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no kind {unknown[0]!r}; there are {', '.join(KINDS)}")
    return text


def run(options: argparse.Namespace) -> int:
    """Prints events until Ctrl-C, or until the gateway stops."""
    output = output_of(options)
    reader = EventReader()
    text = _json_text if options.json else _text

    def heard(data: bytes) -> None:
        for event in reader.feed(data):
            output.show(text(event, output))

    async def follow(reactor: PosixReactorBase, place: ControlPlace) -> ControlAnswer | str:
        from agwtwisted.cli import control

        refused = await control.follow(reactor, place, f"/events{query(kinds=options.kinds)}", heard)
        return "the gateway has ended the events" if refused is None else refused

    end = reached(options, follow)
    if end is None:
        return OK
    complain(end if isinstance(end, str) else refusal(end))
    return FAILED if isinstance(end, str) else NO


def _json_text(event: StreamEvent, output: Output) -> str:
    """One line of JSON."""
    return json.dumps({"id": event.id, "event": event.kind, "data": event.members})


def _text(event: StreamEvent, output: Output) -> str:
    """One line: time (when it came, unless it says when it was), kind, and what belongs to it."""
    members = dict(event.members)
    at = str(members.pop("at", "") or utc_text(datetime.now(UTC).timestamp()))
    return " ".join([printable(at), printable(event.kind), *_values(members, output)])


def _values(members: Mapping[str, Any], output: Output) -> Iterator[str]:
    for name, value in members.items():
        if name in DETAILS or value is None or value is False or value in ("", []):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        shown = text if text and not set(text) & {" ", "="} else json.dumps(text, ensure_ascii=False)
        yield f"{printable(name)}={output.paint(printable(shown), STYLES.get(text, Style.PLAIN))}"


COMMAND: Final = Command(
    name="events",
    help="follow what happens: refusals, health of servers, reloads, workers, certificates",
    description="A line for each until Ctrl-C; with --json a JSON object for each.",
    examples=(
        Example("agw events --config gw.ini", "everything, as it happens"),
        Example("agw events --kinds refusal,health", "refused clients, and servers that go up or down"),
    ),
    statuses=Statuses(
        ok="ended by Ctrl-C", no="it refused to answer", failed="no gateway was reached, or it has stopped"
    ),
    arguments=add_arguments,
    run=run,
)
