"""`agw clients`: the connections of clients of a running gateway; and to end one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli.actions import STATUSES, act
from agwtwisted.cli.asking import path, query, show
from agwtwisted.cli.command import ASKED, Command, Example, Group
from agwtwisted.cli.options import add_control, add_output, add_page
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import Cell, Value, count, endpoint, size, table

HEADS: Final = (
    *("ID", "LISTENER", "PROTOCOL", "CLIENT", "SINCE", "VERIFY", "SUBJECT", "STATE", "REQUESTS", "IN", "OUT"),
    "BACKEND",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw clients` takes."""
    parser.add_argument("--listener", metavar="NAME", help="only those of this listener")
    parser.add_argument(
        "--search", metavar="TEXT", help="only those with this text in their address, subject or another text"
    )
    parser.add_argument("--after", metavar="ID", help="those behind this one: the following page")
    add_page(parser)
    add_control(parser)
    add_output(parser)


def add_connection(parser: argparse.ArgumentParser) -> None:
    """What `agw clients close` takes."""
    parser.add_argument("id", metavar="ID", help="of the connection, as `agw clients` shows it")
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for a page of clients, and prints it."""
    wanted = query(limit=options.limit, after=options.after, listener=options.listener, search=options.search)
    return show(options, f"/clients{wanted}", clients_text)


def run_close(options: argparse.Namespace) -> int:
    """Asks for the end of one connection."""
    return act(options, f"connection {options.id}", path("connections", options.id, "close"))


def clients_text(members: Mapping[str, Any], output: Output) -> str:
    """A row for each, and how many there are."""
    clients = members["clients"]
    lines = [table(HEADS, [_row(each) for each in clients], output, empty="no client is connected")]
    if clients:
        further = "" if members["next"] is None else f"; the following page: --after {members['next']}"
        lines.append(f"{len(clients)} of {count(members['total'], 'client')}{further}")
    return "\n\n".join(lines)


def _row(each: Mapping[str, Any]) -> tuple[Value, ...]:
    verify = str(each["verify"])
    style = Style.GOOD if verify == "SUCCESS" else Style.BAD if verify.startswith("FAILED") else Style.PLAIN
    traffic = size(each["bytes_received"]), size(each["bytes_sent"])
    return (
        each["id"],
        each["listener"],
        each["protocol"],
        endpoint(each),
        each["since"],
        Cell(verify, style),
        each["subject"],
        _state(each),
        each["requests"],
        *traffic,
        each["backend"],
    )


def _state(each: Mapping[str, Any]) -> str:
    """With how many requests are under way, where there are several."""
    under_way = each.get("under_way", 0)  # unknown to gateways of earlier versions
    return f"{each['state']}, {under_way} requests" if under_way > 1 else str(each["state"])


CLOSE: Final = Command(
    name="close",
    group=Group.CHANGE,
    help="end the connection of a client",
    description=(
        "A request in progress has `drain_timeout` to finish, and its response is the last one. WebSockets, server-sent"
        " events and L4 sessions are cut off at once. The client may connect again."
    ),
    examples=(Example("agw clients close 1-4711", "end this one"),),
    statuses=STATUSES,
    arguments=add_connection,
    run=run_close,
)

COMMAND: Final = Command(
    name="clients",
    help="show the clients that are connected: who, verdict, bytes; end a connection",
    examples=(
        Example("agw clients --config gw.ini", "the first hundred"),
        Example("agw clients --listener public --search device-7", "those of one listener with this text"),
        Example("agw clients close 1-4711", "end one connection"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
    actions=(CLOSE,),
)
