"""The commands as the parser has them, for pages: usage, arguments and options of each."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from agwtwisted.cli.command import Command

STATUSES: Final = {
    0: "done as asked for; the answer to a question is yes, or there is one",
    1: "the answer is no: not valid, refused, rejected, incomplete, not started",
    2: "there is no answer: wrong usage, a file that cannot be read or written, or no gateway was reached",
    130: "ended by Ctrl-C, as a shell shows it; 143 by SIGTERM",
    141: "the program that reads standard output has ended before",
}
"""What the exit status says, of any command."""


@attrs.frozen
class Argument:
    """An argument or option: how it is written, and what it means."""

    form: str
    meaning: str


@attrs.frozen(kw_only=True)
class DescribedCommand:
    """A command, or an action of one."""

    name: str  # `backends drain`
    command: Command
    usage: str
    arguments: tuple[Argument, ...]
    options: tuple[Argument, ...]


def described_commands(parser: argparse.ArgumentParser, before: str = "") -> Iterator[DescribedCommand]:
    """All of them, the actions of a command behind it."""
    for name, made in _subparsers(parser).items():
        words = f"{before} {name}".lstrip()
        yield _described(words, made)
        yield from described_commands(made, words)


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def _described(name: str, parser: argparse.ArgumentParser) -> DescribedCommand:
    shown = [each for each in parser._actions if not isinstance(each, argparse._SubParsersAction)]
    positional = [each for each in shown if not each.option_strings]
    options = [each for each in shown if each.option_strings]
    required = [_option_form(each.option_strings[-1:], each) for each in options if each.required]
    usage = ["agw", name, *required, "[OPTION]…", *(_counted(each) for each in positional)]
    return DescribedCommand(
        name=name,
        command=parser.get_default("command"),
        usage=" ".join(usage),
        arguments=tuple(Argument(_metavar(each), each.help or "") for each in positional),
        options=tuple(Argument(_option_form(each.option_strings, each), each.help or "") for each in options),
    )


def _option_form(names: Sequence[str], action: argparse.Action) -> str:
    value = f" {_metavar(action)}" if action.nargs != 0 else ""
    return ", ".join(sorted(names, key=len)) + value


def _metavar(action: argparse.Action) -> str:
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


def _counted(action: argparse.Action) -> str:
    forms = {"?": "[{}]", "+": "{}…", "*": "[{}…]"}
    return forms.get(str(action.nargs), "{}").format(_metavar(action))
