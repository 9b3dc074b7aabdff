"""What a command of `agw` is: its name, its words for people, its arguments, and what it does.

A module of this room has one command as `COMMAND`. All of them are imported to make the parser, so such a module
imports nothing that takes time (Twisted, cryptography, OpenSSL) but inside the function that runs it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from enum import Enum
from typing import Final

import attrs

OK: Final = 0
NO: Final = 1
FAILED: Final = 2

FAILURE: Final = "wrong usage, a file that cannot be read or written, or no gateway was reached"
"""What the exit status 2 says unless a command says more."""


class Group(Enum):
    """Under which heading `agw --help` lists a command."""

    RUN = "run a gateway"
    ASK = "ask a running gateway"
    CHANGE = "change a running gateway"
    CERTIFICATES = "client certificates"
    FILES = "files and pages"


@attrs.frozen
class Example:
    """One command line, and what it is for."""

    line: str
    meaning: str


@attrs.frozen(kw_only=True)
class Statuses:
    """What the exit statuses 0, 1 and 2 of a command say; empty: it never ends with that one."""

    ok: str
    no: str = ""
    failed: str = FAILURE


ASKED: Final = Statuses(ok="it answered", no="it refused to answer", failed="no gateway was reached, or wrong usage")
"""Those of a question to a running gateway."""


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that has none."""


@attrs.frozen(kw_only=True)
class Command:
    """One command, or an action of one (`agw backends drain`)."""

    name: str
    help: str  # one line without a full stop
    examples: tuple[Example, ...]
    statuses: Statuses
    run: Callable[[argparse.Namespace], int]  # returns the exit status; an AgwError ends with `failure`
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments
    group: Group = Group.ASK
    description: str = ""  # further sentences, behind the one of `help`
    failure: int = FAILED
    actions: tuple[Command, ...] = ()
