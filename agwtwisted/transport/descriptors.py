"""The file descriptors that the system gives this process."""

from __future__ import annotations

import resource
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from typing import Final

SHORTAGES: Final = frozenset((EMFILE, ENFILE, ENOBUFS, ENOMEM))
"""Errors of a socket that say nothing about the other end: this process, or its machine, has none left."""


def raise_limit() -> int:
    """Takes as many as the system allows (the hard limit), and returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return _known(soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # a hard limit beyond what the kernel has (fs.nr_open)
        return _known(soft)
    return _known(hard)


def _known(limit: int) -> int:
    return _UNLIMITED if limit == resource.RLIM_INFINITY else limit


_UNLIMITED = 1 << 31
