"""`agw completion`: has a shell complete commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

from agwtwisted.cli.command import Command, Example, Group, Statuses

SHELLS: Final = ("bash", "zsh", "fish", "tcsh")

FILES: Final = ("FILE", "PLACE", "CERTIFICATE")
"""What arguments are called whose value is the path of a file."""

DIRECTORIES: Final = ("DIR", "DIRECTORY")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw completion` takes."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def run(options: argparse.Namespace) -> int:
    """Prints the script."""
    print(script(options.parser, options.shell))
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What the shell reads to complete the commands of the parser."""
    import shtab

    for action in _actions(parser):
        if action.metavar in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell=shell)).rstrip("\n")


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from _actions(each)


COMMAND: Final = Command(
    name="completion",
    group=Group.FILES,
    help="print a script with which a shell completes commands, options and files",
    examples=(
        Example("agw completion bash > ~/.local/share/bash-completion/completions/agw", "for bash"),
        Example("agw completion zsh > ~/.zfunc/_agw", "for zsh, where ~/.zfunc is in fpath"),
        Example("agw completion fish > ~/.config/fish/completions/agw.fish", "for fish"),
    ),
    statuses=Statuses(ok="printed", failed="wrong usage"),
    arguments=add_arguments,
    run=run,
)
