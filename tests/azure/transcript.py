"""What was entered and what came, as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

HEAD = """\
# azure-cli against the control plane

This page is made by `make azure`, which runs every command below with azure-cli {version} against `agw control`, checks
each outcome, and stops at the first that is not as expected. What is set up before, and what differs from the product:
[control-plane.md](control-plane.md).

Ports are written as in the product's examples; `@secret` is the file with the secret of the control plane.
"""

WIDEST = 100
"""Characters of a line of a command."""

LONGEST = 40
"""Lines of output that are shown of one command."""


@attrs.frozen(kw_only=True)
class Entered:
    """One command and its outcome."""

    says: str  # a sentence before it; empty: none
    command: str
    output: str


def page(version: str, parts: Iterable[tuple[str, Iterable[Entered]]], spelled: Mapping[str, str]) -> str:
    """The page; `spelled` are texts of this run with what stands for them."""
    text = HEAD.format(version=version) + "".join(_part(title, entered) for title, entered in parts)
    for found, written in spelled.items():
        text = text.replace(found, written)
    return text


def tidy(output: str) -> str:
    """JSON without what is long and says nothing to people; other output as it is."""
    try:
        value = json.loads(output)
    except ValueError:
        return output.rstrip()
    return json.dumps(_shortened(value), indent=2, ensure_ascii=False)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return f"{value[:60]}…" if isinstance(value, str) and len(value) > 200 else value


def _part(title: str, entered: Iterable[Entered]) -> str:
    return f"\n## {title}\n" + "".join(map(_entered, entered))


def _entered(entered: Entered) -> str:
    says = f"\n{entered.says}\n" if entered.says else ""
    lines = tidy(entered.output).splitlines()
    shown = [*lines[:LONGEST], "…"] if len(lines) > LONGEST else lines
    return f"{says}\n```console\n" + "\n".join([f"$ {_wrapped(entered.command)}", *shown]) + "\n```\n"


def _wrapped(command: str) -> str:
    """A command on as many lines as it needs, each but the first begun by an option."""
    lines = [""]
    for part in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(part) > WIDEST:
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    return " \\\n".join(lines)
