"""``agw deploy``: files for the programs that run a gateway, as the installation has them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.core.base.errors import AgwError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

KINDS: Final = ("man", "prometheus", "systemd")
"""The directories of files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw deploy` takes."""
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=f"which files: {', '.join(KINDS)}")
    parser.add_argument("name", nargs="?", metavar="NAME", help="one file of them; default: all")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write them into this directory, and print their paths")
    parser.add_argument("--force", action="store_true", help="replace files that exist")


def run(options: argparse.Namespace) -> int:
    """Prints or writes the files."""
    print(deploy(options.kind, options.name, options.out, force=options.force))
    return 0


def deploy(kind: str, name: str | None, out: Path | None, *, force: bool = False) -> str:
    """Prints the files of one kind, or writes them.

    Args:
        kind: one of `KINDS`.
        name: of the one file that is meant; None: all.
        out: the directory to write them into, made if it is missing; None: they are returned.
        force: whether files that are there are replaced.

    Returns:
        The text to print: one file as it is, several below their names, or the paths of those that were written.

    Raises:
        AgwError: there is no file of that name, or a file cannot be written.
    """
    found = _files(kind)
    if name is not None:
        if name not in found:
            raise AgwError(f"no file {name!r} here; there are {', '.join(found)}")
        found = {name: found[name]}
    if out is not None:
        return "\n".join(_written(found, out, force=force))
    if len(found) == 1:
        return next(iter(found.values())).rstrip("\n")
    return "\n\n".join(f"### {each}\n{text.rstrip()}" for each, text in found.items())


def _files(kind: str) -> dict[str, str]:
    from importlib.resources import files

    directory: Traversable = files("agwtwisted") / "deploy" / kind
    return {each.name: each.read_text("utf-8") for each in sorted(directory.iterdir(), key=lambda each: each.name)}


def _written(found: dict[str, str], out: Path, *, force: bool) -> list[str]:
    """Writes all of them, or none: the paths."""
    paths = {name: out / name for name in found}
    there = [str(path) for path in paths.values() if path.exists()]
    if there and not force:
        raise AgwError(f"{', '.join(there)}: exists already; --force replaces it")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, path in paths.items():
            path.write_text(found[name], "utf-8")
    except OSError as error:
        raise AgwError(f"{error.filename} cannot be written: {error.strerror}") from error
    return [str(path) for path in paths.values()]


COMMAND: Final = Command(
    name="deploy",
    group=Group.FILES,
    help="print files for systemd, for Prometheus and Grafana, and the page of the manual",
    examples=(
        Example("agw deploy systemd agwgateway.service", "print the unit"),
        Example("agw deploy systemd --out /etc/systemd/system", "write all of them"),
        Example("agw deploy prometheus --out /etc/prometheus", "a scrape configuration, alerts, a dashboard"),
        Example("agw deploy man --out ~/.local/share/man/man1", "have `man agw` show the commands"),
    ),
    statuses=Statuses(ok="printed or written", failed="wrong usage, no such file, or a file that cannot be written"),
    arguments=add_arguments,
    run=run,
)
