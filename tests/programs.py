"""System programs that tests run where they are found, and what to do where they are not."""

from __future__ import annotations

import os
import shutil
import unittest
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T", bound=Callable[..., object])

PROGRAMS = (
    "chromedriver",
    "chromium",
    "curl",
    "faketime",
    "gnutls-cli",
    "h2load",
    "haproxy",
    "javac",
    "mosquitto",
    "nghttp",
    "nginx",
    "openssl",
    "promtool",
    "redis-server",
    "tinyproxy",
    "varnishd",
)
"""What a complete run of the suite finds; `AGW_REQUIRE_PROGRAMS=1` makes it a condition."""

EXTRAS = (
    "bash",
    "git",
    "go",
    "groff",
    "h2spec",
    "mandoc",
    "node",
    "systemd-analyze",
    "systemd-socket-activate",
    "systemd-tmpfiles",
)
"""What a test uses besides, and a complete run may lack."""


def path_of(name: str) -> str | None:
    """Where the program is; the directories of administrators' programs are searched too."""
    search = os.environ.get("PATH", os.defpath)
    return shutil.which(name, path=f"{search}:/usr/local/sbin:/usr/sbin:/sbin")


def not_found(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the names that no program answers to."""
    return tuple(name for name in names if path_of(name) is None)


def needs(*names: str) -> Callable[[T], T]:
    """Skip a test, or a class of them, unless every program is found."""
    unknown = set(names) - {*PROGRAMS, *EXTRAS}
    assert not unknown, f"name them in PROGRAMS or EXTRAS, so that the run's summary can: {sorted(unknown)}"
    missing = not_found(names)
    return unittest.skipIf(bool(missing), f"{', '.join(missing)} not found")


def report() -> Iterator[str]:
    """The lines that end a run: what was not found, and so left out."""
    for name in not_found((*PROGRAMS, *EXTRAS)):
        yield f"{name} not found: the tests that run it were skipped"
