"""`agw backends`: the servers of a running gateway with their health; and to drain one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from agwtwisted.cli.actions import STATUSES, act
from agwtwisted.cli.asking import path, show
from agwtwisted.cli.command import ASKED, Command, Example, Group
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import Cell, Value, endpoint, table

HEADS: Final = ("POOL", "SETTINGS", "SERVER", "HEALTH", "SINCE", "REQUESTS", "CONNECTIONS", "LAST PROBE")
POLICY_HEADS: Final = ("POLICY", "ALGORITHM", "SETTINGS", "POOL", "WEIGHT PER SERVER")

HEALTH: Final = {"Up": Style.GOOD, "Down": Style.BAD, "Draining": Style.WARNING, "Partial": Style.WARNING}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw backends` takes."""
    add_control(parser)
    add_output(parser)


def add_server(parser: argparse.ArgumentParser) -> None:
    """What `agw backends drain` takes."""
    parser.add_argument("pool", metavar="POOL", help="the name of the backend_address_pool")
    parser.add_argument("settings", metavar="SETTINGS", help="the name of the backend settings")
    parser.add_argument("server", metavar="HOST:PORT", help="the server, as `agw backends` shows it")
    add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for the servers, and prints them."""
    return show(options, "/backends", backends_text)


def run_action(action: str, options: argparse.Namespace) -> int:
    """Asks for an action on one server."""
    target = path("backends", options.pool, options.settings, options.server, action)
    return act(options, f"{options.pool} {options.settings} {options.server}", target)


def backends_text(members: Mapping[str, Any], output: Output) -> str:
    """A row for each server of each pool and settings, then one for each target of each policy."""
    servers = table(HEADS, _rows(members), output)
    targets = list(_targets(members))
    return f"{servers}\n{table(POLICY_HEADS, targets, output)}" if targets else servers


def _targets(members: Mapping[str, Any]) -> Iterator[tuple[Value, ...]]:
    for policy in members["load_distribution_policies"]:
        for target in policy["targets"]:
            algorithm, settings = policy["load_distribution_algorithm"], ", ".join(policy["backend_http_settings"])
            yield policy["name"], algorithm, settings, target["backend_address_pool"], target["weight_per_server"]


def _rows(members: Mapping[str, Any]) -> Iterator[tuple[Value, ...]]:
    for pool in members["backend_pools"]:
        for settings in pool["backend_settings"]:
            for server in settings["servers"]:
                yield pool["name"], settings["name"], *_row(server)


def _row(server: Mapping[str, Any]) -> tuple[Value, ...]:
    health = str(server["health"])
    connections = f"{server['connections']}, {server['idle_connections']} idle"
    shown = Cell(health, HEALTH.get(health, Style.PLAIN)), server["since"], server["requests"], connections
    return endpoint(server), *shown, server["health_probe_log"]


def _action(name: str, text: str, example: str) -> Command:
    return Command(
        name=name,
        group=Group.CHANGE,
        help=text,
        examples=(Example(f"agw backends {name} app plain 10.0.0.4:8080", example),),
        statuses=STATUSES,
        arguments=add_server,
        run=partial(run_action, name),
    )


COMMAND: Final = Command(
    name="backends",
    help="show the servers behind the gateway with their health; drain one",
    description="Health and the log of the last probe have the words of `show-backend-health`.",
    examples=(
        Example("agw backends --config gw.ini", "a row for each server"),
        Example("agw backends drain app plain 10.0.0.4:8080", "no new requests for this server"),
        Example("agw backends undrain app plain 10.0.0.4:8080", "and then again"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
    actions=(
        _action("drain", "drain a server: no new requests; those in progress go on", "before it is shut down"),
        _action("undrain", "give a server that was drained new requests again", "once it is back"),
    ),
)
