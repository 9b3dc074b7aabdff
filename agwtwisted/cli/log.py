"""`agw log`: the access log for people, filtered, and as it grows."""

from __future__ import annotations

import argparse
import json
import select
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Final, cast

from agwtwisted.cli import log_lines
from agwtwisted.cli.command import OK, Command, Example, Statuses
from agwtwisted.cli.log_files import FollowedLog, LastLines, LineReader, seek_last
from agwtwisted.cli.log_lines import LogFilter, broken_text, entry_text, read_line
from agwtwisted.cli.options import add_config, add_output, config_of
from agwtwisted.cli.output import Output, complain, output_of
from agwtwisted.cli.own_sections import own_sections
from agwtwisted.core.base.errors import AgwError, printable

PAUSE: Final = 0.5
"""Seconds between two looks at a file that is followed."""

BEFORE: Final = 10
"""Lines that are shown before those that come, unless another number is asked for."""

MOST: Final = 100_000
"""Lines that can be asked for as the last ones."""


class LogError(AgwError):
    """There is no log to show."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw log` takes."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="the log; - is standard input; default: access_log of the configuration"
    )
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what comes, across rotations")
    parser.add_argument(
        "--lines", "-n", type=number, metavar="N", help=f"only the last N; with --follow {BEFORE}, else all by default"
    )
    parser.add_argument("--status", metavar="STATUS", help="only these: 404, 4xx, 500-503, several with commas")
    parser.add_argument("--listener", metavar="NAME", help="only those of this listener")
    parser.add_argument("--client", metavar="ADDRESS", help="only those of this address, or network as 192.0.2.0/24")
    parser.add_argument("--refused", action="store_true", help="only clients refused for their certificate")
    parser.add_argument("--since", metavar="TIME", help="only those since then: 15m, 2h, 7d, 2026-06-01T12:00Z")
    add_config(parser)
    add_output(parser)


def number(text: str) -> int:
    """A number of lines; raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r} is no number up to {MOST}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Prints the entries that are wanted, until the end or Ctrl-C."""
    shown = _Shown(_filter(options, datetime.now(UTC)), output_of(options), as_json=options.json)
    if options.file == "-":
        reader = LineReader(cast(BufferedReader, sys.stdin.buffer).read1)
        _show_last(reader.lines(), options.lines, shown)
        shown.show_all(reader.rest())
        return OK
    file = _file(options)
    try:
        log = FollowedLog(file)
    except OSError as error:
        raise LogError(f"{printable(str(file))} cannot be read: {error.strerror}") from error
    try:
        _show_file(log, options, shown)
    finally:
        log.close()
    return OK


def _show_file(log: FollowedLog, options: argparse.Namespace, shown: _Shown) -> None:
    lines = BEFORE if options.follow and options.lines is None else options.lines
    if lines is not None and shown.takes_all and log.file.seekable():
        seek_last(log.file, lines)
    _show_last(log.new(), lines, shown)
    if options.follow:
        follow(log, shown.show_all, lambda: select.select([], [], [], PAUSE))
    else:
        shown.show_all(log.rest())


def follow(log: FollowedLog, show_all: Callable[[Iterable[bytes]], object], wait: Callable[[], object]) -> None:
    """Shows what comes; only Ctrl-C ends it, and what `wait` raises."""
    while True:
        show_all(log.new())
        wait()


def _show_last(lines: Iterable[bytes], number: int | None, shown: _Shown) -> None:
    if number is None:
        shown.show_all(lines)
        return
    last = LastLines(number)
    for line in lines:
        if shown.wants(line):
            last.add(line)
    shown.show_all(last)


class _Shown:
    """What is shown of lines, and how. A line that is broken is always shown: no filter can say what it is about."""

    def __init__(self, wanted: LogFilter, output: Output, *, as_json: bool) -> None:
        self.takes_all = wanted == LogFilter()
        self._wanted = wanted
        self._output = output
        self._as_json = as_json

    def wants(self, line: bytes) -> bool:
        """Whether this one is shown."""
        if self.takes_all:
            return True
        entry = read_line(line)
        return entry is None or self._wanted.takes(entry)

    def show_all(self, lines: Iterable[bytes]) -> None:
        """Prints those that are wanted."""
        for line in lines:
            self._show(line)
        self._output.flush()

    def _show(self, line: bytes) -> None:
        entry = read_line(line)
        if entry is not None and self._wanted.takes(entry):
            text = json.dumps(entry.members) if self._as_json else entry_text(entry, self._output)
            self._output.show(text, at_once=False)
        elif entry is None and line.strip():
            broken = broken_text(line, self._output)
            # A program that reads JSON could not go on behind it.
            complain(broken) if self._as_json else self._output.show(broken, at_once=False)


def _filter(options: argparse.Namespace, now: datetime) -> LogFilter:
    return LogFilter(
        statuses=() if options.status is None else log_lines.statuses(options.status),
        listener=options.listener,
        client=None if options.client is None else log_lines.network(options.client),
        refused=options.refused,
        since=None if options.since is None else log_lines.moment(options.since, now),
    )


def _file(options: argparse.Namespace) -> Path:
    """The log that is meant; raises LogError."""
    if options.file is not None:
        return Path(options.file)
    from agwtwisted.core.sections.control_keys import located_log

    config = config_of(options)
    try:
        data, file = own_sections(config)
    except OSError as error:
        raise LogError(
            f"{printable(config)} cannot be read: {error.strerror}; --config names another one, or name the log itself"
        ) from error
    found = located_log(data, file)
    if found is None:
        raise LogError(f"{printable(file)} has no access_log in [gateway]")
    if found == "-":
        raise LogError(
            f"{printable(file)}: access_log = - is standard output: read it by `agw run --config … | agw log -`"
        )
    return Path(found)


COMMAND: Final = Command(
    name="log",
    help="show the access log, filtered, and follow it",
    description=(
        "A line for each request, failed handshake and L4 session: time, client, verdict on its certificate, listener,"
        " method, host and URL, status, duration, server. Lines that are broken begin with `?`. --json prints the"
        " lines as they are, and broken ones on standard error."
    ),
    examples=(
        Example("agw log --config gw.ini --follow", "the last lines, and what comes"),
        Example("agw log --refused --since 1h", "clients that were refused for their certificate in the last hour"),
        Example("agw log /var/log/agwtwisted/access.log --status 5xx -n 20", "the last twenty errors of servers"),
        Example("agw run --config gw.ini | agw log -", "the log of a gateway that writes it to standard output"),
    ),
    statuses=Statuses(ok="shown", failed="wrong usage, or a log or configuration that cannot be read"),
    arguments=add_arguments,
    run=run,
)
