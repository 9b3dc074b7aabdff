"""What is wrong with a command line of ``twistd agwgateway``, in one line with the one that was meant."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.texts import did_you_mean

OPTIONS: Final = ("--config", "--overlay", "--check", "--version", "--help")
"""Those of the gateway itself."""

COMMANDS: Final = ("run", "check", "reload", "status", "explain", "demo", "init", "log")
"""Of `agw`, which are written behind agwgateway by mistake."""


def command_line_hint(words: Sequence[str], twistds: Collection[str]) -> str:
    """One line about what stands behind ``agwgateway``.

    Args:
        words: what stands there, and cannot be understood.
        twistds: the options of twistd, with their dashes.
    """
    config = _config(words)
    file = printable(config or "conf/gw.ini")
    for word in _unknown(words):
        shown = printable(word)
        if word.partition("=")[0] in twistds:
            return f"{shown} is an option of twistd, and stands before agwgateway: {_run(file, shown)}"
        if word.startswith("-"):
            near = did_you_mean(word.partition("=")[0], OPTIONS) or f"; there are {', '.join(OPTIONS)}"
            return f"there is no option {shown}{near}"
        if word in COMMANDS:
            return f"{shown} is a command of agw: agw {shown} --config {file}"
        return f"a configuration file is named by --config: {_run(shown)}, or agw run --config {shown}"
    return "--config needs the name of a file behind it"


def _unknown(words: Sequence[str]) -> Sequence[str]:
    """The words that are no option of the gateway, and no value of one."""
    found, values = [], iter(words)
    for word in values:
        if word in ("-c", "--config", "--overlay"):
            next(values, None)
        elif word not in OPTIONS and not word.startswith(("--config=", "--overlay=", "-c")):
            found.append(word)
    return found


def _config(words: Sequence[str]) -> str:
    """The file that is named, if any is."""
    for word, value in zip(words, [*words[1:], ""], strict=True):
        if word in ("-c", "--config"):
            return value
        if word.startswith("--config="):
            return word.partition("=")[2]
    return ""


def _run(file: str, option: str = "-n") -> str:
    return f"twistd {option} agwgateway --config {file}"
