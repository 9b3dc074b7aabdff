"""The parser of `agw`, made from its commands: what `agw --help` shows, completions and the pages are made from it."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn, TypeAlias

from agwtwisted._version import VERSION
from agwtwisted.cli import (
    arm_control,
    backends,
    certificates,
    check,
    clients,
    completion,
    configuration,
    console,
    demo,
    deploy,
    diff,
    events,
    explain,
    export,
    extract_ca,
    importing,
    init,
    listeners,
    log,
    reference,
    refusals,
    reload,
    revocation,
    run,
    status,
)
from agwtwisted.cli.command import FAILED, Command, Group
from agwtwisted.cli.described import STATUSES
from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.texts import did_you_mean

COMMANDS: Final[tuple[Command, ...]] = (
    init.COMMAND,
    run.COMMAND,
    arm_control.COMMAND,
    check.COMMAND,
    importing.COMMAND,
    demo.COMMAND,
    status.COMMAND,
    listeners.COMMAND,
    backends.COMMAND,
    certificates.COMMAND,
    clients.COMMAND,
    revocation.COMMAND,
    refusals.COMMAND,
    configuration.COMMAND,
    events.COMMAND,
    log.COMMAND,
    console.COMMAND,
    reload.COMMAND,
    explain.COMMAND,
    extract_ca.COMMAND,
    diff.COMMAND,
    export.COMMAND,
    deploy.COMMAND,
    completion.COMMAND,
    reference.COMMAND,
)
"""In the order in which they are listed within their groups."""

_Subparsers: TypeAlias = "argparse._SubParsersAction[CommandParser]"


class CommandParser(argparse.ArgumentParser):
    """A parser whose errors say what was meant."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **keywords)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = None if action.choices is None else [str(each) for each in action.choices]
        if choices is not None and value not in choices:
            what = action.metavar if isinstance(action.metavar, str) else "value"
            near = did_you_mean(str(value), choices) or f"; there are {', '.join(choices)}"
            raise argparse.ArgumentError(None, f"no {what.lower()} {_shown(value)}{near}")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Where it cannot be written, that is an error, which argparse ignores."""
        (sys.stderr if file is None else file).write(message)

    def error(self, message: str) -> NoReturn:
        """Ends with the usage, the message, and where to read more."""
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: error: {printable(message)} (see {self.prog} --help)\n")


class _TopParser(CommandParser):
    """The parser of everything."""

    def format_help(self) -> str:
        """Commands by group, and what exit statuses say."""
        return "\n".join(_top_help(self.format_usage()))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command that the arguments name; ends the process where they name none.

    Beside the command's own they are `command`, and `parser`, that of all commands.
    """
    top, commands = _parsers()
    if not arguments:
        print(top.format_help(), end="", file=sys.stderr)
        sys.exit(FAILED)
    if arguments[0].startswith("-") and arguments[0] not in top._option_string_actions:
        top.error(f"options stand behind a command: agw COMMAND {_shown(arguments[0])[1:-1]}")
    options, unknown = top.parse_known_args(arguments)
    if unknown:
        named = [each for each in unknown if each.startswith("-")]
        used = _used(commands, options.command)
        used.error(_unknown_option(used, named[0]) if named else _too_many(used, unknown))
    options.parser = top
    return options


def _too_many(used: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """An error; a configuration that stands by itself gets a message of its own."""
    text = f"too many arguments: {' '.join(words)}"
    if words[0].endswith(".ini") and "--config" in used._option_string_actions:
        return f"{text}; a configuration is given by --config {words[0]}"
    return text


def parser() -> CommandParser:
    """The parser of everything."""
    return _parsers()[0]


def _parsers() -> tuple[CommandParser, dict[str, CommandParser]]:
    """The same, and the parsers of the commands by their names (`backends drain` is one)."""
    top = _TopParser(prog="agw", usage="agw [--help] [--version] COMMAND …")
    top.add_argument("--version", action="version", version=f"agwtwisted {VERSION}")
    found: dict[str, CommandParser] = {}
    _add_commands(
        top.add_subparsers(required=True, metavar="COMMAND", prog="agw", parser_class=CommandParser), COMMANDS, found
    )
    return top, found


def _add_commands(
    subparsers: _Subparsers, commands: Sequence[Command], found: dict[str, CommandParser], before: str = ""
) -> None:
    for command in commands:
        name = f"{before} {command.name}".lstrip()
        made = subparsers.add_parser(
            command.name,
            help=command.help,
            description="\n".join(_description(command)),
            epilog="\n".join(_epilog(command)),
        )
        command.arguments(made)
        if before:
            _keep_what_stands_before(found[before], made)
        made.set_defaults(command=command)
        found[name] = made
        if command.actions:
            actions = made.add_subparsers(
                metavar="ACTION", title="actions", prog=f"agw {name}", parser_class=CommandParser
            )
            _add_commands(actions, command.actions, found, name)


def _keep_what_stands_before(command: CommandParser, action: CommandParser) -> None:
    """An option of the command that stands before the action's name counts, unless it is said again behind it."""
    names = {each.dest for each in command._actions if each.option_strings}
    for each in action._actions:
        if each.dest in names:
            each.default = argparse.SUPPRESS


def _used(parsers: dict[str, CommandParser], command: Command) -> CommandParser:
    return next(each for each in parsers.values() if each.get_default("command") is command)


def _unknown_option(used: CommandParser, option: str) -> str:
    name = option.partition("=")[0]
    known = [each for action in used._actions for each in action.option_strings]
    return f"no option {_shown(name)}{did_you_mean(name, known)}"


def _description(command: Command) -> Iterator[str]:
    text = f"{command.help[:1].upper()}{command.help[1:]}. {command.description}".strip()
    yield from textwrap.wrap(text, 100)


def _epilog(command: Command) -> Iterator[str]:
    yield "examples:"
    for example in command.examples:
        yield f"  {example.line}"
        yield from textwrap.wrap(example.meaning, 94, initial_indent="      ", subsequent_indent="      ")
    yield ""
    yield "exit status:"
    says = command.statuses
    for number, meaning in enumerate((says.ok, says.no, says.failed)):
        if meaning:
            yield from textwrap.wrap(meaning, 94, initial_indent=f"  {number}  ", subsequent_indent="     ")


def _top_help(usage: str) -> Iterator[str]:
    yield usage
    yield "A TLS gateway with client certificate authentication."
    width = max(len(command.name) for command in COMMANDS)
    for group in Group:
        commands = [command for command in COMMANDS if command.group is group]
        if commands:
            yield f"\n{group.value}:"
            yield from (f"  {command.name:{width}}  {command.help}" for command in commands)
    yield "\noptions:"
    yield f"  {'--help':{width}}  show this; agw COMMAND --help shows a command's options, with examples"
    yield f"  {'--version':{width}}  show the version"
    yield "\nexit status:"
    yield from (f"  {number:<3}  {meaning}" for number, meaning in STATUSES.items())
    yield ""


def _shown(text: object) -> str:
    return repr(str(text)[:80])
