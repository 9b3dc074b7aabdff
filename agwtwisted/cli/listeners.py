"""`agw listeners`: the listeners of a running gateway, and what each asks of its clients."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from agwtwisted.cli.asking import show
from agwtwisted.cli.command import ASKED, Command, Example
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output
from agwtwisted.cli.tables import Value, endpoint, listed, table

HEADS: Final = ("LISTENER", "ADDRESS", "PROTOCOL", "HOST NAMES", "SSL PROFILE", "CLIENTS", "CONNECTIONS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw listeners` takes."""
    add_control(parser)
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the listeners, and prints them."""
    return show(options, "/listeners", listeners_text)


def listeners_text(members: Mapping[str, Any], output: Output) -> str:
    """A row for each."""
    return table(HEADS, [_row(each) for each in members["listeners"]], output)


def _row(each: Mapping[str, Any]) -> tuple[Value, ...]:
    names = listed(each["host_names"]) or "any host"
    profile = each["ssl_profile"]
    protocol = listed([each["protocol"], *(["h2"] if each.get("http2") else [])])
    return each["name"], endpoint(each), protocol, names, profile, _clients(each), each["connections"]


def _clients(each: Mapping[str, Any]) -> str | None:
    """How clients are authenticated."""
    mode = each["verify_client_auth_mode"]
    if mode is None:
        return None
    details = [each["refusal"]] if mode == "Strict" and each.get("refusal") else []
    if each.get("verify_client_revocation") not in (None, "None"):
        details.append(each["verify_client_revocation"])
    return listed([mode, *details])


COMMAND: Final = Command(
    name="listeners",
    help="show the listeners: addresses, SSL profiles, how clients are authenticated, connections",
    examples=(
        Example("agw listeners --config gw.ini", "a row for each"),
        Example("agw listeners --json", "all of it, for programs"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
)
