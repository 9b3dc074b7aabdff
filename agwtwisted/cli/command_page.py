"""docs/reference/agw.md: the commands, made from the parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Final

from agwtwisted.cli.command import Group
from agwtwisted.cli.described import STATUSES, Argument, DescribedCommand, described_commands

NOTICE: Final = "<!-- Made by `make reference` from the code: do not edit. -->"


def command_page(parser: argparse.ArgumentParser) -> str:
    """The page as Markdown."""
    commands = tuple(described_commands(parser))
    return "\n\n".join([*_introduction(commands), *_statuses(commands), *map(_section, commands)]) + "\n"


def _introduction(commands: tuple[DescribedCommand, ...]) -> Iterator[str]:
    yield "# The command agw"
    yield NOTICE
    yield (
        "`agw` runs a gateway, asks and changes one that runs, and helps with its files. `python -m agwtwisted` is the"
        " same; `man agw` is this page (`agw deploy man` prints it), `agw COMMAND --help` one command of it, and `agw"
        " completion SHELL` has a shell complete names. `twistd agwgateway` runs the same gateway as `agw run`, as a"
        " daemon, too ([operation](../operate.md))."
    )
    for group in Group:
        rows = [
            (f"[agw {each.name}](#agw-{each.name.replace(' ', '-')})", each.command.help)
            for each in commands
            if each.command.group is group
        ]
        if rows:
            yield f"**{group.value[:1].upper()}{group.value[1:]}**"
            yield _table(("command", "it"), [(link, _cell(text)) for link, text in rows])
    yield (
        "Commands that ask a running gateway find its control socket by `--config`, the file that the gateway was"
        " started with (it may have errors), or by `--control`. Tables fit the terminal; in a pipe lines are whole and"
        " without color. `--json` prints what the gateway answered: its members are stable"
        " ([control API](control-api.md)). All that comes from outside is escaped."
    )


def _statuses(commands: tuple[DescribedCommand, ...]) -> Iterator[str]:
    yield "## Exit status"
    yield _table(("status", "says"), [(str(number), meaning) for number, meaning in STATUSES.items()])
    rows = [
        (f"`agw {each.name}`", *(_cell(text) for text in (says.ok, says.no, says.failed)))
        for each in commands
        for says in (each.command.statuses,)
    ]
    yield _table(("command", "0", "1", "2"), rows)


def _section(each: DescribedCommand) -> str:
    return "\n\n".join(_parts(each))


def _parts(each: DescribedCommand) -> Iterator[str]:
    text = each.command.help
    yield f"## agw {each.name}"
    yield _escaped(f"{text[:1].upper()}{text[1:]}. {each.command.description}".strip())
    yield f"    {each.usage}"
    rows = [*each.arguments, *each.options]
    yield _table(("argument", "meaning"), [_row(row) for row in rows])
    width = max(len(example.line) for example in each.command.examples)
    lines = [f"{example.line:{width}}  # {example.meaning}" for example in each.command.examples]
    yield "\n".join(["```sh", *lines, "```"])


def _row(argument: Argument) -> tuple[str, str]:
    return f"`{argument.form}`", _cell(argument.meaning)


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Text as Markdown: what it would take for an element of HTML stays text."""
    return text.replace("<", "&lt;")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [" | ".join(heads), " | ".join("---" for _ in heads), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)
