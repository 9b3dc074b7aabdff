"""agw(1): the commands as a page of the manual, in the macros of man(7), made from the parser."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from agwtwisted._version import VERSION
from agwtwisted.cli.described import STATUSES, Argument, DescribedCommand, described_commands

_NAMES: Final = str.maketrans({"\\": "\\e", "-": "\\-", "…": "...", "'": "\\(aq", '"': "\\(dq"})


def man_page(parser: argparse.ArgumentParser) -> str:
    """The page."""
    return "\n".join(_lines(parser)) + "\n"


def _lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield '.\\" Made by `make reference` from the code: do not edit.'
    year, month, *_ = VERSION.split(".")
    yield f'.TH AGW 1 20{year}-{month}-01 "agwtwisted {VERSION}" "User Commands"'
    yield ".SH NAME"
    yield "agw \\- a TLS gateway with client certificate authentication"
    yield ".SH SYNOPSIS"
    yield ".B agw"
    yield ".I COMMAND"
    yield "\\&..."
    yield ".SH DESCRIPTION"
    yield from _wrapped(
        "agw runs a gateway, asks and changes one that runs, and helps with its files. Commands that ask a running"
        " gateway find its control socket by --config, the file that the gateway was started with, or by --control."
        " Tables fit the terminal; in a pipe lines are whole and without color."
    )
    yield ".SH COMMANDS"
    for each in described_commands(parser):
        yield from _command(each)
    yield ".SH EXIT STATUS"
    yield from _pairs((str(number), meaning) for number, meaning in STATUSES.items())
    yield ".SH ENVIRONMENT"
    yield from _pairs([("NO_COLOR", "where it is set and not empty, there is no color on terminals either")])
    yield ".SH SEE ALSO"
    yield ".BR twistd (1)"


def _command(each: DescribedCommand) -> Iterator[str]:
    text = each.command.help
    yield f'.SS "agw {_escaped(each.name)}"'
    yield from _wrapped(f"{text[:1].upper()}{text[1:]}. {each.command.description}".strip())
    yield ".PP"
    yield f".B {_escaped(each.usage)}"
    yield from _pairs((argument.form, argument.meaning) for argument in _arguments(each))
    says = each.command.statuses
    statuses = [f"{number}: {meaning}" for number, meaning in enumerate((says.ok, says.no, says.failed)) if meaning]
    yield from _pairs([("Exit status", "; ".join(statuses))])
    for example in each.command.examples:
        yield ".PP"
        yield from _wrapped(f"{example.meaning}:")
        yield from (".PP", ".RS 4", ".nf", _escaped(example.line), ".fi", ".RE")


def _arguments(each: DescribedCommand) -> tuple[Argument, ...]:
    return (*each.arguments, *(option for option in each.options if not option.form.startswith("-h")))


def _pairs(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, meaning in rows:
        yield from (".TP", f".B {_escaped(name)}", *_wrapped(meaning))


def _wrapped(text: str) -> Iterator[str]:
    """Text in lines of at most 80 characters, as far as words and their escapes allow."""
    return map(_escaped, textwrap.wrap(text, 72, break_long_words=False, break_on_hyphens=False))


def _escaped(text: str) -> str:
    """Text in which groff(7) finds no request, escape or hyphen; what is not ASCII is named."""
    plain = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("'", "\\(aq").replace('"', "\\(dq")
    )
    return f"\\&{plain}" if plain.startswith(".") else plain
